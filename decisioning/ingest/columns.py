"""Applies a cell's declaration to a whole column: each distinct value is read once, as `Cell.read` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from decisioning.ingest.cells import BadCell, Cell, CellType, Lookups
from decisioning.ingest.files import Block

ARROW: Mapping[CellType, pa.DataType] = {
    "text": pa.string(),
    "category": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "flag": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us", "UTC"),
    "czech_birth_date": pa.date32(),
    "czech_sex": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """`values` (N,) as typed, null where missing or bad; `faults` of the bad ones by their place."""

    values: pa.Array
    faults: Mapping[int, BadCell]


class Rows:
    """The rows of a block, read a column at a time, at the first cell that is asked for."""

    def __init__(self, block: Block, lookups: Lookups) -> None:
        self._block = block
        self._lookups = lookups
        self._read: dict[int, tuple[list[Any], Mapping[int, BadCell]]] = {}  # by the identity of the cell

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Each row with its number."""
        return ((number, Row(self, place)) for place, number in enumerate(self._block.numbers.tolist()))

    def value(self, cell: Cell, place: int) -> Any:
        """What the cell holds in the row at `place`. Raises BadCell."""
        held = self._read.get(id(cell))
        if held is None:
            column = read(cell, self._block, self._lookups)
            held = self._read[id(cell)] = column.values.to_pylist(), column.faults
        values, faults = held
        if place in faults:
            raise faults[place]
        return values[place]


@dataclass(frozen=True, slots=True)
class Row:
    """One of the rows of a block."""

    rows: Rows
    place: int

    def read(self, cell: Cell) -> Any:
        """What the cell holds here. Raises BadCell."""
        return self.rows.value(cell, self.place)


def read(cell: Cell, block: Block, lookups: Lookups) -> Column:
    """The cell's value in every row of the block."""
    if not cell.column:
        return Column(pa.repeat(pa.scalar(cell.constant, ARROW[cell.type]), len(block.table)), {})
    if _is_plain(cell) and (values := _plain(cell, block)) is not None:
        return Column(values, {})
    return _distinct(cell, block, lookups)


def _is_plain(cell: Cell) -> bool:
    """A key as it stands, which has no fewer distinct values than rows."""
    return cell.type == "text" and not (cell.lookup or cell.values or cell.missing or cell.prefix or cell.otherwise)


def _plain(cell: Cell, block: Block) -> pa.Array | None:
    """The texts, if none of them is bad; None says that each must be looked at."""
    parts = [_text(block.table.column(column).combine_chunks()) for column in cell.columns]
    if any(part is None or part.null_count for part in parts):
        return None
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "-")
    longest = pc.max(pc.utf8_length(joined)).as_py() or 0
    bad = longest > cell.longest or pc.any(pc.match_substring(joined, "\x00")).as_py()
    return None if bad else joined


def _text(values: pa.Array) -> pa.Array | None:
    """Trimmed, an empty text as null; None for a type whose spelling Arrow and Python may not agree on."""
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return None
    trimmed = pc.utf8_trim_whitespace(values.cast(pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _distinct(cell: Cell, block: Block, lookups: Lookups) -> Column:
    places, rows = _distinct_rows([block.table.column(column) for column in cell.columns])
    values: list[Any] = []
    bad: dict[int, BadCell] = {}
    for place, row in enumerate(rows):
        value = None
        try:
            value = cell.read(dict(zip(cell.columns, row, strict=True)), lookups)
        except BadCell as fault:
            bad[place] = fault
        values.append(value)
    faults = {int(at): bad[int(places[at])] for at in np.flatnonzero(np.isin(places, list(bad)))} if bad else {}
    return Column(pa.array(values, ARROW[cell.type]).take(pa.array(places)), faults)


def _distinct_rows(columns: Sequence[pa.ChunkedArray]) -> tuple[NDArray[np.int64], list[tuple[Any, ...]]]:
    """Where the values of each row stand in the list of distinct ones."""
    if len(columns) > 1:
        rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        found = {row: place for place, row in enumerate(dict.fromkeys(rows))}
        return np.fromiter((found[row] for row in rows), dtype=np.int64, count=len(rows)), list(found)
    encoded = columns[0].combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), [(value,) for value in encoded.dictionary.to_pylist()]
