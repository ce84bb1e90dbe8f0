"""The gate: nobody approves alone, nothing goes live without evidence, and the database says so too."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connections, transaction

from decisioning.models import ModelVersion
from decisioning.propensity.promotion import UnknownModel
from fairness import evidence, gate
from offers import approvals, audit, catalog, packs, roles, snapshot
from offers.catalog import InvalidContent, Item
from offers.models import AuditEvent, ChangeRequest, Evidence, Release
from tests.factories import (
    NOW,
    approve,
    approve_content,
    author_of_anything,
    clause,
    justify,
    make_bank,
    make_model,
    make_user,
    propose,
    rule,
    searched,
    small_catalogue,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def author() -> User:
    return author_of_anything()


@pytest.fixture
def checker() -> User:
    return make_user(roles.RISK_APPROVER, "checker")


def test_an_approved_change_is_live_with_its_evidence(author: User, checker: User) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    computed = evidence.compute(change, NOW)
    release = approve(change, checker)
    assert (release.number, release.evidence_id) == (1, computed.pk)
    assert snapshot.live_row() == release
    assert snapshot.read(1, release.content).content_hash == release.content_hash == computed.candidate_hash
    actions = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert actions[-3:] == ["change.approved", "change.little_data_signed", "release.published"]
    assert audit.verify().broken_at is None


def test_without_evidence_nothing_happens(author: User, checker: User) -> None:
    change = propose(small_catalogue(), author=author)
    with pytest.raises(gate.NoEvidence, match="compute it first"):
        approve(change, checker)
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.SUBMITTED
    assert not Release.objects.exists()
    assert not AuditEvent.objects.filter(action="change.approved").exists()


def test_evidence_on_another_catalogue_is_refused(author: User, checker: User) -> None:
    approve_content()
    stricter = propose([rule("score-670", clause("credit_score", ">=", 700), "travel-plus")], author=author)
    evidence.compute(stricter, NOW)
    approve_content([rule("low-debt", clause("debt_to_income", "<=", 0.4), "student")])
    with pytest.raises(gate.NoEvidence, match="catalogue changed"):
        approve(stricter, checker)
    evidence.compute(stricter, NOW)
    assert approve(stricter, checker).number == 3


def test_evidence_on_an_earlier_wording_is_refused(author: User, checker: User) -> None:
    change = propose(small_catalogue(), author=author)
    evidence.compute(change, NOW)
    approvals.request_changes(change.pk, checker=checker, reason="Rename the product.", now=NOW)
    change.refresh_from_db()
    revised = [Item("product", "card", {"title": "Credit card"}), *small_catalogue()[1:]]
    catalog.revise(change, items=revised, author=author, now=NOW)
    approvals.submit(change.pk, author=author, now=NOW)
    change.refresh_from_db()
    with pytest.raises(gate.NoEvidence):
        approve(change, checker)


def test_evidence_from_before_there_were_customers_is_refused(author: User, checker: User) -> None:
    change = propose(small_catalogue(), author=author)
    assert evidence.compute(change, NOW).verdict == "undefined"
    make_bank(5)
    with pytest.raises(gate.NoEvidence, match="before there were customers"):
        approve(change, checker)


def test_maker_cannot_approve_own_change(author: User) -> None:
    change = propose(small_catalogue(), author=author)
    evidence.compute(change, NOW)
    with pytest.raises(approvals.SelfApproval):
        approve(change, author)
    assert not Release.objects.exists()


@pytest.mark.parametrize("alias", ["default", "owner"])
def test_maker_cannot_approve_own_change_by_sql(alias: str) -> None:
    author = make_user(roles.MARKETING_AUTHOR) if alias == "default" else _owner_user("maker")
    change = _raw_change(alias, author)
    with pytest.raises(IntegrityError, match="maker_is_not_checker"):
        _sql(
            alias,
            "UPDATE offers_changerequest SET status = 'approved', checker_id = author_id, approved_hash = content_hash"
            " WHERE id = %s",
            change,
        )


@pytest.mark.parametrize("alias", ["default", "owner"])
def test_content_is_frozen_after_submission(alias: str) -> None:
    author = make_user(roles.MARKETING_AUTHOR) if alias == "default" else _owner_user("maker")
    change = _raw_change(alias, author)
    with pytest.raises(IntegrityError, match="frozen"):
        _sql(alias, "UPDATE offers_changerequest SET items = '[{}]' WHERE id = %s", change)


def test_a_release_without_evidence_is_refused_by_the_database(author: User, checker: User) -> None:
    change = propose(small_catalogue(), author=author)
    computed = evidence.compute(change, NOW)
    insert = (
        "INSERT INTO offers_release (number, content, content_hash, change_id, evidence_id, published_at)"
        " VALUES (1, '{}', %s, %s, %s, now())"
    )
    with pytest.raises(IntegrityError, match="no evidence"):  # not approved
        _sql("default", insert, computed.candidate_hash, change.pk, computed.pk)
    approvals.approve(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    with pytest.raises(IntegrityError, match="no evidence"):  # other content
        _sql("default", insert, "0" * 64, change.pk, computed.pk)


def test_approval_of_content_that_was_not_seen_is_refused(author: User, checker: User) -> None:
    change = propose(small_catalogue(), author=author)
    evidence.compute(change, NOW)
    with pytest.raises(approvals.StaleContent):
        approve(change, checker, content_hash="0" * 64)


def test_a_failing_verdict_blocks_until_a_third_person_justifies_it(author: User, checker: User) -> None:
    make_bank(2000)
    approve_content()
    change = propose([rule("score-670", clause("credit_score", ">=", 720), "travel-plus")], author=author)
    assert evidence.compute(change, NOW).verdict == "fail"
    with pytest.raises(gate.FairnessFailed):
        approve(change, checker)
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.SUBMITTED
    both = make_user(roles.COMPLIANCE, "both")
    both.groups.add(*checker.groups.all())
    justify(change, both, "The premium card needs the income.")
    with pytest.raises(gate.FairnessFailed):  # who justifies does not check
        approve(change, both)
    assert approve(change, checker).number == 2


def test_the_newest_evidence_counts(author: User, checker: User) -> None:
    make_bank(200)
    change = propose(small_catalogue(), author=author)
    passed = evidence.compute(change, NOW)
    Evidence.objects.create(
        change=change, content_hash=passed.content_hash, candidate_hash=passed.candidate_hash, verdict="fail",
        population=passed.population, content=passed.content, computed_at=NOW + timedelta(minutes=1),
    )  # fmt: skip
    with pytest.raises(gate.FairnessFailed):
        approve(change, checker)


def test_a_model_goes_live_with_its_release(author: User, checker: User) -> None:
    approve_content()
    for name in ("first", "second"):
        sha = make_model(name, "debt_to_income").sha256
        searched(name)
        change = propose([Item("model", name, {"title": name, "sha256": sha})], author=author)
        _evidence(change)
        approve(change, checker)
    assert dict(ModelVersion.objects.values_list("name", "status")) == {"first": "retired", "second": "champion"}
    change = propose([Item("model", "second", None)], author=author)
    _evidence(change)
    approve(change, checker)
    assert not ModelVersion.objects.filter(status="champion").exists()


def test_a_model_that_takes_anothers_place_was_searched_for_alternatives(author: User, checker: User) -> None:
    """T-LDA-03 at the gate: under the strict default, which nobody may waive."""
    approve_content()
    for name in ("first", "second"):
        sha = make_model(name, "debt_to_income").sha256
        change = propose([Item("model", name, {"title": name, "sha256": sha})], author=author)
        _evidence(change)
        if name == "first":
            approve(change, checker)
    with pytest.raises(gate.NoAlternatives, match="second has no signed search"):
        approve(change, checker)
    assert dict(ModelVersion.objects.values_list("name", "status")) == {"first": "champion", "second": "challenger"}
    searched("second")
    assert approve(change, checker).content["model"]["second"]


def test_a_model_that_vanished_after_its_evidence_stays_out(author: User, checker: User) -> None:
    approve_content()
    change = propose([Item("model", "first", {"title": "First", "sha256": "1" * 64})], author=author)
    _evidence(change)
    with pytest.raises(UnknownModel):
        approve(change, checker)
    assert Release.objects.count() == 1


def test_there_is_one_champion() -> None:
    _model("first", "1" * 64, "champion")
    with pytest.raises(IntegrityError, match="one_champion"):
        _model("second", "2" * 64, "champion")


def test_a_release_cannot_name_a_model_that_is_not_there_or_cannot_be_read(author: User) -> None:
    change = propose([Item("model", "ghost", {"title": "Ghost", "sha256": "a" * 64})], author=author)
    with pytest.raises(InvalidContent, match="no model ghost"):
        evidence.compute(change, NOW)
    _model("ghost", "a" * 64)
    with pytest.raises(InvalidContent, match="not a propensity model"):
        evidence.compute(change, NOW)
    assert not Evidence.objects.exists()


STATEMENTS = ("UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE")
KEYS = {"offers_release": "number", "offers_evidence": "id", "offers_auditevent": "sequence"}


def _refused(alias: str) -> set[tuple[str, str]]:
    """What append-only tables with rows in them refuse to a login."""
    refused = set()
    for table, key in KEYS.items():
        for statement in STATEMENTS:
            with pytest.raises(DatabaseError) as caught:
                _sql(alias, statement.format(table).replace("id = id", f"{key} = {key}"))
            refused.add((table, "append-only" if "append-only" in str(caught.value) else "permission"))
    return refused


def test_append_only_tables_refuse_the_serving_role() -> None:
    approve_content()
    assert _refused("default") == {(table, "permission") for table in KEYS}


def test_a_decision_cannot_be_changed_by_the_serving_role() -> None:
    for table in ("decisioning_decision", "decisioning_outcome", "decisioning_presentation", "decisioning_rewardlog"):
        for statement in ("UPDATE {} SET customer_id = 0", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(DatabaseError, match="permission denied"):
                _sql("default", statement.format(table))


def _model(name: str, sha256: str, status: str = "challenger") -> None:
    with transaction.atomic():
        ModelVersion.objects.create(name=name, sha256=sha256, content=b"", report={}, trained_at=NOW, status=status)


def _evidence(change: ChangeRequest) -> None:
    """As the evidence of a model that was really computed would stand there."""
    live = snapshot.live_row()
    Evidence.objects.create(
        change=change, content_hash=change.content_hash, verdict="pass", population=0, computed_at=NOW,
        content={"lines": evidence.lines_of(live.content if live else snapshot.EMPTY, NOW)},
        candidate_hash=snapshot.content_hash(evidence.candidate_content(change)), base=live.number if live else None,
    )  # fmt: skip


def _owner_user(name: str) -> User:
    return User.objects.db_manager("owner").create(username=name)


def _raw_change(alias: str, author: User) -> int:
    """A submitted change without a line of our code, as somebody with psql would make it."""
    change = ChangeRequest.objects.using(alias).create(
        kind="product", key="card", title="Card", items=[], content_hash="0" * 64, author_id=author.pk, created_at=NOW
    )
    _sql(alias, "UPDATE offers_changerequest SET status = 'submitted' WHERE id = %s", change.pk)
    return change.pk


def _sql(alias: str, statement: str, *parameters: str | int) -> None:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)


def test_too_little_data_takes_the_checkers_word(author: User, checker: User) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    assert gate.unclear(evidence.compute(change, NOW))
    for nothing in ("", "   "):
        with pytest.raises(gate.TooLittleData, match="too little data"):
            approve(change, checker, little_data_because=nothing)
    assert not Release.objects.exists()
    approve(change, checker, little_data_because="A pilot of fifty people.")
    change.refresh_from_db()
    assert (change.little_data_because, change.checker) == ("A pilot of fifty people.", checker)


def test_sql_publishes_nothing_on_too_little_data_without_that_word(author: User, checker: User) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    computed = evidence.compute(change, NOW)
    approvals.approve(change.pk, checker=checker, content_hash=change.content_hash, now=NOW)
    insert = (
        "INSERT INTO offers_release (number, content, content_hash, change_id, evidence_id, published_at)"
        " VALUES (1, '{}', %s, %s, %s, now())"
    )
    with pytest.raises(IntegrityError, match="has not signed for that"):
        _sql("default", insert, computed.candidate_hash, change.pk, computed.pk)


def test_a_change_that_moves_nobody_takes_no_word_whatever_the_data(author: User, checker: User) -> None:
    make_bank(50)
    approve_content()
    reworded = [
        Item(item.kind, item.key, {**(item.content or {}), "title": "Otherwise"})
        for item in small_catalogue()
        if item.kind == "creative"
    ]
    change = propose(reworded, author=author)
    computed = evidence.compute(change, NOW)
    assert (computed.verdict, gate.unclear(computed)) == ("pass", 0)
    assert approve(change, checker, little_data_because="").number == 2


def test_a_justification_without_alternatives_is_refused_and_by_sql_as_well(author: User, checker: User) -> None:
    make_bank(2000)
    approve_content()
    change = propose([rule("score-670", clause("credit_score", ">=", 780), "travel-plus")], author=author)
    computed = evidence.compute(change, NOW)
    assert computed.verdict == "fail"
    officer = make_user(roles.COMPLIANCE, "officer")
    with pytest.raises(approvals.NoReason):
        approvals.justify(change.pk, officer=officer, justification="Losses.", alternatives=" ", now=NOW)
    _sql(
        "default",
        "UPDATE offers_changerequest SET justified_by_id = %s, justification = 'x', justified_evidence_id = %s"
        " WHERE id = %s",
        officer.pk, computed.pk, change.pk,
    )  # fmt: skip
    with pytest.raises(gate.FairnessFailed):
        approve(change, checker)


STEPS = (
    "decisioning.impact.simulate", "decisioning.impact.agreement", "fairness.moments.later",
    "fairness.dataset.groupings", "fairness.thresholds.compare_all", "fairness.parity.overall",
    "fairness.forecast.decisions",
)  # fmt: skip
LAST_STEPS = (
    "fairness.gate.covering", "fairness.gate.candidate_content", "fairness.gate._require_fair",
    "offers.purposes.checked", "offers.publishing.publish", "fairness.gate._promote",
)  # fmt: skip


class Injected(RuntimeError):
    """Raised where nothing of the product raises it."""


@pytest.mark.parametrize("step", STEPS)
def test_an_error_while_the_evidence_is_computed_lets_nothing_through(
    author: User, checker: User, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    with monkeypatch.context() as broken:
        broken.setattr(step, _raise)
        with pytest.raises(Injected):
            evidence.compute(change, NOW)
    assert not Evidence.objects.exists()
    with pytest.raises(gate.NoEvidence):
        approve(change, checker)
    assert not Release.objects.exists()


@pytest.mark.parametrize("step", LAST_STEPS)
def test_an_error_while_it_is_approved_leaves_everything_as_it_was(
    author: User, checker: User, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    evidence.compute(change, NOW)
    with monkeypatch.context() as broken:
        broken.setattr(step, _raise)
        with pytest.raises(Injected):
            approve(change, checker)
    change.refresh_from_db()
    assert (change.status, Release.objects.count()) == (ChangeRequest.Status.SUBMITTED, 0)
    assert approve(change, checker).number == 1


def _raise(*given: object, **named: object) -> None:
    raise Injected


def test_the_search_is_not_spared_by_retiring_the_champion_first(author: User, checker: User) -> None:
    approve_content()
    for name, content in (("first", "sha"), ("first", None), ("second", "sha")):
        sha = make_model(name, "debt_to_income").sha256 if content else ""
        change = propose([Item("model", name, {"title": name, "sha256": sha} if content else None)], author=author)
        _evidence(change)
        if name == "first":
            approve(change, checker)
    with pytest.raises(gate.NoAlternatives):
        approve(change, checker)


def test_evidence_goes_stale_with_time(author: User, checker: User) -> None:
    make_bank(50)
    change = propose(small_catalogue(), author=author)
    evidence.compute(change, NOW)
    with pytest.raises(gate.NoEvidence, match="30 days old"):
        approve(change, checker, now=NOW + gate.GOOD_FOR + timedelta(minutes=1))


def test_evidence_holds_for_the_lines_that_it_was_judged_at(author: User, checker: User) -> None:
    make_bank(50)
    tomorrow = (NOW + timedelta(days=1)).date().isoformat()
    approve_content([*small_catalogue(), _pack("now", "2020-01-01", tomorrow, 0.5), _pack("then", tomorrow, None, 0.9)])
    change = propose([rule("low-debt", clause("debt_to_income", "<=", 0.45), "student")], author=author)
    evidence.compute(change, NOW)
    with pytest.raises(gate.NoEvidence, match="other lines"):
        approve(change, checker, now=NOW + timedelta(days=1))
    evidence.compute(change, NOW + timedelta(days=1))
    assert approve(change, checker, now=NOW + timedelta(days=1)).number == 2


def _pack(key: str, since: str, until: str | None, fail_ratio: float) -> Item:
    content = {**packs.shipped()[packs.STRICT], "effective_from": since, "effective_until": until, "rulings": []}
    return Item("pack", key, {**content, "bands": {"fail_ratio": fail_ratio}})
