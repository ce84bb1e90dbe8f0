"""The people of the demo bank and the API keys of its channels, with the private file that can tell them again."""

from __future__ import annotations

import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from console import embedded
from decisioning import credentials
from offers import audit, roles
from offers.roles import ROLES
from offers.types import CHANNELS

# Somebody of each role, and two of those that approve, so that author and approver can differ.
PEOPLE = {
    "maya.marketer": (roles.MARKETING_AUTHOR, "Maya", "Lindqvist"),
    "noah.marketer": (roles.MARKETING_LEAD, "Noah", "Abara"),
    "rosa.risk": (roles.RISK_APPROVER, "Rosa", "Delgado"), "ravi.risk": (roles.RISK_APPROVER, "Ravi", "Menon"),
    "rene.risk": (roles.RISK_AUTHOR, "René", "Fontaine"),
    "clara.compliance": (roles.COMPLIANCE, "Clara", "Weiss"), "cyrus.compliance": (roles.COMPLIANCE, "Cyrus", "Okafor"),
    "mona.models": (roles.MODEL_RISK, "Mona", "Iversen"), "adam.auditor": (roles.AUDITOR, "Adam", "Kowalski"),
    "olga.operator": (roles.OPERATOR, "Olga", "Brandt"),
}  # fmt: skip
ACTOR = "seed_demo"


class NotTheDemo(RuntimeError):
    """Passwords and keys in a file are for the demo's own servers; a real bank makes its users itself."""


def ensure(now: datetime) -> None:
    """Make the people and keys that are missing; what the file does not tell any more is made anew."""
    if not is_demo():
        raise NotTheDemo("the demo's sign-ins are only made by `make demo`, or on its own servers under var/")
    if User.objects.exclude(username__in=PEOPLE).exists():
        raise NotTheDemo("this database has people whom the demo did not make; give the demo an empty one")
    kept = read()
    with transaction.atomic():
        users = [_person(name, kept, now) for name in PEOPLE]
        keys = {channel: _key(channel, kept, now) for channel in CHANNELS}
        # Written before the commit: a crash in between leaves lines that the next run replaces.
        _write({"users": users, "keys": keys})


def is_demo() -> bool:
    """Whether `make demo` runs this process, or the database is the embedded one."""
    if settings.UNDER_DEMO:
        return True
    try:
        known = json.loads((embedded.VAR / "servers.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    owner = settings.DATABASES["owner"]
    return owner.get("HOST") in {"127.0.0.1", "localhost"} and owner.get("PORT") == str(known["postgres"]["port"])


def user(name: str) -> User:
    return User.objects.get(username=name)


def path() -> Path:
    return Path(settings.VAR) / "demo-users.json"


def read() -> dict[str, Any]:
    """{"users": [{"role", "username", "password"}], "keys": {channel: key}}, empty before the first run."""
    try:
        return dict(json.loads(path().read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {"users": [], "keys": {}}


def _person(name: str, kept: dict[str, Any], now: datetime) -> dict[str, str]:
    role, first, last = PEOPLE[name]
    entry = next((entry for entry in kept["users"] if entry["username"] == name), None)
    person, made = User.objects.get_or_create(
        username=name, defaults={"first_name": first, "last_name": last, "date_joined": now}
    )
    if made or entry is None or not person.check_password(entry["password"]):
        entry = {"username": name, "password": secrets.token_urlsafe(12)}
        person.set_password(entry["password"])
        person.save()
        audit.record(actor=ACTOR, action="user.made", subject=f"user {name}", detail={"role": role}, now=now)
    person.groups.set([Group.objects.get_or_create(name=role)[0]])
    return {"role": ROLES[role], "username": name, "password": entry["password"]}


def _key(channel: str, kept: dict[str, Any], now: datetime) -> str:
    key = kept["keys"].get(channel, "")
    if key and credentials.check(key):
        return str(key)
    return credentials.make(channel=channel, scopes=credentials.SCOPES, actor=ACTOR, now=now)


def _write(content: dict[str, Any]) -> None:
    draft = path().with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    draft.replace(path())
