"""Maker and checker through the pages: what each may press, and what the domain refuses whatever is posted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console import differences
from console.waiting import changes_waiting_for
from fairness import evidence, gate, tasks
from offers import roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest, EligibilityRule, Release
from tests import factories, living_bank
from tests.factories import approve_content, clause, propose, rule
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=60, decisions=2)


def post(bank: LivingBank, who: str, step: str, **data: str) -> tuple[int, str]:
    """The status after redirects, and what the page then says."""
    client = Client()
    client.force_login(bank.people[who])
    signed = {"little_data_because": "The bank is new.", "alternatives": "A higher fee."}  # where asked for
    answer = client.post(reverse(f"review_{step}", args=[bank.change.pk]), signed | data, follow=True)
    return answer.status_code, answer.content.decode()


def fail(bank: LivingBank) -> None:
    """Newer evidence, on which fair lending fails."""
    newest = bank.change.evidence.first()
    assert newest is not None
    newest.pk, newest.verdict = None, "fail"
    newest.save(force_insert=True)


def status(bank: LivingBank) -> str:
    return ChangeRequest.objects.get(pk=bank.change.pk).status


def test_a_second_risk_officer_puts_a_rule_live(bank: LivingBank) -> None:
    code, html = post(bank, roles.RISK_APPROVER, "approve", content_hash=bank.change.content_hash)
    assert (code, status(bank)) == (200, "approved")
    assert "live as release 2" in html
    assert EligibilityRule.objects.get(key="score-670").content["when"]["value"] == 700


@pytest.mark.parametrize("step", ["approve", "reject", "send_back"])
@pytest.mark.parametrize("who", [f"{roles.RISK_APPROVER}-2", roles.MARKETING_AUTHOR, roles.COMPLIANCE])
def test_neither_the_author_nor_another_role_may_settle_it(bank: LivingBank, who: str, step: str) -> None:
    code, _ = post(bank, who, step, content_hash=bank.change.content_hash, comment="because")
    assert (code, status(bank)) == (403, "submitted")
    assert Release.objects.count() == 1


def test_content_other_than_what_was_seen_is_not_approved(bank: LivingBank) -> None:
    code, html = post(bank, roles.RISK_APPROVER, "approve", content_hash="0" * 64)
    assert (code, status(bank)) == (200, "submitted")
    assert "the content changed after you looked at it" in html


def test_evidence_on_an_older_release_has_to_be_computed_again(bank: LivingBank) -> None:
    factories.approve_content(living_bank.edited_offer(), now=timezone.now())
    _, before = post(bank, roles.RISK_APPROVER, "approve", content_hash=bank.change.content_hash)
    evidence.compute(bank.change, timezone.now())
    _, after = post(bank, roles.RISK_APPROVER, "approve", content_hash=bank.change.content_hash)
    assert "compute it again" in before
    assert "live as release 3" in after


@pytest.mark.parametrize(("step", "ends"), [("reject", "rejected"), ("send_back", "draft")])
def test_turning_a_proposal_down_takes_a_reason(bank: LivingBank, step: str, ends: str) -> None:
    _, silent = post(bank, roles.RISK_APPROVER, step, comment="")
    assert status(bank) == "submitted"
    post(bank, roles.RISK_APPROVER, step, comment="The basis is out of date.")
    assert "Say why" in silent
    assert status(bank) == ends


def test_only_its_author_withdraws_a_proposal(bank: LivingBank) -> None:
    assert post(bank, roles.RISK_APPROVER, "withdraw")[0] == 403
    assert post(bank, f"{roles.RISK_APPROVER}-2", "withdraw")[0] == 200
    assert status(bank) == "withdrawn"


@pytest.mark.parametrize(
    ("who", "buttons"),
    [
        (roles.RISK_APPROVER, {"Approve", "Reject", "Request changes"}),
        (f"{roles.RISK_APPROVER}-2", {"Withdraw"}),
        (roles.MARKETING_AUTHOR, set()),
        (roles.COMPLIANCE, set()),
    ],
)
def test_the_page_offers_each_person_what_they_may_do(bank: LivingBank, who: str, buttons: set[str]) -> None:
    client = Client()
    client.force_login(bank.people[who])
    html = client.get(reverse("review", args=[bank.change.pk])).content.decode()
    assert {name for name in ("Approve", "Reject", "Request changes", "Withdraw") if f">{name}<" in html} == buttons


def test_a_failing_proposal_waits_for_compliance_until_it_is_justified(bank: LivingBank) -> None:
    officer = bank.people[roles.COMPLIANCE]
    assert not changes_waiting_for(officer).exists()
    fail(bank)
    assert changes_waiting_for(officer).get() == bank.change
    _, before = post(bank, roles.RISK_APPROVER, "approve", content_hash=bank.change.content_hash)
    post(bank, roles.COMPLIANCE, "justify", comment="Losses; a higher fee was considered.")
    assert not changes_waiting_for(officer).exists()
    _, after = post(bank, roles.RISK_APPROVER, "approve", content_hash=bank.change.content_hash)
    assert "a compliance officer" in before
    assert "live as release 2" in after


def test_what_was_sent_back_waits_for_its_author(bank: LivingBank) -> None:
    post(bank, roles.RISK_APPROVER, "send_back", comment="The basis is out of date.")
    client = Client()
    client.force_login(bank.people[f"{roles.RISK_APPROVER}-2"])
    html = client.get(reverse("home")).content.decode()
    assert "Sent back: rule score-670" in html
    assert "The basis is out of date." in html


def test_the_page_shows_the_changed_clause_and_who_loses(bank: LivingBank) -> None:
    client = Client()
    client.force_login(bank.people[roles.RISK_APPROVER])
    html = client.get(reverse("review", args=[bank.change.pk])).content.decode()
    assert "<del>credit score is at least 640</del> <ins>credit score is at least 700</ins>" in html
    assert "Travel plus" in html
    assert bank.change.content_hash in html


def test_the_fragment_of_the_evidence_is_the_part_of_the_page(bank: LivingBank) -> None:
    client = Client()
    client.force_login(bank.people[roles.RISK_APPROVER])
    fragment = client.get(reverse("review_evidence", args=[bank.change.pk])).content.decode()
    whole = client.get(reverse("review", args=[bank.change.pk])).content.decode()
    ours, theirs = (_without_times(html) for html in (fragment.strip(), whole))
    assert ours in theirs


def _without_times(html: str) -> str:
    """Ages go on between two requests."""
    return "\n".join(line for line in html.splitlines() if " ago in " not in line)


def test_a_comment_stays_with_the_proposal(bank: LivingBank) -> None:
    _, html = post(bank, roles.AUDITOR, "discuss", comment="Which vintage?")
    assert "Which vintage?" in html
    assert "auditor" in html


def test_its_author_takes_it_back_to_draft_and_nobody_else(bank: LivingBank) -> None:
    assert post(bank, roles.RISK_APPROVER, "reopen")[0] == 403
    assert post(bank, f"{roles.RISK_APPROVER}-2", "reopen")[0] == 200
    assert status(bank) == "draft"


def test_an_approval_for_later_says_when_and_goes_live_then(bank: LivingBank) -> None:
    later = timezone.now() + timedelta(hours=3)
    _, html = post(
        bank,
        roles.RISK_APPROVER,
        "approve",
        content_hash=bank.change.content_hash,
        go_live_at=f"{later:%Y-%m-%dT%H:%M}",
    )
    assert "Goes live" in html
    assert status(bank) == "approved"
    assert not Release.objects.filter(change=bank.change).exists()
    gate.publish_due(later)
    assert Release.objects.filter(change=bank.change).exists()
    for odd, said in (("soon", "no date and time"), ("2020-01-01T00:00", "has passed")):
        _, html = post(bank, roles.RISK_APPROVER, "approve", content_hash="x", go_live_at=odd)
        assert said in html


def test_the_glass_is_broken_on_the_page_by_two(bank: LivingBank) -> None:
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.9), "student")])
    change = propose([rule("low-debt", clause("debt_to_income", "<=", 0.8), "student")],
                     author=bank.people[f"{roles.RISK_APPROVER}-2"])  # fmt: skip
    client = Client()
    client.force_login(bank.people[roles.COMPLIANCE])
    address = reverse("review_break_glass", args=[change.pk])
    assert "Say why" in client.post(address, {"comment": ""}, follow=True).content.decode()
    assert "The glass is broken" in client.post(address, {"comment": "Fraud."}, follow=True).content.decode()
    client.force_login(bank.people[roles.RISK_APPROVER])
    through = {"comment": "Agreed.", "content_hash": change.content_hash}
    assert "without evidence" in client.post(address, through, follow=True).content.decode()
    assert Release.objects.get(change=change).evidence.verdict == "not_computed"


def test_an_approver_sees_the_rule_s_tests_and_its_conflicts(bank: LivingBank) -> None:
    test = {"name": "well above", "customer": {"debt_to_income": 0.1}, "expect": "eligible"}
    approve_content([with_tests(rule("mine", clause("debt_to_income", "<=", 0.5), "student"), [test])])
    change = propose(
        [rule("mine", clause("debt_to_income", "<=", 3), "student")], author=bank.people[roles.RISK_AUTHOR]
    )
    client = Client()
    client.force_login(bank.people[roles.RISK_APPROVER])
    html = client.get(reverse("review", args=[change.pk])).content.decode()
    assert "Tests that this change takes out" in html
    assert "well above" in html
    assert "It never fires" in html


def with_tests(item: Item, tests: list[dict[str, Any]]) -> Item:
    return Item(item.kind, item.key, {**(item.content or {}), "tests": tests})


def test_a_mandate_reads_as_a_sentence(bank: LivingBank) -> None:
    live = snapshot.live_row()
    assert live is not None
    arm = live.content["arm"]["student/bold"]
    item = Item("arm", "student/bold", {**arm, "mandate": {"min_share": 0.1, "learning_budget": 50}})
    change = propose([item], author=bank.people[roles.MARKETING_AUTHOR])
    (found,) = differences.of_change(change)
    (row,) = found.changed
    assert (row.label, row.before) == ("mandate", "Merit alone decides.")
    assert "at least 10" in row.after


def test_a_step_that_is_refused_keeps_what_was_typed_and_stays_open(bank: LivingBank) -> None:
    _, html = post(bank, roles.RISK_APPROVER, "approve", content_hash="another", comment="As agreed on Monday.")
    assert "Nothing was changed" in html
    assert ">As agreed on Monday.</textarea>" in html
    assert '<details class="act" open><summary class="btn primary">Approve' in html
    fail(bank)
    _, html = post(bank, roles.COMPLIANCE, "justify", comment="Losses are twice the plan.", alternatives=" ")
    assert ">Losses are twice the plan.</textarea>" in html
    assert status(bank) == "submitted"


def test_compliance_is_told_that_a_failing_change_waits_for_it(bank: LivingBank) -> None:
    fail(bank)
    for who, said in ((roles.COMPLIANCE, "It waits for you"), (roles.RISK_APPROVER, "You cannot approve this")):
        client = Client()
        client.force_login(bank.people[who])
        assert said in client.get(reverse("review", args=[bank.change.pk])).content.decode()


def test_who_asks_for_the_effect_again_sees_it_come_with_its_buttons(bank: LivingBank) -> None:
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.9), "student")])  # what was computed is old now
    client = Client()
    client.force_login(bank.people[roles.RISK_APPROVER])
    asked = client.post(reverse("review_evidence", args=[bank.change.pk]), follow=True)
    assert "begins as soon as a worker is free" in asked.content.decode()
    part = f"{reverse('review_evidence', args=[bank.change.pk])}?{asked.request['QUERY_STRING']}"
    assert f'hx-get="{part}"' in asked.content.decode()
    waiting = client.get(part, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    assert 'id="deciding"' not in waiting
    tasks.compute_evidence(bank.change.pk)
    done = client.get(part, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 1s"' not in done
    assert 'id="deciding" hx-swap-oob="true"' in done
    assert "Approve and go live" in done
