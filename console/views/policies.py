"""How often a customer is contacted, and how offers are ranked: the two policies of which one each is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from console.access import SignedInRequest, allowed
from console.proposing import propose_from, submitted
from console.studio.rule_forms import ContactPolicyForm, RankingForm, initial
from console.views.rules import open_changes
from console.wording import side_by_side
from offers import roles
from offers.catalog import Item
from offers.models import CatalogueItem, ChangeRequest, ContactPolicy, RankingPolicy

Form = ContactPolicyForm | RankingForm


@allowed("see:rules")
def index(request: SignedInRequest) -> HttpResponse:
    return render(
        request,
        "policies/list.html",
        {
            "policies": [
                _policy(request, "contact_policy", "Contact policy", ContactPolicy.objects.filter(live=True).first()),
                _policy(request, "ranking", "Ranking", RankingPolicy.objects.filter(live=True).first()),
            ]
        },
    )


def _policy(request: SignedInRequest, kind: str, label: str, row: CatalogueItem | None) -> dict[str, Any]:
    changes = open_changes(kind, [row.key]) if row else {}
    return {
        "kind": kind,
        "label": label,
        "row": row,
        "fields": [(field.label, field.after) for field in side_by_side(None, row.content)] if row else [],
        "open_change": changes.get(row.key) if row else None,
        "may_propose": roles.may(request.user, f"propose:{kind}"),
    }


@allowed("propose:contact_policy")
def contact(request: SignedInRequest, key: str) -> HttpResponse:
    return _edit(request, "contact_policy", get_object_or_404(ContactPolicy, key=key, live=True), ContactPolicyForm)


@allowed("propose:ranking")
def ranking(request: SignedInRequest, key: str) -> HttpResponse:
    return _edit(request, "ranking", get_object_or_404(RankingPolicy, key=key, live=True), RankingForm)


def _edit(request: SignedInRequest, kind: str, row: CatalogueItem, made: type[Form]) -> HttpResponse:
    form = made(request.POST) if request.method == "POST" else made(initial=_initial(row.content))
    if request.method == "POST" and form.is_valid():
        change = _propose(request, kind, row, form)
        if change:
            return submitted(request, change)
    return render(request, "policies/edit.html", {"form": form, "row": row, "kind": kind})


def _initial(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine assumes where the content says nothing stands in the form."""
    assumed = {"value_exponent": 0, "attribution_days": 30, "lease_minutes": 30}
    return initial({**assumed, **content})


def _propose(request: SignedInRequest, kind: str, row: CatalogueItem, form: Form) -> ChangeRequest | None:
    content = form.content(row.content)
    if content == row.content:
        form.add_error(None, "This is what is live already.")
        return None
    return propose_from(request, form, kind=kind, key=row.key, items=[Item(kind, row.key, content)])
