"""The synthetic bank without a database: its customers, and a model trained on what they would truly do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.bank import catalogue, people, profiles, response, world
from decisioning.decide import decide
from decisioning.draws import arm_counter
from decisioning.known import session_values
from decisioning.plan import compile_release, complete
from decisioning.propensity.encoding import offer_row
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train
from decisioning.types import DecisionRequest, Known
from fairness.causes.logged import Record, recorded
from fairness.dataset import Grouping

SEED = 11
CHUNKS = 4


@dataclass(frozen=True)
class Bank:
    rows: list[dict[str, Any]]  # what is known of each customer (n,)
    region: Grouping
    model: PropensityModel

    def mask(self, region: str) -> NDArray[np.bool_]:
        return np.asarray(self.region.codes == self.region.names.index(region))


@lru_cache(maxsize=1)
def bank() -> Bank:
    """CHUNKS x 2,000 customers, each of whom was shown one offer at random and clicked or did not."""
    chunks = [people.chunk(SEED, number) for number in range(CHUNKS)]
    rows = [row for chunk in chunks for row in profiles.attributes(chunk)]
    codes = np.concatenate([chunk.region for chunk in chunks]).astype(np.int16)
    return Bank(rows, Grouping(codes, people.REGIONS), _model(chunks, rows))


def _model(chunks: list[people.People], rows: list[dict[str, Any]]) -> PropensityModel:
    """Of everything but the state, which no model may read."""
    random, arms, release = np.random.default_rng(SEED), catalogue.traits(), world.release()
    offers = {key: offer_row(offer) for key, offer in release.offers.items()}
    examples = []
    for number, known in enumerate(rows):
        customer = response.truth(chunks[number // people.CHUNK], number % people.CHUNK)
        arm = int(random.integers(len(arms.keys)))
        clicked = bool(random.random() < response.respond(customer, {}, arms).click[arm])
        readable = {name: value for name, value in known.items() if name not in ("state", "country")}
        examples.append(Example(number, readable, offers[arms.offers[arm]], clicked, 0.05))
    return train("synthetic", examples, per_arm=False, seed=SEED)


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Contacts = Mapping[str, Mapping[str, int]]


def visits(count: int, contacts: Callable[[int], Contacts] = lambda customer: {}) -> list[Record]:
    """The engine's own decisions on so many visits, before anything was learned; `contacts` is what a customer was
    shown before."""
    plan = compile_release(world.release(), None)
    beliefs = complete(None, plan)
    made = []
    for visit in world.BankWorld(seed=SEED, customers=CHUNKS * people.CHUNK, visits_a_day=count).visits(0):
        request = DecisionRequest(
            visit.customer, str(visit.number), visit.channel, visit.placement, 1, NOW, visit.context
        )
        known = Known(
            {**visit.attributes, **session_values(visit.context)}, {}, visit.consents, suppressed=False,
            contacts=contacts(visit.customer), stops=frozenset(),
        )  # fmt: skip
        key = arm_counter(f"{SEED}/{visit.number}")
        decision = decide(request, known, plan, beliefs, key)
        made.append(recorded(plan, decision, (request, known), lambda: beliefs, key))
    return made


def region_of(customers: NDArray[np.int64]) -> Grouping:
    return bank().region.among(customers)
