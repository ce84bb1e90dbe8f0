"""Turns an export and its mapping into typed records and rejects, a batch at a time; writes nothing anywhere.

A row is good as a whole or rejected as a whole, with the column and the reason. Keys seen and lookups stay in memory
(some 100 bytes a key), because a duplicate or a dangling reference can be far from what it refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeGuard

from decisioning.ingest.cells import BadCell, Cell, Row
from decisioning.ingest.files import BrokenRow, Numbered, paths_of, rows_of
from decisioning.ingest.mapping import AttributeColumn, BankMapping, Section, columns_of
from offers import register


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """`protected` goes to the vault and nowhere else."""

    key: str
    attributes: dict[str, Any]
    protected: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AccountRecord:
    key: str
    customer: str
    product: str
    opened_on: date | None
    closed_on: date | None
    credit_limit: float | None
    balance: float | None


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """`amount` is positive for money out."""

    key: str
    account: str
    customer: str
    occurred_at: datetime
    amount: float
    category: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A bank's own past decision. `trains` says on which side of the declared split it stands."""

    key: str
    customer: str
    arm: str
    probability: float
    channel: str
    occurred_at: datetime
    reward: float
    trains: bool | None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not loaded. `row` counts from 1 after the header."""

    file: str
    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What some rows of one file gave. `number` counts the batches of a load, which are the same at every reading."""

    number: int
    file: str
    rows: int
    customers: list[CustomerRecord] = field(default_factory=list)
    accounts: list[AccountRecord] = field(default_factory=list)
    transactions: list[TransactionRecord] = field(default_factory=list)
    decisions: list[DecisionRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


Take = Callable[[str, Row, int, Batch], None]


def read_export(mapping: BankMapping, folder: Path, as_of: datetime) -> Iterator[Batch]:
    """Every record of the export, customers before what refers to them. Raises UnreadableSource for a whole file.

    `as_of` is the moment that the export tells of. Every file is found before the first batch, so that a folder that
    lacks one loads nothing.
    """
    return _Reading(mapping, folder, as_of).batches()


class _Reading:
    """One pass over an export: the lookups, then attributes in files of their own, then each source of records."""

    def __init__(self, mapping: BankMapping, folder: Path, as_of: datetime) -> None:
        self.mapping = mapping
        self.as_of = as_of
        self.paths = {name: paths_of(source, folder) for name, source in mapping.sources.items()}
        self.lookups: dict[str, dict[str, Any]] = {name: {} for name in mapping.lookups}
        self.collected: dict[str, dict[str, Any]] = {}
        self.collected_at: dict[str, tuple[str, int]] = {}
        self.seen: dict[str, set[str]] = {"customer": set(), "account": set(), "transaction": set(), "decision": set()}
        self.number = 0

    def batches(self) -> Iterator[Batch]:
        mapping = self.mapping
        for source in dict.fromkeys(lookup.source for lookup in mapping.lookups.values()):
            yield from self._each(source, self._learn_lookup)
        for source in dict.fromkeys(a.source for a in mapping.attributes.values() if a.source):
            yield from self._each(source, self._collect)
        sections = (mapping.customers, mapping.accounts, mapping.transactions, mapping.decisions)
        for source in dict.fromkeys(section.source for section in sections if section):
            yield from self._each(source, self._record)
            if source == mapping.customers.source:
                yield self._dangling_attributes()

    def _each(self, source: str, take: Take) -> Iterator[Batch]:
        columns = columns_of(self.mapping, source)
        for path in self.paths[source]:
            for rows in rows_of(self.mapping.sources[source], path, columns):
                yield self._batch(source, path.name, rows, take)

    def _batch(self, source: str, file: str, rows: list[Numbered], take: Take) -> Batch:
        self.number += 1
        batch = Batch(self.number, file, len(rows))
        for number, row in rows:
            try:
                if isinstance(row, BrokenRow):
                    raise BadCell("", row.reason)
                take(source, row, number, batch)
            except BadCell as fault:
                batch.rejects.append(Reject(file, number, fault.column, fault.reason))
        return batch

    def _learn_lookup(self, source: str, row: Row, _number: int, _batch: Batch) -> None:
        for name, lookup in self.mapping.lookups.items():
            if lookup.source == source and all(str(row[column]) == value for column, value in lookup.where.items()):
                if row[lookup.key] is None:
                    raise BadCell(lookup.key, "is missing")
                known = self.lookups[name]
                if known.setdefault(str(row[lookup.key]), row[lookup.value]) != row[lookup.value]:
                    raise BadCell(lookup.key, f"{str(row[lookup.key])!r} is a duplicate with another {lookup.value}")

    def _collect(self, source: str, row: Row, number: int, batch: Batch) -> None:
        """Gather attributes that stand in a file of their own until their customers are read."""
        for declared in self.mapping.attributes.values():
            if declared.source != source:
                continue
            assert declared.customer is not None
            customer = declared.customer.read(row, self.lookups)
            value = self._attribute_value(declared, row)
            known = self.collected.setdefault(customer, {})
            if register.attribute(declared.name).type == "set":
                value = known.get(declared.name, frozenset()) | {value}
            known[declared.name] = value
            self.collected_at[customer] = (batch.file, number)

    def _record(self, source: str, row: Row, _number: int, batch: Batch) -> None:
        """Every record that one row holds; the first fault refuses them all."""
        mapping = self.mapping
        customer = self._customer(row) if mapping.customers.source == source else None
        own = customer.key if customer else ""
        account = self._account(mapping.accounts, row, own) if _reads(mapping.accounts, source) else None
        transaction = self._transaction(mapping.transactions, row) if _reads(mapping.transactions, source) else None
        decision = self._decision(mapping.decisions, row, own) if _reads(mapping.decisions, source) else None
        if customer:
            batch.customers.append(customer)
            self.seen["customer"].add(customer.key)
        if account:
            batch.accounts.append(account)
            self.seen["account"].add(account.key)
        if transaction:
            batch.transactions.append(transaction)
            self.seen["transaction"].add(transaction.key)
        if decision:
            batch.decisions.append(decision)
            self.seen["decision"].add(decision.key)

    def _customer(self, row: Row) -> CustomerRecord:
        mapping = self.mapping
        key = self._new_key("customer", mapping.customers, row)
        attributes = dict(self.collected.pop(key, {}))
        for name, declared in mapping.attributes.items():
            if not declared.source and not declared.count_of:
                value = self._attribute_value(declared, row)
                if value is not None:
                    attributes[name] = frozenset({value}) if register.attribute(name).type == "set" else value
            elif declared.source and register.attribute(name).type == "set":
                attributes.setdefault(name, frozenset())  # the file lists all there are, so none there is none held
        for name, declared in mapping.attributes.items():
            if declared.count_of in attributes:
                attributes[name] = len(attributes[declared.count_of])
        protected = {name: cell.read(row, self.lookups) for name, cell in mapping.protected.items()}
        return CustomerRecord(key, attributes, {name: value for name, value in protected.items() if value is not None})

    def _attribute_value(self, declared: AttributeColumn, row: Row) -> Any:
        """The value if it is one that the register holds for possible; raises BadCell."""
        value = declared.cell.read(row, self.lookups)
        if value is None:
            return None
        if declared.at_least_years is not None:
            return _years_between(value, self.as_of.date()) >= declared.at_least_years
        known = register.attribute(declared.name)
        if known.choices and value not in known.choices:
            raise BadCell(declared.cell.column, f"{value!r} is not one of {', '.join(known.choices)}")
        if known.bounds and not known.bounds[0] <= value <= known.bounds[1]:
            raise BadCell(declared.cell.column, f"{value!r} is not between {known.bounds[0]:g} and {known.bounds[1]:g}")
        return value

    def _account(self, section: Section, row: Row, own: str) -> AccountRecord:
        key = self._new_key("account", section, row)
        customer = self._known("customer", section.cells["customer"], row, own)
        rest = self._fields(section, row, "product", "opened_on", "closed_on", "credit_limit", "balance")
        return AccountRecord(key, customer, **rest)

    def _transaction(self, section: Section, row: Row) -> TransactionRecord:
        key = self._new_key("transaction", section, row)
        account = self._known("account", section.cells["account"], row, "")
        customer = self._known("customer", section.cells["customer"], row, "")
        fields = self._fields(section, row, "occurred_at", "amount", "sign", "category")
        sign = 1.0 if fields["sign"] is None else fields["sign"]
        category = fields["category"] or "other"
        return TransactionRecord(key, account, customer, fields["occurred_at"], sign * fields["amount"], category)

    def _decision(self, section: Section, row: Row, own: str) -> DecisionRecord:
        key = self._new_key("decision", section, row)
        customer = self._known("customer", section.cells["customer"], row, own)
        fields = self._fields(section, row, "offer", "creative", "probability", "channel", "occurred_at", "reward")
        arm = f"{fields['offer']}/{fields['creative']}"
        if arm not in self.mapping.catalogue.get("arm", {}):
            raise BadCell(section.cells["creative"].column, f"the catalogue has no arm {arm}")
        if not 0 < fields["probability"] <= 1:
            raise BadCell(section.cells["probability"].column, f"{fields['probability']} is not a probability above 0")
        return DecisionRecord(
            key=key,
            customer=customer,
            arm=arm,
            probability=fields["probability"],
            channel=fields["channel"],
            occurred_at=fields["occurred_at"] or self.as_of,
            reward=fields["reward"],
            trains=self._trains(row),
        )

    def _trains(self, row: Row) -> bool | None:
        column = self.mapping.split_column
        return int(Cell("integer", column=column, required=True).read(row, {})) % 2 == 1 if column else None

    def _fields(self, section: Section, row: Row, *names: str) -> dict[str, Any]:
        cells = section.cells
        return {name: cells[name].read(row, self.lookups) if name in cells else None for name in names}

    def _new_key(self, kind: str, section: Section, row: Row) -> str:
        cell = section.cells["key"]
        key: str = cell.read(row, self.lookups)
        if key in self.seen[kind]:
            raise BadCell(cell.column, f"{key!r} is a duplicate")
        return key

    def _known(self, kind: str, cell: Cell, row: Row, own: str) -> str:
        """A reference to a record that was read before, or to the customer (`own`) of the same row."""
        key: str = cell.read(row, self.lookups)
        if key != own and key not in self.seen[kind]:
            raise BadCell(cell.column, f"{key!r} refers to no {kind} that was loaded")
        return key

    def _dangling_attributes(self) -> Batch:
        """Attributes gathered for customers that did not come, or whose row was rejected."""
        self.number += 1
        rejects = [
            Reject(*self.collected_at[customer], "", f"{customer!r} refers to no customer that was loaded")
            for customer in sorted(self.collected)
        ]
        return Batch(self.number, self.mapping.customers.source, 0, rejects=rejects)


def _reads(section: Section | None, source: str) -> TypeGuard[Section]:
    return section is not None and section.source == source


def _years_between(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
