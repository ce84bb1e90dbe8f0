"""What sources tell of a feature group, made one: of each source the newest, conflicts by declared precedence.

The vectorised twin of `ingest.precedence.resolve`, for many customers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from decisioning.features.measures import Floats
from decisioning.features.sources import given as columns_of
from decisioning.ingest import precedence
from offers.register import GROUPS

KEYS = ("customer_id", "source", "occurred_at", "known_at")


@dataclass(frozen=True, slots=True)
class Told:
    """The believed values of one group, arrays of (n,) by attribute; `at` since when each is true, epoch seconds, NaN
    where it is not told."""

    values: Mapping[str, pa.Array]
    at: Mapping[str, Floats]


def resolve(group: str, statements: pa.Table, moments: Floats) -> Told:
    """The newest statements of each source (entry, source, occurred_at, known_at, attributes) as one value for each
    entry, of which there are as many as `moments`."""
    entry, times, order = _preference(group, statements, moments)
    rows = statements.take(pa.array(order))
    values, at = {}, {}
    for name in columns_of(group):
        if name not in KEYS:
            place = _first(entry, ~np.asarray(rows[name].is_null()), len(moments))
            values[name] = rows[name].combine_chunks().take(pa.array(place, mask=place < 0))
            at[name] = np.where(place < 0, np.nan, times[place]) if len(times) else np.full(len(moments), np.nan)
    return Told(values, at)


def _preference(
    group: str, statements: pa.Table, moments: Floats
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Entry, time and row of the statements that count, in the order of their preference within each entry."""
    entry = statements["entry"].to_numpy()
    occurred, known = seconds(statements["occurred_at"]), seconds(statements["known_at"])
    sources = statements["source"].combine_chunks().dictionary_encode()
    names = sources.dictionary.to_pylist()
    code = sources.indices.to_numpy(zero_copy_only=False)
    rank = np.array([precedence.rank(group, name) for name in names], dtype=np.int64)[code]
    fresh = moments[entry] - occurred <= GROUPS[group].freshness_seconds
    by_name = np.argsort(np.argsort(names))[code] if names else code
    order = np.lexsort((by_name, -known, -occurred, np.where(fresh, rank, precedence.STALE), entry))
    entry, fresh = entry[order], fresh[order]
    if GROUPS[group].when_stale != "last":
        # Beside a fresh statement a stale one adds nothing.
        leads = _first(entry, np.ones(len(entry), dtype=np.bool_), len(moments))
        counts = fresh | ~fresh[leads[entry]]
        order, entry = order[counts], entry[counts]
    return entry, occurred[order], order


def _first(entry: NDArray[np.int64], told: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """For each of `size` entries its first row, of rows in the order of their entries, where `told`; -1 without any."""
    rows = np.flatnonzero(told)
    leading = np.ones(len(rows), dtype=np.bool_)
    leading[1:] = entry[rows[1:]] != entry[rows[:-1]]
    place = np.full(size, -1)
    place[entry[rows[leading]]] = rows[leading]
    return place


def seconds(column: pa.ChunkedArray) -> Floats:
    """Moments as epoch seconds; NaN for null."""
    micros = pc.cast(column, pa.int64()).to_numpy().astype(np.float64)
    epoch: Floats = micros / 1e6
    return epoch
