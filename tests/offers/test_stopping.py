"""Stopping and resuming: who may, with what reason, and that the next decision obeys."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from decisioning import rebuild, runtime, serve
from offers import audit, roles
from offers.models import AuditEvent, Stop, StopEpoch
from tests import bank, catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def product() -> None:
    bank.customers(1)
    bank.publish(catalogue.content())
    bank.warm()
    bank.person("rosa", roles.RISK_APPROVER)
    bank.person("clara", roles.COMPLIANCE)
    bank.person("maya", roles.MARKETING_AUTHOR)


def run(*arguments: str, **options: Any) -> None:
    call_command("stop", *arguments, **{"officer": "rosa", "reason": "the rate is wrong", **options})


def reason(session: str) -> str | None:
    answer = serve.ask(serve.Ask("C-1", session, "web", "home_banner", 1, {}), timezone.now())
    return answer.presented.reason


def test_one_officer_stops_and_another_resumes() -> None:
    run("all")
    assert reason("a") == "STOPPED"
    with pytest.raises(CommandError, match="somebody else"):
        run("all", resume=True)
    run("all", resume=True, officer="clara")
    assert reason("b") is None
    assert list(AuditEvent.objects.filter(action__startswith="stop.").values_list("action", flat=True)) == [
        "stop.resumed",
        "stop.made",
    ]
    assert audit.verify().broken_at is None


def test_a_stopped_offer_is_out_and_the_others_go_on() -> None:
    for number in range(3):
        run("offer", f"offer-{number}")
    answer = serve.ask(serve.Ask("C-1", "s", "web", "home_banner", 3, {}), timezone.now())
    assert [shown.choice.offer for shown in answer.presented.shown] == ["all-cards"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("offer", "offer-9"), {}, "no offer offer-9 is live"),
        (("all", "offer-0"), {}, "everything has no name"),
        (("offer", "offer-0"), {"reason": " "}, "say why"),
        (("offer", "offer-0"), {"officer": "maya"}, "may not stop"),
        (("offer", "offer-0"), {"officer": "nobody"}, "no user nobody"),
        (("offer", "offer-0"), {"resume": True}, "is not stopped"),
    ],
)
def test_what_is_refused_says_why(arguments: tuple[str, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments, **options)
    assert not Stop.objects.exists()


def test_stopping_twice_is_said_and_the_database_refuses_a_lone_resume() -> None:
    before = StopEpoch.objects.get().epoch
    run("offer", "offer-0")
    assert StopEpoch.objects.get().epoch == before + 1
    with pytest.raises(CommandError, match="stopped already"):
        run("offer", "offer-0")
    made = Stop.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Stop.objects.filter(pk=made.pk).update(resumed_by=made.stopped_by, resumed_at=timezone.now())


def test_a_process_that_was_not_told_stops_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason("before") is None
    monkeypatch.setattr(rebuild, "announce", lambda: None)
    run("all")
    assert reason("after") == "STOPPED"
    runtime.forget()
