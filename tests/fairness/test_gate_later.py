"""The gate beside the plain approval: later, in an emergency, back again; and what a discussion leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from fairness import evidence, gate
from fairness.thresholds import Verdict
from offers import approvals, audit, catalog, roles, snapshot
from offers.catalog import InvalidContent, Item
from offers.models import AuditEvent, ChangeRequest, Comment, Evidence, Release
from tests.factories import (
    NOW,
    SMALL_BANK,
    approve,
    approve_content,
    author_of_anything,
    clause,
    justify,
    make_bank,
    make_user,
    propose,
    rule,
    small_catalogue,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def author() -> User:
    return author_of_anything()


@pytest.fixture
def checker() -> User:
    return make_user(roles.RISK_APPROVER, "checker")


@pytest.fixture
def officer() -> User:
    return make_user(roles.COMPLIANCE, "officer")


def stricter(score: int = 700) -> Item:
    return rule("score-670", clause("credit_score", ">=", score), "travel-plus")


def scheduled(author: User, checker: User, item: Item | None = None) -> ChangeRequest:
    change = propose([item or rule("low-debt", clause("debt_to_income", "<=", 0.9), "student")], author=author)
    evidence.compute(change, NOW)
    return gate.schedule(
        change.pk,
        checker=checker,
        content_hash=change.content_hash,
        go_live_at=LATER,
        now=NOW,
        little_data_because=SMALL_BANK,
    )


def test_what_is_approved_for_later_is_live_when_its_time_comes_and_not_before(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    assert gate.publish_due(LATER - timedelta(seconds=1)) == []
    assert Release.objects.count() == 1
    assert gate.publish_due(LATER) == []
    release = Release.objects.get(number=2)
    assert (release.change_id, release.published_at) == (change.pk, LATER)
    assert gate.publish_due(LATER + timedelta(days=1)) == []
    assert Release.objects.count() == 2


def test_a_moment_that_has_passed_is_refused(author: User, checker: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    evidence.compute(change, NOW)
    with pytest.raises(approvals.NotLater):
        gate.schedule(change.pk, checker=checker, content_hash=change.content_hash, go_live_at=NOW, now=NOW)
    change.refresh_from_db()
    assert change.status == "submitted"


def test_what_the_catalogue_has_overtaken_waits_for_new_evidence(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    approve_content([stricter()])
    assert gate.publish_due(LATER) == [change.pk]
    assert Release.objects.count() == 2
    evidence.compute(change, LATER)
    assert gate.publish_due(LATER) == []
    assert Release.objects.get(number=3).change_id == change.pk


def test_what_is_approved_for_later_overwrites_nothing_that_was_approved_in_between(
    author: User, checker: User
) -> None:
    approve_content([*small_catalogue(), rule("low-debt", clause("debt_to_income", "<=", 0.7), "student")])
    change = scheduled(author, checker)
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.3), "student")])
    evidence.compute(change, LATER)
    assert gate.publish_due(LATER) == []
    assert "was changed after this was approved" in gate.held_because(change)
    assert Release.objects.count() == 2


def test_what_is_held_never_goes_live_by_itself(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    checker.groups.clear()
    assert gate.publish_due(LATER) == []
    assert "may not approve rule" in gate.held_because(change)
    checker.groups.add(*make_user(roles.RISK_APPROVER, "another").groups.all())
    assert gate.publish_due(LATER) == []
    assert Release.objects.count() == 1


def test_a_day_after_its_time_nothing_goes_live_any_more(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    assert gate.publish_due(LATER + timedelta(days=2)) == []
    assert "more than a day ago" in gate.held_because(change)


def test_whoever_may_approve_it_cancels_what_waits(author: User, checker: User, officer: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    with pytest.raises(roles.NotAllowed):
        approvals.cancel(change.pk, checker=officer, reason="Losses.", now=NOW)
    with pytest.raises(approvals.NoReason):
        approvals.cancel(change.pk, checker=checker, reason=" ", now=NOW)
    approvals.cancel(change.pk, checker=make_user(roles.RISK_APPROVER, "second"), reason="Losses.", now=NOW)
    assert gate.publish_due(LATER) == []
    assert Release.objects.count() == 1


def test_evidence_holds_for_the_release_that_it_was_compared_with_alone(author: User, checker: User) -> None:
    """Though the candidate has the same content: what it changes has become something else."""
    approve_content([*small_catalogue(), stricter(690)])
    change = propose([stricter(700)], author=author)
    seen = evidence.compute(change, NOW)
    approve_content([stricter(600)])
    assert snapshot.content_hash(evidence.candidate_content(change)) == seen.candidate_hash
    with pytest.raises(gate.NoEvidence, match="catalogue changed"):
        approve(change, checker)
    newest = evidence.compute(change, NOW)
    with pytest.raises(approvals.StaleContent, match="computed anew"):
        approve(change, checker, seen=seen.pk)
    live = approve(change, checker, seen=newest.pk)
    assert live.number == 3


def test_the_database_wants_evidence_on_the_live_release_too(author: User, checker: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    evidence.compute(change, NOW)
    wrong = Evidence.objects.create(
        change=change, content_hash=change.content_hash, verdict="pass", population=1, content={}, computed_at=NOW,
        candidate_hash=snapshot.content_hash(evidence.candidate_content(change)), base=7,
    )  # fmt: skip
    approvals.approve(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    with pytest.raises(DatabaseError, match="another release"), transaction.atomic():
        Release.objects.create(
            number=2, content=evidence.candidate_content(change), content_hash=wrong.candidate_hash, change=change,
            evidence=wrong, published_at=NOW,
        )  # fmt: skip


def test_a_justification_is_of_one_evidence_and_of_no_other(author: User, checker: User, officer: User) -> None:
    make_bank(2000)
    approve_content()
    change = propose([stricter(780)], author=author)
    with pytest.raises(approvals.NothingFails):
        justify(change, officer, "Losses.")
    evidence.compute(change, NOW)
    justify(change, officer, "Losses.")
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.45), "student")])
    assert evidence.compute(change, NOW).verdict == "fail"
    with pytest.raises(gate.FairnessFailed):
        approve(change, checker)
    justify(change, officer, "Losses still.")
    assert approve(change, checker).number == 3


def test_broken_glass_does_not_forget_what_failed_on_an_earlier_release(
    author: User, checker: User, officer: User
) -> None:
    make_bank(2000)
    approve_content()
    change = propose([stricter(780)], author=author)
    assert evidence.compute(change, NOW).verdict == "fail"
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.45), "student")])
    approvals.break_glass(change.pk, officer=officer, reason="Losses.", now=NOW)
    with pytest.raises(gate.FairnessFailed):
        gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)


def test_whoever_broke_the_glass_does_not_approve_on_evidence_either(author: User, checker: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    approvals.break_glass(change.pk, officer=checker, reason="Now.", now=NOW)
    evidence.compute(change, NOW)
    with pytest.raises(approvals.SelfApproval, match="broke the glass"):
        approve(change, checker)


def test_what_no_longer_fits_the_catalogue_is_held_and_says_so_once(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    retired = [Item(kind, key, None) for kind, key in (("offer", "student"), ("creative", "student/main"))]
    live = snapshot.live_row()
    assert live is not None
    gone = [
        Item(kind, key, None)
        for kind in ("arm", "creative", "rule", "boost", "offer")
        for key, content in live.content[kind].items()
        if key == "student" or content.get("offer") == "student" or content.get("target") == "student"
    ]
    assert {(item.kind, item.key) for item in retired[:1]} <= {(item.kind, item.key) for item in gone}
    approve_content(gone)
    for _ in range(2):
        assert gate.publish_due(LATER) == []
    assert "was changed after this was approved" in gate.held_because(change)
    assert AuditEvent.objects.filter(action=gate.HELD).count() == 1


def test_its_author_takes_back_what_is_not_live_yet_and_nothing_that_is(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    approvals.withdraw(change.pk, author=author, now=NOW)
    assert gate.publish_due(LATER) == []
    assert Release.objects.count() == 1
    second = scheduled(author, checker)
    gate.publish_due(LATER)
    with pytest.raises(approvals.WrongStatus):
        approvals.withdraw(second.pk, author=author, now=LATER)
    with pytest.raises(DatabaseError, match="closed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE offers_changerequest SET status = 'withdrawn' WHERE id = %s", [second.pk])


def test_nothing_but_its_status_moves_when_a_scheduled_change_is_withdrawn(author: User, checker: User) -> None:
    approve_content()
    change = scheduled(author, checker)
    for statement in (
        "UPDATE offers_changerequest SET status = 'withdrawn', comment = 'x' WHERE id = %s",
        "UPDATE offers_changerequest SET go_live_at = now() WHERE id = %s",
        "UPDATE offers_changerequest SET status = 'draft' WHERE id = %s",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [change.pk])


def test_two_people_break_the_glass_and_it_is_shouted(author: User, checker: User, officer: User) -> None:
    make_bank(50)
    approve_content()
    change = propose([stricter()], author=author)
    with pytest.raises(gate.NoEvidence):
        approve(change, checker)
    approvals.break_glass(change.pk, officer=officer, reason="A fraud ring uses this card.", now=NOW)
    release = gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    assert (release.number, release.evidence.verdict) == (2, Verdict.NOT_COMPUTED)
    shouted = AuditEvent.objects.filter(action__contains="GLASS")
    assert list(shouted.order_by("sequence").values_list("action", "actor")) == [
        ("change.GLASS_BROKEN", "officer"), ("change.GLASS_BROKEN_LIVE", "checker"),
    ]  # fmt: skip
    assert audit.verify().broken_at is None


def test_what_went_live_without_evidence_is_examined_afterwards(author: User, checker: User, officer: User) -> None:
    make_bank(200)
    approve_content()
    change = propose([stricter(790)], author=author)
    approvals.break_glass(change.pk, officer=officer, reason="Fraud.", now=NOW)
    release = gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    seen = evidence.compute(change, NOW)
    assert seen.candidate_hash == release.content_hash
    row = next(row for row in seen.content["reach"] if row["offer"] == "travel-plus")
    assert row["lose"] == row["before"] - row["after"] > 0


def test_one_person_alone_breaks_no_glass(author: User, checker: User, officer: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    with pytest.raises(gate.NotBroken):
        gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    with pytest.raises(approvals.SelfApproval):
        approvals.break_glass(change.pk, officer=author, reason="Now.", now=NOW)
    with pytest.raises(roles.NotAllowed):
        approvals.break_glass(change.pk, officer=make_user(roles.MARKETING_LEAD), reason="Now.", now=NOW)
    with pytest.raises(approvals.NoReason):
        approvals.break_glass(change.pk, officer=officer, reason=" ", now=NOW)
    approvals.break_glass(change.pk, officer=checker, reason="Now.", now=NOW)
    with pytest.raises(approvals.SelfApproval), transaction.atomic():
        gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    assert Release.objects.count() == 1


def test_the_database_wants_the_second_person_too(author: User, checker: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    live = snapshot.live_row()
    assert live is not None
    candidate = evidence.candidate_content(change)
    seen = evidence.not_computed(change, candidate, NOW)
    approvals.approve(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    with pytest.raises(DatabaseError, match="broke the glass"), transaction.atomic():
        Release.objects.create(
            number=2, content=candidate, content_hash=snapshot.content_hash(candidate), change=change, evidence=seen,
            published_at=NOW,
        )  # fmt: skip


def test_broken_glass_does_not_pass_what_is_known_to_fail(author: User, checker: User, officer: User) -> None:
    make_bank(2000)
    approve_content()
    change = propose([stricter(780)], author=author)
    assert evidence.compute(change, NOW).verdict == "fail"
    approvals.break_glass(change.pk, officer=officer, reason="Losses.", now=NOW)
    with pytest.raises(gate.FairnessFailed):
        gate.break_glass(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    assert Release.objects.count() == 1


def test_an_edit_after_submission_voids_what_was_signed(author: User, checker: User, officer: User) -> None:
    make_bank(2000)
    approve_content()
    change = propose([stricter(780)], author=author)
    assert evidence.compute(change, NOW).verdict == "fail"
    justify(change, officer, "Losses.")
    approvals.break_glass(change.pk, officer=officer, reason="Now.", now=NOW)
    before = change.content_hash
    change = approvals.reopen(change.pk, author=author, now=NOW)
    assert (change.justified_by, change.broken_by, change.justification, change.broken_because) == (None, None, "", "")
    catalog.revise(change, items=[stricter(710)], author=author, now=NOW)
    approvals.submit(change.pk, author=author, now=NOW)
    with pytest.raises(approvals.StaleContent):
        approve(change, checker, content_hash=before)


def test_only_its_author_reopens_a_change(author: User, checker: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    with pytest.raises(roles.NotAllowed):
        approvals.reopen(change.pk, author=checker, now=NOW)


def test_a_rollback_makes_the_earlier_content_the_next_release(author: User, checker: User) -> None:
    first = approve_content()
    approve_content([stricter(), Item("product", "loan", {"title": "Loans"})])
    live = snapshot.live_row()
    assert live is not None
    items = snapshot.between(live.content, first.content)
    assert {(item.kind, item.key, item.content is None) for item in items} == {
        ("rule", "score-670", False), ("product", "loan", True),
    }  # fmt: skip
    change = propose(items, author=make_user(roles.OPERATOR), kind="rollback", key="1")
    evidence.compute(change, NOW)
    release = approve(change, checker)
    assert (release.number, release.content_hash) == (3, first.content_hash)


def test_a_rollback_is_whole_or_nothing(author: User, checker: User) -> None:
    approve_content()
    approve_content([stricter(), Item("product", "loan", {"title": "Loans"})])
    live = snapshot.live_row()
    assert live is not None
    part = snapshot.between(live.content, Release.objects.get(number=1).content)[:1]
    change = propose(part, author=make_user(roles.OPERATOR), kind="rollback", key="1")
    evidence.compute(change, NOW)
    with pytest.raises(InvalidContent, match="does not bring back release 1"):
        approve(change, checker)
    assert Release.objects.count() == 2


def test_a_rollback_smuggles_nothing_in(author: User) -> None:
    approve_content()
    approve_content([stricter()])
    for key, item in (("1", stricter(300)), ("9", stricter()), ("one", stricter())):
        with pytest.raises(InvalidContent, match="release"):
            propose([item], author=make_user(roles.OPERATOR), kind="rollback", key=key)
    with pytest.raises(roles.NotAllowed):
        propose([stricter()], author=make_user(roles.AUDITOR), kind="rollback", key="1")


def test_a_discussion_stays_as_it_was_said(author: User) -> None:
    approve_content()
    change = propose([stricter()], author=author)
    auditor = make_user(roles.AUDITOR)
    approvals.discuss(change.pk, author=auditor, text=" Which vintage? ", now=NOW)
    with pytest.raises(approvals.NoReason):
        approvals.discuss(change.pk, author=auditor, text=" ", now=NOW)
    said = Comment.objects.get()
    assert (said.text, said.content_hash) == ("Which vintage?", change.content_hash)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Comment.objects.update(text="Never mind")


def test_what_was_live_at_a_moment_is_told() -> None:
    assert snapshot.live_at(NOW) is None
    first = approve_content(now=NOW)
    second = approve_content([stricter()], now=LATER)
    assert snapshot.live_at(NOW) == first
    assert snapshot.live_at(LATER - timedelta(microseconds=1)) == first
    assert snapshot.live_at(LATER) == second
    assert snapshot.live_at(NOW - timedelta(days=1)) is None


def test_what_speaks_against_one_change_holds_that_one_and_not_what_is_due_after_it(
    author: User, checker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve_content()
    first = scheduled(author, checker)
    second = scheduled(author, checker, rule("low-score", clause("credit_score", ">=", 500), "student"))

    def refuse(change: ChangeRequest, *given: object) -> None:
        if change.pk == first.pk:
            raise gate.NoAlternatives("nobody searched")

    monkeypatch.setattr(gate, "_require_ready", refuse)
    assert gate.publish_due(LATER) == []
    assert "nobody searched" in gate.held_because(first)
    evidence.compute(second, LATER)
    gate.publish_due(LATER)
    assert Release.objects.filter(change=second).exists()
