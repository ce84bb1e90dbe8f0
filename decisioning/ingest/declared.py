"""What a mapping declares about one bank's export, as frozen values; how it is written down is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from decisioning.ingest.cells import Cell


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
class CustomerColumn:
    """An attribute of the register, or a protected characteristic. With `source` it stands in a file of its own, a row
    of which belongs to `customer`.

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
class Limits:
    """What is expected of the export as a whole.

    `missing`: attribute to the share of customers without it that is still good. `fresh_within_days`: how old the
    export may be. `volume_change`: by which share the number of its records may differ from the load before.
    """

    missing: Mapping[str, float] = field(default_factory=dict)
    fresh_within_days: int | None = None
    volume_change: float = 0.5


@dataclass(frozen=True, slots=True)
class BankMapping:
    """Everything that is declared about one bank's export.

    `as_of` is the moment that the export tells of, None where it is the moment of the load. `customer_prefix` keeps the
    ids of one bank apart from another's; mappings that share it name the same customers. Without `customers` the export
    tells only of customers that another brought; with `creates_customers` false its rows are about those too. With
    `customers_repeat` a customer stands in many rows, the first of which counts. `consents` are channels on which its
    customers had agreed to marketing, `personalisation` the level that they agreed to. `catalogue` has the shape of a
    release's content. `digest` is the SHA-256 of the file.
    """

    name: str
    digest: str
    as_of: datetime | None
    customer_prefix: str
    customers: Section | None
    customers_repeat: bool
    creates_customers: bool
    consents: tuple[str, ...]
    personalisation: str
    sources: Mapping[str, Source]
    lookups: Mapping[str, Lookup]
    attributes: Mapping[str, CustomerColumn]
    protected: Mapping[str, CustomerColumn]
    accounts: tuple[Section, ...]
    transactions: tuple[Section, ...]
    posts: tuple[Section, ...]
    decisions: Section | None
    split_column: str
    reward_type: str
    limits: Limits
    catalogue: Mapping[str, Mapping[str, Any]]

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Every section with its kind of record."""
        if self.customers:
            yield "customers", self.customers
        for section in self.accounts:
            yield "accounts", section
        for section in self.transactions:
            yield "transactions", section
        if self.decisions:
            yield "decisions", self.decisions
        for section in self.posts:
            yield "posts", section

    def section(self, kind: str, source: str) -> Section:
        """The section that reads this kind of record from a source. Raises LookupError if there is none."""
        for name, section in self.sections():
            if (name, section.source) == (kind, source):
                return section
        raise LookupError(f"{self.name} reads no {kind} from {source}")

    def customer_columns(self) -> Iterator[CustomerColumn]:
        yield from self.attributes.values()
        yield from self.protected.values()

    def columns_of(self, source: str) -> list[str]:
        """Every column of `source` that the mapping reads."""
        cells = [cell for _, section in self.sections() if section.source == source for cell in section.cells.values()]
        own = self.customers.source if self.customers else ""
        for declared in self.customer_columns():
            if (declared.source or own) == source:
                cells += [declared.cell, *([declared.customer] if declared.customer else [])]
        columns = {column for cell in cells for column in cell.columns}
        for lookup in self.lookups.values():
            if lookup.source == source:
                columns |= {lookup.key, lookup.value, *lookup.where}
        if self.decisions and self.decisions.source == source and self.split_column:
            columns.add(self.split_column)
        return sorted(columns)
