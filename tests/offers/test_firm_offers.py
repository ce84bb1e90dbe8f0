"""T-LEG-07b (FAIRNESS L8): by what a list is pulled is on record before anybody is chosen, and nobody moves it while
the firm offer is honoured: not in a draft, not by an approval, not in SQL."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from console.proposing import propose
from fairness import evidence, gate
from offers import approvals, canonical, firm_offers, roles, snapshot
from offers.catalog import Item
from offers.firm_offers import CriteriaFrozen
from offers.models import AuditEvent, ChangeRequest, Evidence, FirmOffer, Release
from offers.register import ATTRIBUTES
from tests import factories
from tests.factories import clause, make_user, rule, small_catalogue

pytestmark = pytest.mark.django_db

OFFER = "travel-plus"
MOVED = rule("score-670", clause("credit_score", ">=", 700), OFFER)


@pytest.fixture
def officer() -> User:
    factories.approve_content(now=timezone.now())
    return make_user(roles.COMPLIANCE, "officer")


def pull(by: User, now: datetime | None = None, offer: str = OFFER) -> FirmOffer:
    with transaction.atomic():
        return firm_offers.pull(offer, "Spring mailing", by=by, now=now or timezone.now())


def changed(key: str, **changes: Any) -> Item:
    """A live offer with other content."""
    live = snapshot.live_row()
    assert live is not None
    return Item("offer", key, {**live.content["offer"][key], **changes})


def drafted(item: Item, now: datetime) -> None:
    author = factories.author_of_anything()
    propose(kind=item.kind, key=item.key, title="t", rationale="r", items=[item], author=author, now=now)


def test_a_list_says_by_what_it_was_pulled_under_which_release_and_law(officer: User) -> None:
    made = pull(officer)
    live = snapshot.live_row()
    assert live is not None
    assert set(made.criteria["rules"]) == {"age-21", "score-670"}
    assert made.criteria["rules"]["score-670"]["when"] == {"attribute": "credit_score", "op": ">=", "value": 640}
    assert made.criteria["terms"]["facts"] == {"rate": 0.2, "fee": 0}
    assert (made.sha256, made.release) == (canonical.digest(made.criteria), live)
    assert (made.honoured_until - made.made_at, made.basis) == (
        timedelta(days=60), "15 USC 1681b(c)(1)(B)(iv), 1681a(l)",
    )  # fmt: skip
    assert AuditEvent.objects.get(action="firm_offer.made").subject == f"offer {OFFER}"


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (MOVED, "/rule/score-670"),
        (rule("score-670", clause("credit_score", ">=", 640), "student"), "/rule/score-670"),
        (
            rule("score-670", clause("credit_score", ">=", 600), OFFER),
            "/rule/score-670",
        ),  # more people
        (Item("rule", "age-21", None), "/rule/age-21"),
        (
            Item(
                "boost",
                "good",
                {
                    "title": "G",
                    "scope": "all",
                    "target": "",
                    "factor": 1.2,
                    "when": {"all": [clause("credit_score", ">=", 700)]},
                },
            ),
            "/boost/good",
        ),
        (rule("new-one", clause("debt_to_income", "<=", 0.4)), "/rule/new-one"),
    ],
)
def test_a_draft_that_moves_a_criterion_is_refused_with_the_law(officer: User, item: Item, path: str) -> None:
    """T-LEG-07b."""
    made = pull(officer)
    with pytest.raises(CriteriaFrozen, match=r"Spring mailing.*1681b") as refused:
        drafted(item, timezone.now())
    assert [fault.path for fault in refused.value.faults] == [path]
    assert FirmOffer.objects.get() == made


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": {"rate": 0.25, "fee": 0}},
        {"legal_basis": "account_review"},
        {"ends_at": "2026-12-01T00:00:00Z"},
        {"channels": ["web"]},
    ],
)
def test_a_draft_that_moves_a_term_is_refused(officer: User, changes: dict[str, Any]) -> None:
    """T-LEG-07b: a worse rate than the list was promised."""
    pull(officer)
    with pytest.raises(CriteriaFrozen) as refused:
        drafted(changed(OFFER, **changes), timezone.now())
    assert [fault.path for fault in refused.value.faults] == [f"/offer/{OFFER}"]


def test_other_offers_and_what_is_no_criterion_stay_free(officer: User) -> None:
    pull(officer)
    now = timezone.now()
    drafted(changed("student", facts={"rate": 0.3, "fee": 5}), now)
    drafted(rule("low-debt", clause("debt_to_income", "<=", 0.4), "student"), now)


def test_what_was_drafted_before_the_list_is_not_approved_after_it(officer: User) -> None:
    """T-LEG-07b: at approval again."""
    now = timezone.now()
    change = factories.propose([MOVED], author=factories.author_of_anything(), now=now)
    evidence.compute(change, now)
    pull(officer)
    with pytest.raises(CriteriaFrozen):
        factories.approve(change, make_user(roles.RISK_APPROVER, "second"), now=timezone.now())
    assert Release.objects.count() == 1


def test_sql_alone_does_not_move_them_either(officer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    change = factories.propose([MOVED], author=factories.author_of_anything(), now=now)
    evidence.compute(change, now)
    pull(officer)
    monkeypatch.setattr(firm_offers, "require_kept", lambda *_: None)
    with pytest.raises(DatabaseError, match="stands as it was made until"), transaction.atomic():
        factories.approve(change, make_user(roles.RISK_APPROVER, "second"), now=timezone.now())


def ready(now: datetime) -> ChangeRequest:
    """A change that moves a criterion, with evidence, in review since before any list."""
    change = factories.propose([MOVED], author=factories.author_of_anything(), now=now)
    evidence.compute(change, now)
    return change


@pytest.mark.parametrize("by", ["Python", "SQL"])
def test_a_list_pulled_while_a_publication_waited_for_the_lock_is_not_missed(
    officer: User, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """T-LEG-07b: the publication's moment was read before it had the lock, so the list is the later of the two."""
    now = timezone.now()
    change = ready(now)
    pull(officer, now + timedelta(seconds=1))
    if by == "SQL":
        monkeypatch.setattr(firm_offers, "require_kept", lambda *_: None)
    refusal = CriteriaFrozen if by == "Python" else DatabaseError
    with pytest.raises(refusal, match=r"honoured as it was|stands as it was made"), transaction.atomic():
        factories.approve(change, make_user(roles.RISK_APPROVER, "second"), now=now)
    assert Release.objects.count() == 1


