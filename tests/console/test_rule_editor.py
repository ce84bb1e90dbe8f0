"""The rule studio: what it shows while somebody writes and what it proposes; boosts, contact policy, ranking too."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.studio.rule_forms import customer_of, customer_text
from decisioning import sample
from offers import approvals, roles, snapshot
from offers.catalog import Item
from offers.models import AuditEvent, ChangeRequest
from tests import living_bank
from tests.factories import approve_content, clause, rule
from tests.living_bank import LivingBank

pytestmark = pytest.mark.usefixtures("db")
POLICY: dict[str, Any] = {
    "title": "score-670", "scope": "offer", "target": "travel-plus", "reason_code": "SCORE_670",
    "basis": "Credit policy 1.1",
}  # fmt: skip
FLOOR = {"c.0.joiner": "all", "c.0-0.attribute": "credit_score", "c.0-0.op": ">=", "c.0-0.value": "700"}


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=60, decisions=3)


def signed_in(bank: LivingBank, who: str) -> Client:
    client = Client()
    client.force_login(bank.people[who])
    return client


def edit(
    bank: LivingBank, name: str = "rule_edit", key: str = "score-670", *, role: str = roles.RISK_AUTHOR,
    query: str = "", **posted: str,
) -> str:  # fmt: skip
    """What the page says after this was posted, redirects followed."""
    address = reverse(name, args=[key] if key else []) + query
    answer = signed_in(bank, role).post(address, {**POLICY, **FLOOR, **posted}, follow=True)
    return answer.content.decode()


def newest(kind: str = "rule") -> ChangeRequest:
    return ChangeRequest.objects.filter(kind=kind).latest("id")


def test_the_page_counts_whom_the_rule_reaches_while_it_is_typed(bank: LivingBank) -> None:
    html = edit(bank, edit="check", **{"c.0-0.value": "850"})
    assert "Reach now" in html
    assert ">0</b><span>of 60 customers" in html
    assert "It refuses everybody" in html
    assert edit(bank, edit="check", **{"c.0-0.value": "300"}).count("It never fires") == 0  # some have no score


def test_a_changed_threshold_names_its_proposal_itself(bank: LivingBank) -> None:
    edit(bank, submit="1", **{"c.0-0.value": "710"})
    change = newest()
    assert change.title == "score-670: credit score is at least 640 becomes credit score is at least 710"
    assert change.items[0]["content"]["when"]["all"][0]["value"] == 710


def test_golden_tests_are_suggested_kept_and_must_hold(bank: LivingBank) -> None:
    html = edit(bank, edit="suggest-tests")
    assert html.count("must be") >= 3
    fields = {
        "t.0.name": "at the floor", "t.0.customer": "credit_score = 700", "t.0.expect": "eligible",
        "t.1.name": "below", "t.1.customer": "credit_score = 699", "t.1.expect": "eligible",
    }  # fmt: skip
    before = ChangeRequest.objects.count()
    assert "below: must be eligible, and is refused" in edit(bank, submit="1", **fields)
    assert ChangeRequest.objects.count() == before
    edit(bank, submit="1", **{**fields, "t.1.expect": "refused"})
    assert [test["name"] for test in newest().items[0]["content"]["tests"]] == ["at the floor", "below"]


def test_dates_and_jurisdiction_come_into_the_rule(bank: LivingBank) -> None:
    edit(bank, submit="1", states="nj, NY", country="us", starts_at="2026-12-01", ends_at="2027-03-01")
    content = newest().items[0]["content"]
    assert content["jurisdiction"] == {"country": "US", "states": ["NJ", "NY"]}
    assert (content["starts_at"], content["ends_at"]) == ("2026-12-01T00:00:00+00:00", "2027-03-01T00:00:00+00:00")
    assert "no state of the United States" in edit(bank, submit="1", states="NJ, ZZ")
    assert "not after its start" in edit(bank, submit="1", starts_at="2027-01-01", ends_at="2026-12-01")


def test_a_customer_is_tried_by_whom_it_is_allowed_and_that_is_audited(bank: LivingBank) -> None:
    html = edit(bank, edit="try", customer=bank.customers[0])
    assert "That you looked is in the audit trail" in html
    assert AuditEvent.objects.filter(action="profile.read", actor=roles.RISK_AUTHOR).count() == 1
    assert "There is no customer nobody" in edit(bank, edit="try", customer="nobody")
    boost = signed_in(bank, roles.MARKETING_AUTHOR).post(
        reverse("boost_new"), {**FLOOR, "edit": "try", "customer": bank.customers[0]}
    )
    assert "Try a customer" not in boost.content.decode()
    assert AuditEvent.objects.filter(action="profile.read").count() == 1


def test_a_draft_that_came_back_is_edited_and_keeps_its_number(bank: LivingBank) -> None:
    author = bank.people[roles.RISK_AUTHOR]
    edit(bank, submit="1", **{"c.0-0.value": "710"})
    change = newest()
    approvals.reopen(change.pk, author=author, now=timezone.now())
    query = f"?change={change.pk}"
    page = signed_in(bank, roles.RISK_AUTHOR).get(reverse("rule_edit", args=["score-670"]) + query).content.decode()
    assert 'value="710"' in page
    edit(bank, submit="1", query=query, **{"c.0-0.value": "715"})
    change.refresh_from_db()
    assert (change.status, change.items[0]["content"]["when"]["all"][0]["value"]) == ("draft", 715)
    stranger = signed_in(bank, roles.RISK_APPROVER).get(reverse("rule_edit", args=["score-670"]) + query)
    assert stranger.status_code == 404


def test_what_is_live_already_is_not_proposed(bank: LivingBank) -> None:
    approve_content([rule("plain", {"all": [clause("credit_score", ">=", 700)]}, "student")])
    live = snapshot.live_row()
    assert live is not None
    content = live.content["rule"]["plain"]
    html = edit(
        bank, key="plain", submit="1", **{name: content[name] for name in ("title", "target", "reason_code", "basis")}
    )
    assert "This is what is live already" in html


def test_bureau_data_is_refused_for_an_invitation_by_name(bank: LivingBank) -> None:
    live = snapshot.live_row()
    assert live is not None
    approve_content([Item("offer", "student", {**live.content["offer"]["student"], "legal_basis": "invitation"})])
    fields = {"title": "On students", "target": "student", "change_title": "x", "submit": "1"}
    refused = edit(bank, "rule_new", "", **fields)
    assert "credit score (credit_score) comes from a consumer report, and student is neither" in refused
    edit(
        bank, "rule_new", "", **fields, **{"c.0-0.attribute": "debt_to_income", "c.0-0.op": "<=", "c.0-0.value": "0.4"}
    )
    assert newest().key == "on-students"


def test_a_boost_shows_its_reach_and_is_proposed_by_marketing(bank: LivingBank) -> None:
    fields = {"c.0-0.attribute": "revolving", "c.0-0.op": "is", "c.0-0.value": "true", "factor": "1.2"}
    html = edit(bank, "boost_new", "", role=roles.MARKETING_AUTHOR, edit="check", **fields)
    assert "multiply by up to" in html
    edit(bank, "boost_new", "", role=roles.MARKETING_AUTHOR, submit="1", title="Revolvers", **fields)
    change = newest("boost")
    assert (change.key, change.items[0]["content"]["factor"]) == ("revolvers", 1.2)
    denied = signed_in(bank, roles.RISK_AUTHOR).get(reverse("boost_new"))
    assert denied.status_code == 403


def test_contact_policy_and_ranking_are_proposed_and_the_cap_with_them(bank: LivingBank) -> None:
    client = signed_in(bank, roles.RISK_AUTHOR)
    policy = {"title": "Caps", "decisions_per_day": "3", "decisions_per_week": "9", "same_offer_per_week": "4",
              "holdout_share": "5", "change_title": "Fewer contacts"}  # fmt: skip
    client.post(reverse("contact_policy_edit", args=["standard"]), policy)
    content = newest("contact_policy").items[0]["content"]
    assert (content["decisions_per_day"], content["holdout_share"]) == (3, 0.05)
    ranking = {"title": "Ranking", "propensity_weight": "70", "value_exponent": "0.5", "boost_cap": "1.5",
               "attribution_days": "30", "lease_minutes": "30", "change_title": "More propensity"}  # fmt: skip
    client.post(reverse("ranking_edit", args=["standard"]), ranking)
    content = newest("ranking").items[0]["content"]
    assert (content["propensity_weight"], content["bandit_weight"], content["boost_cap"]) == (0.7, 0.3, 1.5)
    refused = client.post(reverse("ranking_edit", args=["standard"]), {**ranking, "boost_cap": "0.5"})
    assert "greater than or equal to 1" in refused.content.decode()


def test_lists_say_how_many_each_rule_refuses(bank: LivingBank) -> None:
    sample.forget()
    html = signed_in(bank, roles.AUDITOR).get(reverse("rules")).content.decode()
    assert "Refuses now" in html
    assert html.count("%") >= 4


@pytest.mark.parametrize(
    "customer",
    [
        {"credit_score": 699, "debt_to_income": 0.3}, {"revolving": True, "cards_held": ["a", "b"]},
        {"state": "NJ", "cards_held": []}, {},
    ],
)  # fmt: skip
def test_a_golden_customer_is_written_and_read_alike(customer: dict[str, Any]) -> None:
    assert customer_of(customer_text(customer)) == customer


@pytest.mark.parametrize("role", [roles.MARKETING_LEAD, roles.AUDITOR, roles.COMPLIANCE])
def test_somebody_without_the_role_writes_no_rule(bank: LivingBank, role: str) -> None:
    assert signed_in(bank, role).post(reverse("rule_new"), {**POLICY, **FLOOR, "submit": "1"}).status_code == 403
