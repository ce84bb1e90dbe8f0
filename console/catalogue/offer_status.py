"""The status of an offer, as a word for one and as a condition for a list of them; the one definition of each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q

from offers.models import Arm, Offer

# In the order in which they are asked: an offer that is stopped and has ended is stopped.
STATUSES: Final = ("live", "scheduled", "ended", "paused", "stopped", "retired")
Stops = frozenset[tuple[str, str]]


def is_paused(arms: Collection[bool]) -> bool:
    """Whether an offer with these arms (True: paused) is paused as a whole."""
    return bool(arms) and all(arms)


def status_of(offer: Offer, stops: Stops, *, paused: bool, now: datetime) -> str:
    if not offer.live:
        return "retired"
    if {("all", ""), ("product", offer.product), ("offer", offer.key)} & stops:
        return "stopped"
    if offer.ends_at and offer.ends_at <= now:
        return "ended"
    if offer.starts_at and offer.starts_at > now:
        return "scheduled"
    return "paused" if paused else "live"


def where(status: str, stops: Stops, now: datetime) -> Q:
    """The same as a condition on offers. Raises KeyError for a status that there is not."""
    stopped = Q(key__in=_targets(stops, "offer")) | Q(product__in=_targets(stops, "product"))
    if ("all", "") in stops:
        stopped = Q(pk__isnull=False)
    ended, scheduled = Q(ends_at__isnull=False, ends_at__lte=now), Q(starts_at__isnull=False, starts_at__gt=now)
    arms = Arm.objects.filter(offer=OuterRef("key"), live=True)
    running = arms.filter(~Q(content__has_key="paused") | Q(content__paused=False))
    paused = Q(Exists(arms)) & ~Q(Exists(running))
    runs = Q(live=True) & ~stopped & ~ended & ~scheduled
    return {
        "retired": Q(live=False),
        "stopped": Q(live=True) & stopped,
        "ended": Q(live=True) & ~stopped & ended,
        "scheduled": Q(live=True) & ~stopped & ~ended & scheduled,
        "paused": runs & paused,
        "live": runs & ~paused,
    }[status]


def _targets(stops: Stops, scope: str) -> list[str]:
    return [target for kind, target in stops if kind == scope]
