"""Count a month's units by protected group, into the cube: every stage, offer, family, channel, credit band, attribute
and pair of attributes. What is protected is known here as codes for the length of a count; only counts are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Final

import numpy as np
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
_CELLS: Final = 20_000_000  # bytes of units read at once

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
    """What is counted: any offer, each family, each offer; `members` are the places of the offers of each."""

    names: tuple[str, ...]
    members: tuple[NDArray[np.intp], ...]


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

    def add(self, row: NDArray[np.intp], furthest: NDArray[np.uint8], exposure: Floats) -> None:
        """Units (n,) with their row, furthest levels (n, offers) and -ln(1 - exposure) (n, offers)."""
        self._make_room()
        for at, members in enumerate(self.subjects.members):
            level = furthest[:, members].max(axis=1, initial=0).astype(np.intp)
            counted = np.bincount(row * _LEVELS + level, minlength=len(self.rows) * _LEVELS)
            self.people[:, at] += counted.reshape(-1, _LEVELS)
            chance = -np.expm1(-exposure[:, members].sum(axis=1))
            self.exposed[:, at] += np.bincount(row, chance, len(self.rows))

    def row_of(self, channel: str, segment: str, groups: Combination) -> int:
        return self.rows.setdefault((channel, segment, groups), len(self.rows))

    def _make_room(self) -> None:
        missing = len(self.rows) - len(self.people)
        self.people = np.pad(self.people, ((0, missing), (0, 0), (0, 0)))
        self.exposed = np.pad(self.exposed, ((0, missing), (0, 0)))


def rebuild(month: date, now: datetime) -> None:
    """Count a month anew, in place of what was counted. Ages are those at the month's end."""
    at = as_of(month, now)
    edges, tally = lines.in_force(at.date()).age_bands, Tally(_subjects())
    for customers, units in _chunks(month, len(CubeOffer.objects.all())):
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
    for place, key, _ in rows:
        places[key] = [place]
    return Subjects(tuple(places), tuple(np.array(held, dtype=np.intp) for held in places.values()))


def _chunks(month: date, offers: int) -> Iterator[tuple[NDArray[np.int64], Units]]:
    """The distinct customers of a chunk, and their units; a customer's units are never in two chunks."""
    size, last, more = max(1_000, _CELLS // max(1, offers)), -1, True
    while more:
        with connection.cursor() as cursor:
            cursor.execute(_CUSTOMERS, [month, last, size - 1])
            end = cursor.fetchone()
            more, until = end is not None, end[0] if end else 2**63 - 1
            cursor.execute(_UNITS, [month, last, until])
            read = cursor.fetchall()
        if read:
            yield _laid_out(read, offers)
        last = until


def _laid_out(
    read: Sequence[tuple[str, str, int, bytes, bytes, bytes]], offers: int
) -> tuple[NDArray[np.int64], Units]:
    ids, channels, segments, furthest, exposure = [], [], [], [], []
    for channel, segment, width, held, levels, exposed in read:
        found = np.frombuffer(bytes(held), dtype=">i8").astype(np.int64)
        ids.append(found)
        channels.append(np.full(len(found), channel, dtype=object))
        segments.append(np.full(len(found), segment, dtype=object))
        padding = ((0, 0), (0, offers - width))
        furthest.append(np.pad(np.frombuffer(bytes(levels), np.uint8).reshape(-1, width), padding))
        exposure.append(np.pad(np.frombuffer(bytes(exposed), "<f4").reshape(-1, width), padding))
    customers, place = np.unique(np.concatenate(ids), return_inverse=True)
    units = Units(
        np.concatenate(channels), np.concatenate(segments), place, np.concatenate(furthest),
        np.concatenate(exposure),
    )  # fmt: skip
    return customers, units


def _count(tally: Tally, customers: NDArray[np.int64], units: Units, groupings: dataset.Groupings) -> None:
    """Each unit in the cut of its channel; and each customer once, over all channels, in the cut of her credit band."""
    groups, combination = _combinations(len(customers), groupings)
    for channel in sorted(set(units.channel)):
        chosen = units.channel == channel
        rows = np.array([tally.row_of(channel, ANY, one) for one in groups], dtype=np.intp)
        tally.add(rows[combination[units.place[chosen]]], units.furthest[chosen], units.exposure[chosen])
    furthest, exposure = _merged(units, len(customers))
    segment = np.full(len(customers), ANY, dtype=object)
    segment[units.place] = units.segment
    for name in sorted(set(segment)):
        chosen = np.asarray(segment == name, dtype=bool)
        rows = np.array([tally.row_of(ANY, name or NOT_RECORDED, one) for one in groups], dtype=np.intp)
        tally.add(rows[combination[chosen]], furthest[chosen], exposure[chosen])


def _merged(units: Units, customers: int) -> tuple[NDArray[np.uint8], Floats]:
    """Over the channels of each customer: the furthest that she came on any, and all her exposures."""
    if len(units.place) == customers:
        order = np.argsort(units.place)
        return units.furthest[order], units.exposure[order]
    order = np.argsort(units.place, kind="stable")
    starts = np.searchsorted(units.place[order], np.arange(customers))
    return np.maximum.reduceat(units.furthest[order], starts), np.add.reduceat(units.exposure[order], starts)


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
