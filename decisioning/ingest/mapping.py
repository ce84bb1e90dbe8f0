"""Reads a bank's mapping (TOML) into frozen declarations and refuses one that does not hold together; opens no export.

A shipped mapping is named; any other is a path. Attributes must stand in the register, so that a protected
characteristic is refused here and can only be named under `protected`, whose columns go to the vault.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jsonschema import Draft202012Validator

from decisioning.ingest.cells import BadCell, Cell, CellType, folded
from decisioning.ingest.declared import BankMapping, CustomerColumn, Limits, Lookup, Section, Source
from decisioning.ingest.mapping_schema import FIELDS, SCHEMA, SEVERAL
from decisioning.ingest.numbers import NumberForm
from offers import register
from offers.types import CHANNELS

SHIPPED = Path(__file__).parent / "mappings"


class InvalidMapping(ValueError):
    """The mapping cannot be used; the message names its file, the place in it and what is wrong."""


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
    # One table of a kind is a list of one.
    content |= {kind: [content[kind]] for kind in SEVERAL if isinstance(content.get(kind), dict)}
    for error in sorted(Draft202012Validator(SCHEMA).iter_errors(content), key=lambda error: error.json_path):
        raise InvalidMapping(f"{path.name}: {error.json_path.removeprefix('$.')}: {error.message}")
    try:
        return _read(content, sha256(raw).hexdigest())
    except (LookupError, BadCell) as fault:
        raise InvalidMapping(f"{path.name}: {fault.args[0] if fault.args else fault}") from fault


_TYPE_OF: Mapping[register.AttributeType, CellType] = {
    "number": "number",
    "integer": "integer",
    "boolean": "flag",
    "category": "category",
    "set": "text",
}


def _read(content: Mapping[str, Any], digest: str) -> BankMapping:
    """Raises LookupError for a name that is not declared, BadCell for a constant that does not convert."""
    customers, consents = content["customers"], content.get("consents", {})
    mapping = BankMapping(
        name=content["name"],
        digest=digest,
        as_of=_moment(content["as_of"]) if "as_of" in content else None,
        customer_prefix=customers.get("prefix", ""),
        customers=_section("customers", customers) if "source" in customers else None,
        customers_repeat=customers.get("repeated", False),
        creates_customers=customers.get("create", True),
        consents=tuple(consents.get("marketing", ())),
        personalisation=consents.get("personalisation", ""),
        sources={name: _source(name, declared) for name, declared in content["source"].items()},
        lookups={
            name: Lookup(declared["source"], declared["key"], declared["value"], declared.get("where", {}))
            for name, declared in content.get("lookup", {}).items()
        },
        attributes={name: _attribute(name, declared) for name, declared in content.get("attributes", {}).items()},
        protected={name: _protected(name, declared) for name, declared in content.get("protected", {}).items()},
        accounts=tuple(_section("accounts", declared) for declared in content.get("accounts", ())),
        transactions=tuple(_section("transactions", declared) for declared in content.get("transactions", ())),
        posts=tuple(_section("posts", declared) for declared in content.get("posts", ())),
        decisions=_decisions(content) if "decisions" in content else None,
        split_column=content.get("split", {}).get("column", ""),
        reward_type=content.get("outcomes", {}).get("event", ""),
        limits=Limits(**content.get("quality", {})),
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


# Characters that the tables hold; 120 elsewhere. A customer's key shares its 64 with the prefix. A post's text is held
# nowhere; what is longer is no post.
_LONGEST: Mapping[str, int] = {"key": 44, "customer": 44, "account": 44, "category": 40, "text": 100_000}
_LONGEST_PROTECTED = 60


def _cell(
    declared: str | Mapping[str, Any],
    type_: CellType,
    *,
    required: bool = False,
    longest: int = 120,
    private: bool = False,
) -> Cell:
    if isinstance(declared, str):
        return Cell(type_, column=declared, required=required, longest=longest, private=private)
    type_ = declared.get("type", type_)
    columns = declared.get("columns", [declared["column"]] if "column" in declared else [])
    if not columns:
        if "constant" not in declared:
            raise LookupError(f"a field needs a column or a constant: {dict(declared)}")
        return Cell(type_, constant=_constant(type_, declared["constant"]))
    values = declared.get("values")
    fold = declared.get("fold", False)
    return Cell(
        type_,
        column=columns[0],
        more=tuple(columns[1:]),
        missing=tuple(declared.get("missing", ())),
        lookup=declared.get("lookup", ""),
        values={folded(key): value for key, value in values.items()} if values and fold else values,
        fold=fold,
        format=declared.get("format", ""),
        prefix=declared.get("prefix", ""),
        zone=_zone(declared.get("zone", "UTC")),
        form=_form(declared),
        default=_constant(type_, declared["default"]) if "default" in declared else None,
        otherwise=_cell(declared["otherwise"], type_, longest=longest, private=private)
        if "otherwise" in declared
        else None,
        required=required,
        private=private,
        longest=longest,
    )


def _constant(type_: CellType, value: Any) -> Any:
    """A declared value as a column's would be read."""
    return Cell(type_, column="constant").read({"constant": value}, {})


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise LookupError(f"there is no time zone {name}") from None


