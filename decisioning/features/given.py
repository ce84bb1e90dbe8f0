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
from decisioning.ingest import precedence
from offers.register import GROUPS, attributes


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
    for declared in attributes(group=group):
        column = rows[declared.name].combine_chunks()
        place = _first(entry, column.is_valid().to_numpy(zero_copy_only=False), len(moments))
        values[declared.name] = column.take(pa.array(place, mask=place < 0))
        # One row more than there are, so that -1 finds it.
        at[declared.name] = np.append(times, np.nan)[place]
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


def members(rows: pa.Table, key: str, value: str, size: int) -> pa.Array:
    """Rows (entry, key, value) as one text for each of `size` entries: its sorted "key:value", joined with "|"."""
    texts = pc.binary_join_element_wise(rows[key], rows[value], ":").combine_chunks()
    pairs = pa.table({"entry": rows["entry"], "text": texts}).sort_by([("entry", "ascending"), ("text", "ascending")])
    counts = np.bincount(pairs["entry"].to_numpy(), minlength=size)
    lists = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), pairs["text"].combine_chunks()
    )
    return pc.if_else(pa.array(counts > 0), pc.binary_join(lists, "|"), None)


def seconds(column: pa.ChunkedArray) -> Floats:
    """Moments as epoch seconds; NaN for null."""
    micros = pc.cast(column, pa.int64()).to_numpy().astype(np.float64)
    epoch: Floats = micros / 1e6
    return epoch
