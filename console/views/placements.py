"""Where offers are shown and of which products they are: the two lists that every offer refers to."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from console.access import SignedInRequest, allowed
from console.catalogue.offer_forms import PlacementForm
from console.paging import paged
from console.proposing import propose_from, submitted
from offers import roles
from offers.catalog import Item
from offers.models import Arm, Offer, Placement, Product

MOST_ARMS = 100  # suggested as a fallback


@allowed("see:offers")
def index(request: SignedInRequest) -> HttpResponse:
    """Every placement with its fallback and how many live offers may stand in it."""
    page = paged(Placement.objects.filter(live=True), request, "key", descending=False)
    arms = {row.content["fallback"] for row in page.rows} - {None}
    names = {arm.key: arm for arm in Arm.objects.filter(key__in=arms)}
    counts = _counts([row.key for row in page.rows])
    rows: list[dict[str, Any]] = [
        {
            "key": row.key,
            "title": row.title,
            "fallback": names.get(row.content["fallback"]),
            "offers": counts[row.key],
            "updated_at": row.updated_at,
            "release": row.release_id,
        }
        for row in page.rows
    ]
    return render(
        request,
        "placements/list.html",
        {
            "placements": rows,
            "page": page,
            "may_propose": roles.may(request.user, "propose:placement"),
            "proposers": _titles("propose:placement"),
            "approvers": _titles("approve:placement"),
        },
    )


def _counts(keys: list[str]) -> dict[str, int]:
    """Live offers by placement, in one query."""
    asked = {f"p{place}": Count("pk", filter=Q(content__placements__contains=[key])) for place, key in enumerate(keys)}
    found = Offer.objects.filter(live=True).aggregate(**asked) if asked else {}
    return {key: found[f"p{place}"] for place, key in enumerate(keys)}


def _titles(action: str) -> list[str]:
    return sorted(roles.ROLES[role].lower() for role in roles.PERMISSIONS[action])


@allowed("propose:placement")
def edit(request: SignedInRequest, key: str) -> HttpResponse:
    """Another name or another fallback."""
    found = get_object_or_404(Placement, key=key, live=True)
    start = {**found.content, "change_title": f"{found.title}: another fallback"[:200]}
    form = PlacementForm(request.POST if request.method == "POST" else None, initial=start)
    if form.is_bound and form.is_valid():
        content = {**found.content, "title": form.cleaned_data["title"], "fallback": form.cleaned_data["fallback"]}
        if content == found.content:
            form.add_error(None, "This is what is live already.")
        else:
            change = propose_from(request, form, kind="placement", key=key, items=[Item("placement", key, content)])
            if change:
                return submitted(request, change)
    arms = Arm.objects.filter(live=True).order_by("key").values_list("key", "title")[:MOST_ARMS]
    return render(request, "placements/edit.html", {"placement": found, "form": form, "arms": arms})


@allowed("see:offers")
def products(request: SignedInRequest) -> HttpResponse:
    """Every product with how many offers it has."""
    live = Offer.objects.filter(product=OuterRef("key"), live=True).order_by().values("product")
    rows = Product.objects.annotate(offers=Coalesce(Subquery(live.annotate(n=Count("pk")).values("n")), 0))
    page = paged(rows, request, "key", descending=False)
    may = roles.may(request.user, "propose:offer")
    return render(request, "products/list.html", {"products": page.rows, "page": page, "may_propose": may})
