"""The stop board: what is stopped and why, and two clicks to stop an offer, an arm, a product, a model or all; and
whether the last drill of each took effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Value
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.forms import ReasonForm
from console.paging import paged
from decisioning import activity, drill, rebuild
from offers import roles, stopping
from offers.approvals import NoReason, SelfApproval
from offers.models import Arm, Offer, Product, Release, Stop
from offers.stopping import AlreadyStopped, NotStopped, UnknownTarget

PROPOSED = 200  # offers and arms each that the field proposes
_REFUSALS = (AlreadyStopped, NotStopped, UnknownTarget, NoReason, SelfApproval)


@allowed("see:stops")
def index(request: SignedInRequest) -> HttpResponse:
    return _board(request)


def _board(request: SignedInRequest) -> HttpResponse:
    """The board; after a step that was refused, with what was typed."""
    open_stops = list(Stop.objects.filter(resumed_at__isnull=True).select_related("stopped_by"))
    page = paged(
        Stop.objects.filter(resumed_at__isnull=False).select_related("stopped_by", "resumed_by"), request, "id"
    )
    may_resume = roles.may(request.user, "resume")
    models = list(Release.objects.order_by("-number").values_list("content__model", flat=True).first() or {})
    return render(
        request,
        "stops/board.html",
        {
            "open": [
                {"stop": stop, "name": _name(stop.scope, stop.target), "own": stop.stopped_by_id == request.user.pk,
                 "may_resume": may_resume and stop.stopped_by_id != request.user.pk}
                for stop in open_stops
            ],
            "targets": _targets(models, {(stop.scope, stop.target) for stop in open_stops}),
            "proposed": _proposed() if roles.may(request.user, "stop") else [],
            "past": page.rows,
            "page": page,
            "may_stop": roles.may(request.user, "stop"),
            "typed": request.POST,
            "drills": [
                {"name": Stop.Scope(one.scope).label, "drill": one.drill, "why": one.why}
                for one in drill.standing(timezone.now(), modelled=bool(models))
            ],
        },
    )  # fmt: skip


def _name(scope: str, target: str) -> str:
    return f"{Stop.Scope(scope).label} {target}".strip()


def _targets(models: list[str], stopped: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """Everything, the model and each product, with its share of the newest decisions."""
    offers = dict(Offer.objects.filter(live=True).values_list("key", "product"))
    recent = activity.newest()
    shares: dict[str, int] = {}
    for offer, count in recent.offers.items():
        shares[offers.get(offer, "")] = shares.get(offers.get(offer, ""), 0) + count
    rows: list[tuple[str, str, str, float | None]] = [("all", "", "Everything", 1.0)]
    rows += [("model", name, f"Model {name}", None) for name in models]
    rows += [
        ("product", key, title, shares.get(key, 0) / recent.with_offer if recent.with_offer else None)
        for key, title in Product.objects.filter(live=True).order_by("title").values_list("key", "title")
    ]
    return [
        {"value": f"{scope}:{target}", "name": name, "share": share, "stopped": (scope, target) in stopped}
        for scope, target, name, share in rows
    ]


def _proposed() -> list[tuple[str, str]]:
    """Offers and arms by name, for the field that takes any of them; in one query."""
    offers, arms = (
        table._default_manager.filter(live=True)
        .order_by("key")
        .annotate(scope=Value(scope))
        .values_list("scope", "key", "title")[:PROPOSED]
        for scope, table in (("offer", Offer), ("arm", Arm))
    )
    return [(f"{scope}:{key}", title) for scope, key, title in offers.union(arms, all=True)]


@require_POST
@allowed("stop")
def stop(request: SignedInRequest) -> HttpResponse:
    scope, target = _posted(request)

    def act() -> str:
        stopping.stop(scope=scope, target=target, reason=_reason(request), officer=request.user, now=timezone.now())
        return f"Stopped: {scope if scope == 'all' else target}. Every channel knows within a second."

    return _step(request, act)


@require_POST
@allowed("resume")
def resume(request: SignedInRequest) -> HttpResponse:
    scope, target = _posted(request)

    def act() -> str:
        stopping.resume(scope=scope, target=target, officer=request.user, now=timezone.now())
        return f"Resumed: {scope if scope == 'all' else target}."

    return _step(request, act)


def _posted(request: SignedInRequest) -> tuple[str, str]:
    """ "product:travel-cards", from the button that was pressed or the field beside the last one, in which a key alone
    is an offer's or, with a stroke in it, an arm's."""
    pressed = request.POST.get("target", "")
    wanted = pressed or request.POST.get("typed", "").strip()
    if wanted and ":" not in wanted:
        wanted = f"{'arm' if '/' in wanted else 'offer'}:{wanted}"
    scope, _, target = wanted.partition(":")
    return scope, target


def _reason(request: SignedInRequest) -> str:
    form = ReasonForm(request.POST)
    return str(form.cleaned_data["comment"]) if form.is_valid() else ""


def _step(request: SignedInRequest, act: Callable[[], str]) -> HttpResponse:
    try:
        with transaction.atomic():
            done = act()
            transaction.on_commit(rebuild.announce)
    except _REFUSALS as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
        return _board(request)
    messages.success(request, done)
    return redirect("stops")
