"""The synthetic bank as the simulator's world: its visits and its true responses; no database and no policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.bank import catalogue, people, profiles, response, sessions
from console.bank.people import CHANNEL_CONSENT, CHUNK
from console.bank.response import REWARD_WEIGHTS, ArmTraits, Response
from decisioning.simulator import Result, Visit
from offers import snapshot
from offers.register import ATTRIBUTES, GROUPS, LEVELS
from offers.types import Release

Floats = NDArray[np.float64]


def release() -> Release:
    """The bank's catalogue with every rule and boost, as it stands when the demo is complete, without a model."""
    items = [
        *catalogue.opening(), *catalogue.underwriting(), *catalogue.ranking(), *catalogue.cards(),
        *catalogue.price_list(), *catalogue.tiers(), *catalogue.licensed_states(), *catalogue.boosts(),
    ]  # fmt: skip
    return snapshot.read(1, snapshot.apply(snapshot.EMPTY, items))


class BankWorld:
    """`visits_a_day` sessions of a bank with this many customers."""

    def __init__(self, *, seed: int, customers: int, visits_a_day: int) -> None:
        self._arms: ArmTraits = catalogue.traits()
        self._place = {arm: at for at, arm in enumerate(self._arms.keys)}
        self._seed, self._customers, self._visits_a_day = seed, customers, visits_a_day
        self._today: dict[int, sessions.Visit] = {}
        self._answers: dict[int, Response] = {}

    def visits(self, day: int) -> Sequence[Visit]:
        first = day * self._visits_a_day
        numbers = range(first, first + self._visits_a_day)
        self._today = {number: sessions.visit(self._seed, number, self._customers) for number in numbers}
        self._answers = {}
        return [self._known(visit) for visit in self._today.values()]

    def expected(self, visit: Visit, arms: Sequence[str]) -> Floats:
        return self._response(visit).reward[[self._place[arm] for arm in arms]]

    def result(self, visit: Visit, arm: str) -> Result:
        """The same draws whichever arm is shown, so that policies differ by their choices alone."""
        met = self._response(visit).outcomes(self._place[arm], self._today[visit.number].draws)
        return Result("click" in met, sum(REWARD_WEIGHTS.get(kind, 0.0) for kind in met))

    def _response(self, visit: Visit) -> Response:
        if visit.number not in self._answers:
            session = self._today[visit.number]
            self._answers[visit.number] = response.respond(session.truth, session.context, self._arms)
        return self._answers[visit.number]

    def _known(self, visit: sessions.Visit) -> Visit:
        chunk, place = people.chunk(self._seed, visit.customer // CHUNK), visit.customer % CHUNK
        granted = chunk.consent[place]
        return Visit(
            number=visit.number,
            customer=visit.customer,
            channel=visit.channel,
            placement=visit.placement,
            attributes=_readable(self._seed, visit.customer // CHUNK)[place],
            context=visit.context,
            consents=frozenset(
                f"marketing:{channel}" for channel, given in zip(CHANNEL_CONSENT, granted, strict=True) if given
            ),
        )


@lru_cache(maxsize=16)
def _readable(seed: int, number: int) -> list[dict[str, Any]]:
    """What each customer of a chunk lets the bank use: no group above the granted level of personalisation."""
    chunk = people.chunk(seed, number)
    return [
        {
            name: value
            for name, value in attributes.items()
            if LEVELS.index(GROUPS[ATTRIBUTES[name].group].level) <= max(0, level)
        }
        for attributes, level in zip(profiles.attributes(chunk), chunk.level.tolist(), strict=True)
    ]
