"""What an examiner asks for: a period, and one campaign or everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from decisioning.models import LoggedDecision
from offers.models import Offer


class UnknownCampaign(LookupError):
    """No offer and no loaded history has this name."""


class NoPeriod(ValueError):
    """A period ends after it begins, and lies where there can be records."""


EARLIEST: Final = date(1970, 1, 1)  # keys carry their time since then
LATEST: Final = date(9998, 12, 31)  # the calendar has no moment after the last day of 9999


@dataclass(frozen=True, slots=True)
class Scope:
    """From `start` on and before `end`, both aware; `offer` or `source` names the campaign, none of them everything."""

    start: datetime
    end: datetime
    offer: str = ""
    source: str = ""

    @property
    def campaign(self) -> str:
        return self.offer or self.source

    @property
    def first_month(self) -> date:
        """The month that the period begins in, as the cube names it: what it counts in months is asked for whole."""
        return self.start.date().replace(day=1)

    @property
    def period(self) -> tuple[datetime, datetime]:
        return self.start, self.end


def of(first: date, last: date, campaign: str = "") -> Scope:
    """From the first day to the last, both included, in UTC. Raises NoPeriod or UnknownCampaign."""
    for name, day in (("from", first), ("to", last)):
        if not EARLIEST <= day <= LATEST:
            raise NoPeriod(f"{name}: {day} lies outside of {EARLIEST} to {LATEST}")
    if last < first:
        raise NoPeriod("the last day comes before the first")
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    if not campaign:
        return Scope(start, end)
    if Offer.objects.filter(key=campaign).exists():
        return Scope(start, end, offer=campaign)
    if LoggedDecision.objects.filter(source=campaign).exists():
        return Scope(start, end, source=campaign)
    raise UnknownCampaign(f"no offer and no loaded history is called {campaign}")
