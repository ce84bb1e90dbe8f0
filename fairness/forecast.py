"""What a simulation says of decisions before and after a change, as the evidence stores it; it computes no decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisioning.impact import Decided, Estimate, Labels, Mask, Simulation
from decisioning.plan import Plan
from fairness.counts import NOT_RECORDED


def decisions(simulation: Simulation) -> dict[str, Any]:
    """Who is shown what first, today and after, and what that is expected to bring; `before` and `change` are None
    before the first release."""
    today = simulation.decided[0] if len(simulation.decided) > 1 else None
    then = simulation.decided[-1]
    return {
        "channel": simulation.scene.channel,
        "placement": simulation.scene.placement,
        "customers": len(then.offer),
        "sampled": simulation.share < 1,
        "before": _side(simulation, 0) if today else None,
        "after": _side(simulation, len(simulation.decided) - 1),
        "change": _estimates(*simulation.change()) if today else None,
        **_moves(today, then),
        "offers": _offers(simulation, today, then),
        "segments": {
            name: segment_rows(Labels(labels.codes[simulation.sample], labels.names), today, then)
            for name, labels in simulation.segments.items()
        },
    }


def _side(simulation: Simulation, which: int) -> dict[str, Any]:
    one = simulation.decided[which]
    return {"shown": int(one.shown.sum()), "ended": one.ended(), **_estimates(*simulation.expected(which))}


def _estimates(response: Estimate, value: Estimate) -> dict[str, Any]:
    """Of one customer, on average."""
    return {
        name: {"mean": one.mean, "low": one.low, "high": one.high}
        for name, one in (("response", response), ("value", value))
    }


def _moves(today: Decided | None, then: Decided) -> dict[str, int]:
    """Customers who are shown an offer where there was none, none where there was one, and another one."""
    before = today.shown if today else np.zeros_like(then.shown)
    moved = 0
    if today:
        place = {offer: at for at, offer in enumerate(then.offers)}
        renamed = np.array([*(place.get(offer, -2) for offer in today.offers), -1])[today.offer]
        moved = int((before & then.shown & (renamed != then.offer)).sum())
    return {"gain": int((then.shown & ~before).sum()), "lose": int((before & ~then.shown).sum()), "moved": moved}


def _offers(simulation: Simulation, today: Decided | None, then: Decided) -> list[dict[str, Any]]:
    """How many are shown each offer first; None where a release does not have it."""
    before, after = today.counts() if today else {}, then.counts()
    plans = [policy.plan for policy in simulation.policies]
    return [
        {"offer": offer, "name": _name(plans, offer), "before": before.get(offer), "after": after.get(offer)}
        for offer in sorted({*before, *after})
    ]


def _name(plans: Sequence[Plan], offer: str) -> str:
    return next(plan.release.offers[offer].name for plan in reversed(plans) if offer in plan.release.offers)


def segment_rows(labels: Labels, today: Decided | None, then: Decided) -> list[dict[str, Any]]:
    """Customers, those shown an offer and expected value by segment; empty segments are left out."""
    width = len(labels.names) + 1
    places = np.where(labels.codes < 0, width - 1, labels.codes)
    nobody = np.zeros_like(then.shown)
    columns = [
        _counted(places, width, mask) for mask in (np.ones_like(nobody), today.shown if today else nobody, then.shown)
    ]
    values = [
        np.bincount(places, weights=one.value, minlength=width).tolist() if one else [0.0] * width
        for one in (today, then)
    ]
    rows = zip((*labels.names, NOT_RECORDED), *columns, *values, strict=True)
    return [
        {"name": name, "customers": people, "before": before, "after": after, "value_before": was, "value_after": will}
        for name, people, before, after, was, will in rows
        if people
    ]


def _counted(places: NDArray[np.intp], width: int, mask: Mask) -> list[int]:
    found: list[int] = np.bincount(places[mask], minlength=width).tolist()
    return found
