"""People and their roles: made, granted and revoked by somebody else who may, each step in the audit trail.

Passwords, phones and sign-on are not decided here; what a role may do is in offers.roles.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import transaction
from django_otp import devices_for_user

from console.models import Account
from offers import audit, roles
from offers.roles import ROLES

GRANT = "grant"


class OwnRole(PermissionError):
    """Nobody gives themselves a role."""


class UnknownRole(ValueError):
    """There is no such role."""


class PersonExists(ValueError):
    """Somebody of this name exists."""


def require_officer(name: str) -> None:
    """Whoever grants holds a role that may. Until somebody does, the first are granted by whoever holds the server.

    Raises NotAllowed.
    """
    holders = User.objects.filter(is_active=True, groups__name__in=roles.PERMISSIONS[GRANT])
    if not holders.exists():
        return
    officer = User.objects.filter(username=name).first()
    if officer is None:
        raise roles.NotAllowed(name, GRANT)
    roles.require(officer, GRANT)


def make(username: str, *, by: str, now: datetime, first_name: str = "", last_name: str = "") -> tuple[User, str]:
    """A person without a role, and a password that they must replace when they first sign in. Raises PersonExists."""
    if User.objects.filter(username=username).exists():
        raise PersonExists(f"there is a person {username} already")
    person = User(username=username, first_name=first_name, last_name=last_name)
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.full_clean()
    person.save()
    Account.objects.create(user=person, temporary_password=True)
    audit.record(actor=by, action="user.made", subject=f"user {username}", detail={}, now=now)
    return person, password


def new_password(person: User, *, by: str, now: datetime) -> str:
    """Another password that the person must replace at once. Raises OwnRole where they ask for themselves."""
    _require_other(person, by, "chooses a temporary password for themselves: change it on the page")
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.save(update_fields=["password"])
    Account.objects.update_or_create(user=person, defaults={"temporary_password": True})
    audit.record(actor=by, action="user.password_reset", subject=f"user {person}", detail={}, now=now)
    return password


def grant(person: User, role: str, *, by: str, now: datetime) -> bool:
    """Whether it is new. In force from the person's next page on. Raises UnknownRole, OwnRole or RolesApart."""
    _require_known(role)
    _require_other(person, by, "gives themselves a role")
    if person.groups.filter(name=role).exists():
        return False
    roles.require_apart(person.get_username(), [role, *person.groups.values_list("name", flat=True)])
    person.groups.add(Group.objects.get_or_create(name=role)[0])
    audit.record(actor=by, action="user.role_granted", subject=f"user {person}", detail={"role": role}, now=now)
    return True


def revoke(person: User, role: str, *, by: str, now: datetime) -> bool:
    """Whether the person held it. In force from their next page on, and at once for what the database checks."""
    _require_known(role)
    if not person.groups.filter(name=role).exists():
        return False
    person.groups.remove(Group.objects.get(name=role))
    audit.record(actor=by, action="user.role_revoked", subject=f"user {person}", detail={"role": role}, now=now)
    return True


def hold_exactly(person: User, wanted: Iterable[str], *, by: str, now: datetime) -> None:
    """Revoke, then grant, until the person holds these roles; what is no role of ours is passed over. What was taken
    away stays so where the rest raises RolesApart."""
    known = frozenset(wanted) & frozenset(ROLES)
    held = roles.roles_of(person)
    with transaction.atomic():
        for role in sorted(held - known):
            revoke(person, role, by=by, now=now)
    with transaction.atomic():
        for role in sorted(known - held):
            grant(person, role, by=by, now=now)


def close(person: User, *, by: str, now: datetime) -> None:
    """The person signs in no more; what they signed stays theirs. Raises OwnRole."""
    _require_other(person, by, "closes their own account")
    person.is_active = False
    person.save(update_fields=["is_active"])
    audit.record(actor=by, action="user.closed", subject=f"user {person}", detail={}, now=now)


def forget_phone(person: User, *, by: str, now: datetime) -> int:
    """Remove every second factor, for somebody who lost theirs; how many there were. Raises OwnRole."""
    _require_other(person, by, "removes their own second factor")
    devices = list(devices_for_user(person, confirmed=None))
    for device in devices:
        device.delete()
    audit.record(
        actor=by, action="user.second_factor_removed", subject=f"user {person}", detail={"devices": len(devices)},
        now=now,
    )  # fmt: skip
    return len(devices)


def _require_known(role: str) -> None:
    if role not in ROLES:
        raise UnknownRole(f"there is no role {role}; roles are {', '.join(ROLES)}")


def _require_other(person: User, by: str, what: str) -> None:
    if person.get_username() == by:
        raise OwnRole(f"nobody {what}")
