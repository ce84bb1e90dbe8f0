"""What reading an export gives: typed records, rows that were refused, and the batches that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import pyarrow as pa

from decisioning.ingest.cells import BadCell
from decisioning.ingest.expected import TEXT, subject_of
from decisioning.quality.expectations import Expectation


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """`protected` goes to the vault and nowhere else."""

    row: int
    key: str
    attributes: Mapping[str, Any]
    protected: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AccountRecord:
    row: int
    key: str
    customer: str
    product: str
    opened_on: date | None
    closed_on: date | None
    credit_limit: float | None
    balance: float | None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A bank's own past decision. `trains` says on which side of the declared split it stands."""

    row: int
    key: str
    customer: str
    arm: str
    probability: float
    channel: str
    occurred_at: datetime
    reward: float
    trains: bool | None


@dataclass(frozen=True, slots=True)
class PostRecord:
    """`text` is scored and then forgotten."""

    row: int
    key: str
    customer: str
    occurred_at: datetime
    text: str = field(repr=False)


# Transactions are the many: they stay columns. `amount` is positive for money out, `account` empty without one.
TRANSACTIONS: Final = pa.schema(
    {
        "row": pa.int64(),
        "key": pa.string(),
        "customer": pa.string(),
        "account": pa.string(),
        "occurred_at": pa.timestamp("us", "UTC"),
        "amount": pa.float64(),
        "category": pa.string(),
    }
)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not loaded, and what it broke. `row` counts from 1 after the header."""

    file: str
    row: int
    column: str
    reason: str
    broke: Expectation = field(default=Expectation(), compare=False)


@dataclass(slots=True)
class Batch:
    """What some rows of one file gave. `number` counts the batches of a load, which are the same at every reading;
    `held` is what how many of its rows or records were held against."""

    number: int
    source: str
    file: str
    rows: int
    customers: list[CustomerRecord] = field(default_factory=list)
    accounts: list[AccountRecord] = field(default_factory=list)
    transactions: pa.Table = field(default_factory=TRANSACTIONS.empty_table)
    decisions: list[DecisionRecord] = field(default_factory=list)
    posts: list[PostRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    held: dict[Expectation, int] = field(default_factory=dict)

    def empty(self) -> bool:
        return not (self.customers or self.accounts or len(self.transactions) or self.decisions or self.posts)

    def hold(self, expectation: Expectation, rows: int) -> None:
        self.held[expectation] = self.held.get(expectation, 0) + rows

    def refuse(self, row: int, fault: BadCell, broke: Expectation | None = None) -> None:
        """List a row as rejected."""
        broke = broke or Expectation(subject_of(self.source), fault.column, TEXT[fault.rule])
        self.rejects.append(Reject(self.file, row, fault.column, fault.reason, broke))

    def drop(self, faults: Mapping[int, BadCell], broke: Mapping[int, Expectation] | None = None) -> None:
        """Take these rows out with everything that they gave, and list them as rejected."""
        if not faults:
            return
        for row, fault in sorted(faults.items()):
            self.refuse(row, fault, (broke or {}).get(row))
        self.customers = [record for record in self.customers if record.row not in faults]
        self.accounts = [record for record in self.accounts if record.row not in faults]
        self.decisions = [record for record in self.decisions if record.row not in faults]
        self.posts = [record for record in self.posts if record.row not in faults]
        kept = [row not in faults for row in self.transactions["row"].to_pylist()]
        self.transactions = self.transactions.filter(pa.array(kept, pa.bool_()))

    def keys(self, kind: str) -> tuple[list[str], list[int]]:
        """The keys of one kind of record, and their rows."""
        if kind == "transactions":
            return self.transactions["key"].to_pylist(), self.transactions["row"].to_pylist()
        records = getattr(self, kind)
        return [record.key for record in records], [record.row for record in records]

    def named(self) -> list[tuple[str, list[str], list[int]]]:
        """The customers that each kind of record names, and the rows."""
        found = [("customers", [r.key for r in self.customers], [r.row for r in self.customers])]
        of: dict[str, Sequence[AccountRecord | DecisionRecord | PostRecord]] = {
            "accounts": self.accounts, "decisions": self.decisions, "posts": self.posts,
        }  # fmt: skip
        found += [(kind, [r.customer for r in records], [r.row for r in records]) for kind, records in of.items()]
        table = self.transactions
        found.append(("transactions", table["customer"].to_pylist(), table["row"].to_pylist()))
        return [one for one in found if one[1]]
