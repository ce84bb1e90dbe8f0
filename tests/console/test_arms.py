"""The arms' pages: what they say of each arm, and that everything they change is a proposal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from console.views.arms import arm_href
from decisioning import arm_activity, runtime
from offers import roles
from offers.models import Arm, ChangeRequest
from tests import living_bank
from tests.living_bank import LivingBank

if TYPE_CHECKING:
    from tests.conftest import TestDatabase

MOST_QUERIES = 12


@pytest.fixture(scope="module")
def bank(test_database: TestDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[LivingBank]:
    """One bank for all tests of this module; proposals of one test are in nobody else's way."""
    with django_db_blocker.unblock():
        with Redis.from_url(settings.REDIS_URL) as client:
            client.flushdb()
        arm_activity.forget()
        yield living_bank.make()
        runtime.forget()
        arm_activity.forget()
        test_database.recreate()


def signed_in(bank: LivingBank, role: str = roles.MARKETING_AUTHOR) -> Client:
    client = Client()
    client.force_login(bank.people[role])
    return client


def text(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def arm(bank: LivingBank) -> str:
    """Any arm of the live catalogue."""
    return str(Arm.objects.filter(live=True).order_by("key").values_list("key", flat=True)[0])


def posted(bank: LivingBank, name: str, key: str, **fields: Any) -> Any:
    page = signed_in(bank).get(arm_href(name, key))
    initial = {field.name: field.value() for field in page.context["form"]}
    given = {name: value for name, value in {**initial, **fields}.items() if value is not None}
    return signed_in(bank).post(arm_href(name, key), given)


def test_the_leaderboard_lists_every_live_arm_with_its_state(bank: LivingBank) -> None:
    page = text(signed_in(bank).get(reverse("arms")))
    for found in Arm.objects.filter(live=True):
        assert arm_href("arm", found.key) in page


@pytest.mark.parametrize("name", ["arms", "arm_new"])
def test_a_page_of_arms_takes_few_queries(bank: LivingBank, name: str) -> None:
    client = signed_in(bank)
    with CaptureQueriesContext(connection) as made:
        assert client.get(reverse(name)).status_code == 200
    assert len(made) <= MOST_QUERIES + 1


def test_filters_narrow_the_leaderboard(bank: LivingBank) -> None:
    key = arm(bank)
    client = signed_in(bank)
    assert arm_href("arm", key) in text(client.get(reverse("arms"), {"q": key}))
    assert "No arm matches" in text(client.get(reverse("arms"), {"q": "no such arm"}))
    assert "No arm matches" in text(client.get(reverse("arms"), {"state": "paused"}))
    assert "No arm matches" in text(client.get(reverse("arms"), {"mandated": "1"}))
    offer = key.split("/")[0]
    shown = signed_in(bank).get(reverse("arms"), {"offer": offer}).context["arms"]
    assert shown
    assert all(row["key"].startswith(f"{offer}/") for row in shown)


def test_pages_of_the_leaderboard_hold_every_arm_once(bank: LivingBank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.catalogue.arm_list.SIZE", 3)
    client, seen, address = signed_in(bank), [], reverse("arms")
    while address:
        page = client.get(address)
        seen.append([row["key"] for row in page.context["arms"]])
        key = page.context["page"].next_key
        address = f"{reverse('arms')}?after={key}" if key else ""
    keys = [key for page in seen for key in page]
    assert sorted(keys) == sorted(Arm.objects.filter(live=True).values_list("key", flat=True))
    back = client.get(f"{reverse('arms')}?before={seen[2][0]}")
    assert [row["key"] for row in back.context["arms"]] == seen[1]


def test_one_arm_says_what_it_earns_by_context_and_how_it_fares(bank: LivingBank) -> None:
    page = signed_in(bank, roles.AUDITOR).get(arm_href("arm", arm(bank)))
    said = text(page)
    assert "the average customer" in said.lower()
    assert "Merit alone decides." in said
    assert page.context["segments"][0]["label"] == "the average customer"
    assert page.context["segments"][0]["low"] <= page.context["average"] <= page.context["segments"][0]["high"]
    assert "Change share" not in said  # an auditor proposes nothing


def test_the_draws_come_as_a_fragment_and_as_a_page(bank: LivingBank) -> None:
    address = arm_href("arm_draws", arm(bank))
    fragment = signed_in(bank).get(address, headers={"HX-Request": "true"})
    assert "<html" not in text(fragment)
    assert text(fragment).strip() in text(signed_in(bank).get(address))


def test_an_arm_that_nobody_knows_is_not_found(bank: LivingBank) -> None:
    for name in ("arm", "arm_draws", "arm_change"):
        assert signed_in(bank).get(arm_href(name, "no/arm")).status_code == 404


def test_a_change_of_share_is_a_proposal_and_leaves_the_rest_of_the_arm(bank: LivingBank) -> None:
    key = arm(bank)
    before = Arm.objects.get(key=key).content
    answer = posted(
        bank, "arm_change", key, min_share="5", max_share="30", learning_budget="200",
        never_explore=["payment_hardship"], rationale="Too little traffic to learn from.",
    )  # fmt: skip
    change = ChangeRequest.objects.get(pk=answer.url.strip("/").split("/")[-1])
    assert (change.kind, change.key, change.status) == ("arm", key, "submitted")
    assert change.items[0]["content"] == {
        **before,
        "mandate": {
            "min_share": 0.05, "max_share": 0.3, "learning_budget": 200, "never_explore": ["payment_hardship"]
        },
    }  # fmt: skip
    assert Arm.objects.get(key=key).content == before
    assert "change in review" in text(signed_in(bank).get(reverse("arms")))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "This is what is live already."),
        ({"min_share": "40", "max_share": "30"}, "The minimum is above the maximum."),
        ({"max_share": "0"}, "An arm that may never come first is paused instead."),
        ({"max_share": "130"}, "less than or equal to 100"),
        ({"min_share": "10", "ends_at": "2020-01-01"}, "This is not in the future."),
        ({"never_explore": ["vulnerability"]}, "not one of the available choices"),
    ],
)
def test_what_may_not_be_asked_is_said_on_the_form(bank: LivingBank, fields: dict[str, Any], said: str) -> None:
    count = ChangeRequest.objects.count()
    assert said in text(posted(bank, "arm_change", arm(bank), **fields))
    assert ChangeRequest.objects.count() == count


