"""Reads transactions, of which there are millions, by columns; a bad row is told as it is where rows come singly."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from decisioning.ingest.cells import BadCell, Lookups
from decisioning.ingest.columns import Column, read
from decisioning.ingest.declared import Section
from decisioning.ingest.files import Block
from decisioning.ingest.records import TRANSACTIONS, Batch

_ORDER = ("key", "customer", "account", "occurred_at", "amount", "sign", "category")  # a row is told its first fault
_NO_ACCOUNT, _NO_CATEGORY = "", "other"


def transactions(section: Section, block: Block, lookups: Lookups, batch: Batch) -> None:
    """Fill the batch with the transactions of a block, and with its rejects."""
    absent = Column(pa.nulls(len(block.table), pa.string()), {})
    columns = {name: read(section.cells[name], block, lookups) if name in section.cells else absent for name in _ORDER}
    faults: dict[int, BadCell] = {}
    for name in reversed(_ORDER):
        faults.update(columns[name].faults)
    values = {name: column.values for name, column in columns.items()}
    if "sign" in section.cells:
        values["amount"] = pc.multiply(values["amount"], pc.fill_null(values["sign"], 1.0))
    table = pa.table(
        {
            "row": pa.array(block.numbers),
            "key": values["key"],
            "customer": values["customer"],
            "account": pc.fill_null(values["account"], _NO_ACCOUNT),
            "occurred_at": values["occurred_at"],
            "amount": values["amount"],
            "category": pc.fill_null(values["category"], _NO_CATEGORY),
        }
    ).cast(TRANSACTIONS)
    batch.transactions = table
    batch.drop({int(block.numbers[at]): fault for at, fault in faults.items()})
