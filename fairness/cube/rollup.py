"""Count a month's units by protected group, into the cube: every stage, offer, family, channel, credit band, attribute
and pair of attributes. What is protected is known here as codes for the length of a count; only counts are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Any, Final

import numpy as np
import psycopg
from django.db import connection, transaction
from numpy.typing import NDArray

from fairness import dataset
from fairness.counts import NOT_RECORDED
from fairness.cube import lines
from fairness.cube.stages import STAGES
from fairness.models import CubeCount, CubeOffer

BOTH: Final = " and "
FAMILY: Final = "family:"
ANY: Final = ""
_LEVELS: Final = len(STAGES) + 1  # with 0, of which nothing is counted
_CELLS: Final = 10_000_000  # customers times offers that are read at once: some 50 MB
_MEMORY: Final = "128MB"  # of Postgres, for one reading

Combination = tuple[tuple[str, str], ...]  # the recorded attributes of a person with their groups, by attribute
Floats = NDArray[np.float32]

_CUSTOMERS = """
SELECT customer_id FROM fairness_cubeunit WHERE month = %s AND customer_id > %s ORDER BY customer_id OFFSET %s LIMIT 1
"""
# By length, so that what is cut off at other offers can be laid side by side; one row a cut instead of one a person.
_UNITS = """
SELECT channel, segment, octet_length(furthest), string_agg(int8send(customer_id), ''::bytea),
  string_agg(furthest, ''::bytea), string_agg(exposure, ''::bytea)
FROM fairness_cubeunit WHERE month = %s AND customer_id > %s AND customer_id <= %s GROUP BY 1, 2, 3
"""
_INSERT = """
COPY fairness_cubecount (month, offer, channel, segment, attribute, groups, reached, exposure, computed_at) FROM STDIN
"""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is counted: any offer and each family, with the places of their offers, and then each offer by its place."""

    joint: Mapping[str, NDArray[np.intp]]
    offers: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.joint, *self.offers)

    def furthest(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The furthest level with each subject (n, subjects) from that with each offer (n, offers)."""
        found = [levels[:, members].max(axis=1, initial=0) for members in self.joint.values()]
        return np.column_stack([*found, levels])

    def exposed(self, exposure: Floats) -> Floats:
        """-ln(1 - exposure) to each subject (n, subjects) from that to each offer (n, offers)."""
        return np.column_stack([*(exposure[:, members].sum(axis=1) for members in self.joint.values()), exposure])


@dataclass(slots=True)
class Tally:
    """People by subject, level and group, over chunks of customers. A row of the histograms is one combination of
    groups in one cut; they grow as new ones are met."""

    subjects: Subjects
    rows: dict[tuple[str, str, Combination], int] = field(default_factory=dict)  # channel, segment, groups
    people: NDArray[np.int32] = field(init=False)
    exposed: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.people = np.zeros((0, len(self.subjects.names), _LEVELS), dtype=np.int32)
        self.exposed = np.zeros((0, len(self.subjects.names)))

    def add(self, row: NDArray[np.intp], furthest: NDArray[np.uint8], chance: Floats) -> None:
        """Units (n,) with their row, furthest levels and expected exposures, both (n, subjects)."""
        self._make_room()
        first = np.arange(furthest.shape[1]) * _LEVELS  # of each subject, in a line of histograms
        order = np.argsort(row, kind="stable")
        for alike in np.split(order, np.flatnonzero(np.diff(row[order])) + 1):  # of one row: few enough for the cache
            counted = np.bincount((furthest[alike] + first).ravel(), minlength=len(first) * _LEVELS)
            self.people[row[alike[0]]] += counted.reshape(-1, _LEVELS)
            self.exposed[row[alike[0]]] += chance[alike].sum(axis=0, dtype=np.float64)

    def row_of(self, channel: str, segment: str, groups: Combination) -> int:
        return self.rows.setdefault((channel, segment, groups), len(self.rows))

    def _make_room(self) -> None:
        missing = len(self.rows) - len(self.people)
        if missing:  # seldom, after the first chunks
            self.people = np.pad(self.people, ((0, missing), (0, 0), (0, 0)))
            self.exposed = np.pad(self.exposed, ((0, missing), (0, 0)))


def rebuild(month: date, now: datetime) -> None:
    """Count a month anew, in place of what was counted. Ages are those at the month's end."""
    at = as_of(month, now)
    edges, tally = lines.in_force(at.date()).age_bands, Tally(_subjects())
    for customers, units in _chunks(month, len(tally.subjects.offers)):
        _count(tally, customers, units, dataset.groupings(customers, at, edges))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('candor cube'))")  # two may count one month at a time
        CubeCount.objects.filter(month=month).delete()
        with cursor.copy(_INSERT) as copy:
            for row in _cuts(tally):
                copy.write_row((month, *row, now))


