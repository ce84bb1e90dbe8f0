"""Fill the units of the cube from what was decided, presented and answered since the last time: in blocks of bounded
size, each committed with the position that it reached, so that a crash loses nothing and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from decisioning import activity, decision_log, identity, runtime
from decisioning.impact import band_of
from decisioning.models import Decision as DecisionRow
from fairness.cube.exposure import first_chances
from fairness.cube.stages import LEVEL, OF_OUTCOME, levels
from fairness.models import CubeOffer, CubePosition, CubeUnit

LAG: Final = timedelta(minutes=1)
"""A decision's id is older than its commit by at most the attempts of one request: what is younger is left for the next
time, since no id before the position is looked at again."""
BLOCK: Final = 1_000
_WINDOW: Final = timedelta(minutes=10)  # of outcomes, read at once
_NOTHING: Final = UUID(int=0)
_SMALLEST: Final = 1e-7  # of 1 - expected exposure: a certain exposure has no finite logarithm

Key = tuple[date, int, str]  # month, customer, channel

_FURTHER = """
SELECT p.id, p.customer_id, p.decision_id, d.channel, p.offers FROM decisioning_presentation p
JOIN decisioning_decision d ON d.customer_id = p.customer_id AND d.id = p.decision_id
WHERE p.inputs <> '' AND p.id > %s AND p.id < %s ORDER BY p.id LIMIT %s
"""
_NEXT_OUTCOME = "SELECT min(known_at) FROM decisioning_outcome WHERE known_at > %s AND known_at <= %s"
_OUTCOMES = """
SELECT o.customer_id, o.decision_id, d.channel, o.offer, o.type FROM decisioning_outcome o
JOIN decisioning_decision d ON d.customer_id = o.customer_id AND d.id = o.decision_id
WHERE o.known_at > %s AND o.known_at <= %s AND o.type = ANY(%s)
"""
_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS cube_incoming
  (month date, customer_id bigint, channel text, segment text, furthest bytea, exposure bytea) ON COMMIT DELETE ROWS
"""
_HELD = """
SELECT month, customer_id, channel, segment, furthest, exposure FROM fairness_cubeunit
WHERE (month, customer_id, channel) IN (SELECT * FROM unnest(%s::date[], %s::bigint[], %s::text[]))
"""
_STORE = """
INSERT INTO fairness_cubeunit (month, customer_id, channel, segment, furthest, exposure)
SELECT month, customer_id, channel, segment, furthest, exposure FROM cube_incoming
ON CONFLICT (month, customer_id, channel)
DO UPDATE SET segment = excluded.segment, furthest = excluded.furthest, exposure = excluded.exposure
"""


@dataclass(slots=True)
class Unit:
    """By place of the offer, padded with zeros: `furthest` as levels, `exposure` as -ln(1 - expected exposure)."""

    segment: str = ""
    furthest: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    exposure: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype="<f4"))

    def raise_to(self, places: NDArray[np.intp], reached: NDArray[np.uint8]) -> None:
        self._make_room(int(places.max(initial=-1)) + 1)
        np.maximum.at(self.furthest, places, reached)

    def expose(self, places: NDArray[np.intp], chances: NDArray[np.float64]) -> None:
        """One more decision: the chance of at least one exposure is 1 - prod(1 - p), a sum of logarithms."""
        self._make_room(int(places.max(initial=-1)) + 1)
        np.add.at(self.exposure, places, -np.log(np.maximum(1 - chances, _SMALLEST)).astype(np.float32))

    def add(self, other: Unit) -> None:
        """What came later, over what is held."""
        self.segment = other.segment or self.segment
        self._make_room(len(other.furthest))
        every = np.arange(len(other.furthest))
        self.raise_to(every, other.furthest)
        self.exposure[: len(other.exposure)] += other.exposure

    def _make_room(self, size: int) -> None:
        missing = size - len(self.furthest)
        if missing > 0:
            self.furthest = np.pad(self.furthest, (0, missing))
            self.exposure = np.pad(self.exposure, (0, missing))


