"""Why a customer is not offered a card: the stage, the clauses and what would change it, over the page and the API, and
no trace of the question but in the audit trail (T-EXP-05, API.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from decisioning import suppression
from decisioning.models import CapLedger, Customer, SessionLease
from decisioning.models import Decision as DecisionRow
from fairness.explanations import why_not
from offers import roles
from offers.models import AuditEvent
from tests import bank, factories
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _bank() -> None:
    explained.make(trained=explained.model(proxy=False))


def asked(offer: str, **changes: Any) -> dict[str, Any]:
    return why_not.why_not("C-1", offer, now=timezone.now(), **{"channel": "mobile_app", **changes})


def get(address: str, *scopes: str, channel: str = "mobile_app") -> Any:
    key = bank.key(channel, *scopes)
    return Client().get(f"/api/v1{address}", headers={"Authorization": f"Api-Key {key}"})


def test_a_rule_that_is_not_met_is_told_with_value_and_threshold_and_what_would_change_it() -> None:
    answer = asked("offer-5")
    assert (answer["shown"], answer["stage"]) == (False, "eligibility")
    clause = answer["rules"][0]["clauses"][0]
    assert (clause["needs"], clause["has"], clause["threshold"], clause["value"]) == ("at least 760", "720", 760, 720)
    assert answer["would_change"]["changes"][0]["text"] == "credit score is at least 760"
    assert answer["chance"] is None


def test_an_offer_that_only_ranked_lower_says_its_chance_and_the_same_question_has_the_same_answer() -> None:
    answers = [asked(f"offer-{number}") for number in range(5)]
    lower = [answer for answer in answers if not answer["shown"]]
    assert len(lower) == 4
    assert {answer["stage"] for answer in lower} == {"bandit"}
    assert all(0 < answer["chance"] < 1 for answer in answers)
    assert sum(answer["chance"] for answer in answers) == pytest.approx(1.0, abs=0.02)
    again = [asked(f"offer-{number}") for number in range(5)]
    assert [answer["shown"] for answer in again] == [answer["shown"] for answer in answers]


def test_a_reason_for_the_whole_customer_is_told_and_nothing_would_change_it() -> None:
    Customer.objects.update(suppressed=True)
    bank.warm()
    answer = asked("offer-0")
    assert answer["why"] == "No card would be shown: The customer is on the suppression list."
    assert answer["would_change"] is None


def test_asking_leaves_no_decision_no_lease_and_no_contact() -> None:
    asked("offer-5")
    assert not DecisionRow.objects.exists()
    assert not SessionLease.objects.exists()
    assert not CapLedger.objects.exists()


@pytest.mark.parametrize("scope", ["decide", "profile"])
def test_the_api_answers_either_scope(scope: str) -> None:
    answer = get("/customers/C-1/offers/offer-5/why-not", scope)
    assert answer.status_code == 200
    assert answer.json()["rules"][0]["clauses"][0]["needs"] == "at least 760"
    event = AuditEvent.objects.get(action="profile.asked_why_not")
    assert event.subject == f"customer {Customer.objects.get(external_id='C-1').pk}"
    assert json.loads(event.detail) == {"offer": "offer-5", "channel": "mobile_app"}


def test_only_a_key_that_may_read_profiles_reads_values_of_the_customer() -> None:
    with_values = get("/customers/C-1/offers/offer-5/why-not", "decide", "profile").json()
    without = get("/customers/C-1/offers/offer-5/why-not", "decide").json()
    held = [(clause["value"], clause["has"]) for clause in with_values["rules"][0]["clauses"]]
    assert held == [(720, "720")]
    assert with_values["would_change"]["changes"][0]["before"] == 720
    assert {(clause["value"], clause["has"]) for rule in without["rules"] for clause in rule["clauses"]} == {
        (None, None)
    }
    assert [one["before"] for one in without["would_change"]["changes"]] == [None]
    assert without["would_change"]["changes"][0]["text"] == "credit score is at least 760"


def test_no_key_reads_what_is_age_or_close_to_a_protected_characteristic() -> None:
    """offer-6 asks for what nobody is: under 21. The page of an officer names the clause, the API does not."""
    assert asked("offer-6")["rules"][0]["clauses"][0]["attribute"] == "is_21_or_over"
    expected: list[tuple[str, list[Any], tuple[str, str, str]]] = [
        ("decide", [], ("eligibility", "NOT_ELIGIBLE", "")),
        ("profile", [("of-age", [])], ("eligibility", "AGE", "of-age")),
    ]
    for scope, rules, ended in expected:
        answer = get("/customers/C-1/offers/offer-6/why-not", scope)
        told = answer.json()
        assert [(rule["rule"], rule["clauses"]) for rule in told["rules"]] == rules
        assert (told["stage"], told["reason"], told["by"]) == ended
        assert "is_21_or_over" not in answer.content.decode()


def test_a_key_without_the_scope_does_not_learn_that_a_person_kept_the_offer() -> None:
    suppression.suppress(
        customer=Customer.objects.get(external_id="C-1").pk, offer="offer-5", reason_code="hardship", note="A test.",
        until=None, by=bank.person("rene", roles.RISK_AUTHOR), now=timezone.now(),
    )  # fmt: skip
    bank.warm()
    told = {
        scope: get("/customers/C-1/offers/offer-5/why-not", scope).json() for scope in ("decide", "profile")
    }  # fmt: skip
    assert (told["profile"]["reason"], told["profile"]["by"]) == ("SUPPRESSED", "override")
    assert (told["decide"]["stage"], told["decide"]["reason"], told["decide"]["by"]) == ("stops", "STOPPED", "")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/customers/nobody/offers/offer-5/why-not", 404),
        ("/customers/C-1/offers/no-card/why-not", 404),
        ("/customers/C-1/offers/offer-5/why-not?placement=nowhere", 400),
        ("/customers/C-1/offers/offer-5/why-not?chanel=web", 400),
        (f"/customers/{'x' * 65}/offers/offer-5/why-not", 400),
        ("/customers/C-%00/offers/offer-5/why-not", 400),
    ],
)
def test_what_is_not_there_or_not_known_is_a_problem_in_json(address: str, status: int) -> None:
    answer = get(address, "decide")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_another_scope_and_no_key_are_refused() -> None:
    assert get("/customers/C-1/offers/offer-5/why-not", "signal").status_code == 403
    assert Client().get("/api/v1/customers/C-1/offers/offer-5/why-not").status_code == 401


def test_the_schema_documents_it() -> None:
    schema = Client().get("/api/schema/", headers={"Accept": "application/json"}).json()
    found = schema["paths"]["/api/v1/customers/{customer_id}/offers/{offer}/why-not"]["get"]
    assert {"200", "400", "401", "403", "404", "503"} <= set(found["responses"])


def test_the_page_answers_and_the_question_is_in_the_audit_trail() -> None:
    client = Client()
    client.force_login(factories.make_user(roles.COMPLIANCE, "officer"))
    html = client.get(reverse("why_not", args=["C-1"]), {"offer": "offer-5"}).content.decode()
    assert "credit score: at least 760" in html
    assert "credit score is at least 760" in html
    event = AuditEvent.objects.get(action="profile.asked_why_not")
    assert event.subject == f"customer {Customer.objects.get(external_id='C-1').pk}"
    assert "No live offer is called" in client.get(reverse("why_not", args=["C-1"]), {"offer": "gone"}).content.decode()