@pytest.mark.parametrize("action", ["pause", "retire"])
def test_pausing_and_retiring_are_proposals(bank: LivingBank, action: str) -> None:
    key = arm(bank)
    address = reverse("arm_act", args=[*key.split("/"), action])
    page = signed_in(bank).get(address)
    fields = {field.name: field.value() or "" for field in page.context["form"]}
    answer: Any = signed_in(bank).post(address, fields)
    change = ChangeRequest.objects.get(pk=answer.url.strip("/").split("/")[-1])
    content = change.items[0]["content"]
    assert content is None if action == "retire" else content["paused"] is True
    assert Arm.objects.get(key=key).live


def test_an_arm_that_competes_is_not_resumed(bank: LivingBank) -> None:
    assert signed_in(bank).get(reverse("arm_act", args=[*arm(bank).split("/"), "resume"])).status_code == 404


@pytest.mark.parametrize("role", [roles.AUDITOR, roles.RISK_APPROVER, roles.COMPLIANCE])
@pytest.mark.parametrize("name", ["arm_change", "arm_act", "arm_new"])
def test_only_marketing_proposes_arms(bank: LivingBank, name: str, role: str) -> None:
    arguments = {"arm_change": arm(bank).split("/"), "arm_act": [*arm(bank).split("/"), "pause"], "arm_new": []}[name]
    assert signed_in(bank, role).get(reverse(name, args=arguments)).status_code == 403


def test_shares_by_day_are_what_was_decided(bank: LivingBank) -> None:
    today = arm_activity.by_day(timezone.now())[-1]
    assert sum(today.arms.values()) > 0
    assert sum(today.share_of(key) or 0 for key in today.arms) == pytest.approx(1.0)


def test_the_draws_of_honest_decisions_match_what_was_logged(bank: LivingBank) -> None:
    draws = arm_activity.draws()
    decisions = max(row.decisions for row in draws.values())
    assert sum(row.first for row in draws.values()) >= decisions
    assert sum(row.expected for row in draws.values()) == pytest.approx(sum(row.first for row in draws.values()))
    assert all(row.p_value is None or row.p_value > 1e-6 for row in draws.values())
