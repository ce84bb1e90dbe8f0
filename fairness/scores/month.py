"""A month's decisions as arrays, a row a customer and offer: how she was scored, whether she was given the offer,
whether she took it. Customers are drawn by lot, so that a month costs the same however many came; no group comes in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from decisioning import activity, decision_log
from decisioning.impact import band_of
from decisioning.models import Decision as DecisionRow
from decisioning.models import Outcome
from decisioning.propensity.dataset import ACCEPTED
from fairness.cube import lines
from fairness.models import CubeOffer

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST: Final = 20_000
"""Customers who are drawn."""
_CELLS: Final = 10_000_000  # customers x offers, for catalogues of thousands
_DECISIONS: Final = 100_000
_CHUNK: Final = 1_000  # customers whose decisions are listed at once
_HELD: Final = 100  # decisions held at once: one of 2,500 offers takes 300 KB
_LOT: Final = (1 << 62) - 1  # the random bits of a UUIDv7

_DRAWN = """
SELECT customer_id FROM fairness_cubeunit WHERE month = %s GROUP BY customer_id
ORDER BY hashint8extended(customer_id, 7), customer_id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Month:
    """Customers (n,) and offers (k,). `score` (n, k) is the model's of one decision in which the offer competed, drawn
    by lot, NaN where it never did; `chosen` (n, k) whether any decision gave it to her. `predicted` (n, k) is the score
    of one decision whose offer she saw, NaN without one, and `accepted` (n, k) whether she took it then. `bands` are
    credit bands, `places` (country, state) of residence, `visits` decisions."""

    customers: NDArray[np.int64]
    offers: tuple[str, ...]
    score: Floats
    chosen: Mask
    predicted: Floats
    accepted: Mask
    bands: NDArray[np.str_]
    places: tuple[tuple[str, str], ...]
    visits: NDArray[np.int64]


def read(month: date) -> Month:
    """The month as far as it has gone."""
    offers = tuple(CubeOffer.objects.order_by("place").values_list("key", flat=True))
    made, left = _Making({key: at for at, key in enumerate(offers)}), _DECISIONS
    customers = _drawn(month, min(MOST, _CELLS // max(1, len(offers))))
    for start in range(0, len(customers), _CHUNK):
        keys = _keys(month, customers[start : start + _CHUNK], left)
        told = _outcomes(keys)
        for row in _rows(keys):
            made.take(row, told)
        left -= len(keys)
        if left <= 0:
            break
    return made.month(offers)


def _drawn(month: date, most: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_DRAWN, [month, most])
        return [row[0] for row in cursor.fetchall()]


def _keys(month: date, customers: Sequence[int], most: int) -> list[tuple[int, UUID]]:
    """Customer and decision: customers in their order, each one's decisions by lot. It ends with the customer whose
    decisions reach `most`, so that none is read by halves."""
    start = datetime.combine(month, time(), UTC)
    end = datetime.combine(lines.last_day(month) + timedelta(days=1), time(), UTC)
    found = DecisionRow.objects.filter(
        customer_id__in=customers, id__gte=activity.first_id(start), id__lt=activity.first_id(end)
    ).values_list("customer_id", "id")
    order = {customer: at for at, customer in enumerate(customers)}
    keys = sorted(found, key=lambda key: (order[key[0]], key[1].int & _LOT))
    beyond = (at for at in range(most, len(keys)) if keys[at][0] != keys[most - 1][0])
    return keys[: next(beyond, len(keys))]


def _rows(keys: Sequence[tuple[int, UUID]]) -> Iterator[DecisionRow]:
    """These decisions in their order, of which a few are held at once."""
    for start in range(0, len(keys), _HELD):
        customers, ids = zip(*keys[start : start + _HELD], strict=True)
        found = DecisionRow.objects.filter(customer_id__in=set(customers), id__in=ids)
        held = {row.id: row for row in found.only("id", "customer_id", "inputs", "result")}
        yield from (held[one] for one in ids)


class _Person:
    """One customer while her decisions are read; offers by their place. What is met first of an offer stays."""

    def __init__(self, offers: int) -> None:
        self.score, self.predicted = np.full(offers, np.nan), np.full(offers, np.nan)
        self.chosen, self.accepted = np.zeros(offers, dtype=bool), np.zeros(offers, dtype=bool)
        self.band = ""
        self.place = ("", "")
        self.visits = 0

    def meet(self, row: DecisionRow) -> None:
        known = decision_log.inputs(row)[1].attributes
        state = str(known.get("state") or "")
        self.band = self.band or band_of(known)
        self.place = (str(known.get("country") or ("US" if state else "")), state)
        self.visits += 1


class _Making:
    """Customers in the making."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._people: dict[int, _Person] = {}

    def take(self, row: DecisionRow, told: Mapping[tuple[UUID, str], set[str]]) -> None:
        """One decision, and what became of its offers."""
        if (person := self._people.get(row.customer_id)) is None:
            person = self._people[row.customer_id] = _Person(len(self._places))
        person.meet(row)
        decision = decision_log.result(row)
        of_arm = {one.arm: one.propensity for one in decision.scored}
        of_offer: dict[int, float] = {}
        for one in decision.scored:  # an offer's score is that of its best wording
            if (place := self._places.get(one.offer)) is not None:
                of_offer[place] = max(one.propensity, of_offer.get(place, 0.0))
        fresh = [place for place in of_offer if np.isnan(person.score[place])]
        person.score[fresh] = [of_offer[place] for place in fresh]
        for choice in decision.choices:
            place, kinds = self._places.get(choice.offer), told.get((row.id, choice.offer), set())
            if place is None:  # so new that the cube has not met it
                continue
            person.chosen[place] = True
            if "impression" in kinds and choice.arm in of_arm and np.isnan(person.predicted[place]):
                person.predicted[place] = of_arm[choice.arm]
                person.accepted[place] = not kinds.isdisjoint(ACCEPTED)

    def month(self, offers: tuple[str, ...]) -> Month:
        people, size = self._people.values(), (len(self._people), len(offers))
        return Month(
            np.array(list(self._people), dtype=np.int64),
            offers,
            np.array([person.score for person in people], dtype=np.float64).reshape(size),
            np.array([person.chosen for person in people], dtype=np.bool_).reshape(size),
            np.array([person.predicted for person in people], dtype=np.float64).reshape(size),
            np.array([person.accepted for person in people], dtype=np.bool_).reshape(size),
            np.array([person.band for person in people], dtype=np.str_),
            tuple(person.place for person in people),
            np.array([person.visits for person in people], dtype=np.int64),
        )


def _outcomes(keys: Sequence[tuple[int, UUID]]) -> dict[tuple[UUID, str], set[str]]:
    """What became of each offer of these decisions."""
    told: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    found = Outcome.objects.filter(
        customer_id__in={customer for customer, _ in keys}, decision_id__in=[decision for _, decision in keys]
    )
    for decision, offer, kind in found.values_list("decision_id", "offer", "type"):
        told[decision, offer].add(kind)
    return told
