"""Levers of the live release, what moving them would do on a sample, and the way from there to a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.evidence_view import comparison, expected_rows, verdict_words
from console.proposing import propose, submitted
from console.studio.what_if_form import WhatIfForm
from fairness import thresholds
from fairness.preview import Preview, preview
from offers import roles, snapshot
from offers.catalog import InvalidContent, Item
from offers.models import Release

SCALE = (0.4, 1.4)  # of impact ratios, as on the review page
TYPED = ("title", "rationale")  # of the proposal, kept while the levers move


@allowed("see:reach")
def index(request: SignedInRequest) -> HttpResponse:
    live = snapshot.live_row()
    if live is None:
        return render(request, "what_if/index.html", {"form": None})
    stale = _stale(request.GET.get("release"), live)
    form = WhatIfForm(live.content, {} if stale else request.GET.dict())
    items = form.items() if form.is_valid() else []
    return render(
        request,
        "what_if/index.html",
        {
            "form": form,
            "release": live.number,
            "stale": stale,
            "parity_scale": SCALE,
            "parity_line": thresholds.bands_in_force(live.content, timezone.now().date()).fail_ratio,
            **{name: request.GET.get(name, "") for name in TYPED},
            **_effect(request, items, form),
        },
    )


def _stale(filled_from: str | None, live: Release) -> bool:
    """Whether the levers were set from another release: then they would undo what that one did not have yet."""
    return filled_from is not None and filled_from != str(live.number)


def _effect(request: SignedInRequest, items: Sequence[Item], form: WhatIfForm) -> dict[str, Any]:
    """What stands beside the levers: the effect, or what is wrong with them."""
    context: dict[str, Any] = {"items": items, "forbidden": _forbidden(request, items), "effect": None}
    context["faults"] = form.faults()
    if context["faults"]:
        return context
    try:
        context["effect"] = _shown(preview(items, timezone.now()))
    except InvalidContent as refused:
        context["faults"] = [fault.message for fault in refused.faults]
    return context


def _forbidden(request: SignedInRequest, items: Sequence[Item]) -> list[str]:
    """The kinds among them that this person may not propose."""
    return sorted({item.kind for item in items if not roles.may(request.user, f"propose:{item.kind}")})


def _shown(found: Preview) -> dict[str, Any]:
    decisions = found.decisions
    total = max(1, decisions["customers"])
    offers = [
        {**row, "before_share": (row["before"] or 0) / total, "after_share": (row["after"] or 0) / total}
        for row in decisions["offers"]
        if row["before"] or row["after"]
    ]
    offers.sort(key=lambda row: -row["after_share"])
    names = {row["offer"]: row["name"] for row in decisions["offers"]}
    return {
        "population": found.population,
        "sample": found.sample,
        "verdict": found.verdict.value,
        "verdict_words": verdict_words(found.verdict),
        "worst": [comparison(row.to_json(), names) for row in found.worst],
        "any_offer": found.any_offer,
        "decisions": decisions,
        "expected": expected_rows(decisions),
        "offers": offers,
        "scale": max((max(row["before_share"], row["after_share"]) for row in offers), default=1.0),
    }


@require_POST
@allowed("see:reach")
def save(request: SignedInRequest) -> HttpResponse:
    """Propose exactly what was moved."""
    live = snapshot.live_row()
    if live is None or _stale(request.POST.get("release", ""), live):
        messages.error(
            request, "Nothing was proposed: another release is live than the one these levers were set from."
        )
        typed = urlencode({name: request.POST[name] for name in TYPED if request.POST.get(name)})
        return redirect(f"{reverse('what_if')}?{typed}" if typed else "what_if")
    form = WhatIfForm(live.content, request.POST.dict())
    items = form.items() if form.is_valid() else []
    moved = request.POST.copy()
    moved.pop("csrfmiddlewaretoken", None)
    back = redirect(f"{reverse('what_if')}?{moved.urlencode()}")
    if not items:
        why = "Nothing was moved, so there is nothing to propose." if form.is_valid() else "Nothing was proposed."
        messages.error(request, why)
        return back
    title = request.POST.get("title", "").strip() or f"What-if: {', '.join(item.key for item in items)}"
    try:
        change = propose(
            kind=items[0].kind, key=items[0].key, title=title[:200],
            rationale=request.POST.get("rationale", "").strip(), items=items, author=request.user, now=timezone.now(),
        )  # fmt: skip
    except InvalidContent as refused:
        messages.error(request, f"Nothing was proposed: {refused}.")
        return back
    return submitted(request, change)
