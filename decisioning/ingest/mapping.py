"""Reads a bank's mapping (TOML) into frozen declarations and refuses one that does not hold together; opens no export.

A shipped mapping is named; any other is a path. Attributes must stand in the register, so that a protected
characteristic is refused here and can only be named under `protected`, whose columns go to the vault.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from decisioning.ingest.cells import BadCell, Cell, CellType
from decisioning.ingest.mapping_schema import FIELDS, SCHEMA
from offers import register
from offers.types import CHANNELS

SHIPPED = Path(__file__).parent / "mappings"


class InvalidMapping(ValueError):
    """The mapping cannot be used; the message names its file, the place in it and what is wrong."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the export, or several of one shape where `file` is a pattern such as "part-*.parquet"."""

    name: str
    file: str
    format: str
    separator: str
    encoding: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one source says of a key of another: rows where each column of `where` has its value."""

    source: str
    key: str
    value: str
    where: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """An attribute of the register. With `source` it stands in a file of its own, a row of which belongs to `customer`.

    `at_least_years` turns a birth date into the legal flag; `count_of` counts the values of a set attribute.
    """

    name: str
    cell: Cell
    source: str = ""
    customer: Cell | None = None
    at_least_years: int | None = None
    count_of: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of record: the source it is read from, and a cell for each of its fields."""

    source: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class BankMapping:
    """Everything that is declared about one bank's export.

    `as_of` is the moment that the export tells of, None where it is the moment of the load. `customer_prefix` keeps the
    ids of one bank apart from another's. `consents` are channels on which its customers had agreed to marketing.
    `catalogue` has the shape of a release's content. `digest` is the SHA-256 of the file.
    """

    name: str
    digest: str
    as_of: datetime | None
    customer_prefix: str
    consents: tuple[str, ...]
    sources: Mapping[str, Source]
    lookups: Mapping[str, Lookup]
    customers: Section
    attributes: Mapping[str, AttributeColumn]
    protected: Mapping[str, Cell]
    accounts: Section | None
    transactions: Section | None
    decisions: Section | None
    split_column: str
    reward_type: str
    catalogue: Mapping[str, Mapping[str, Any]]


def shipped_names() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_mapping(name_or_path: str) -> BankMapping:
    """The mapping of that shipped name, or of the TOML file at that path. Raises InvalidMapping."""
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if name_or_path in shipped_names() else Path(name_or_path)
    if not path.is_file():
        raise InvalidMapping(f"{name_or_path} is neither a shipped mapping ({', '.join(shipped_names())}) nor a file")
    try:
        raw = path.read_bytes()
        content = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InvalidMapping(f"{path.name}: {fault}") from fault
    for error in sorted(Draft202012Validator(SCHEMA).iter_errors(content), key=lambda error: error.json_path):
        raise InvalidMapping(f"{path.name}: {error.json_path.removeprefix('$.')}: {error.message}")
    try:
        return _read(content, sha256(raw).hexdigest())
    except (LookupError, BadCell) as fault:
        raise InvalidMapping(f"{path.name}: {fault.args[0] if fault.args else fault}") from fault


def columns_of(mapping: BankMapping, source: str) -> list[str]:
    """Every column of `source` that the mapping reads, so that a file without one is refused before its first row."""
    sections = [mapping.customers, mapping.accounts, mapping.transactions, mapping.decisions]
    cells = [cell for section in sections if section and section.source == source for cell in section.cells.values()]
    for declared in mapping.attributes.values():
        if (declared.source or mapping.customers.source) == source:
            cells += [declared.cell, *([declared.customer] if declared.customer else [])]
    if mapping.customers.source == source:
        cells += mapping.protected.values()
    columns = {cell.column for cell in cells if cell.column}
    for lookup in mapping.lookups.values():
        if lookup.source == source:
            columns |= {lookup.key, lookup.value, *lookup.where}
    if mapping.decisions and mapping.decisions.source == source and mapping.split_column:
        columns.add(mapping.split_column)
    return sorted(columns)


_TYPE_OF: Mapping[register.AttributeType, CellType] = {
    "number": "number",
    "integer": "integer",
    "boolean": "flag",
    "category": "category",
    "set": "text",
}


def _read(content: Mapping[str, Any], digest: str) -> BankMapping:
    """Raises LookupError for a name that is not declared, BadCell for a constant that does not convert."""
    sections = {name: _section(name, content[name]) for name in FIELDS if name in content}
    if "decisions" in sections:
        sections["decisions"] = _with_arm_and_outcome(sections["decisions"], content)
    mapping = BankMapping(
        name=content["name"],
        digest=digest,
        as_of=_moment(content["as_of"]) if "as_of" in content else None,
        customer_prefix=content["customers"].get("prefix", ""),
        consents=tuple(content.get("consents", {}).get("marketing", ())),
        sources={name: _source(name, declared) for name, declared in content["source"].items()},
        lookups={
            name: Lookup(declared["source"], declared["key"], declared["value"], declared.get("where", {}))
            for name, declared in content.get("lookup", {}).items()
        },
        customers=sections["customers"],
        attributes={name: _attribute(name, declared) for name, declared in content.get("attributes", {}).items()},
        protected={
            name: _cell(declared, "text", longest=_LONGEST_PROTECTED)
            for name, declared in content.get("protected", {}).items()
        },
        accounts=sections.get("accounts"),
        transactions=sections.get("transactions"),
        decisions=sections.get("decisions"),
        split_column=content.get("split", {}).get("column", ""),
        reward_type=content.get("outcomes", {}).get("event", ""),
        catalogue=_catalogue(content.get("catalogue", {})),
    )
    _check_names(mapping)
    return mapping


