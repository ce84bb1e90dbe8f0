"""Which offers a list shows: its filters, read from the address, as a query; no page and no figure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from console.catalogue import offer_status
from console.catalogue.offer_status import STATUSES, Stops
from offers.models import Offer
from offers.types import CHANNELS

SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Filters:
    """As typed; what is not one of its choices filters nothing."""

    q: str = ""
    status: str = ""
    product: str = ""
    channel: str = ""
    placement: str = ""
    ending: bool = False  # within SOON
    idle: bool = False  # not ranked first in any of the newest decisions

    @property
    def given(self) -> bool:
        return self != Filters()


def read(request: HttpRequest) -> Filters:
    given = {name: request.GET.get(name, "").strip() for name in ("q", "status", "product", "channel", "placement")}
    return Filters(**given, ending="ending" in request.GET, idle="idle" in request.GET)


def found(filters: Filters, stops: Stops, chosen: Collection[str], now: datetime) -> QuerySet[Offer]:
    """The offers, in no order yet; `chosen` are those that the newest decisions ranked first."""
    rows = Offer.objects.all()
    if filters.q:
        rows = rows.filter(Q(title__icontains=filters.q) | Q(key__icontains=filters.q))
    if filters.product:
        rows = rows.filter(product=filters.product)
    if filters.channel in CHANNELS:
        rows = rows.filter(content__channels__contains=[filters.channel])
    if filters.placement:
        rows = rows.filter(content__placements__contains=[filters.placement])
    if filters.status in STATUSES:
        rows = rows.filter(offer_status.where(filters.status, stops, now))
    if filters.ending:
        rows = rows.filter(live=True, ends_at__gt=now, ends_at__lte=now + SOON)
    if filters.idle:
        rows = rows.filter(live=True).exclude(key__in=chosen)
    return rows