def _form(declared: Mapping[str, Any]) -> NumberForm:
    form = NumberForm(
        decimal=declared.get("decimal", "."),
        grouping=declared.get("grouping", ""),
        strip=tuple(declared.get("strip", ())),
        scale=float(declared.get("scale", 1.0)),
        accounting=declared.get("accounting", False),
    )
    if form.decimal == form.grouping:
        raise LookupError(f"{form.decimal} cannot both be the decimal mark and stand between thousands")
    return form


def _section(name: str, declared: Mapping[str, Any]) -> Section:
    needed, optional = FIELDS[name]
    cells = {
        field: _cell(
            declared[field], type_,
            required=field in needed, longest=_LONGEST.get(field, 120), private=field == "text",
        )
        for field, type_ in {**needed, **optional}.items()
        if field in declared
    }  # fmt: skip
    return Section(declared["source"], cells)


def _decisions(content: Mapping[str, Any]) -> Section:
    """The logged arm is offer/creative, and its outcome stands in the same row."""
    if "offers" not in content or "arms" not in content or "outcomes" not in content:
        raise LookupError("decisions need the tables offers, arms and outcomes")
    section = _section("decisions", content["decisions"])
    cells = {
        "offer": _cell(content["offers"], "text", required=True),
        "creative": _cell(content["arms"], "text", required=True),
        "reward": _cell({k: v for k, v in content["outcomes"].items() if k != "event"}, "number", required=True),
    }
    return Section(section.source, {**section.cells, **cells})


def _attribute(name: str, declared: Mapping[str, Any]) -> CustomerColumn:
    """Raises ProtectedAttribute or UnknownAttribute for a name outside the register; ProtectedAttribute also for a
    column that may be asked for the vault alone (12 CFR 1002.5), whatever it is to become, but for the age behind a
    flag that the law allows."""
    known = register.attribute(name)
    of_age = known.basis_class == "age_special"
    register.refuse_protected(declared.get("column", ""), age_allowed=of_age)
    count_of = declared.get("count_of", "")
    type_: CellType = "date" if "at_least_years" in declared else _TYPE_OF[known.type]
    return CustomerColumn(
        name,
        # An age is protected also where only the legal flag is taken from it.
        Cell("integer") if count_of else _cell(declared, type_, private=of_age),
        declared.get("source", ""),
        _owner(name, declared),
        declared.get("at_least_years"),
        count_of,
    )


def _protected(name: str, declared: str | Mapping[str, Any]) -> CustomerColumn:
    cell = _cell(declared, "text", longest=_LONGEST_PROTECTED, private=True)
    if isinstance(declared, str):
        return CustomerColumn(name, cell)
    return CustomerColumn(name, cell, declared.get("source", ""), _owner(name, declared))


def _owner(name: str, declared: Mapping[str, Any]) -> Cell | None:
    """The column that says whose row it is, for what stands in a file of its own."""
    if ("source" in declared) != ("customer" in declared):
        raise LookupError(f"{name} needs a source of its own and a customer column, or neither")
    return _cell(declared["customer"], "text", required=True) if "customer" in declared else None


def _check_names(mapping: BankMapping) -> None:
    sections = [section for _, section in mapping.sections()]
    columns = list(mapping.customer_columns())
    used = [section.source for section in sections]
    used += [lookup.source for lookup in mapping.lookups.values()]
    used += [declared.source for declared in columns if declared.source]
    for source in used:
        if source not in mapping.sources:
            raise LookupError(f"there is no source {source}")
    cells = [cell for section in sections for cell in section.cells.values()]
    cells += [cell for declared in columns for cell in (declared.cell, declared.customer) if cell]
    cells += [cell.otherwise for cell in cells if cell.otherwise]
    for cell in cells:
        if cell.lookup and cell.lookup not in mapping.lookups:
            raise LookupError(f"there is no lookup {cell.lookup}")
    for declared in mapping.attributes.values():
        if declared.count_of and declared.count_of not in mapping.attributes:
            raise LookupError(f"{declared.name} counts {declared.count_of}, which is not mapped")
    _check_customers(mapping)
    channel = mapping.decisions.cells["channel"].constant if mapping.decisions else None
    if channel is not None and channel not in CHANNELS:
        raise LookupError(f"there is no channel {channel}")


def _check_customers(mapping: BankMapping) -> None:
    if mapping.customers is None and (mapping.attributes or mapping.protected or mapping.consents):
        raise LookupError("attributes, protected values and consents need customers with a source and a key")
    own = mapping.customers.source if mapping.customers else ""
    shared = [kind for kind, section in mapping.sections() if section.source == own and kind != "customers"]
    if mapping.customers_repeat and {"accounts", "decisions"} & set(shared):
        raise LookupError(f"customers that repeat cannot share the rows of {', '.join(shared)}")
    unknown = set(mapping.limits.missing) - set(mapping.attributes)
    if unknown:
        raise LookupError(f"quality limits {', '.join(sorted(unknown))}, which is not mapped")
