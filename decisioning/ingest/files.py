"""Streams the rows of an export's CSV and Parquet files with their row numbers, in bounded batches; types nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from decisioning.ingest.mapping import Source

BLOCK_BYTES = 1 << 20  # of a CSV file: some 10,000 rows, which one batch writes in about a second
BATCH_ROWS = 10_000


class UnreadableSource(ValueError):
    """A whole file cannot be read: it is absent, lacks a column or is not of its declared format."""


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A line that is not a row: it has more or fewer columns than the header."""

    reason: str


Numbered = tuple[int, dict[str, Any] | BrokenRow]


def paths_of(source: Source, folder: Path) -> list[Path]:
    """The files of a source in name order. Raises UnreadableSource if there is none."""
    if not folder.is_dir():
        raise UnreadableSource(f"there is no folder {folder}")
    found = sorted(path for path in folder.glob(source.file) if path.is_file())
    if not found:
        raise UnreadableSource(f"{folder} has no file {source.file} (source {source.name})")
    return found


def rows_of(source: Source, path: Path, columns: Sequence[str]) -> Iterator[list[Numbered]]:
    """Batches of (row number, row) with `columns` only; the first row after the header is number 1, blank lines count.

    Raises UnreadableSource, for a missing column before the first row.
    """
    read = _parquet if source.format == "parquet" else _csv
    try:
        yield from read(source, path, columns)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError, LookupError, UnicodeError) as fault:
        reason = str(fault.args[0]) if fault.args else type(fault).__name__
        raise UnreadableSource(f"{path.name}: {reason}") from fault


def _parquet(source: Source, path: Path, columns: Sequence[str]) -> Iterator[list[Numbered]]:
    with pyarrow.parquet.ParquetFile(path) as file:
        _check_columns(path, columns, file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            rows = batch.to_pylist()
            yield [(number + at, row) for at, row in enumerate(rows, start=1)]
            number += len(rows)


def _csv(source: Source, path: Path, columns: Sequence[str]) -> Iterator[list[Numbered]]:
    broken: dict[int, BrokenRow] = {}

    def skip(row: Any) -> str:
        reason = f"the row has {row.actual_columns} columns, the header {row.expected_columns}"
        broken[row.number - 1] = BrokenRow(reason if row.text.strip() else "")
        return "skip"

    reader = pyarrow.csv.open_csv(
        path,
        # One thread: only then does Arrow number the rows that it skips.
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=source.encoding),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=source.separator, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        convert_options=_as_text(source, path, columns),
    )
    number = 0
    for batch in reader:
        rows: list[Numbered] = []
        for row in batch.to_pylist():
            number += 1
            number = _take_broken(broken, number, rows)
            if any(value is not None for value in row.values()):
                rows.append((number, row))
        yield rows
    rows = []
    _take_broken(broken, number + 1, rows)
    yield rows


def _take_broken(broken: dict[int, BrokenRow], number: int, rows: list[Numbered]) -> int:
    """Put the skipped rows back where they stood; returns the number of the next good row."""
    while number in broken:
        row = broken.pop(number)
        if row.reason:
            rows.append((number, row))
        number += 1
    return number


def _as_text(source: Source, path: Path, columns: Sequence[str]) -> pyarrow.csv.ConvertOptions:
    """Every column as text, because Arrow's guess of a type would differ between blocks and refuse whole files."""
    header = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, encoding=source.encoding),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=source.separator, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
        ),
    ).schema.names
    _check_columns(path, columns, header)
    return pyarrow.csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pyarrow.string()),
        strings_can_be_null=True,
        null_values=list(source.missing),
    )


def _check_columns(path: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
    absent = [column for column in wanted if column not in present]
    if absent:
        raise UnreadableSource(f"{path.name} has no column {', '.join(absent)}")
