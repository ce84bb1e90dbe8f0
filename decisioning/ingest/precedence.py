"""Which source is believed where several speak of one customer: declared here once, resolved attribute by attribute.

`features` reads the same declaration as numbers: `rank` of every source, and the order that `preference` states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from offers.register import GROUPS

# A source is the name of the mapping that brought it. Those named here are believed in this order; all others come
# after them and among themselves the latest statement wins. A group without an entry knows no better source.
SOURCES_BY_GROUP: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # What a consumer reporting agency says of credit goes before what an applicant said.
        "credit_risk": ("bureau", "core_banking", "application"),
        # Ledgers before papers: a balance is what the ledger holds, whatever a form or a campaign list says.
        "account_state": ("core_banking", "card_processor", "application", "crm"),
        "spend_behaviour": ("card_processor", "core_banking"),
        "lifecycle": ("core_banking", "crm"),
    }
)

STALE: Final = 1_000  # the rank of every statement past its group's freshness: below any that is fresh


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says of one customer for one group: true at `occurred_at`, known from `known_at` on."""

    source: str
    occurred_at: datetime
    known_at: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value that is believed, and whose it is. `others` are what lost: sources that say something else."""

    value: Any
    source: str
    occurred_at: datetime
    others: Mapping[str, Any]


def rank(group: str, source: str) -> int:
    """0 for the source that is believed first; all sources that the group does not name share the last rank."""
    order = SOURCES_BY_GROUP.get(group, ())
    return order.index(source) if source in order else len(order)


def preference(group: str, statement: Statement, moment: datetime) -> tuple[int, float, float, str]:
    """A sort key, least first: fresh sources by rank, then stale ones; then the latest; then the source's name.

    As SQL: `ORDER BY CASE WHEN occurred_at >= moment - freshness THEN rank ELSE 1000 END, occurred_at DESC,
    known_at DESC, source`.
    """
    fresh = (moment - statement.occurred_at).total_seconds() <= GROUPS[group].freshness_seconds
    return (
        rank(group, statement.source) if fresh else STALE,
        -statement.occurred_at.timestamp(),
        -statement.known_at.timestamp(),
        statement.source,
    )


def resolve(group: str, statements: Iterable[Statement], moment: datetime) -> dict[str, Resolved]:
    """The believed value of every attribute that any source tells, as known at `moment`.

    Of each source only its latest statement counts, as a whole: what it no longer tells, it takes back. A source that
    says nothing of an attribute hides nobody else's value. Once any statement is fresh, a stale one adds attributes
    only where the group keeps its last value.
    """
    known = sorted(
        _latest_of_each(s for s in statements if s.known_at <= moment and s.occurred_at <= moment),
        key=lambda statement: preference(group, statement, moment),
    )
    if known and GROUPS[group].when_stale != "last" and preference(group, known[0], moment)[0] != STALE:
        known = [statement for statement in known if preference(group, statement, moment)[0] != STALE]
    found: dict[str, Resolved] = {}
    for name in dict.fromkeys(name for statement in known for name in statement.values):
        first, *rest = [statement for statement in known if name in statement.values]
        value = first.values[name]
        others = {statement.source: statement.values[name] for statement in rest if statement.values[name] != value}
        found[name] = Resolved(value, first.source, first.occurred_at, others)
    return found


def _latest_of_each(statements: Iterable[Statement]) -> list[Statement]:
    latest: dict[str, Statement] = {}
    for statement in statements:
        held = latest.get(statement.source)
        moment = (statement.occurred_at, statement.known_at)
        if held is None or moment > (held.occurred_at, held.known_at):
            latest[statement.source] = statement
    return list(latest.values())
