"""The lines at which a month is judged: those of the policy packs in force at its end, each at its strictest, since the
cube counts customers of every place together."""

from __future__ import annotations

from datetime import date, timedelta

from fairness.thresholds import Bands
from offers import packs
from offers.types import Monitors


def in_force(on: date) -> Bands:
    """Those of the live release."""
    return packs.strictest(packs.live(on)).bands


def monitors(on: date) -> Monitors:
    """What follows when one of them is crossed, likewise."""
    return packs.strictest(packs.live(on)).monitors


def last_day(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1) - timedelta(days=1)
