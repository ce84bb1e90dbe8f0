"""Contact caps, counted over calendar days in UTC; a cap that is reached ends the customer's or the offer's turn."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from decisioning.case import Case
from offers.types import ContactPolicy

STAGE = "caps"
EVERYTHING = "*"  # the count of decisions with an offer, whichever it was
DAYS = 7

Contacts = Mapping[str, Mapping[str, int]]


def apply(case: Case) -> None:
    policy, contacts = case.plan.release.contact_policy, case.known.contacts
    everything, offers = reached(policy, contacts, case.plan.offers, case.request.now)
    if everything:
        case.reason = "CAPPED"
        return
    for offer in offers:
        case.refuse(case.plan.position[offer], STAGE, "CAPPED", "same_offer_per_week")


def reached(policy: ContactPolicy, contacts: Contacts, offers: Sequence[str], now: datetime) -> tuple[bool, list[str]]:
    """Whether a cap on everything is reached and, of these offers, those whose own cap is."""
    week = _totals(contacts, now)
    today = contacts.get(now.date().isoformat(), {})
    if today.get(EVERYTHING, 0) >= policy.decisions_per_day or week[EVERYTHING] >= policy.decisions_per_week:
        return True, []
    # Offers never shown are under any cap but one of nothing at all.
    # In one order: the ledger's own is another in Redis than in the record, and refusals are recorded as they come.
    candidates = offers if policy.same_offer_per_week == 0 else sorted(week.keys() & set(offers))
    return False, [offer for offer in candidates if week[offer] >= policy.same_offer_per_week]


def _totals(contacts: Contacts, now: datetime) -> Counter[str]:
    """How often each offer, and anything at all, was shown in the week that ends today."""
    totals: Counter[str] = Counter()
    if contacts:
        for day in last_days(now):
            totals.update(contacts.get(day, {}))
    return totals


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


def also(contacts: Contacts, names: Iterable[str], day: str) -> dict[str, dict[str, int]]:
    """The contacts after the same decision has shown more of its offers."""
    result = {key: dict(counts) for key, counts in contacts.items()}
    counts = result.setdefault(day, {})
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return result
