"""A bank's export with one protected column turned over: the raw cells that the loader reads, before anything is made
of them; and an export of customers who came without one, as they are stored."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from decisioning.ingest.cells import Cell, CellType
from decisioning.ingest.declared import BankMapping, CustomerColumn, Limits, Section, Source
from decisioning.ingest.files import UnreadableSource, paths_of
from decisioning.ingest.loading import KIND as LOAD
from decisioning.ingest.mapping import InvalidMapping, load_mapping
from decisioning.models import Customer, FeatureRow, Job
from fairness import vault
from fairness.dataset import BIRTH_DATE
from offers.register import ATTRIBUTES

STORED: Final = "individuals"  # the mapping of an export that was made from what is stored
_LOOKED_AT: Final = 20  # loads: most are of the same few exports
_LEGAL_AGE: Final = {"is_21_or_over": 21}
_TYPES: Final[Mapping[str, CellType]] = {
    "number": "number", "integer": "integer", "boolean": "flag", "category": "category",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """Files in a folder, and how they are read."""

    mapping: BankMapping
    folder: Path


@dataclass(frozen=True, slots=True)
class Column:
    """One raw column that protected values are read from, and what is read from it."""

    source: str
    name: str
    attributes: tuple[str, ...]


def customers_alone(export: Export) -> Export:
    """Without accounts, transactions, posts and decisions, which hold nothing protected and are in the tables."""
    mapping = replace(export.mapping, accounts=(), transactions=(), posts=(), decisions=None, split_column="")
    return Export(mapping, export.folder)


def last_loaded() -> Export | None:
    """The newest export of customers with protected columns that `manage.py load` read, by its mapping as it is now;
    None where its files or its mapping are gone."""
    done = Job.objects.filter(kind=LOAD, status=Job.Status.DONE, argument__declared__gt="").order_by("-id")
    for told in done.values_list("argument", flat=True)[:_LOOKED_AT]:
        try:
            export = customers_alone(Export(load_mapping(told["declared"]), Path(told["folder"])))
            for each in export.mapping.sources.values():
                paths_of(each, export.folder)
        except (InvalidMapping, UnreadableSource, OSError):
            continue
        if export.mapping.customers and export.mapping.protected:
            return export
    return None


def beginning(export: Export, most: int, into: Path) -> Export:
    """The first rows of its customers, so that an export of a million is read once and not for every turn."""
    return flipped(export, None, into, range(most))


def size(export: Export) -> int:
    """Rows of the customers' own source."""
    assert export.mapping.customers is not None
    own = export.mapping.sources[export.mapping.customers.source]
    return sum(len(_read(own, path)) for path in paths_of(own, export.folder))


def protected_columns(mapping: BankMapping) -> list[Column]:
    """Every raw column behind a protected value, once."""
    found: dict[tuple[str, str], list[str]] = {}
    own = mapping.customers.source if mapping.customers else ""
    for declared in mapping.protected.values():
        for name in declared.cell.columns:
            found.setdefault((declared.source or own, name), []).append(declared.name)
    return [Column(source, name, tuple(read)) for (source, name), read in found.items()]


def flipped(export: Export, column: Column | None, into: Path, rows: range) -> Export:
    """A copy of these rows of the export's customers, with another value in every cell of a column; as they are for
    None. A value goes to the one half-way round the column's own values, so that every cell changes and each stays a
    value that the bank writes."""
    assert export.mapping.customers is not None
    own = export.mapping.customers.source
    into.mkdir(parents=True)
    seen = 0
    for name, source in export.mapping.sources.items():
        for path in paths_of(source, export.folder):
            if name != own and (column is None or name != column.source):
                os.symlink(path.resolve(), into / path.name)
                continue
            frame = _read(source, path)
            if column is not None and name == column.source:
                frame[column.name] = turned(frame[column.name].tolist(), source.missing)
            if name == own:
                seen, frame = seen + len(frame), frame.iloc[max(0, rows.start - seen) : max(0, rows.stop - seen)]
            _write(source, frame, into / path.name)
    return Export(export.mapping, into)


