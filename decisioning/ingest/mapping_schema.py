"""The shape of a mapping file as JSON Schema, and the fields of each kind of record; no mapping is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from decisioning.ingest.cells import CellType
from offers.types import CHANNELS

_CELL_KEYS: dict[str, Any] = {
    "column": {"type": "string"},
    "constant": {},
    "type": {"enum": list(get_args(CellType))},
    "lookup": {"type": "string"},
    "values": {"type": "object"},
    "format": {"type": "string"},
    "default": {},
}
_CELL: dict[str, Any] = {
    "oneOf": [{"type": "string"}, {"type": "object", "properties": _CELL_KEYS, "additionalProperties": False}]
}


def _table(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _tables(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}


# The fields of each kind of record, with their types; those of the second table may be left out.
FIELDS: Mapping[str, tuple[Mapping[str, CellType], Mapping[str, CellType]]] = {
    "customers": ({"key": "text"}, {}),
    "accounts": (
        {"key": "text", "customer": "text", "product": "text"},
        {"opened_on": "date", "closed_on": "date", "credit_limit": "number", "balance": "number"},
    ),
    "transactions": (
        {"key": "text", "account": "text", "customer": "text", "occurred_at": "time", "amount": "number"},
        {"sign": "number", "category": "category"},
    ),
    "decisions": (
        {"key": "text", "customer": "text", "probability": "number", "channel": "category"},
        {"occurred_at": "time"},
    ),
}


def _section_schema(name: str) -> dict[str, Any]:
    needed, optional = FIELDS[name]
    cells = dict.fromkeys((*needed, *optional), _CELL)
    extra = {"prefix": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,20}$"}} if name == "customers" else {}
    return _table({"source": {"type": "string"}, **extra, **cells}, ("source", *needed))


SCHEMA = _table(
    {
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,29}$"},
        "as_of": {},
        "source": _tables(
            _table(
                {
                    "file": {"type": "string"},
                    "format": {"enum": ["csv", "parquet"]},
                    "separator": {"type": "string", "minLength": 1, "maxLength": 1},
                    "encoding": {"type": "string"},
                    "missing": {"type": "array", "items": {"type": "string"}},
                },
                ("file",),
            )
        ),
        "lookup": _tables(
            _table(
                {
                    "source": {"type": "string"},
                    "key": {"type": "string"},
                    "value": {"type": "string"},
                    "where": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                ("source", "key", "value"),
            )
        ),
        "attributes": _tables(
            _table(
                {
                    **_CELL_KEYS,
                    "source": {"type": "string"},
                    "customer": _CELL,
                    "at_least_years": {"type": "integer", "minimum": 1},
                    "count_of": {"type": "string"},
                }
            )
        ),
        "protected": _tables(_CELL),
        "consents": _table({"marketing": {"type": "array", "items": {"enum": list(CHANNELS)}}}),
        "offers": _table(_CELL_KEYS, ("column",)),
        "arms": _table(_CELL_KEYS, ("column",)),
        "outcomes": _table({**_CELL_KEYS, "event": {"enum": ["click", "application", "activation"]}}, ("event",)),
        "split": _table({"column": {"type": "string"}, "train": {"enum": ["odd"]}}, ("column", "train")),
        "catalogue": {"type": "object"},
        **{name: _section_schema(name) for name in FIELDS},
    },
    ("name", "source", "customers"),
)
