"""Which arms the leaderboard shows, in which order, and in what state each is; no page and no figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django.http import HttpRequest

from console.paging import SIZE
from console.views.offers import STARVED_BELOW
from decisioning import activity
from decisioning.activity import Standing
from decisioning.bandit.posterior import Posterior
from decisioning.plan import Plan
from decisioning.runtime import Engine

# In the order in which they are asked: an arm that is paused and stopped is stopped.
STATES: Final = ("learning", "starved", "paused", "fallback", "stopped", "retired")


@dataclass(frozen=True, slots=True)
class Filters:
    """As typed; a state that there is not filters nothing. `offer` is a key, given by links only."""

    q: str = ""
    state: str = ""
    offer: str = ""
    mandated: bool = False

    @property
    def given(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the arms; the keys are those to go on from, None at an end."""

    rows: list[Standing]
    next_key: str | None
    previous_key: str | None

    @property
    def shown(self) -> int:
        return len(self.rows)


def read(request: HttpRequest) -> Filters:
    given = {name: request.GET.get(name, "").strip() for name in ("q", "state", "offer")}
    return Filters(**given, mandated="mandated" in request.GET)


@lru_cache(maxsize=1)
def standings(plan: Plan, posterior: Posterior) -> tuple[Standing, ...]:
    """Every arm of the release, the highest expected reward first; kept until either is another: thousands of arms take
    a fifth of a second."""
    return tuple(activity.standings(plan, posterior))


def state_of(arm: str, trials: int, live: Engine) -> str:
    """The state of an arm of the live release."""
    release = live.plan.release
    found = release.arms[arm]
    product = release.offers[found.offer].product
    if {("all", ""), ("product", product), ("offer", found.offer), ("arm", arm)} & live.stops:
        return "stopped"
    if found.paused:
        return "paused"
    if any(placement.fallback == arm for placement in release.placements.values()):
        return "fallback"
    return "learning" if trials >= STARVED_BELOW else "starved"


def found(filters: Filters, standings: Sequence[Standing], live: Engine) -> list[Standing]:
    """The arms of the live release that match, in the order of the standings."""
    text = filters.q.lower()
    return [
        row
        for row in standings
        if (not filters.offer or row.offer == filters.offer)
        and (not text or text in _names(row, live))
        and (not filters.mandated or live.plan.release.arms[row.arm].mandate)
        and (filters.state not in STATES or state_of(row.arm, row.trials, live) == filters.state)
    ]


def _names(row: Standing, live: Engine) -> str:
    release = live.plan.release
    return (
        f"{row.arm} {release.offers[row.offer].name} {release.creatives[release.arms[row.arm].creative].name}".lower()
    )


def paged(rows: Sequence[Standing], request: HttpRequest) -> Page:
    """The page that `?after=` or `?before=`, the key of an arm, asks for. Where the arm has moved meanwhile, the page
    goes on from where it stands now; a key that is none shows the first page."""
    place: Mapping[str, int] = {row.arm: at for at, row in enumerate(rows)}
    after, before = (place.get(request.GET.get(name, "")) for name in ("after", "before"))
    start = after + 1 if after is not None else max(0, before - SIZE) if before is not None else 0
    shown = list(rows[start : before if before is not None and after is None else start + SIZE])
    last = start + len(shown) >= len(rows)
    return Page(
        shown, shown[-1].arm if shown and not last else None, shown[0].arm if shown and start > 0 else None
    )  # fmt: skip
