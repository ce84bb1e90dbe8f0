"""Contact caps, counted over calendar days in UTC; a cap that is reached ends the customer's or the offer's turn."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from decisioning.case import Case

STAGE = "caps"
EVERYTHING = "*"  # the count of decisions with an offer, whichever it was
DAYS = 7

Contacts = Mapping[str, Mapping[str, int]]


def apply(case: Case) -> None:
    policy, contacts, now = case.plan.release.contact_policy, case.known.contacts, case.request.now
    today = contacts.get(now.date().isoformat(), {})
    week = [contacts.get(day, {}) for day in last_days(now)]
    if (
        today.get(EVERYTHING, 0) >= policy.decisions_per_day
        or sum(day.get(EVERYTHING, 0) for day in week) >= policy.decisions_per_week
    ):
        case.reason = "CAPPED"
    else:
        for index, offer in enumerate(case.plan.offers):
            if case.live[index] and sum(day.get(offer, 0) for day in week) >= policy.same_offer_per_week:
                case.refuse(index, STAGE, "CAPPED", "same_offer_per_week")


def last_days(now: datetime) -> list[str]:
    """ISO days of the week that ends today."""
    return [(now - timedelta(days=back)).date().isoformat() for back in range(DAYS)]


def counted(contacts: Contacts, offers: tuple[str, ...], now: datetime) -> dict[str, dict[str, int]]:
    """The contacts after a decision that shows `offers`; days that no cap looks at any more are dropped."""
    kept = {day: dict(contacts[day]) for day in last_days(now) if day in contacts}
    today = kept.setdefault(now.date().isoformat(), {})
    for key in (EVERYTHING, *offers):
        today[key] = today.get(key, 0) + 1
    return kept
