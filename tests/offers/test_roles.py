"""The table of roles against the database, which asks the same of whoever writes SQL."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.utils import timezone

from offers import roles
from offers.models import KINDS, WHOLE_KINDS, ChangeRequest, Stop
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

SIGNED = ("justify", "break_glass", "stop", "resume", "close:findings", "validate:models", "sign:alternatives",
          "pull:list", "hold:records", "suppress:customer", "lift:suppression")  # fmt: skip
APPROVE = (
    "UPDATE offers_changerequest SET status = 'approved', checker_id = %s, approved_hash = content_hash WHERE id = %s"
)
REJECT = "UPDATE offers_changerequest SET status = 'rejected', checker_id = %s WHERE id = %s"
JUSTIFY = "UPDATE offers_changerequest SET justified_by_id = %s, justification = 'because' WHERE id = %s"
BREAK = "UPDATE offers_changerequest SET broken_by_id = %s, broken_because = 'because' WHERE id = %s"
RESUME = "UPDATE offers_stop SET resumed_by_id = %s, resumed_at = now() WHERE id = %s"


def change_of(kind: str, *items: str | dict[str, Any], key: str = "x") -> int:
    """A submitted change of these items, or of retired items of these kinds, without a line of the domain."""
    rows = [item if isinstance(item, dict) else {"kind": item, "key": "x", "content": None} for item in items]
    row = ChangeRequest.objects.create(
        kind=kind, key=key, title="x", items=rows or [{"kind": kind, "key": "x", "content": None}],
        content_hash="0" * 64, author=bank.person("somebody"), created_at=timezone.now(),
    )  # fmt: skip
    ChangeRequest.objects.filter(pk=row.pk).update(status="submitted")
    return row.pk


def accepted(statement: str, *parameters: int | None) -> bool:
    """Whether the serving login may run this; it is undone either way."""
    with transaction.atomic(), connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(statement, parameters)
        except IntegrityError as refusal:
            if "holds no role" not in str(refusal) and "says otherwise" not in str(refusal):
                raise
            return False
        transaction.set_rollback(True)
    return True


def people() -> dict[str, User]:
    return {role: bank.person(role, role) for role in roles.ROLES}


def may(statement: str, subject: int) -> set[str]:
    return {role for role, person in people().items() if accepted(statement, person.pk, subject)}


def test_the_database_holds_the_rights_of_the_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT action, role FROM offers_signingright")
        held = set(cursor.fetchall())
    wanted = {
        (action, role)
        for action, holders in roles.PERMISSIONS.items()
        if action.startswith("approve:") or action in SIGNED
        for role in holders
    }
    assert held == wanted


def test_the_database_keeps_the_same_roles_apart() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT role, other FROM offers_rolesapart")
        assert {frozenset(pair) for pair in cursor.fetchall()} == roles.APART
    for one, other in (sorted(pair) for pair in roles.APART):
        for first, second in ((one, other), (other, one)):
            person = bank.person(f"{first}-{second}", first)
            with pytest.raises(IntegrityError, match="kept apart"), transaction.atomic():
                person.groups.add(Group.objects.get_or_create(name=second)[0])


@pytest.mark.parametrize("statement", [APPROVE, REJECT])
@pytest.mark.parametrize("kind", sorted({*KINDS, *WHOLE_KINDS} - {"rollback"}))
def test_sql_settles_a_change_only_for_a_role_that_may_approve_its_kind(kind: str, statement: str) -> None:
    assert may(statement, change_of(kind)) == roles.PERMISSIONS[f"approve:{kind}"]


def test_a_change_of_several_kinds_takes_the_right_to_each() -> None:
    assert may(APPROVE, change_of("arm", "arm", "creative")) == {roles.MARKETING_LEAD, roles.RISK_APPROVER}
    assert may(APPROVE, change_of("arm", "arm", "offer")) == {roles.RISK_APPROVER}
    assert may(APPROVE, change_of("arm", "arm", "model")) == set()
    both = bank.person("both", roles.RISK_APPROVER, roles.COMPLIANCE)
    assert accepted(APPROVE, both.pk, change_of("arm", "arm", "model"))


def test_what_is_rolled_back_to_was_approved_item_by_item() -> None:
    release = bank.publish(catalogue.content())
    change = change_of("rollback", "model", "rule", key=str(release.number))  # neither stood in it: both are retired
    assert may(APPROVE, change) == may(REJECT, change) == roles.PERMISSIONS["approve:rollback"]


def test_a_rollback_brings_nothing_but_what_stood_there() -> None:
    release = bank.publish(catalogue.content())
    offer, content = next(iter(release.content["offer"].items()))
    officer = bank.person("officer", roles.COMPLIANCE)
    contents = {"as it stood": content, "otherwise": {**content, "title": "Otherwise"}, "retired": None}
    approved = {
        name
        for name, said in contents.items()
        for change in [change_of("rollback", {"kind": "offer", "key": offer, "content": said}, key=str(release.number))]
        if accepted(APPROVE, officer.pk, change)
    }
    assert approved == {"as it stood"}


def test_an_item_without_a_kind_is_nobodys_to_approve() -> None:
    assert may(APPROVE, change_of("rule", {"key": "x"})) == set()


@pytest.mark.parametrize(("statement", "action"), [(JUSTIFY, "justify"), (BREAK, "break_glass")])
def test_sql_signs_a_change_only_for_a_role_that_may(statement: str, action: str) -> None:
    assert may(statement, change_of("rule")) == roles.PERMISSIONS[action]


def test_sql_stops_and_resumes_only_for_a_role_that_may() -> None:
    stop = (
        "INSERT INTO offers_stop (scope, target, reason, stopped_by_id, stopped_at) VALUES ('all', '', 'x', %s, now())"
    )
    may_stop = {role for role, person in people().items() if accepted(stop, person.pk)}
    assert may_stop == roles.PERMISSIONS["stop"]
    first = bank.person("first", roles.OPERATOR)
    stopped = Stop.objects.create(scope="all", reason="x", stopped_by=first, stopped_at=timezone.now())
    assert may(RESUME, stopped.pk) == roles.PERMISSIONS["resume"]
    with pytest.raises(IntegrityError, match="nobody holds no role"), transaction.atomic():
        Stop.objects.filter(pk=stopped.pk).update(resumed_at=timezone.now())


def test_a_role_that_was_revoked_or_an_account_that_was_closed_signs_nothing() -> None:
    change, checker = change_of("rule"), bank.person("checker", roles.RISK_APPROVER)
    assert accepted(APPROVE, checker.pk, change)
    User.objects.filter(pk=checker.pk).update(is_active=False)
    assert not accepted(APPROVE, checker.pk, change)
    User.objects.filter(pk=checker.pk).update(is_active=True)
    checker.groups.clear()
    assert not accepted(APPROVE, checker.pk, change)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO offers_signingright VALUES ('approve:rule', 'operator')",
        "UPDATE offers_signingright SET role = 'operator'",
        "DELETE FROM offers_signingright",
    ],
)
def test_the_serving_login_cannot_widen_the_rights(statement: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        connections["default"].cursor().execute(statement)
