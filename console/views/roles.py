"""Who may do what, as offers.roles has it, and who holds which role; nothing is granted here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render

from console.access import SignedInRequest, allowed
from offers import roles

# What an action is called here where its own words do not say it.
WORDS: Final = {
    "propose:terms": "rates, fees and limits of an offer",
    "propose:contact_policy": "how often a customer is contacted",
    "propose:model": "propensity models",
    "propose:pack": "policy packs: lines of the audits, notices, what the law asks for",
    "propose:rollback": "going back to an earlier release",
    "propose:catalogue": "a catalogue read from files",
    "propose:ranking": "how offers are ranked",
    "approve:contact_policy": "how often a customer is contacted",
    "approve:model": "propensity models",
    "approve:pack": "policy packs",
    "approve:rollback": "going back to an earlier release",
    "approve:catalogue": "a catalogue read from files",
    "approve:ranking": "how offers are ranked",
    "see:reach": "how many customers a condition matches",
    "see:fairness": "fair lending",
    "see:audit": "the audit trail",
    "see:health": "what runs and what waits",
    "see:quality": "data quality",
    "see:roles": "this page",
    "see:customers": "single customers",
    "see:individuals": "single people who are treated unlike",
    "see:requests": "what customers ask about decisions",
    "work:findings": "find the cause of a finding and mend it",
    "close:findings": "sign off a finding that somebody else mended",
    "document:models": "document a model in the inventory",
    "validate:models": "validate a model that somebody else developed",
    "search:alternatives": "search for less discriminatory alternatives",
    "sign:alternatives": "sign a search that somebody else wrote",
    "pull:list": "pull a list for a firm offer, which freezes its criteria",
    "hold:records": "place a legal hold, or end one that somebody else placed",
    "work:requests": "answer what customers ask about decisions",
    "export:evidence": "make an examiner pack",
    "justify": "justify a change whose fair lending fails",
    "break_glass": "put a change live before its evidence, with a second person",
    "discuss": "discuss a change",
    "grant": "make people and give roles, never to oneself",
    "stop": "stop an offer, arm, product, model or everything",
    "resume": "resume what somebody else stopped",
    "replay": "replay a decision",
    "replay:dead_letters": "take in dead letters again, or give them up",
}
# Actions in groups; what stands before the colon of the others is no group of its own.
GROUPS: Final = (
    ("propose", "Propose"),
    ("approve", "Approve, when somebody else wrote it"),
    ("see", "See"),
    ("", "Do"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One action: `cells` says for each role, in the table's order, whether it may; `yours` whether you may."""

    words: str
    reason: str
    cells: tuple[bool, ...]
    yours: bool


@allowed("see:roles")
def index(request: SignedInRequest) -> HttpResponse:
    own = roles.roles_of(request.user)
    groups = [(title, _rows(name, own)) for name, title in GROUPS]
    return render(
        request,
        "roles/list.html",
        {
            "roles": [(label, name in own) for name, label in roles.ROLES.items()],
            "own": [roles.ROLES[name] for name in roles.ROLES if name in own],
            "groups": groups,
            "yours": [(title, [row.words for row in rows if row.yours]) for title, rows in groups],
            "holders": _holders(request.user),
            "names": roles.may(request.user, "see:audit"),
        },
    )


def _rows(group: str, own: frozenset[str]) -> list[Row]:
    return [
        Row(
            words(action),
            roles.REASONS.get(action, ""),
            tuple(role in holders for role in roles.ROLES),
            bool(holders & own),
        )
        for action, holders in roles.PERMISSIONS.items()
        if group_of(action) == group
    ]


def group_of(action: str) -> str:
    first = action.partition(":")[0]
    return first if first in {"propose", "approve", "see"} else ""


def words(action: str) -> str:
    if action in WORDS:
        return WORDS[action]
    name = action.rpartition(":")[2].replace("_", " ")
    return f"{name}s" if group_of(action) in {"propose", "approve"} else name


def _holders(viewer: User) -> list[tuple[str, list[str], int]]:
    """(role, names, how many more) of each; names only for whom offers.roles lets see who did what, and one's own."""
    held: dict[str, list[str]] = {role: [] for role in roles.ROLES}
    people = User.objects.filter(is_active=True, groups__name__in=held).order_by("username")
    for role, name in people.values_list("groups__name", "username"):
        held[role].append(name)
    every = roles.may(viewer, "see:audit")
    return [
        (roles.ROLES[role], shown, len(names) - len(shown))
        for role, names in held.items()
        for shown in [list(_shown(names, viewer, every))]
    ]


def _shown(names: Iterable[str], viewer: User, every: bool) -> Iterable[str]:
    return (name for name in names if every or name == viewer.get_username())
