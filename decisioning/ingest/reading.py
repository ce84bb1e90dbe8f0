"""Turns an export and its mapping into typed records and rejects, a batch at a time; writes nothing anywhere.

A row is good as a whole or rejected as a whole, with the column and the reason; only transactions and posts that share
a file with other records stand or fall by themselves. Whether what a row refers to exists is not known here. In memory
stay the lookups, the values that stand in files of their own, and eight bytes for each key seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from decisioning.ingest import bulk, columns, plausible
from decisioning.ingest.cells import BadCell, Cell
from decisioning.ingest.columns import Row, Rows
from decisioning.ingest.declared import BankMapping, CustomerColumn, Lookup, Section
from decisioning.ingest.expected import expected, expected_of_lookups, subject_of
from decisioning.ingest.files import Block, blocks_of, check_columns, paths_of
from decisioning.ingest.keys import SeenKeys, repeats
from decisioning.ingest.records import AccountRecord, Batch, CustomerRecord, DecisionRecord, PostRecord
from decisioning.quality.expectations import KNOWN, LATEST, Expectation
from offers import register

Take = Callable[[Row, int, Batch], None]
Batches = Iterator[Batch]

_KINDS: Final = ("customers", "accounts", "transactions", "decisions", "posts")


def read_export(mapping: BankMapping, folder: Path, as_of: datetime, now: datetime = LATEST) -> Batches:
    """Every record of the export, customers before what refers to them. Raises UnreadableSource for a whole file.

    `as_of` is the moment that the export tells of; nothing in it can be later than `now`, where that is given. Every
    file and column is found before the first batch, so that a folder that lacks one loads nothing.
    """
    return _Reading(mapping, folder, as_of, now).batches()


class _Reading:
    """One reading of an export: the lookups, what stands in files of its own, then each source of records."""

    def __init__(self, mapping: BankMapping, folder: Path, as_of: datetime, now: datetime) -> None:
        self.mapping = mapping
        self.as_of = as_of
        self.now = now
        self.paths = {name: paths_of(source, folder) for name, source in mapping.sources.items()}
        self.lookups: dict[str, dict[str, Any]] = {name: {} for name in mapping.lookups}
        self.collected: dict[str, dict[str, Any]] = {}
        self.collected_at: dict[str, tuple[str, str, int]] = {}
        self.seen = {kind: SeenKeys() for kind in _KINDS}
        self.split = Cell("integer", column=mapping.split_column, required=True) if mapping.split_column else None
        self.number = 0

    def batches(self) -> Batches:
        mapping = self.mapping
        for name, paths in self.paths.items():
            for path in paths:
                check_columns(mapping.sources[name], path, mapping.columns_of(name))
        for source in dict.fromkeys(lookup.source for lookup in mapping.lookups.values()):
            yield from self._learn_lookups(source)
        for source in dict.fromkeys(column.source for column in mapping.customer_columns() if column.source):
            yield from self._collect(source)
        if mapping.customers and mapping.customers_repeat:
            yield from self._repeated_customers(mapping.customers)
        shared = [mapping.customers, *mapping.accounts, mapping.decisions]
        for source in dict.fromkeys(
            s.source for s in shared if s and not (s is shared[0] and mapping.customers_repeat)
        ):
            yield from self._records(source)
        for section in mapping.transactions:
            yield from self._transactions(section)
        for section in mapping.posts:
            yield from self._posts(section)

    def _blocks(self, source: str, wanted: Iterable[str]) -> Iterator[Block]:
        for path in self.paths[source]:
            yield from blocks_of(self.mapping.sources[source], path, sorted(set(wanted)))

    def _batch(self, source: str, block: Block, held_against: Iterable[Expectation]) -> Batch:
        self.number += 1
        rows = len(block.numbers) + len(block.broken)
        batch = Batch(self.number, source, block.file, rows, held=dict.fromkeys(held_against, rows))
        for number, reason in block.broken:
            batch.refuse(number, BadCell("", reason))
        return batch

    def _rows(self, source: str, wanted: Iterable[str], held_against: Sequence[Expectation], take: Take) -> Batches:
        """Row by row; `take` raises for one that is bad."""
        for block in self._blocks(source, wanted):
            batch = self._batch(source, block, held_against)
            _take(Rows(block, self.lookups), batch, take)
            yield batch

    def _learn_lookups(self, source: str) -> Batches:
        lookups = {name: lookup for name, lookup in self.mapping.lookups.items() if lookup.source == source}
        wanted = {column for one in lookups.values() for column in (one.key, one.value, *one.where)}
        held_against = tuple(expected_of_lookups(lookups.values()))
        for block in self._blocks(source, wanted):
            batch = self._batch(source, block, held_against)
            for number, row in block.rows():
                try:
                    self._learn(lookups, row)
                except BadCell as fault:
                    batch.refuse(number, fault)
            yield batch

    def _learn(self, lookups: Mapping[str, Lookup], row: Mapping[str, Any]) -> None:
        for name, lookup in lookups.items():
            if all(str(row[column]) == value for column, value in lookup.where.items()):
                if row[lookup.key] is None:
                    raise BadCell(lookup.key, "is missing")
                key = str(row[lookup.key])
                if self.lookups[name].setdefault(key, row[lookup.value]) != row[lookup.value]:
                    raise BadCell(lookup.key, f"{key!r} is a duplicate with another {lookup.value}", "unique")

    def _collect(self, source: str) -> Batches:
        """Gather what stands in a file of its own until its customers are read."""
        declared = [column for column in self.mapping.customer_columns() if column.source == source]
        cells = [cell for column in declared for cell in (column.cell, column.customer) if cell]

        def collect(row: Row, number: int, batch: Batch) -> None:
            for column in declared:
                assert column.customer is not None
                customer = row.read(column.customer)
                value = self._value(column, row)
                known = self.collected.setdefault(customer, {})
                if _is_set(column.name):
                    value = known.get(column.name, frozenset()) | ({value} if value is not None else set())
                if value is not None:
                    known[column.name] = value
                self.collected_at[customer] = (source, batch.file, number)

        return self._rows(source, _columns(cells), tuple(expected(self.mapping, source, [], cells)), collect)

    def _repeated_customers(self, section: Section) -> Batches:
        """The first row of each customer."""
        key, seen, own = section.cells["key"], self.seen["customers"], self._own_cells()
        held_against = tuple(expected(self.mapping, section.source, [("customers", section)], own))
        shared = sum(other.source == section.source for _, other in self.mapping.sections()) > 1

        def take(row: Row, number: int, batch: Batch) -> None:
            batch.customers.append(self._customer(row, number))

        for block in self._blocks(section.source, _columns([key, *own])):
            keys = columns.read(key, block, self.lookups).values
            # A row without a customer is told where the rest of it is read.
            nobody = keys.is_null().to_numpy(zero_copy_only=False) & shared
            first = block.among(~(seen.has(keys) | repeats(keys) | nobody))
            batch = self._batch(section.source, first, held_against)
            _take(Rows(first, self.lookups), batch, take)
            yield self._finished(batch)
        yield self._dangling(section.source)

    def _own_cells(self) -> list[Cell]:
        """Of attributes and protected values that stand in the customer's own row."""
        return [column.cell for column in self.mapping.customer_columns() if not column.source]

    def _records(self, source: str) -> Batches:
        """Every record that one row holds; the first fault refuses them all."""
        mapping = self.mapping
        customers = mapping.customers if not mapping.customers_repeat else None
        own = customers is not None and customers.source == source
        accounts = [section for section in mapping.accounts if section.source == source]
        decisions = [mapping.decisions] if mapping.decisions and mapping.decisions.source == source else []
        reads = [*(("accounts", section) for section in accounts), *(("decisions", section) for section in decisions)]
        if customers and own:
            reads.append(("customers", customers))
        cells = self._own_cells() if own else []

        def take(row: Row, number: int, batch: Batch) -> None:
            customer = self._customer(row, number) if own else None
            opened = [self._account(section, row, number) for section in accounts]
            made = [self._decision(section, row, number) for section in decisions]
            batch.customers += [customer] if customer else []
            batch.accounts += opened
            batch.decisions += made

        wanted = [*_columns(cells), *(column for _, section in reads for column in _columns(section.cells.values()))]
        wanted += [mapping.split_column] if decisions and mapping.split_column else []
        for batch in self._rows(source, wanted, tuple(expected(mapping, source, reads, cells)), take):
            yield self._finished(batch)
        if own:
            yield self._dangling(source)

    def _transactions(self, section: Section) -> Batches:
        held_against = tuple(expected(self.mapping, section.source, [("transactions", section)], []))
        for block in self._blocks(section.source, _columns(section.cells.values())):
            batch = self._batch(section.source, block, held_against)
            bulk.transactions(section, block, self.lookups, batch)
            yield self._finished(batch)

    def _posts(self, section: Section) -> Batches:
        held_against = tuple(expected(self.mapping, section.source, [("posts", section)], []))

        def take(row: Row, number: int, batch: Batch) -> None:
            batch.posts.append(
                PostRecord(number, **self._fields(section, row, "key", "customer", "occurred_at", "text"))
            )

        for batch in self._rows(section.source, _columns(section.cells.values()), held_against, take):
            yield self._finished(batch)

    def _finished(self, batch: Batch) -> Batch:
        """Without what is not possible, and without keys that came before; the others are remembered."""
        plausible.refuse(batch, self.mapping, self.now)
        for kind in _KINDS:
            keys, rows = batch.keys(kind)
            if not keys:
                continue
            column = self.mapping.section(kind, batch.source).cells["key"].column
            again = (self.seen[kind].has(keys) | repeats(keys)).nonzero()[0]
            batch.drop({rows[at]: BadCell(column, f"{keys[at]!r} is a duplicate", "unique") for at in again})
        for kind in _KINDS:
            self.seen[kind].add(batch.keys(kind)[0])
        return batch

    def _customer(self, row: Row, number: int) -> CustomerRecord:
        mapping = self.mapping
        assert mapping.customers is not None
        key = row.read(mapping.customers.cells["key"])
        told = dict(self.collected.get(key, {}))
        for column in mapping.customer_columns():
            if column.source:
                if _is_set(column.name):
                    told.setdefault(column.name, frozenset())  # the file lists all, so none there is none held
            elif not column.count_of and (value := self._value(column, row)) is not None:
                told[column.name] = frozenset({value}) if _is_set(column.name) else value
        for name, declared in mapping.attributes.items():
            if declared.count_of in told:
                told[name] = len(told[declared.count_of])
        self.collected.pop(key, None)
        attributes = {name: told[name] for name in mapping.attributes if name in told}
        return CustomerRecord(number, key, attributes, {name: told[name] for name in mapping.protected if name in told})

    def _value(self, declared: CustomerColumn, row: Row) -> Any:
        value = row.read(declared.cell)
        if value is None or declared.at_least_years is None:
            return value
        return _years_between(value, self.as_of.date()) >= declared.at_least_years

    def _account(self, section: Section, row: Row, number: int) -> AccountRecord:
        names = ("key", "customer", "product", "opened_on", "closed_on", "credit_limit", "balance")
        return AccountRecord(number, **self._fields(section, row, *names))

    def _decision(self, section: Section, row: Row, number: int) -> DecisionRecord:
        fields = self._fields(
            section, row, "key", "customer", "offer", "creative", "probability", "channel", "occurred_at", "reward"
        )
        arm = f"{fields.pop('offer')}/{fields.pop('creative')}"
        if arm not in self.mapping.catalogue.get("arm", {}):
            raise BadCell(section.cells["creative"].column, f"the catalogue has no arm {arm}", "known")
        fields["occurred_at"] = fields["occurred_at"] or self.as_of
        return DecisionRecord(
            row=number, arm=arm, trains=None if self.split is None else row.read(self.split) % 2 == 1, **fields
        )

    def _fields(self, section: Section, row: Row, *names: str) -> dict[str, Any]:
        cells = section.cells
        return {name: row.read(cells[name]) if name in cells else None for name in names}

    def _dangling(self, source: str) -> Batch:
        """What was gathered for customers that did not come, or whose row cannot be read."""
        self.number += 1
        batch = Batch(self.number, source, "", 0)
        for customer in sorted(self.collected):
            fault = BadCell("", f"{customer!r} refers to no customer that was loaded", "known")
            stands_in, batch.file, row = self.collected_at[customer]
            batch.refuse(row, fault, Expectation(subject_of(stands_in), "", KNOWN))
        return batch


def _take(rows: Rows, batch: Batch, take: Take) -> None:
    for number, row in rows:
        try:
            take(row, number, batch)
        except BadCell as fault:
            batch.refuse(number, fault)


def _columns(cells: Iterable[Cell]) -> list[str]:
    return [column for cell in cells for column in cell.columns]


def _is_set(name: str) -> bool:
    declared = register.ATTRIBUTES.get(name)
    return declared is not None and declared.type == "set"


def _years_between(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