def released_by_hand(change: ChangeRequest, published_at: datetime) -> None:
    """An approved change, as whoever writes SQL makes it live."""
    checker, found = make_user(roles.RISK_APPROVER, "second"), Evidence.objects.get(change=change)
    approvals.approve(
        change.pk, checker=checker, content_hash=change.content_hash, now=timezone.now(),
        little_data_because=factories.SMALL_BANK,
    )  # fmt: skip
    Release.objects.create(
        number=2, content=evidence.candidate_content(change), content_hash=found.candidate_hash, change=change,
        evidence=found, published_at=published_at,
    )  # fmt: skip


@pytest.mark.parametrize("days", [-100, 100])
def test_no_date_that_is_written_on_a_release_gets_around_a_list_that_stands(officer: User, days: int) -> None:
    """T-LEG-07b: dated before the list, or after it was honoured."""
    now = timezone.now()
    change = ready(now)
    pull(officer)
    with pytest.raises(DatabaseError, match="stands as it was made until"), transaction.atomic():
        released_by_hand(change, now + timedelta(days=days))


def test_the_database_takes_a_release_once_the_list_is_honoured_no_more(officer: User) -> None:
    now = timezone.now()
    change = ready(now)
    pull(officer, now - timedelta(days=61))
    released_by_hand(change, now)
    assert Release.objects.count() == 2