def turned(values: Sequence[Any], missing: Sequence[str] = ()) -> list[Any]:
    """Each value replaced by the one half-way round the distinct ones, in order; what is missing stays missing."""
    absent = {text.casefold() for text in missing} | {""}
    known = sorted({value for value in values if value is not None and str(value).strip().casefold() not in absent})
    half = max(1, len(known) // 2)
    other = {value: known[(place + half) % len(known)] for place, value in enumerate(known)}
    return [other.get(value, value) for value in values]


def _read(source: Source, path: Path) -> pd.DataFrame:
    if source.format == "parquet":
        frame = pd.read_parquet(path, dtype_backend="pyarrow")
        return frame.astype(object).where(frame.notna(), None)
    return pd.read_csv(path, sep=source.separator, encoding=source.encoding, dtype=str, keep_default_na=False)


def _write(source: Source, frame: pd.DataFrame, path: Path) -> None:
    if source.format == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, sep=source.separator, encoding=source.encoding, index=False)


def stored(most: int, into: Path, now: datetime) -> Export:
    """The last customers that are not erased, as an export: what is stored of each attribute, and what the vault holds.
    Legal flags are computed from the birth date where there is one, as the loader does."""
    rows = Customer.objects.filter(erased_at__isnull=True, external_id__isnull=False).order_by("-pk")[:most]
    names = dict(rows.values_list("pk", "external_id"))
    lines: dict[int, dict[str, Any]] = {pk: {"key": name} for pk, name in names.items()}
    statements = FeatureRow.objects.filter(customer_id__in=names, known_at__lte=now).order_by("known_at", "occurred_at")
    for customer, values in statements.values_list("customer_id", "values"):
        lines[customer] |= {name: value for name, value in values.items() if _fits(name)}
    held = sorted({entry.attribute for entry in vault.read(list(names))})
    for entry in vault.read(list(names)):
        lines[entry.customer][_raw(entry.attribute)] = entry.value
    into.mkdir(parents=True)
    frame = pd.DataFrame(list(lines.values()))
    frame = frame.reindex(columns=["key", *sorted(set(frame.columns) - {"key"})]) if len(frame) else frame
    frame = frame.astype(object).where(frame.notna(), None)
    frame.to_parquet(into / "customers.parquet", index=False)
    return Export(_mapping(sorted(set(frame.columns) & ATTRIBUTES.keys()), held, now), into)


def _fits(name: str) -> bool:
    """A set stands in a file of its own; what a source says of it stays as it is."""
    return name in ATTRIBUTES and ATTRIBUTES[name].type in _TYPES


def _raw(protected: str) -> str:
    return f"protected {protected}"


def _mapping(attributes: Sequence[str], held: Sequence[str], now: datetime) -> BankMapping:
    columns = {name: CustomerColumn(name, Cell(_TYPES[ATTRIBUTES[name].type], column=name)) for name in attributes}
    if BIRTH_DATE in held:
        born = Cell("date", column=_raw(BIRTH_DATE), private=True)
        columns |= {flag: CustomerColumn(flag, born, at_least_years=years) for flag, years in _LEGAL_AGE.items()}
    return BankMapping(
        name=STORED, digest="", as_of=now, customer_prefix="", customers_repeat=False, creates_customers=False,
        customers=Section("customers", {"key": Cell("text", column="key", required=True)}), consents=(),
        personalisation="", sources={"customers": Source("customers", "customers.parquet", "parquet", "", "", ())},
        lookups={}, attributes=columns,
        protected={name: CustomerColumn(name, Cell("text", column=_raw(name), private=True)) for name in held},
        accounts=(), transactions=(), posts=(), decisions=None, split_column="", reward_type="", limits=Limits(),
        catalogue={},
    )  # fmt: skip