class Places:
    """The place of each offer in the arrays; one that was never met takes the next. Families follow the release."""

    def __init__(self) -> None:
        rows = CubeOffer.objects.values_list("key", "place", "family")
        self._held = {key: (place, family) for key, place, family in rows}

    def of(self, offers: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
        """Of (key, family) pairs, (n,); an empty family changes none."""
        return np.array([self._one(*offer) for offer in offers], dtype=np.intp)

    def _one(self, key: str, family: str) -> int:
        place, known = self._held.get(key, (len(self._held), None))
        if known is None or (family and known != family):
            CubeOffer.objects.update_or_create(place=place, defaults={"key": key, "family": family})
            self._held[key] = (place, family)
        return place


def fill(now: datetime, progress: Callable[[int], None] = lambda done: None) -> set[date]:
    """Everything new up to LAG ago; the months whose units changed. One process at a time: others wait."""
    until, months, done = now - LAG, set[date](), 0
    for step in (_decisions, _presentations, _outcomes):
        more = True
        while more:
            with transaction.atomic():
                units: dict[Key, Unit] = {}
                count, more = step(_position(), Places(), units, until)
                _write(units)
            months |= {month for month, _, _ in units}
            done += count
            progress(done)
    return months


def erase(customers: Sequence[int]) -> int:
    """Delete the units of these customers; returns how many there were. Counts of months that are closed stay: they are
    of groups. Call it in the erasure's transaction, beside fairness.vault.erase."""
    return CubeUnit.objects.filter(customer_id__in=customers).delete()[0]


def _position() -> CubePosition:
    """Where the last filling ended, locked until the block is committed."""
    start = {"decision": _NOTHING, "presentation": _NOTHING, "outcome_known_at": datetime(1970, 1, 1, tzinfo=UTC)}
    CubePosition.objects.get_or_create(pk=1, defaults=start)
    return CubePosition.objects.select_for_update().get(pk=1)


def month_of(decision: UUID) -> date:
    """The month of a unit is that of its decision, however late an outcome comes."""
    return identity.moment_of(decision).date().replace(day=1)


def _decisions(
    position: CubePosition, places: Places, units: dict[Key, Unit], until: datetime
) -> tuple[int, bool]:  # fmt: skip
    rows = DecisionRow.objects.filter(id__gt=position.decision, id__lt=activity.first_id(until)).order_by("id")
    read = list(rows.only("id", "customer_id", "channel", "release", "inputs", "result")[:BLOCK])
    plans = {number: runtime.plan(number) for number in {row.release for row in read}}
    decided = [(plans[row.release], decision_log.result(row)) for row in read]
    order = {number: places.of([(key, plan.release.offers[key].family) for key in plan.offers])
             for number, plan in sorted(plans.items())}  # fmt: skip
    for row, (plan, decision), chances in zip(read, decided, first_chances(decided), strict=True):
        unit = units.setdefault((month_of(row.id), row.customer_id, row.channel), Unit())
        request, known = decision_log.inputs(row)
        unit.segment = band_of(known.attributes) or unit.segment
        unit.raise_to(order[row.release], levels(plan, decision, request.limit))
        unit.expose(order[row.release], chances)
    if read:
        position.decision = read[-1].id
        position.save()
    return len(read), len(read) == BLOCK


def _presentations(
    position: CubePosition, places: Places, units: dict[Key, Unit], until: datetime
) -> tuple[int, bool]:  # fmt: skip
    """What further channels were given; it counts in the unit of the channel that asked for the decision."""
    rows = _rows(_FURTHER, [position.presentation, activity.first_id(until), BLOCK])
    for _, customer, decision, channel, offers in rows:
        unit = units.setdefault((month_of(decision), customer, channel), Unit())
        unit.raise_to(places.of([(key, "") for key in offers]), np.full(len(offers), LEVEL["delivered"], np.uint8))
    if rows:
        position.presentation = rows[-1][0]
        position.save()
    return len(rows), len(rows) == BLOCK


def _outcomes(
    position: CubePosition, places: Places, units: dict[Key, Unit], until: datetime
) -> tuple[int, bool]:  # fmt: skip
    """A window of them by when they became known: one that comes late raises the unit of its decision's month."""
    ((first,),) = _rows(_NEXT_OUTCOME, [position.outcome_known_at, until])
    if first is None:
        return 0, False
    end = min(first + _WINDOW, until)
    rows = _rows(_OUTCOMES, [position.outcome_known_at, end, list(OF_OUTCOME)])
    for customer, decision, channel, offer, kind in rows:
        unit = units.setdefault((month_of(decision), customer, channel), Unit())
        unit.raise_to(places.of([(offer, "")]), np.array([OF_OUTCOME[kind]], dtype=np.uint8))
    position.outcome_known_at = end
    position.save()
    return len(rows), True


def _rows(query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def _write(units: dict[Key, Unit]) -> None:
    """Over what is held, by COPY."""
    if not units:
        return
    held = dict(_read(list(units)))
    with connection.cursor() as cursor:
        cursor.execute(_INCOMING)
        with cursor.copy("COPY cube_incoming FROM STDIN") as copy:
            for key, unit in units.items():
                whole = held.get(key, Unit())
                whole.add(unit)
                copy.write_row((*key, whole.segment, whole.furthest.tobytes(), whole.exposure.tobytes()))
        cursor.execute(_STORE)
        cursor.execute("TRUNCATE cube_incoming")


def _read(keys: Sequence[Key]) -> Iterable[tuple[Key, Unit]]:
    months, customers, channels = zip(*keys, strict=True)
    for month, customer, channel, segment, furthest, exposure in _rows(
        _HELD, [list(months), list(customers), list(channels)]
    ):
        unit = Unit(
            segment, np.frombuffer(bytes(furthest), np.uint8).copy(), np.frombuffer(bytes(exposure), "<f4").copy()
        )
        yield (month, customer, channel), unit