def test_once_it_is_honoured_no_more_its_criteria_move_again(officer: User) -> None:
    pull(officer, timezone.now() - timedelta(days=61))
    drafted(MOVED, timezone.now())


def test_an_approval_for_a_day_after_the_offer_is_not_refused(officer: User) -> None:
    now = timezone.now()
    change = factories.propose([MOVED], author=factories.author_of_anything(), now=now)
    evidence.compute(change, now)
    made = pull(officer)
    checker, soon = make_user(roles.RISK_APPROVER, "second"), made.honoured_until - timedelta(days=1)
    for at, kept in ((soon, False), (made.honoured_until + timedelta(days=1), True)):
        given: dict[str, Any] = {"content_hash": change.content_hash, "little_data_because": factories.SMALL_BANK}
        try:
            with transaction.atomic():
                gate.schedule(change.pk, checker=checker, go_live_at=at, now=timezone.now(), **given)
            assert kept
        except CriteriaFrozen:
            assert not kept


@pytest.mark.parametrize("offer", ["student", OFFER, "no-such-offer"])
def test_postgres_and_python_read_the_same_criteria(officer: User, offer: str) -> None:
    live = snapshot.live_row()
    assert live is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT candor_firm_criteria(content, %s) = %s::jsonb FROM offers_release WHERE number = %s",
            [offer, canonical.dumps(firm_offers.criteria(live.content, offer)).decode(), live.number],
        )
        assert cursor.fetchone() == (True,)


def test_postgres_knows_every_attribute_of_a_report_and_no_other(officer: User) -> None:
    boosts = {
        name: {"scope": "all", "target": "", "factor": 1.1, "when": {"any": [{"none": [{"attribute": name}]}]}}
        for name in ATTRIBUTES
    }
    content = {**snapshot.EMPTY, "boost": boosts}
    with connection.cursor() as cursor:
        cursor.execute("SELECT candor_firm_criteria(%s::jsonb, %s)->'boosts'", [canonical.dumps(content).decode(), "x"])
        (found,) = cursor.fetchone()
    assert json.loads(found) == firm_offers.criteria(content, "x")["boosts"] != {}


def test_a_list_waits_for_what_is_being_published(officer: User) -> None:
    """T-LEG-07b: both take one lock, so that neither misses the other."""
    with transaction.atomic():
        pull(officer)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1700885349 AND granted"
                " AND pid = pg_backend_pid()"
            )
            assert cursor.fetchone() == (1,)


def test_only_risk_and_compliance_pull_and_only_for_a_live_firm_offer(officer: User) -> None:
    with pytest.raises(roles.NotAllowed):
        pull(make_user(roles.MARKETING_LEAD, "lead"))
    with pytest.raises(firm_offers.NoFirmOffer):
        pull(officer, offer="no-such-offer")
    invitation = next(item for item in small_catalogue() if item.key == "student" and item.kind == "offer")
    factories.approve_content([Item("offer", "student", {**(invitation.content or {}), "legal_basis": "invitation"})])
    with pytest.raises(firm_offers.NoFirmOffer):
        pull(officer, offer="student")


def test_the_database_takes_no_list_from_who_may_not_or_with_other_criteria_and_keeps_each(officer: User) -> None:
    made = pull(officer)
    given = {"offer": OFFER, "campaign": "x", "sha256": "0" * 64, "release": made.release, "basis": "x",
             "made_at": made.made_at, "honoured_until": made.honoured_until}  # fmt: skip
    lead = make_user(roles.MARKETING_LEAD, "lead")
    for by, chosen_by in ((lead, made.criteria), (officer, {"terms": {}, "rules": {}})):
        with pytest.raises(DatabaseError), transaction.atomic():
            FirmOffer.objects.create(made_by=by, criteria=chosen_by, **given)
    for statement in ("UPDATE offers_firmoffer SET honoured_until = now()", "DELETE FROM offers_firmoffer"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
