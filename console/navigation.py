"""The frame of every page: which pages there are for this person, what waits, and which release is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from console.access import read_roles
from console.bank import staff
from console.waiting import changes_waiting_for
from offers import roles
from offers.models import Release

# Area: label, name of the address, and what one must be allowed to do. A page that is not here does not exist.
AREAS: Final = (
    ("", (("Home", "home", None),)),
    (
        "Marketing",
        (
            ("Offers", "offers", "see:offers"),
            ("Products", "products", "see:offers"),
            ("Placements", "placements", "see:offers"),
            ("Arms", "arms", "see:arms"),
            ("Value finder", "reach", "see:reach"),
            ("What-if", "what_if", "see:reach"),
        ),
    ),
    (
        "Risk",
        (
            ("Reviews", "reviews", "see:reviews"),
            ("Eligibility rules", "rules", "see:rules"),
            ("Boosts", "boosts", "see:rules"),
            ("Policies", "policies", "see:rules"),
            ("Releases", "releases", "see:releases"),
            ("Stop board", "stops", "see:stops"),
        ),
    ),
    (
        "Compliance",
        (
            ("Fairness", "fairness", "see:fairness"),
            ("Steering", "steering", "see:fairness"),
            ("Exposure", "exposure", "see:fairness"),
            ("Audit a file", "fairness_file", "see:fairness"),
            ("Policy packs", "packs", "see:fairness"),
            ("Individuals", "individuals", "see:individuals"),
            ("Alternatives", "alternatives", "see:fairness"),
            ("Findings", "findings", "see:findings"),
            ("Decisions", "decisions", "see:decisions"),
            ("Requests", "requests", "see:requests"),
            ("Legal holds", "holds", "see:audit"),
            ("Audit trail", "audit", "see:audit"),
            ("Examiner pack", "examiner", "export:evidence"),
        ),
    ),
    (
        "Models",
        (("Inventory", "models", "see:models"), ("Overrides", "overrides", "see:models")),
    ),
    (
        "Data",
        (
            ("Features", "features", "see:features"),
            ("Customers", "customers", "see:customers"),
            ("Data quality", "quality", "see:quality"),
            ("Dead letters", "dead_letters", "see:dead_letters"),
        ),
    ),
    ("Operations", (("Health", "health", "see:health"), ("Roles", "roles", "see:roles"))),
)


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    href: str
    current: bool
    waiting: int


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell` for base.html. Pages outside the console get nothing and cost no query."""
    person = getattr(request, "user", None)
    if not isinstance(person, User):
        return {}
    read_roles(person)
    waiting = changes_waiting_for(person).count()
    return {
        "shell": {
            "areas": _areas(request, person, waiting),
            "release": Release.objects.values("number", "published_at").order_by("-number").first(),
            "role": ", ".join(roles.ROLES[role].lower() for role in sorted(roles.roles_of(person))) or "no role",
            "environment": "demo" if staff.is_demo() else "",
            "query": request.GET.get("q", "") if request.path == reverse("search") else "",
        }
    }


def _areas(request: HttpRequest, person: User, waiting: int) -> list[tuple[str, list[Item]]]:
    shown = []
    # Of several that the address begins with, the page is the longest: fairness has pages of others below it.
    hrefs = [reverse(name) for _, entries in AREAS for _, name, _ in entries]
    here = max((href for href in hrefs if _is_current(request.path, href)), key=len, default="")
    for area, entries in AREAS:
        items = [
            Item(label, reverse(name), reverse(name) == here, waiting if name == "reviews" else 0)
            for label, name, action in entries
            if action is None or roles.may(person, action)
        ]
        if items:
            shown.append((area, items))
    return shown


def _is_current(path: str, href: str) -> bool:
    return path == href or (href != "/" and path.startswith(href))