def _catalogue(declared: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """TOML has no null, so that a placement without a fallback leaves it out."""
    placements = {key: {"fallback": None, **value} for key, value in declared.get("placement", {}).items()}
    return {**declared, **({"placement": placements} if placements else {})}


def _moment(declared: Any) -> datetime:
    if isinstance(declared, datetime):
        return declared if declared.tzinfo else declared.replace(tzinfo=UTC)
    if isinstance(declared, date):
        return datetime.combine(declared, time(), UTC)
    raise LookupError("as_of must be a date")


def _source(name: str, declared: Mapping[str, Any]) -> Source:
    return Source(
        name,
        declared["file"],
        declared.get("format", "csv"),
        declared.get("separator", ","),
        declared.get("encoding", "utf-8"),
        tuple(declared.get("missing", ["", "NA"])),
    )


# Characters that the tables hold; 120 elsewhere. A customer's key shares its 64 with the prefix.
_LONGEST: Mapping[str, int] = {"key": 44, "customer": 44, "account": 44, "category": 40}
_LONGEST_PROTECTED = 60


def _cell(declared: str | Mapping[str, Any], type_: CellType, *, required: bool = False, longest: int = 120) -> Cell:
    if isinstance(declared, str):
        return Cell(type_, column=declared, required=required, longest=longest)
    type_ = declared.get("type", type_)
    cell = Cell(
        type_,
        column=declared.get("column", ""),
        lookup=declared.get("lookup", ""),
        values=declared.get("values"),
        format=declared.get("format", ""),
        default=declared.get("default"),
        required=required,
        longest=longest,
    )
    if cell.column:
        return cell
    if "constant" not in declared:
        raise LookupError(f"a field needs a column or a constant: {dict(declared)}")
    return Cell(type_, constant=Cell(type_, column="constant").read({"constant": declared["constant"]}, {}))


def _section(name: str, declared: Mapping[str, Any]) -> Section:
    needed, optional = FIELDS[name]
    cells = {
        field: _cell(declared[field], type_, required=field in needed, longest=_LONGEST.get(field, 120))
        for field, type_ in {**needed, **optional}.items()
        if field in declared
    }
    return Section(declared["source"], cells)


def _with_arm_and_outcome(section: Section, content: Mapping[str, Any]) -> Section:
    """The logged arm is offer/creative, and its outcome stands in the same row."""
    if "offers" not in content or "arms" not in content or "outcomes" not in content:
        raise LookupError("decisions need the tables offers, arms and outcomes")
    cells = {
        "offer": _cell(content["offers"], "text", required=True),
        "creative": _cell(content["arms"], "text", required=True),
        "reward": _cell({k: v for k, v in content["outcomes"].items() if k != "event"}, "number", required=True),
    }
    return Section(section.source, {**section.cells, **cells})


def _attribute(name: str, declared: Mapping[str, Any]) -> AttributeColumn:
    """Raises ProtectedAttribute or UnknownAttribute for a name outside the register."""
    known = register.attribute(name)
    count_of = declared.get("count_of", "")
    type_: CellType = "date" if "at_least_years" in declared else _TYPE_OF[known.type]
    customer = declared.get("customer")
    if declared.get("source") and customer is None:
        raise LookupError(f"attribute {name} has a source of its own, so it needs a customer column")
    return AttributeColumn(
        name,
        Cell("integer") if count_of else _cell(declared, type_),
        declared.get("source", ""),
        None if customer is None else _cell(customer, "text", required=True),
        declared.get("at_least_years"),
        count_of,
    )


def _check_names(mapping: BankMapping) -> None:
    sections = (mapping.customers, mapping.accounts, mapping.transactions, mapping.decisions)
    used = [section.source for section in sections if section]
    used += [lookup.source for lookup in mapping.lookups.values()]
    used += [declared.source for declared in mapping.attributes.values() if declared.source]
    for source in used:
        if source not in mapping.sources:
            raise LookupError(f"there is no source {source}")
    cells = [cell for section in sections if section for cell in section.cells.values()]
    cells += [cell for a in mapping.attributes.values() for cell in (a.cell, a.customer) if cell]
    for cell in (*cells, *mapping.protected.values()):
        if cell.lookup and cell.lookup not in mapping.lookups:
            raise LookupError(f"there is no lookup {cell.lookup}")
    for declared in mapping.attributes.values():
        if declared.count_of and declared.count_of not in mapping.attributes:
            raise LookupError(f"{declared.name} counts {declared.count_of}, which is not mapped")
    channel = mapping.decisions.cells["channel"].constant if mapping.decisions else None
    if channel is not None and channel not in CHANNELS:
        raise LookupError(f"there is no channel {channel}")
