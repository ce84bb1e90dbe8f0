"""The tables of history as every engine shows them, column by column with its type; what is in them is a fact of when
it happened and of when it was known."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from decisioning.features.measures import Source
from offers.register import ATTRIBUTES, CARD_KINDS, GROUPS, SESSION_GROUP, AttributeType

ColumnType = Literal["int64", "float64", "bool", "string", "timestamp"]
Columns = Mapping[str, ColumnType]

_TYPES: Mapping[AttributeType, ColumnType] = {
    "number": "float64",
    "integer": "float64",  # rounded to an integer when it is served
    "boolean": "bool",
    "category": "string",
    "set": "string",  # sorted members joined with "|"
}
_TIMES: Columns = {"occurred_at": "timestamp", "known_at": "timestamp"}

EVENTS: Mapping[Source, Columns] = MappingProxyType(
    {
        # An amount is in currency; positive is money out.
        "transactions": {"customer_id": "int64", **_TIMES, "amount": "float64", "category": "string"},
        # Of the payload, the fields that a group reads.
        "signals": {"customer_id": "int64", "event_id": "string", "type": "string", **_TIMES, "amount": "float64",
                    "balance": "float64", "utilisation": "float64", "event": "string", "experiment": "string",
                    "variant": "string"},
        "posts": {"customer_id": "int64", **_TIMES, "sentiment": "float64",
                  **dict.fromkeys((f"interest_{kind}" for kind in CARD_KINDS), "float64")},
        # What happened is that the account was opened.
        "accounts": {"customer_id": "int64", **_TIMES},
    }
)  # fmt: skip

STORED_GROUPS = tuple(group for group in GROUPS if group != SESSION_GROUP)  # of a customer, not of a moment


def given(group: str) -> Columns:
    """The statements of all sources on a group: one column for each of its attributes, null where it is not told."""
    told = {name: _TYPES[declared.type] for name, declared in ATTRIBUTES.items() if declared.group == group}
    return {"customer_id": "int64", "source": "string", **_TIMES, **told}


TABLES: Mapping[str, Columns] = MappingProxyType(
    dict(EVENTS.items()) | {f"given_{group}": given(group) for group in STORED_GROUPS}
)
