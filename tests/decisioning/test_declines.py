"""T-LEG-07d (FAIRNESS L8): whoever accepts a firm offer is declined for a criterion by which she was chosen, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from decisioning import outcomes, runtime
from decisioning.models import Decision, Outcome
from offers import firm_offers, packs, roles
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

SCORE = {"attribute": "credit_score", "op": ">=", "value": 700}
SOLVENT = {"attribute": "debt_to_income", "op": "<=", "value": 0.4}


def published(legal_basis: str, **rules: Any) -> None:
    content = catalogue.content(offers=1, rules=rules)
    content["offer"]["offer-0"]["legal_basis"] = legal_basis
    bank.publish(content)
    bank.warm()


@pytest.fixture(autouse=True)
def _customers() -> Iterator[None]:
    bank.customers(1)
    yield
    runtime.forget()


def post(path: str, content: bytes) -> Any:
    headers = {"Authorization": f"Api-Key {bank.key()}"}
    return Client().post(f"/api/v1{path}", content, content_type="application/json", headers=headers).json()


def declined(made: dict[str, Any], event_id: str = "d", **said: str) -> Any:
    event = {
        "event_id": event_id, "decision_id": made["decision_id"], "offer": made["offers"][0]["offer"],
        "type": "decline", "occurred_at": timezone.now().isoformat(), **said,
    }  # fmt: skip
    return post("/outcomes", orjson.dumps({"events": [event]}))


def decided() -> dict[str, Any]:
    made: dict[str, Any] = post("/decisions", bank.body())
    assert [offer["offer"] for offer in made["offers"]] == ["offer-0"]
    return made


def floor(when: dict[str, Any] = SCORE, reason: str = "SCORE_TOO_LOW") -> dict[str, Any]:
    return catalogue.rule(when, scope="offer", target="offer-0", reason=reason)


@pytest.mark.parametrize("reason", ["SCORE_TOO_LOW", "UNDER_21_PRESCREEN"])
def test_a_firm_offer_is_declined_for_a_criterion_that_was_set_before(reason: str) -> None:
    published("firm_offer", floor=floor())
    assert declined(decided(), reason=reason)["accepted"] == 1
    assert list(Outcome.objects.values_list("type", "reason")) == [("decline", reason)]


@pytest.mark.parametrize(("said", "code"), [({"reason": "TOO_MUCH_DEBT"}, "NEW_CRITERION"), ({}, "NO_CRITERION")])
def test_a_firm_offer_is_not_declined_for_a_new_criterion_or_for_none(said: dict[str, str], code: str) -> None:
    """T-LEG-07d: the field is named, with the criteria that there were and the law."""
    published("firm_offer", floor=floor())
    (refused,) = declined(decided(), **said)["rejected"]
    assert refused["code"] == code
    assert refused["message"].startswith("reason: offer-0 is a firm offer")
    assert "SCORE_TOO_LOW" in refused["message"]
    assert "1681b" in refused["message"]
    assert not Outcome.objects.exists()


def test_what_was_approved_after_she_was_chosen_is_a_new_criterion() -> None:
    """T-LEG-07d."""
    published("firm_offer", floor=floor())
    before = decided()
    published("firm_offer", floor=floor(), solvent=floor(SOLVENT, "TOO_MUCH_DEBT"))
    assert declined(before, reason="TOO_MUCH_DEBT")["rejected"][0]["code"] == "NEW_CRITERION"


def test_an_invitation_is_declined_for_whatever_reason_and_the_same_event_counts_once() -> None:
    published("invitation")
    made = decided()
    assert declined(made, reason="TOO_MUCH_DEBT")["accepted"] == 1
    assert declined(made, event_id="e")["accepted"] == 1


@pytest.mark.parametrize("said", [{"type": "click", "reason": "SCORE_TOO_LOW"}, {"reason": "She is too young"}])
def test_a_reason_is_a_code_and_of_a_decline_alone(said: dict[str, str]) -> None:
    published("invitation")
    (refused,) = declined(decided(), **said)["rejected"]
    assert "reason" in refused["message"]


def test_a_rule_that_was_not_in_force_when_she_was_chosen_is_no_criterion() -> None:
    """T-LEG-07d: its first day is to come, or its last one was before."""
    dates = {"starts_at": "2099-01-01T00:00:00Z"}, {"ends_at": "2020-01-01T00:00:00Z"}
    later, over = ({**floor(SOLVENT, "TOO_MUCH_DEBT"), **given} for given in dates)
    published("firm_offer", floor=floor(), later=later, over=over)
    assert declined(decided(), reason="TOO_MUCH_DEBT")["rejected"][0]["code"] == "NEW_CRITERION"


@pytest.mark.parametrize(("days", "accepted"), [(59, False), (60, True)])
def test_an_offer_that_has_not_to_be_honoured_any_more_is_declined_for_whatever_reason(
    days: int, accepted: bool
) -> None:
    """T-LEG-07d: the strict default says 60 days."""
    published("firm_offer", floor=floor())
    made = decided()
    at = Decision.objects.get().made_at + timedelta(days=days)
    event = outcomes.Event("d", UUID(made["decision_id"]), "offer-0", "decline", at, None, "TOO_MUCH_DEBT")
    assert (outcomes.take([(0, event)], at).rejected == []) is accepted


def later(event_id: str, type_: str, days: int) -> outcomes.Event:
    """An event so many days after the one decision that there is; a decline is for what was no criterion."""
    made, reason = Decision.objects.get(), "TOO_MUCH_DEBT" if type_ == "decline" else ""
    return outcomes.Event(event_id, made.id, "offer-0", type_, made.made_at + timedelta(days=days), None, reason)


def taken(*events: outcomes.Event) -> list[tuple[int, str]]:
    """What was refused of a batch that came when the last of it happened."""
    now = max(event.occurred_at for event in events)
    return [(said.index, said.code) for said in outcomes.take(list(enumerate(events)), now).rejected]


@pytest.mark.parametrize("accepted", ["application", "activation"])
@pytest.mark.parametrize("known", ["before", "earlier in the batch", "later in the batch"])
def test_who_accepted_in_time_is_not_declined_freely_by_waiting(accepted: str, known: str) -> None:
    """T-LEG-07d: she said yes on day 59, and the bank says no on day 61."""
    published("firm_offer", floor=floor())
    decided()
    yes, no = later("a", accepted, 59), later("d", "decline", 61)
    if known == "before":
        assert taken(yes) == []
        refused = taken(no)
    else:
        refused = taken(*((yes, no) if known == "earlier in the batch" else (no, yes)))
    assert refused == [(1 if known == "earlier in the batch" else 0, "NEW_CRITERION")]
    assert list(Outcome.objects.values_list("type", flat=True)) == [accepted]
    assert taken(replace(no, event_id="e", reason="SCORE_TOO_LOW")) == []


@pytest.mark.parametrize(("type_", "days"), [("application", 60), ("click", 59)])
@pytest.mark.parametrize("together", [False, True])
def test_who_did_not_accept_in_time_is_declined_for_whatever_reason(type_: str, days: int, together: bool) -> None:
    published("firm_offer", floor=floor())
    decided()
    said, no = later("a", type_, days), later("d", "decline", 61)
    assert (taken(said, no) if together else taken(said) + taken(no)) == []


def test_a_list_is_honoured_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """T-LEG-07d: from a pack of then, which said more days than that of the decision's release."""
    published("firm_offer", floor=floor())
    long = replace(packs.strict_default(), prescreening=replace(packs.strict_default().prescreening, honour_days=90))
    with monkeypatch.context() as patched, transaction.atomic():
        patched.setattr(packs, "strict_default", lambda: long)
        firm_offers.pull("offer-0", "Spring", by=bank.person("officer", roles.COMPLIANCE), now=timezone.now())
    made = decided()
    at = Decision.objects.get().made_at + timedelta(days=61)
    event = outcomes.Event("d", UUID(made["decision_id"]), "offer-0", "decline", at, None, "TOO_MUCH_DEBT")
    assert [said.code for said in outcomes.take([(0, event)], at).rejected] == ["NEW_CRITERION"]
