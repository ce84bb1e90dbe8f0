"""New arms for messages that have none, and arms that are paused, in a catalogue made for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.views.arms import arm_href
from decisioning import runtime
from offers import roles
from offers.models import ChangeRequest
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

NEW, PAUSED, ONLY = "offer-0/c9", "offer-1/c0", "offer-2/c0"


@pytest.fixture
def marketer() -> Client:
    """Signed in to a bank with a message that no arm shows, a paused arm, and an offer with one arm only."""
    content = catalogue.content()
    content["creative"][NEW] = {**content["creative"]["offer-0/c0"], "title": "Ninth"}
    content["arm"][PAUSED]["paused"] = True
    del content["arm"]["offer-2/c1"]
    bank.publish(content)
    runtime.forget()
    client = Client()
    client.force_login(bank.person("maker", roles.MARKETING_AUTHOR))
    return client


def proposed(answer: Any) -> ChangeRequest:
    assert answer.status_code == 302, answer.content.decode()
    return ChangeRequest.objects.get(pk=answer.url.strip("/").split("/")[-1])


def test_only_messages_without_an_arm_can_become_one(marketer: Client) -> None:
    form = marketer.get(reverse("arm_new")).context["form"]
    assert {key for key, _ in form.fields["creative"].choices if key} == {NEW, "offer-2/c1"}
    form = marketer.get(reverse("arm_new"), {"offer": "offer-0"}).context["form"]
    assert [key for key, _ in form.fields["creative"].choices if key] == [NEW]
    assert form["creative"].value() == NEW


def test_a_new_arm_is_proposed_with_its_prior(marketer: Client) -> None:
    answer = marketer.post(
        reverse("arm_new"),
        {"creative": NEW, "prior_mean": "4.5", "prior_strength": "60", "change_title": "Ninth wording competes"},
    )
    change = proposed(answer)
    assert (change.kind, change.key, change.status) == ("arm", NEW, "submitted")
    assert change.items[0]["content"] == {
        "title": "Ninth", "offer": "offer-0", "creative": NEW, "prior_mean": 0.045, "prior_strength": 60.0
    }  # fmt: skip


def test_a_message_that_is_an_arm_already_is_refused(marketer: Client) -> None:
    fields = {"creative": "offer-0/c0", "prior_mean": "4", "prior_strength": "60", "change_title": "Again"}
    page = marketer.post(reverse("arm_new"), fields)
    assert "not one of the available choices" in page.content.decode()


def test_a_paused_arm_is_shown_as_such_and_can_be_resumed(marketer: Client) -> None:
    page = marketer.get(reverse("arms"), {"state": "paused"})
    assert [row["key"] for row in page.context["arms"]] == [PAUSED]
    assert "Resume" in marketer.get(arm_href("arm", PAUSED)).content.decode()
    parts = PAUSED.split("/")
    assert marketer.get(reverse("arm_act", args=[*parts, "pause"])).status_code == 404
    change = proposed(marketer.post(reverse("arm_act", args=[*parts, "resume"]), {"change_title": "Back"}))
    assert change.items[0]["content"]["paused"] is False


def test_pausing_an_offers_only_arm_says_what_that_means(marketer: Client) -> None:
    said = "is shown to nobody"
    assert said in marketer.get(reverse("arm_act", args=[*ONLY.split("/"), "pause"])).content.decode()
    assert said not in marketer.get(reverse("arm_act", args=["offer-0", "c0", "pause"])).content.decode()


def test_a_fallback_is_shown_as_such_and_gets_no_share(marketer: Client) -> None:
    key = "all-cards/c0"
    assert [row["key"] for row in marketer.get(reverse("arms"), {"state": "fallback"}).context["arms"]] == [key]
    form = marketer.get(arm_href("arm_change", key)).context["form"]
    fields = {field.name: field.value() for field in form if field.value() not in (None, [])}
    page = marketer.post(arm_href("arm_change", key), {**fields, "min_share": "10"})
    assert "placement&#x27;s fallback" in page.content.decode()


def test_retiring_a_placements_fallback_is_refused_with_the_placement(marketer: Client) -> None:
    page = marketer.post(reverse("arm_act", args=["all-cards", "c0", "retire"]), {"change_title": "Away"})
    assert "there is no arm all-cards/c0" in page.content.decode()


def test_a_retired_arm_keeps_its_page(marketer: Client) -> None:
    content = catalogue.content()
    bank.publish(content)
    del content["arm"]["offer-0/c1"]
    bank.publish(content)
    runtime.forget()
    listed = marketer.get(reverse("arms"), {"state": "retired"})
    assert [row["key"] for row in listed.context["retired"]] == ["offer-0/c1"]
    page = marketer.get(arm_href("arm", "offer-0/c1")).content.decode()
    assert "It competes no more" in page
    assert "Change share" not in page
