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
_CHUNK: Final = 1_000
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
    made, decisions = _Making({key: at for at, key in enumerate(offers)}), 0
    customers = _drawn(month, min(MOST, _CELLS // max(1, len(offers))))
    for start in range(0, len(customers), _CHUNK):
        rows = list(_decisions(month, customers[start : start + _CHUNK]))
        made.take(rows)
        decisions += len(rows)
        if decisions >= _DECISIONS:
            break
    return made.month(offers)


def _drawn(month: date, most: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_DRAWN, [month, most])
        return [row[0] for row in cursor.fetchall()]


def _decisions(month: date, customers: Sequence[int]) -> Iterator[DecisionRow]:
    """Of these customers, each one's in an order by lot."""
    start = datetime.combine(month, time(), UTC)
    end = datetime.combine(lines.last_day(month) + timedelta(days=1), time(), UTC)
    rows = DecisionRow.objects.filter(
        customer_id__in=customers, id__gte=activity.first_id(start), id__lt=activity.first_id(end)
    ).only("id", "customer_id", "inputs", "result")
    return iter(sorted(rows, key=lambda row: (row.customer_id, row.id.int & _LOT)))


@dataclass(slots=True)
class _Person:
    """One customer while her decisions are read; offers by their place."""

    band: str = ""
    place: tuple[str, str] = ("", "")
    visits: int = 0


class _Making:
    """Arrays in the making: what is met first of an offer stays."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._people: dict[int, _Person] = {}
        self._parts: list[tuple[Floats, Mask, Floats, Mask]] = []

    def take(self, rows: Sequence[DecisionRow]) -> None:
        """All decisions of some customers."""
        order = {customer: at for at, customer in enumerate(dict.fromkeys(row.customer_id for row in rows))}
        size = (len(order), len(self._places))
        score, predicted = np.full(size, np.nan), np.full(size, np.nan)
        chosen, accepted = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
        told = _outcomes(rows)
        for row in rows:
            at, decision = order[row.customer_id], decision_log.result(row)
            self._meet(row)
            of_arm = {one.arm: one.propensity for one in decision.scored}
            of_offer: dict[int, float] = {}
            for one in decision.scored:  # an offer's score is that of its best wording
                if (place := self._places.get(one.offer)) is not None:
                    of_offer[place] = max(one.propensity, of_offer.get(place, 0.0))
            fresh = [place for place in of_offer if np.isnan(score[at, place])]
            score[at, fresh] = [of_offer[place] for place in fresh]
            for choice in decision.choices:
                place, kinds = self._places.get(choice.offer), told[row.id, choice.offer]
                if place is None:  # so new that the cube has not met it
                    continue
                chosen[at, place] = True
                if "impression" in kinds and choice.arm in of_arm and np.isnan(predicted[at, place]):
                    predicted[at, place] = of_arm[choice.arm]
                    accepted[at, place] = not kinds.isdisjoint(ACCEPTED)
        self._parts.append((score, chosen, predicted, accepted))

    def _meet(self, row: DecisionRow) -> None:
        known = decision_log.inputs(row)[1].attributes
        person = self._people.setdefault(row.customer_id, _Person())
        state = str(known.get("state") or "")
        person.band = person.band or band_of(known)
        person.place = (str(known.get("country") or ("US" if state else "")), state)
        person.visits += 1

    def month(self, offers: tuple[str, ...]) -> Month:
        empty = np.empty((0, len(offers)))
        score, chosen, predicted, accepted = (
            np.concatenate([empty.astype(kind), *(part[at] for part in self._parts)])
            for at, kind in enumerate((np.float64, np.bool_, np.float64, np.bool_))
        )
        people = self._people.values()
        return Month(
            np.array(list(self._people), dtype=np.int64), offers, score, chosen, predicted, accepted,
            np.array([person.band for person in people], dtype=np.str_), tuple(person.place for person in people),
            np.array([person.visits for person in people], dtype=np.int64),
        )  # fmt: skip


def _outcomes(rows: Sequence[DecisionRow]) -> dict[tuple[UUID, str], set[str]]:
    """What became of each offer of these decisions."""
    told: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    found = Outcome.objects.filter(
        customer_id__in={row.customer_id for row in rows}, decision_id__in=[row.id for row in rows]
    )
    for decision, offer, kind in found.values_list("decision_id", "offer", "type"):
        told[decision, offer].add(kind)
    return told
