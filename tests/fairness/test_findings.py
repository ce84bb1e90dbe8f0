"""A finding is opened once, settled by people, and closed by somebody who did not settle it; SQL included."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from fairness import findings
from fairness.findings import Pause, Status
from fairness.models import Finding, FindingEvent
from offers import packs, roles, stopping
from offers.approvals import NoReason, SelfApproval, WrongStatus
from offers.catalog import Item
from offers.models import AuditEvent, Stop
from tests import bank
from tests.factories import approve_content, small_catalogue

pytestmark = pytest.mark.django_db


def opened(now: datetime, **given: Any) -> Finding:
    told = {"kind": "parity", "subject": "travel-plus by age", "title": "62 and over fall behind", "severity": "high"}
    return findings.breach(**(told | given), now=now)


def pack(**monitors: Any) -> Item:
    """A pack for everywhere that is in force for long, with other monitors."""
    content = packs.shipped()[packs.STRICT]
    changed = {**content, "effective_from": "2020-01-01", "monitors": {**content["monitors"], **monitors}}
    return Item("pack", "ours", changed)


def clara() -> User:
    return bank.person("clara", roles.COMPLIANCE)


def mona() -> User:
    return bank.person("mona", roles.MODEL_RISK)


def remedied(now: datetime) -> Finding:
    finding = opened(now, evidence={"ratio": 0.7})
    return findings.remedy(finding.pk, root_cause="rule", remediation="loosened", by=mona(), now=now)


def refused(statement: str, *parameters: int) -> str:
    with pytest.raises(DatabaseError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
    return str(refusal.value)


def test_a_breach_opens_one_finding_however_often_it_is_seen() -> None:
    now = timezone.now()
    first = opened(now, evidence={"ratio": 0.7})
    again = opened(now + timedelta(days=1), evidence={"ratio": 0.6})
    assert first.pk == again.pk
    assert (again.times_seen, again.evidence, again.opened_at) == (2, {"ratio": 0.6}, first.opened_at)
    assert [event.what for event in again.history.all()] == ["opened", "seen_again"]
    assert opened(now, subject="travel-plus by gender").pk != first.pk


def test_what_is_seen_unchanged_every_night_fills_no_history() -> None:
    now = timezone.now()
    for _ in range(5):
        finding = opened(now, evidence={"ratio": 0.7})
    assert finding.times_seen == 5
    assert finding.history.count() == 1


def test_who_answers_for_it_and_until_when_is_what_the_pack_in_force_says() -> None:
    now = timezone.now()
    strict = packs.strict_default().monitors
    finding = opened(now)
    assert (finding.due_on, finding.owner_role) == ((now + timedelta(days=strict.days_to_settle)).date(), strict.owner)
    approve_content([*small_catalogue(), pack(days_to_settle=3, owner=roles.MODEL_RISK)], now=now)
    other = opened(now, subject="other")
    assert (other.due_on, other.owner_role) == ((now + timedelta(days=3)).date(), roles.MODEL_RISK)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        opened(timezone.now(), kind="mood")


def test_whoever_remedied_it_does_not_close_it() -> None:
    now = timezone.now()
    finding = opened(now)
    officer = clara()
    findings.remedy(finding.pk, root_cause="rule", remediation="loosened", by=officer, now=now)
    with pytest.raises(SelfApproval):
        findings.close(finding.pk, note="fine", by=officer, now=now)
    message = refused(
        "UPDATE fairness_finding SET status = 'closed', closed_by_id = %s, closed_at = now(), closing_note = 'x' "
        "WHERE id = %s", officer.pk, finding.pk,
    )  # fmt: skip
    assert "closed_by_another" in message


def test_it_is_closed_by_another_and_then_stays_as_it_is() -> None:
    now = timezone.now()
    finding = remedied(now)
    closed = findings.close(finding.pk, note="seen in the next audit", by=clara(), now=now)
    assert closed.status == Status.CLOSED
    assert "stays as it is" in refused("UPDATE fairness_finding SET title = 'x' WHERE id = %s", finding.pk)
    assert "never deleted" in refused("DELETE FROM fairness_finding WHERE id = %s", finding.pk)
    assert opened(now).pk != finding.pk, "the same breach afterwards is a new finding"


def test_sql_closes_only_what_is_remedied_and_only_for_compliance() -> None:
    now = timezone.now()
    close = (
        "UPDATE fairness_finding SET status = 'closed', closed_by_id = %s, closed_at = now(), closing_note = 'x', "
        "root_cause = 'x', remediation = 'x', remedied_by_id = %s WHERE id = %s"
    )
    early = opened(now)
    assert "remedied before" in refused(close, clara().pk, mona().pk, early.pk)
    done = findings.remedy(early.pk, root_cause="rule", remediation="loosened", by=mona(), now=now)
    other = bank.person("rosa", roles.RISK_APPROVER)
    assert "holds no role" in refused(close, other.pk, mona().pk, done.pk)


def test_seen_again_after_its_remedy_it_is_open_again() -> None:
    now = timezone.now()
    finding = remedied(now)
    again = opened(now + timedelta(days=1), evidence={"ratio": 0.7})
    assert (again.pk, again.status, again.remedied_by_id) == (finding.pk, Status.OPEN, None)
    with pytest.raises(WrongStatus):
        findings.close(finding.pk, note="fine", by=clara(), now=now)


def test_who_may_not_work_on_it_neither_settles_nor_owns_it() -> None:
    now = timezone.now()
    finding = opened(now)
    maya = bank.person("maya", roles.MARKETING_AUTHOR)
    with pytest.raises(roles.NotAllowed):
        findings.remedy(finding.pk, root_cause="x", remediation="y", by=maya, now=now)
    with pytest.raises(roles.NotAllowed):
        findings.assign(finding.pk, owner=maya, due_on=now.date(), by=clara(), now=now)
    with pytest.raises(roles.NotAllowed):
        findings.close(remedied(now).pk, note="fine", by=mona(), now=now)


@pytest.mark.parametrize("words", [("", "done"), ("rule", "  ")])
def test_a_remedy_names_cause_and_measure(words: tuple[str, str]) -> None:
    with pytest.raises(NoReason):
        findings.remedy(
            opened(timezone.now()).pk, root_cause=words[0], remediation=words[1], by=mona(), now=timezone.now()
        )


def test_what_is_sent_back_is_open_and_its_reason_stands_in_the_history() -> None:
    now = timezone.now()
    finding = findings.send_back(remedied(now).pk, reason="no audit since", by=clara(), now=now)
    assert finding.status == Status.OPEN
    assert [event.detail for event in finding.history.all()][-1] == {"reason": "no audit since"}


def test_a_policy_pauses_an_arm_without_a_person_and_a_person_resumes_it() -> None:
    now = timezone.now()
    approve_content([*small_catalogue(), pack(pause="arm")], now=now)
    finding = opened(now, pause=Pause("arm", "student/plain"))
    assert finding.stop is not None
    assert (finding.stop.target, finding.stop.stopped_by) == ("student/plain", None)
    stopping.resume(scope="arm", target="student/plain", officer=clara(), now=now)
    assert not Stop.objects.filter(resumed_at__isnull=True).exists()


def test_what_the_policy_does_not_pause_runs_on() -> None:
    now = timezone.now()
    approve_content([*small_catalogue(), pack(pause="model")], now=now)
    assert opened(now, pause=Pause("arm", "student/plain")).stop is None


def test_of_two_packs_one_that_pauses_models_lets_the_other_pause_arms() -> None:
    now = timezone.now()
    other = Item("pack", "other", pack(pause="model").content)
    approve_content([*small_catalogue(), pack(pause="arm"), other], now=now)
    assert opened(now, pause=Pause("arm", "student/plain")).stop is not None


def test_what_is_stopped_already_or_gone_is_no_obstacle() -> None:
    now = timezone.now()
    approve_content([*small_catalogue(), pack(pause="arm")], now=now)
    opened(now, pause=Pause("arm", "student/plain"))
    assert opened(now, subject="other", pause=Pause("arm", "student/plain")).stop is None
    assert opened(now, subject="third", pause=Pause("arm", "gone")).stop is None


def test_every_step_stands_in_the_audit_trail_and_the_history_is_append_only() -> None:
    now = timezone.now()
    finding = remedied(now)
    findings.close(finding.pk, note="fine", by=clara(), now=now)
    actions = AuditEvent.objects.filter(subject=f"finding {finding.pk}").order_by("sequence")
    assert list(actions.values_list("action", flat=True)) == ["finding.opened", "finding.remedied", "finding.closed"]
    event = FindingEvent.objects.filter(finding=finding).first()
    assert event is not None
    assert "append-only" in refused("DELETE FROM fairness_findingevent WHERE id = %s", event.pk)


def test_it_waits_for_its_owner_or_their_role_and_then_for_whoever_may_sign() -> None:
    now = timezone.now()
    officer, modeller = clara(), mona()
    finding = opened(now, owner_role=roles.MODEL_RISK)
    assert list(findings.waiting_for(modeller)) == [finding]
    assert not findings.waiting_for(officer).exists()
    findings.assign(finding.pk, owner=officer, due_on=now.date(), by=modeller, now=now)
    assert list(findings.waiting_for(officer)) == [finding]
    assert not findings.waiting_for(modeller).exists()
    findings.remedy(finding.pk, root_cause="rule", remediation="loosened", by=officer, now=now)
    assert not findings.waiting_for(officer).exists(), "she may not sign what she remedied"
    assert list(findings.waiting_for(bank.person("cyrus", roles.COMPLIANCE))) == [finding]
