"""The lines at which a month is judged: those of the policy packs in force at its end, each at its strictest, since the
cube counts customers of every place together."""

from __future__ import annotations

from datetime import date, timedelta

from fairness import thresholds
from fairness.thresholds import Bands
from offers.models import Release


def in_force(on: date) -> Bands:
    """Those of the live release; only its packs are read, and not a catalogue of thousands of offers."""
    packs = Release.objects.order_by("-number").values_list("content__pack", flat=True).first()
    return thresholds.bands_in_force({"pack": packs or {}}, on)


def last_day(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1) - timedelta(days=1)
