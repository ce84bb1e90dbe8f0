"""What runs when: months as a scale, offers as bars on it, and the days on which nothing stands in a placement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from offers.models import Arm, Offer, Placement

MONTHS: Final = 6
SHOWN: Final = 20  # offers of one product; the list shows the rest
ENDING: Final = timedelta(days=30)
MOST_ENDING: Final = 50

Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """The months that are shown, from the first day of one to the first day after the last."""

    first: date

    @property
    def months(self) -> list[date]:
        return [shifted(self.first, number) for number in range(MONTHS)]

    @property
    def starts(self) -> datetime:
        return midnight(self.first)

    @property
    def ends(self) -> datetime:
        return midnight(shifted(self.first, MONTHS))

    @property
    def grid(self) -> str:
        """A line at the start of each month, as an SVG path of height 14."""
        return "".join(f"M{self.place(midnight(month))} 0V14" for month in self.months)

    def place(self, moment: datetime) -> float:
        """Per cent of the way through, between 0 and 100."""
        share = (moment - self.starts) / (self.ends - self.starts)
        return round(100 * min(1.0, max(0.0, share)), 2)


_YEARS: Final = 100  # from today, either way


@dataclass(frozen=True, slots=True)
class Bar:
    """One offer on the scale; it goes on beyond the edges where it is open."""

    offer: Offer
    left: float
    width: float
    open_left: bool
    open_right: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing but the fallback stands in the placement from `starts` to `ends` (None: to the end of the scale)."""

    placement: str
    starts: datetime
    ends: datetime | None


def shifted(first: date, months: int) -> date:
    """The first day of the month so many months later, or earlier."""
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def month_of(raw: str, today: date) -> date:
    """The first day of "2027-03", or of this month for anything else."""
    try:
        found = datetime.strptime(raw, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return today.replace(day=1)
    # A scale goes on for a year or more, and so would beyond the calendar.
    return found if today.year - _YEARS <= found.year <= today.year + _YEARS else today.replace(day=1)


def running(scale: Scale) -> QuerySet[Offer]:
    """The live offers that run in some of these months."""
    begun = Q(starts_at__isnull=True) | Q(starts_at__lt=scale.ends)
    return Offer.objects.filter(begun, Q(ends_at__isnull=True) | Q(ends_at__gt=scale.starts), live=True)


def by_product(scale: Scale, products: Sequence[str]) -> dict[str, list[Bar]]:
    """The first SHOWN offers of each product that run, by their end: what ends first stands first."""
    rank = Window(RowNumber(), partition_by=F("product"), order_by=(F("ends_at").asc(nulls_last=True), F("key")))
    rows = running(scale).filter(product__in=products).annotate(rank=rank).filter(rank__lte=SHOWN)
    found: dict[str, list[Bar]] = {product: [] for product in products}
    for offer in rows.order_by("product", "rank").defer("content"):
        found[offer.product].append(_bar(scale, offer))
    return found


def _bar(scale: Scale, offer: Offer) -> Bar:
    left = scale.place(offer.starts_at) if offer.starts_at else 0.0
    right = scale.place(offer.ends_at) if offer.ends_at else 100.0
    return Bar(
        offer,
        left,
        max(0.6, round(right - left, 2)),
        open_left=offer.starts_at is None or offer.starts_at < scale.starts,
        open_right=offer.ends_at is None or offer.ends_at > scale.ends,
    )


def ending(now: datetime) -> list[Offer]:
    """What ends within ENDING, the first to end first."""
    rows = Offer.objects.filter(live=True, ends_at__gt=now, ends_at__lte=now + ENDING).defer("content")
    return list(rows.order_by("ends_at", "key")[:MOST_ENDING])


def gaps(scale: Scale, now: datetime) -> list[Gap]:
    """From now on, when nothing but its fallback may stand in a placement; channels, rules and stops are left out."""
    placements = list(Placement.objects.filter(live=True).order_by("key"))
    fallbacks = [row.content["fallback"] for row in placements if row.content["fallback"]]
    of_fallback = Arm.objects.filter(key__in=fallbacks).values("offer")
    spans = running(scale).exclude(key__in=of_fallback).values_list("content__placements", "starts_at", "ends_at")
    by_placement: dict[str, list[Span]] = {}
    # Without an order, which would tell apart offers that run in the same places at the same time.
    for places, starts, ends in spans.order_by().distinct():
        for place in places:
            by_placement.setdefault(place, []).append((starts, ends))
    begin = max(now, scale.starts)
    return [
        Gap(row.title, starts, None if ends >= scale.ends else ends)
        for row in placements
        for starts, ends in uncovered(by_placement.get(row.key, []), begin, scale.ends)
    ]


def uncovered(spans: Iterable[Span], begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches between `begin` and `end` that no span (start, end; None is open) covers."""
    found, reached = [], begin
    known: list[tuple[datetime, datetime]] = sorted((starts or begin, ends or end) for starts, ends in spans)
    for starts, ends in known:
        if starts > reached and reached < end:
            found.append((reached, min(starts, end)))
        reached = max(reached, ends)
    return [*found, (reached, end)] if reached < end else found


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def rows_of(scale: Scale, products: Sequence[Any]) -> list[dict[str, Any]]:
    """Each product (key and title) with its bars, and whether the list has more than are drawn."""
    bars = by_product(scale, [product.key for product in products])
    return [
        {"key": product.key, "title": product.title, "bars": bars[product.key],
         "more": len(bars[product.key]) == SHOWN}
        for product in products
    ]  # fmt: skip
