"""A folder of Parquet with history: one subfolder a source, whose files hold the columns that `sources` names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from decisioning.features.measures import start
from decisioning.features.sources import TABLES, ColumnType

ARROW: dict[ColumnType, pa.DataType] = {
    "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "string": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip


class UnfinishedExport(LookupError):
    """The folder does not say up to which moment its history reaches: no export into it has come to its end."""


def moment_file(folder: Path) -> Path:
    return folder / "as_of"


def as_of(folder: Path) -> datetime:
    """Up to which moment the history in this folder reaches. Raises UnfinishedExport."""
    try:
        return datetime.fromisoformat(moment_file(folder).read_text().strip())
    except (OSError, ValueError) as error:
        raise UnfinishedExport(f"{folder} holds no finished export of history") from error


def schema(source: str) -> pa.Schema:
    """The columns of a source's files; others may stand beside them and are not read."""
    return pa.schema([(name, ARROW[type_]) for name, type_ in TABLES[source].items()])


def files(folder: Path, source: str) -> list[Path]:
    """The files of a source, at any depth; none where the bank has no such history."""
    return sorted((folder / source).rglob("*.parquet"))


def with_windows(spine: pa.Table, days: tuple[int, ...]) -> pa.Table:
    """The spine with the start of each window, so that no engine does arithmetic with time."""
    for each in days:
        begin = pc.subtract(spine["moment"], pa.scalar(each * 86_400 * 10**6, pa.duration("us")))
        spine = spine.append_column(start(each), begin)
    return spine
