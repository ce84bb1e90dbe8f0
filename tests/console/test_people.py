"""People and roles from the command line: made, granted, revoked, by somebody else who may, and in the audit trail."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from console.accounts import second_factor
from offers import roles
from offers.models import AuditEvent
from tests import bank

pytestmark = pytest.mark.django_db

OFFICER = "olga"


@pytest.fixture(autouse=True)
def _officer() -> None:
    bank.person(OFFICER, roles.OPERATOR)


def person(*arguments: str, by: str = OFFICER) -> str:
    said = StringIO()
    call_command("person", *arguments, "--by", by, stdout=said)
    return said.getvalue()


def held(name: str) -> frozenset[str]:
    return roles.roles_of(User.objects.get(username=name))


def test_a_person_is_made_with_roles_and_a_password_to_be_replaced(client: Client) -> None:
    said = person("rene", "--role", "risk_author", "--role", "marketing_lead", "--first-name", "René")
    assert held("rene") == {roles.RISK_AUTHOR, roles.MARKETING_LEAD}
    password = said.splitlines()[0].rpartition(" ")[2]
    client.post(reverse("sign_in"), {"username": "rene", "password": password})
    assert client.get(reverse("rules")).headers["Location"] == reverse("your_password")
    events = AuditEvent.objects.order_by("sequence").values_list("actor", "action", "subject")[:3]
    assert list(events) == [
        (OFFICER, "user.made", "user rene"),
        (OFFICER, "user.role_granted", "user rene"),
        (OFFICER, "user.role_granted", "user rene"),
    ]


def test_roles_are_granted_and_revoked_once() -> None:
    bank.person("ravi", roles.RISK_APPROVER)
    assert "granted auditor" in person("ravi", "--role", "auditor", "--revoke", "risk_approver")
    assert held("ravi") == {roles.AUDITOR}
    assert person("ravi", "--role", "auditor", "--revoke", "risk_approver") == "nothing to change\n"


def test_roles_that_are_kept_apart_are_refused_in_words() -> None:
    """T-GOV-13: developing and validating, auditing and anything else."""
    bank.person("mona", roles.MODEL_RISK)
    with pytest.raises(CommandError, match="model risk manager and risk author at once"):
        person("mona", "--role", "risk_author")
    bank.person("adam", roles.AUDITOR)
    with pytest.raises(CommandError, match="auditor and operator at once"):
        person("adam", "--role", "operator")
    assert held("mona") == {roles.MODEL_RISK}
    assert held("adam") == {roles.AUDITOR}
    assert "granted operator" in person("adam", "--role", "operator", "--revoke", "auditor")


def test_nobody_grants_to_themselves_but_anybody_may_be_relieved_by_themselves() -> None:
    with pytest.raises(CommandError, match="nobody gives themselves a role"):
        person(OFFICER, "--role", "risk_approver")
    person(OFFICER, "--revoke", "operator", by=OFFICER)
    assert held(OFFICER) == frozenset()


@pytest.mark.parametrize("officer", ["nobody", *sorted(set(roles.ROLES) - roles.PERMISSIONS["grant"])])
def test_only_whoever_may_grants(officer: str) -> None:
    if officer in roles.ROLES:
        bank.person(officer, officer)
    with pytest.raises(CommandError, match="may not grant"):
        person("friend", "--role", "auditor", by=officer)
    assert not User.objects.filter(username="friend").exists()


def test_where_nobody_may_grant_yet_the_first_is_made_by_whoever_holds_the_server() -> None:
    User.objects.all().delete()
    person("first", "--role", "operator", by="installation")
    with pytest.raises(CommandError, match="may not grant"):
        person("second", "--role", "operator", by="installation")
    person("second", "--role", "operator", by="first")


def test_a_half_wrong_command_does_nothing() -> None:
    with pytest.raises(CommandError, match="closes their own"):
        person(OFFICER, "--revoke", "operator", "--close")
    assert held(OFFICER) == {roles.OPERATOR}
    with pytest.raises(CommandError, match="valid username"):
        person("not a name", "--role", "auditor")
    assert User.objects.count() == 1


def test_a_lost_phone_and_a_lost_password_are_replaced_by_somebody_else(client: Client) -> None:
    rosa = bank.person("rosa", roles.RISK_APPROVER)
    second_factor.proposed(rosa)
    assert "removed 1 second factors" in person("rosa", "--forget-phone")
    said = person("rosa", "--new-password")
    rosa.refresh_from_db()
    assert rosa.check_password(said.strip().rpartition(" ")[2])
    for option in ("--new-password", "--forget-phone"):
        with pytest.raises(CommandError, match="nobody"):
            person(OFFICER, option)


def test_a_closed_account_may_do_nothing_any_more() -> None:
    rosa = bank.person("rosa", roles.RISK_APPROVER)
    person("rosa", "--close")
    rosa.refresh_from_db()
    assert roles.roles_of(rosa) == frozenset()


# --- The page of roles -----------------------------------------------------------------------------------------------
def page(name: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=name))
    answer = client.get(reverse("roles"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_every_action_once_with_the_roles_that_may(client: Client) -> None:
    client.force_login(User.objects.get(username=OFFICER))
    context = client.get(reverse("roles")).context
    rows = [row for _, rows in context["groups"] for row in rows]
    assert sorted(row.cells for row in rows) == sorted(
        tuple(role in holders for role in roles.ROLES) for holders in roles.PERMISSIONS.values()
    )
    assert len({(title, row.words) for title, rows in context["groups"] for row in rows}) == len(roles.PERMISSIONS)
    assert {row.reason for row in rows} - {""} == set(roles.REASONS.values())


def test_names_are_for_whoever_reads_the_audit_trail() -> None:
    bank.person("adam", roles.AUDITOR)
    bank.person("maya", roles.MARKETING_AUTHOR)
    bank.person("nora", roles.MARKETING_AUTHOR)
    seen, unseen = page("adam"), page("maya")
    assert "maya, nora" in seen
    assert "nora" not in unseen
    assert "maya and 1 more" in unseen


def test_ones_own_roles_are_marked() -> None:
    bank.person("maya", roles.MARKETING_AUTHOR)
    bank.person("none")
    assert "What you may do: Marketing author" in page("maya")
    client = Client()
    client.force_login(User.objects.get(username="none"))
    assert client.get(reverse("roles")).status_code == 403
    assert "No role is assigned to you yet" in client.get(reverse("your_sign_in")).content.decode()
