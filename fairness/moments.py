"""At which moments a change has to be judged: now is one, and its dates bring the others; no customer comes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from decisioning.plan import Plan
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.types import Boost, Offer, Release, Rule, in_force

AT_MOST: Final = 24  # different states of the rules and seasons to come; each takes room and seconds for everybody
LIVE: Final = "it goes live"


@dataclass(frozen=True, slots=True)
class Later:
    """A moment to come with what happens then; `like` is the first moment with the same rules and seasons in force."""

    at: datetime
    like: datetime
    brings: tuple[str, ...]


def later(plans: Sequence[Plan], items: Sequence[Item], go_live_at: datetime | None, now: datetime) -> list[Later]:
    """The moments after now at which anything that the items change starts or ends, under any of the plans, and the one
    at which they go live. Raises InvalidContent where they are too many to judge."""
    brings: dict[datetime, set[str]] = {go_live_at: {LIVE}} if go_live_at else {}
    for plan in plans:
        for item in items:
            for at, event in _dates(plan.release, item):
                brings.setdefault(at, set()).add(event)
    states: dict[tuple[bool, ...], datetime] = {}
    found = [
        Later(at, states.setdefault(_state(plans, at), at), tuple(sorted(brings[at])))
        for at in sorted(brings)
        if at > now
    ]
    if len(states) > AT_MOST:
        message = f"its dates bring {len(states)} different states of the rules, and {AT_MOST} can be judged: split it"
        raise InvalidContent([Fault("/items", "too_many_dates", message)])
    return found


def _dates(release: Release, item: Item) -> Iterator[tuple[datetime, str]]:
    one = _dated(release, item)
    if one and one.starts_at:
        yield one.starts_at, f"{item.kind} {item.key} starts"
    if one and one.ends_at:
        yield one.ends_at, f"{item.kind} {item.key} ends"


def _dated(release: Release, item: Item) -> Rule | Boost | Offer | None:
    if item.kind == "rule":
        return release.rules.get(item.key)
    if item.kind == "boost":
        return release.boosts.get(item.key)
    return release.offers.get(item.key) if item.kind == "offer" else None


def _state(plans: Sequence[Plan], at: datetime) -> tuple[bool, ...]:
    """What is in force then, under each plan."""
    return tuple(one.in_force(at) for plan in plans for one in plan.rules) + tuple(
        in_force(one.starts_at, one.ends_at, at) for plan in plans for one in plan.release.offers.values()
    )
