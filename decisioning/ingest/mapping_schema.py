"""The shape of a mapping file as JSON Schema, and the fields of each kind of record; no mapping is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from decisioning.ingest.cells import CellType
from decisioning.ingest.numbers import GROUPINGS
from offers.register import LEVELS
from offers.types import CHANNELS

_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string", "minLength": 1}}
_SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_CELL_KEYS: dict[str, Any] = {
    "column": {"type": "string"},
    "columns": {"type": "array", "items": {"type": "string"}, "minItems": 2},
    "constant": {},
    "type": {"enum": list(get_args(CellType))},
    "missing": {"type": "array"},
    "lookup": {"type": "string"},
    "values": {"type": "object"},
    "fold": {"type": "boolean"},
    "format": {"type": "string"},
    "prefix": {"type": "string"},
    "zone": {"type": "string"},
    "decimal": {"enum": [".", ","]},
    "grouping": {"enum": [grouping for grouping in GROUPINGS if grouping]},
    "strip": _TEXTS,
    "scale": {"type": "number", "exclusiveMinimum": 0},
    "accounting": {"type": "boolean"},
    "default": {},
    "otherwise": {"$ref": "#/$defs/cell"},
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
        {"key": "text", "customer": "text", "occurred_at": "time", "amount": "number"},
        {"account": "text", "sign": "number", "category": "category"},
    ),
    "decisions": (
        {"key": "text", "customer": "text", "probability": "number", "channel": "category"},
        {"occurred_at": "time"},
    ),
    "posts": ({"key": "text", "customer": "text", "occurred_at": "time", "text": "text"}, {}),
}
SEVERAL = ("accounts", "transactions", "posts")  # kinds that an export may hold in several files of several shapes


def _section_schema(name: str) -> dict[str, Any]:
    needed, optional = FIELDS[name]
    section = _table({"source": {"type": "string"}, **dict.fromkeys((*needed, *optional), _CELL)}, ("source", *needed))
    return {"type": "array", "items": section, "minItems": 1} if name in SEVERAL else section


# Without a source and a key: the export tells of customers that another one brought.
_CUSTOMERS = _table(
    {
        "source": {"type": "string"},
        "key": _CELL,
        "prefix": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,20}$"},
        "repeated": {"type": "boolean"},
        "create": {"type": "boolean"},
    }
) | {"dependentRequired": {"source": ["key"], "key": ["source"], "repeated": ["source"], "create": ["source"]}}
_OF_CUSTOMERS = {**_CELL_KEYS, "source": {"type": "string"}, "customer": _CELL}

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
        "customers": _CUSTOMERS,
        "attributes": _tables(
            _table(
                {
                    **_OF_CUSTOMERS,
                    "at_least_years": {"type": "integer", "minimum": 1},
                    "count_of": {"type": "string"},
                }
            )
        ),
        "protected": _tables({"oneOf": [{"type": "string"}, _table(_OF_CUSTOMERS)]}),
        "consents": _table(
            {
                "marketing": {"type": "array", "items": {"enum": list(CHANNELS)}},
                "personalisation": {"enum": list(LEVELS)},
            }
        ),
        "offers": _table(_CELL_KEYS, ("column",)),
        "arms": _table(_CELL_KEYS, ("column",)),
        "outcomes": _table({**_CELL_KEYS, "event": {"enum": ["click", "application", "activation"]}}, ("event",)),
        "split": _table({"column": {"type": "string"}, "train": {"enum": ["odd"]}}, ("column", "train")),
        "quality": _table(
            {
                "missing": _tables(_SHARE),
                "fresh_within_days": {"type": "integer", "minimum": 1},
                "volume_change": {"type": "number", "exclusiveMinimum": 0},
            }
        ),
        "catalogue": {"type": "object"},
        **{name: _section_schema(name) for name in FIELDS if name != "customers"},
    },
    ("name", "source", "customers"),
) | {"$defs": {"cell": _CELL}}
