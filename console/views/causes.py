"""Why a gap appeared: the rules and inputs behind an offer's, who is steered, who is exposed to what; read from what
the last night kept."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.compliance import causes as reading
from console.paging import paged
from fairness import tasks
from fairness.causes.kept import Kind
from fairness.cube import lines
from fairness.models import Cause
from offers import roles
from offers.models import Offer

_TABS = (
    ("audience", "Offers", Kind.AUDIENCE), ("arms", "Arms", Kind.ARM), ("learning", "Learning", Kind.EXPLORATION),
    ("caps", "Caps", Kind.CAPS),
)  # fmt: skip


@allowed("see:fairness")
def causes(request: SignedInRequest, offer: str, attribute: str) -> HttpResponse:
    """One offer under one attribute; under "any offer" and a family, the offers to look at."""
    if reading.is_any(offer):
        found = reading.widest(attribute, offer)
        return render(request, "causes/offers.html", {"attribute": attribute, "offers": found})
    held = get_object_or_404(Offer, key=offer)
    rows = reading.of_offer(offer, attribute)
    chosen = next((row for row in rows if row.group == request.GET.get("group")), rows[0] if rows else None)
    context: dict[str, Any] = {
        "offer": held, "attribute": attribute, "groups": rows, "chosen": chosen, "running": reading.running(),
        "bands": lines.in_force(timezone.now().date()), "may_see_rules": roles.may(request.user, "see:rules"),
    }  # fmt: skip
    if chosen:
        rules = reading.rules_of(chosen)
        context |= {
            "rules": rules,
            "headline": reading.headline(chosen, rules, context["bands"]),
            "figure": reading.figure_of(rules),
            "scale": max((abs(rule.row["shapley"]) for rule in rules), default=0.0),
            "drivers": reading.drivers_of(chosen),
            "waterfall": reading.waterfall_of(chosen),
        }
    return render(request, "causes/offer.html", context)


@require_POST
@allowed("see:fairness")
def find(request: SignedInRequest, offer: str, attribute: str) -> HttpResponse:
    """Ask for one offer's causes now; they are worked out beside the pages."""
    get_object_or_404(Offer, key=offer)
    try:
        tasks.find_causes.delay(offer)
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being computed. Try again in a moment.")
    else:
        messages.info(request, "The causes are being computed on everybody; they replace the ones below when ready.")
    return redirect("causes", offer, attribute)


@allowed("see:fairness")
def steering(request: SignedInRequest) -> HttpResponse:
    attributes = reading.attributes_of(Kind.STEERING)
    attribute = _chosen(request, "attribute", attributes)
    page = paged(Cause.objects.filter(kind=Kind.STEERING, attribute=attribute), request, descending=False)
    return render(
        request,
        "causes/steering.html",
        {
            "attributes": attributes, "attribute": attribute, "page": page, "rows": page.rows,
            "bands": lines.in_force(timezone.now().date()),
            "steered": Cause.objects.filter(kind=Kind.STEERING, content__level="fail").exclude(subject="").count(),
            "judged": reading.judged(Kind.STEERING),
        },
    )  # fmt: skip


@allowed("see:fairness")
def exposure(request: SignedInRequest) -> HttpResponse:
    """One tab at a time: offers, arms, the burden of learning, what caps take away."""
    shown = _chosen(request, "show", [name for name, _, _ in _TABS])
    kind = next((kind for name, _, kind in _TABS if name == shown), None)
    if kind is None:
        raise Http404
    attributes = reading.attributes_of(kind)
    attribute = _chosen(request, "attribute", attributes)
    page = paged(Cause.objects.filter(kind=kind, attribute=attribute), request, descending=False)
    locked = list(Cause.objects.filter(kind=Kind.ARM).exclude(content__locked_out=None)[:6])
    names = reading.arm_names if kind == Kind.ARM else reading.offer_names
    titles = names({row.subject for row in page.rows if row.subject})
    return render(
        request,
        "causes/exposure.html",
        {
            "tabs": [{"name": name, "label": label, "current": name == shown} for name, label, _ in _TABS],
            "shown": shown, "attributes": attributes, "attribute": attribute, "page": page,
            "rows": [{"cause": row, "title": titles.get(row.subject, row.subject)} for row in page.rows],
            "locked": locked, "judged": reading.judged(Kind.ARM), "bands": lines.in_force(timezone.now().date()),
        },
    )  # fmt: skip


def _chosen(request: SignedInRequest, name: str, among: list[str]) -> str:
    """What the address asks for, else the first there is."""
    wanted = request.GET.get(name, "")
    return wanted if wanted in among else next(iter(among), "")
