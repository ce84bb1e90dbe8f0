"""Streams an export's CSV and Parquet files as blocks of columns with their row numbers, bounded; types nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from decisioning.ingest.declared import Source

BLOCK_BYTES = 1 << 20  # of a CSV file: some 10,000 rows, which one batch of customers writes in about a second
BATCH_ROWS = 20_000


class UnreadableSource(ValueError):
    """A whole file cannot be read: it is absent, lacks a column or is not of its declared format."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one file. `numbers` (N,) counts them, the first after the header being 1; `table` holds the columns
    that were asked for; `broken` are lines that are no rows, by number and reason."""

    file: str
    numbers: NDArray[np.int64]
    table: pa.Table
    broken: tuple[tuple[int, str], ...] = ()

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return zip(self.numbers.tolist(), self.table.to_pylist(), strict=True)

    def among(self, chosen: NDArray[np.bool_]) -> Block:
        """The rows where `chosen` (N,) holds, without the broken lines."""
        return Block(self.file, self.numbers[chosen], self.table.filter(pa.array(chosen)))


def paths_of(source: Source, folder: Path) -> list[Path]:
    """The files of a source in name order. Raises UnreadableSource if there is none."""
    if not folder.is_dir():
        raise UnreadableSource(f"there is no folder {folder}")
    found = sorted(path for path in folder.glob(source.file) if path.is_file())
    if not found:
        raise UnreadableSource(f"{folder} has no file {source.file} (source {source.name})")
    return found


def check_columns(source: Source, path: Path, wanted: Sequence[str]) -> None:
    """Raises UnreadableSource for a missing column, before anything of the export is read."""
    try:
        if source.format == "parquet":
            present = pyarrow.parquet.read_schema(path).names
        else:
            with pyarrow.csv.open_csv(
                path, read_options=_reading(source, threads=True), parse_options=_parsing(source, lambda _: "skip")
            ) as reader:
                present = reader.schema.names
    except (pa.ArrowInvalid, LookupError, UnicodeError) as fault:
        raise _unreadable(path, fault) from fault
    absent = [column for column in wanted if column not in present]
    if absent:
        raise UnreadableSource(f"{path.name} has no column {', '.join(absent)}")


def blocks_of(source: Source, path: Path, columns: Sequence[str]) -> Iterator[Block]:
    """The rows of a file, `columns` of each; blank lines count and are no rows. Raises UnreadableSource."""
    read = _parquet if source.format == "parquet" else _csv
    try:
        yield from read(source, path, columns)
    except (pa.ArrowInvalid, pa.ArrowKeyError, LookupError, UnicodeError) as fault:
        raise _unreadable(path, fault) from fault


def _unreadable(path: Path, fault: Exception) -> UnreadableSource:
    return UnreadableSource(f"{path.name}: {fault.args[0] if fault.args else type(fault).__name__}")


def _parquet(_source: Source, path: Path, columns: Sequence[str]) -> Iterator[Block]:
    with pyarrow.parquet.ParquetFile(path) as file:
        number = 1
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield Block(path.name, np.arange(number, number + len(batch), dtype=np.int64), _microseconds(batch))
            number += len(batch)


def _microseconds(batch: pa.RecordBatch) -> pa.Table:
    """Python and Postgres know no nanoseconds; where a file has some, they are cut off."""
    table = pa.Table.from_batches([batch])
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            wanted = pa.timestamp("us", field.type.tz)
            table = table.set_column(at, field.name, table.column(at).cast(wanted, safe=False))
    return table


def _csv(source: Source, path: Path, columns: Sequence[str]) -> Iterator[Block]:
    """Every column as text, because Arrow's guess of a type would differ between blocks and refuse whole files."""
    broken: dict[int, str] = {}

    def skip(row: Any) -> str:
        reason = f"the row has {row.actual_columns} columns, the header {row.expected_columns}"
        broken[row.number - 1] = reason if row.text.strip() else ""
        return "skip"

    converting = pyarrow.csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        strings_can_be_null=True,
        null_values=list(source.missing),
    )
    # One thread: only then does Arrow number the rows that it skips.
    reader = pyarrow.csv.open_csv(path, _reading(source, threads=False), _parsing(source, skip), converting)
    last = 0
    for batch in reader:
        numbers = _numbers(last, len(batch), broken)
        last = int(numbers[-1]) if len(numbers) else last
        yield _block(path, numbers, pa.Table.from_batches([batch]), _taken(broken, last))
    nothing = pa.schema(dict.fromkeys(columns, pa.string())).empty_table()
    yield _block(path, np.zeros(0, dtype=np.int64), nothing, _taken(broken, max(broken, default=0)))


def _block(path: Path, numbers: NDArray[np.int64], table: pa.Table, broken: tuple[tuple[int, str], ...]) -> Block:
    """Without the rows that hold nothing."""
    filled = np.zeros(len(table), dtype=np.bool_)
    for column in table.columns:
        filled |= pc.is_valid(column).to_numpy()
    return Block(path.name, numbers[filled], table.filter(pa.array(filled)), broken)


def _numbers(last: int, count: int, broken: dict[int, str]) -> NDArray[np.int64]:
    """The numbers of the next `count` good rows after row `last`: broken lines count too."""
    candidates = np.arange(last + 1, last + 1 + count + len(broken), dtype=np.int64)
    good: NDArray[np.int64] = candidates[~np.isin(candidates, list(broken))][:count]
    return good


def _taken(broken: dict[int, str], last: int) -> tuple[tuple[int, str], ...]:
    """The broken lines up to row `last`; a blank one is gone."""
    numbers = sorted(number for number in broken if number <= last)
    found = [(number, broken.pop(number)) for number in numbers]
    return tuple((number, reason) for number, reason in found if reason)


def _reading(source: Source, *, threads: bool) -> pyarrow.csv.ReadOptions:
    return pyarrow.csv.ReadOptions(use_threads=threads, block_size=BLOCK_BYTES, encoding=source.encoding)


def _parsing(source: Source, invalid: Any) -> pyarrow.csv.ParseOptions:
    return pyarrow.csv.ParseOptions(
        delimiter=source.separator, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=invalid
    )
