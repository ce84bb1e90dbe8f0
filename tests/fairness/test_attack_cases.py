"""The attack cases of four eyes (T-GOV-01 to 17) in raw SQL, in their order, with the serving login and with that of
the database's owner. The same steps through the domain and the pages, for every role and state, are in
tests/console/test_permission_matrix.py; the REST API has no way to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.urls import URLPattern, get_resolver
from pytest_django.plugin import DjangoDbBlocker

from console.databases import parameters
from decisioning import runtime
from fairness import evidence
from offers import approvals, audit, roles
from offers.models import AuditEvent, Release
from tests.factories import (
    NOW,
    approve,
    approve_content,
    author_of_anything,
    clause,
    make_model,
    make_user,
    propose,
    rule,
)

if TYPE_CHECKING:
    from tests.conftest import TestDatabase

Login = psycopg.Connection[tuple[Any, ...]]
APPROVE = (
    "UPDATE offers_changerequest SET status = 'approved', approved_hash = content_hash, checked_at = now(),"
    " checker_id = %s WHERE id = %s"
)
PUBLISH = (
    "INSERT INTO offers_release (number, content, content_hash, change_id, evidence_id, published_at)"
    " SELECT r.number + 1, '{}', repeat('0', 64), %s, e.id, now()"
    " FROM (SELECT max(number) AS number FROM offers_release) r, (SELECT max(id) AS id FROM offers_evidence) e"
)


@dataclass(frozen=True)
class Bank:
    """People, and a rule each in draft, in review and approved."""

    author: User
    checker: User
    draft: int
    submitted: int
    approved: int


@pytest.fixture(scope="module")
def bank(test_database: TestDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[Bank]:
    with django_db_blocker.unblock():
        approve_content()
        author, checker = author_of_anything(), make_user(roles.RISK_APPROVER, "checker")
        changes = [
            propose([rule(f"rule-{n}", clause("credit_score", ">=", 600 + n), "student")], author=author)
            for n in range(3)
        ]
        with transaction.atomic():
            approvals.request_changes(changes[0].pk, checker=checker, reason="Say more.", now=NOW)
        evidence.compute(changes[2], NOW)
        approve(changes[2], checker)
        for name in ("first", "second"):
            make_model(name, "spend_share_travel")
        yield Bank(author, checker, *(change.pk for change in changes))
        runtime.forget()
        test_database.recreate()


@pytest.fixture(params=["default", "owner"])
def login(request: pytest.FixtureRequest, bank: Bank) -> Iterator[Login]:
    """In a transaction that is undone."""
    with psycopg.connect(**parameters(settings.DATABASES[request.param])) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def owner(bank: Bank) -> Iterator[Login]:
    with psycopg.connect(**parameters(settings.DATABASES["owner"]), autocommit=True) as connection:
        yield connection


def refused(login: Login, says: str, statement: LiteralString, *given: object) -> None:
    with pytest.raises(psycopg.DatabaseError, match=says), login.transaction():
        login.execute(statement, given)


def test_a_change_has_an_author_and_starts_as_a_draft(login: Login, bank: Bank) -> None:
    columns = "kind, key, title, rationale, items, content_hash, status, author_id, created_at, approved_hash, comment,"
    columns += " justification, alternatives_considered, little_data_because, broken_because"
    insert = f"INSERT INTO offers_changerequest ({columns}) SELECT 'rule', 'x', 'x', '', '[]', repeat('0', 64),"
    rest = "now(), '', '', '', '', '', ''"
    refused(login, "author_id", f"{insert} 'draft', NULL, {rest}")
    refused(login, "starts as a draft", f"{insert} 'approved', %s, {rest}", bank.author.pk)


def test_a_draft_goes_live_neither_by_its_status_nor_as_a_release(login: Login, bank: Bank) -> None:
    refused(login, "cannot go from draft to approved", APPROVE, bank.checker.pk, bank.draft)
    refused(login, "no evidence|another release", PUBLISH, bank.draft)


def test_what_was_submitted_or_approved_is_edited_no_more(login: Login, bank: Bank) -> None:
    edit = "UPDATE offers_changerequest SET items = '[]' WHERE id = %s"
    refused(login, "frozen", edit, bank.submitted)
    refused(login, "frozen|closed", edit, bank.approved)


def test_the_maker_does_not_approve_and_passes_the_change_to_no_other_maker(login: Login, bank: Bank) -> None:
    refused(login, "maker_is_not_checker", APPROVE, bank.author.pk, bank.submitted)
    disown = "UPDATE offers_changerequest SET author_id = %s WHERE id = %s"
    refused(login, "author of a change request is fixed", disown, bank.checker.pk, bank.submitted)


@pytest.mark.parametrize("role", sorted(set(roles.ROLES) - roles.PERMISSIONS["approve:rule"]))
def test_another_role_does_not_approve(login: Login, bank: Bank, role: str) -> None:
    refused(login, "holds no role", APPROVE, make_user(role, role).pk, bank.submitted)


def test_a_proper_approval_is_taken_and_live_only_with_evidence_on_its_content(login: Login, bank: Bank) -> None:
    assert login.execute(APPROVE, (bank.checker.pk, bank.submitted)).rowcount == 1
    refused(login, "no evidence|another release", PUBLISH, bank.submitted)
    assert Release.objects.latest("number").change.pk == bank.approved  # what went through the gate


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM offers_changerequest", "TRUNCATE offers_changerequest CASCADE",
        "DELETE FROM offers_release", "TRUNCATE offers_release CASCADE",
        "DELETE FROM offers_evidence", "TRUNCATE offers_evidence CASCADE",
        "DELETE FROM offers_auditevent", "TRUNCATE offers_auditevent",
    ],
)  # fmt: skip
def test_nothing_of_an_approval_is_deleted_or_emptied(login: Login, statement: LiteralString) -> None:
    refused(login, "never deleted|append-only|permission denied", statement)


def test_the_trail_is_not_rewritten(login: Login) -> None:
    refused(login, "append-only|permission denied", "UPDATE offers_auditevent SET actor = 'somebody'")


def test_an_event_that_the_application_invents_is_found(bank: Bank) -> None:
    assert audit.verify().broken_at is None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO offers_auditevent (sequence, at, actor, action, subject, detail, previous_hash, hash)"
            " SELECT sequence + 1, now(), 'x', 'change.approved', 'x', '{}', hash, repeat('0', 64)"
            " FROM offers_auditevent ORDER BY sequence DESC LIMIT 1"
        )
        assert audit.verify().broken_at == AuditEvent.objects.latest("sequence").sequence
        transaction.set_rollback(True)


@pytest.mark.parametrize(("one", "other"), sorted(tuple(sorted(pair)) for pair in roles.APART))
def test_nobody_holds_roles_that_are_kept_apart(login: Login, one: str, other: str) -> None:
    person, group = make_user(one, f"only {one}"), Group.objects.get_or_create(name=other)[0]
    refused(
        login, "kept apart", "INSERT INTO auth_user_groups (user_id, group_id) VALUES (%s, %s)", person.pk, group.pk
    )


def test_no_group_takes_the_name_of_a_role(login: Login) -> None:
    """Or its members would hold what is kept apart without a row of theirs being written."""
    group = Group.objects.get_or_create(name="harmless")[0]
    rename = "UPDATE auth_group SET name = %s WHERE id = %s"
    refused(login, "keeps its name", rename, f"{roles.OPERATOR}s", group.pk)


def test_there_is_one_release_of_a_number_and_one_champion(login: Login, bank: Bank) -> None:
    again = "INSERT INTO offers_release SELECT * FROM offers_release ORDER BY number LIMIT 1"
    refused(login, "no gap|no evidence|duplicate key", again)
    promote = "UPDATE decisioning_modelversion SET status = 'champion' WHERE name = %s"
    login.execute("UPDATE decisioning_modelversion SET status = 'retired' WHERE status = 'champion'")
    login.execute(promote, ("first",))
    refused(login, "duplicate key", promote, "second")


def test_whoever_owns_the_database_and_switches_a_trigger_off_is_found_out(owner: Login) -> None:
    first = AuditEvent.objects.earliest("sequence").sequence
    owner.execute("ALTER TABLE offers_auditevent DISABLE TRIGGER append_only")
    try:
        owner.execute("UPDATE offers_auditevent SET actor = 'somebody' WHERE sequence = %s", (first,))
    finally:
        owner.execute("ALTER TABLE offers_auditevent ENABLE TRIGGER append_only")
    assert audit.verify().broken_at == first


def test_the_rest_api_has_no_way_to_a_change() -> None:
    """Beside reading it takes decisions, signals and outcomes."""
    named = {entry.name for urls in ("decisioning.api.urls", "fairness.api.urls") for entry in _addresses(urls)}
    reading = {"decision_record", "decision_explanation", "decision_replay", "why_not"}
    assert named == {"decisions", "signals", "outcomes", None} | reading


def _addresses(urls: str) -> list[URLPattern]:
    return [entry for entry in get_resolver(urls).url_patterns if isinstance(entry, URLPattern)]
