"""One arm: what it earns and for whom, how often it is chosen and why, and whether anything is wrong with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.catalogue.arm_list import standings, state_of
from console.engine import engine
from console.proposing import newest_changes
from console.views.offers import STARVED_BELOW, scale_of
from console.wording import attribute_name, attribute_value
from decisioning import arm_activity, budgets, runtime
from decisioning.activity import Standing
from decisioning.arm_activity import Segment
from decisioning.bandit.mandates import in_force
from offers import mandates, roles
from offers.models import Arm, Creative, Offer
from offers.snapshot import mandate as read_mandate
from offers.types import Mandate


@allowed("see:arms")
def detail(request: SignedInRequest, offer: str, name: str) -> HttpResponse:
    return _page(request, f"{offer}/{name}", {})


@allowed("see:arms")
def draws(request: SignedInRequest, offer: str, name: str) -> HttpResponse:
    """Whether the newest draws fell as logged: what the page asks for once it stands, or the whole page with it."""
    key = f"{offer}/{name}"
    get_object_or_404(Arm, key=key)
    found = {"draws": arm_activity.draws().get(key), "sample": arm_activity.DRAWS, "checked": True}
    if request.htmx:
        return render(request, "arms/draws.html", found)
    return _page(request, key, found)


def _page(request: SignedInRequest, key: str, more: dict[str, Any]) -> HttpResponse:
    arm, live, now = get_object_or_404(Arm, key=key), engine(), timezone.now()
    standing = _standing(key, live)
    mandate = read_mandate(arm.content.get("mandate"))
    days = arm_activity.by_day(now)
    return render(
        request,
        "arms/detail.html",
        {
            "arm": _arm(arm, standing, live),
            "standing": standing,
            "mandate": {
                "sentence": mandates.sentence(mandate),
                "over": mandate is not None and not in_force(mandate, now),
                "given": mandate is not None,
                "budget": mandate.learning_budget if mandate else None,
                "spent": _spent(mandate, key, now),
            },
            "days": [(day.day, day.share_of(key)) for day in days],
            "shares": [day.share_of(key) for day in days],
            "tallest": max((day.share_of(key) or 0.0 for day in days), default=0.0),
            "sampled": arm_activity.A_DAY,
            "chosen": sum(day.arms.get(key, 0) for day in days),
            "of_days": sum(sum(day.arms.values()) for day in days),
            **_segments(key, live if standing else None),
            "delays": arm_activity.delays(key, arm.offer),
            "starved_below": STARVED_BELOW,
            "changes": newest_changes(key, "arm"),
            "may_propose": arm.live and roles.may(request.user, "propose:arm"),
            **more,
        },
    )


def _standing(key: str, live: runtime.Engine | None) -> Standing | None:
    if live is None or key not in live.plan.release.arms:
        return None
    return next(row for row in standings(live.plan, live.posterior) if row.arm == key)


def _arm(arm: Arm, standing: Standing | None, live: runtime.Engine | None) -> dict[str, Any]:
    offer = Offer.objects.filter(key=arm.offer).values_list("title", flat=True).first()
    creative = Creative.objects.filter(key=arm.content["creative"]).values_list("title", flat=True).first()
    parts = arm.key.split("/")
    return {
        "key": arm.key,
        "parts": parts,
        "offer": offer or arm.offer,
        "offer_key": arm.offer,
        "creative": creative or arm.title,
        "state": state_of(arm.key, standing.trials, live) if live and standing else "retired",
        "paused": arm.content.get("paused", False),
        "prior_mean": arm.content["prior_mean"],
        "prior_strength": arm.content["prior_strength"],
        "version": arm.version,
        "release": arm.release_id,
        "updated_at": arm.updated_at,
        "live": arm.live,
    }


def _spent(mandate: Mandate | None, key: str, now: datetime) -> int | None:
    """How often the arm was learned on today; None where it has no budget, or where nobody knows."""
    if mandate is None or mandate.learning_budget is None:
        return None
    counts = budgets.today(now)
    return None if counts is None else counts.get(key, 0)


def _segments(key: str, live: runtime.Engine | None) -> dict[str, Any]:
    found = arm_activity.by_context(live.plan, live.posterior, key) if live else []
    return {
        "segments": [{"label": _label(row), "low": row.low, "mean": row.mean, "high": row.high} for row in found],
        "scale": scale_of([(row.low, row.mean, row.high) for row in found]),
        "average": found[0].mean if found else None,
    }


def _label(segment: Segment) -> str:
    """Whom a segment is of: "the average customer", "device app", "credit utilisation now 60 %, not 30 %"."""
    term = segment.term
    if term is None:
        return "the average customer"
    name = attribute_name(term.attribute)
    if term.equals is not None:
        return f"{name}: {attribute_value(term.attribute, term.equals)}"
    above, centre = (attribute_value(term.attribute, value) for value in (term.centre + term.scale, term.centre))
    return f"{name}: {above} instead of {centre}"
