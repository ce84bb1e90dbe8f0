"""Holds the records of a batch against the schemas of their kind; a row with an impossible value is rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from decisioning.ingest.cells import BadCell
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.records import Batch
from decisioning.quality.expectations import Expectation

if TYPE_CHECKING:
    import pandas as pd

    from decisioning.quality.schemas import Schema

EXPORTED: Final = ", as exported"
"""Added to a subject: what a row had to be to be loaded, beside what stands in the tables."""

_FIELDS: Mapping[str, Sequence[str]] = {
    "accounts": ("product", "opened_on", "credit_limit", "balance"),
    "decisions": ("probability", "channel", "reward", "occurred_at"),
}


def refuse(batch: Batch, mapping: BankMapping, now: datetime) -> None:
    """Take out of the batch every row with a value that cannot be."""
    from decisioning.quality import schemas  # pandera, which only a load pays for

    if batch.customers and mapping.attributes:
        names = tuple(mapping.attributes)
        frame = schemas.frame({name: [r.attributes.get(name) for r in batch.customers] for name in names})
        _hold(batch, schemas.attributes(names), frame, [r.row for r in batch.customers], _attribute_column(mapping))
    for kind, fields in _FIELDS.items():
        records: Sequence[Any] = getattr(batch, kind)
        if records:
            frame = schemas.frame({name: [getattr(r, name) for r in records] for name in fields})
            _hold(
                batch, schemas.records(kind, now), frame, [r.row for r in records], _field_column(mapping, kind, batch)
            )
    if batch.posts:
        frame = schemas.frame(
            {"occurred_at": [r.occurred_at for r in batch.posts], "length": [len(r.text) for r in batch.posts]}
        )
        _hold(
            batch,
            schemas.records("posts", now),
            frame,
            [r.row for r in batch.posts],
            _field_column(mapping, "posts", batch),
        )
    if len(batch.transactions):
        frame = batch.transactions.select(["occurred_at", "amount", "category"]).to_pandas()
        rows = batch.transactions["row"].to_pylist()
        _hold(batch, schemas.records("transactions", now), frame, rows, _field_column(mapping, "transactions", batch))


def _hold(
    batch: Batch, schema: Schema, frame: pd.DataFrame, rows: Sequence[int], column_of: Callable[[str], str]
) -> None:
    for (column, _), expectation in schema.expectations.items():
        if column in frame:
            batch.hold(_exported(expectation), int(frame[column].notna().sum()))
    faults: dict[int, BadCell] = {}
    broke: dict[int, Expectation] = {}
    for fault in schema.faults(frame):
        row, name = rows[fault.place], fault.expectation.column
        if row not in faults:
            value = repr(fault.value) if isinstance(fault.value, str) else fault.value
            reason = f"{value} is not {fault.expectation.text}"
            faults[row] = BadCell(column_of(name), reason)
            broke[row] = _exported(fault.expectation)
    batch.drop(faults, broke)


def _exported(expectation: Expectation) -> Expectation:
    return Expectation(expectation.subject + EXPORTED, expectation.column, expectation.text)


def _attribute_column(mapping: BankMapping) -> Callable[[str], str]:
    return lambda name: mapping.attributes[name].cell.column or name


def _field_column(mapping: BankMapping, kind: str, batch: Batch) -> Callable[[str], str]:
    cells = mapping.section(kind, batch.source).cells
    return lambda field: (cells[field].column if field in cells else "") or field