@dataclass(frozen=True, slots=True)
class Units:
    """Units of one chunk, (n,) and (n, offers); `place` of the customer in the chunk's distinct customers."""

    channel: NDArray[np.object_]
    segment: NDArray[np.object_]
    place: NDArray[np.intp]
    furthest: NDArray[np.uint8]
    exposure: Floats


def as_of(month: date, now: datetime) -> datetime:
    """The moment at which a month's people are grouped: its end, or now."""
    return min(now, datetime.combine(lines.last_day(month) + timedelta(days=1), time(), UTC))


def _subjects() -> Subjects:
    rows = list(CubeOffer.objects.order_by("place").values_list("place", "key", "family"))
    places: dict[str, list[int]] = {ANY: [place for place, _, _ in rows]}
    for place, _, family in rows:
        if family:
            places.setdefault(FAMILY + family, []).append(place)
    joint = {name: np.array(held, dtype=np.intp) for name, held in places.items()}
    return Subjects(joint, tuple(key for _, key, _ in rows))


def _chunks(month: date, offers: int) -> Iterator[tuple[NDArray[np.int64], Units]]:
    """The distinct customers of a chunk, and their units; a customer's units are never in two chunks."""
    size, last, more = max(1_000, _CELLS // max(1, offers)), -1, True
    while more:
        end = _read(_CUSTOMERS, [month, last, size - 1])
        more, until = bool(end), end[0][0] if end else 2**63 - 1
        # By channel, so that the credit band of a customer with several is always that of the same one.
        read = sorted(_read(_UNITS, [month, last, until]), key=lambda row: row[:3])
        if read:
            yield _laid_out(read, offers)
        last = until


def _read(query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """In binary, since bytes as text are twice as long, and with memory to group in: sorting on disk takes longer."""
    connection.ensure_connection()
    with transaction.atomic(), psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        return cursor.execute(query, parameters, binary=True).fetchall()


def _laid_out(
    read: Sequence[tuple[str, str, int, bytes, bytes, bytes]], offers: int
) -> tuple[NDArray[np.int64], Units]:
    ids, channels, segments, furthest, exposure = [], [], [], [], []
    for channel, segment, width, held, levels, exposed in read:
        found = np.frombuffer(held, dtype=">i8").astype(np.int64)
        ids.append(found)
        channels.append(np.full(len(found), channel, dtype=object))
        segments.append(np.full(len(found), segment, dtype=object))
        padding = ((0, 0), (0, offers - width))
        furthest.append(np.pad(np.frombuffer(levels, np.uint8).reshape(-1, width), padding))
        exposure.append(np.pad(np.frombuffer(exposed, "<f4").reshape(-1, width), padding))
    customers, place = np.unique(np.concatenate(ids), return_inverse=True)
    units = Units(
        np.concatenate(channels), np.concatenate(segments), place, np.concatenate(furthest),
        np.concatenate(exposure),
    )  # fmt: skip
    return customers, units


def _count(tally: Tally, customers: NDArray[np.int64], units: Units, groupings: dataset.Groupings) -> None:
    """Each unit in the cut of its channel; and each customer once, over all channels, in the cut of her credit band."""
    groups, combination = _combinations(len(customers), groupings)
    place, furthest = units.place, tally.subjects.furthest(units.furthest)
    exposure = tally.subjects.exposed(units.exposure)
    chance = -np.expm1(-exposure)
    row = np.empty(len(place), dtype=np.intp)
    for channel in sorted(set(units.channel)):
        chosen = units.channel == channel
        row[chosen] = _rows(tally, (channel, ANY), groups, combination[place[chosen]])
    tally.add(row, furthest, chance)
    segment, row = np.full(len(customers), ANY, dtype=object), np.empty(len(customers), dtype=np.intp)
    segment[place] = units.segment
    for name in sorted(set(segment)):
        chosen = segment == name
        row[chosen] = _rows(tally, (ANY, name or NOT_RECORDED), groups, combination[chosen])
    if len(place) > len(customers):
        furthest, exposure = _merged(place, furthest, exposure)
        place, chance = np.arange(len(customers)), -np.expm1(-exposure)
    tally.add(row[place], furthest, chance)


def _rows(
    tally: Tally, cut: tuple[str, str], groups: Sequence[Combination], combination: NDArray[np.intp]
) -> NDArray[np.intp]:
    """The row (n,) of each of these people, by their combination of groups (n,); only what occurs takes one."""
    occurring, at = np.unique(combination, return_inverse=True)
    return np.array([tally.row_of(*cut, groups[one]) for one in occurring.tolist()], dtype=np.intp)[at]


def _merged(place: NDArray[np.intp], furthest: NDArray[np.uint8], exposure: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Over the channels of each customer: the furthest that she came on any, and all her exposures."""
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    return np.maximum.reduceat(furthest[order], starts), np.add.reduceat(exposure[order], starts)


def _combinations(customers: int, groupings: dataset.Groupings) -> tuple[list[Combination], NDArray[np.intp]]:
    """The combinations of recorded groups that occur, and each customer's (N,)."""
    joint = np.zeros(customers, dtype=np.int64)
    for grouping in groupings.values():
        joint = joint * (len(grouping.names) + 1) + grouping.codes + 1
    _, first, inverse = np.unique(joint, return_index=True, return_inverse=True)
    found = [
        tuple((name, one.names[one.codes[at]]) for name, one in groupings.items() if one.codes[at] >= 0)
        for at in first.tolist()
    ]
    return found, inverse


# --- From the histograms to the rows of the cube -------------------------------------------------------------------

Row = tuple[str, str, str, str, list[str], list[int], list[float]]


def _cuts(tally: Tally) -> Iterator[Row]:
    """Every cut, subject and attribute with somebody in it. All segments are the sum of the segments."""
    attributes = sorted({name for _, _, groups in tally.rows for name, _ in groups})
    pairs = list(combinations(attributes, 2))
    singles = [(name,) for name in attributes]
    cuts: dict[tuple[str, str], dict[Combination, list[int]]] = {}
    for (channel, segment, groups), row in tally.rows.items():
        cuts.setdefault((channel, segment), {}).setdefault(groups, []).append(row)
        if not channel:
            cuts.setdefault((ANY, ANY), {}).setdefault(groups, []).append(row)
    for (channel, segment), rows in sorted(cuts.items()):
        wanted = [*singles, *pairs] if (channel, segment) == (ANY, ANY) else singles
        for names in wanted:
            yield from _of_attribute(tally, channel, segment, names, rows)


def _of_attribute(
    tally: Tally, channel: str, segment: str, names: tuple[str, ...], rows: Mapping[Combination, Sequence[int]]
) -> Iterator[Row]:
    by_group: dict[str, list[int]] = {}
    for groups, held in rows.items():
        by_group.setdefault(group_of(dict(groups), names), []).extend(held)
    order = sorted(by_group, key=lambda name: (NOT_RECORDED in name, name))
    people = np.stack([tally.people[by_group[name]].sum(axis=0) for name in order])  # (G, subjects, levels)
    exposed = np.stack([tally.exposed[by_group[name]].sum(axis=0) for name in order])
    reached = people[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:]  # at least so far
    for at, subject in enumerate(tally.subjects.names):
        if reached[:, at, 0].any():
            table = reached[:, at].T.ravel().tolist()
            yield subject, channel, segment, BOTH.join(names), order, table, exposed[:, at].tolist()


def group_of(recorded: Mapping[str, str], names: Sequence[str]) -> str:
    """The group under an attribute, or under a pair of them; whoever lacks one of the two lacks the pair."""
    if any(name not in recorded for name in names):
        return NOT_RECORDED
    return BOTH.join(recorded[name] for name in names)
