"""What data is held against, and what came of it, as plain values; the page of it pays for no data frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

READABLE: Final = "readable as its mapping declares"
UNIQUE: Final = "no key twice"
KNOWN: Final = "refers to what was loaded"

EXAMPLES: Final = 5
"""How many examples a finding keeps: rows of a file or surrogate keys, never a text or a protected value."""

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)  # for who cannot say until when something can have happened

Example = Mapping[str, Any]  # {"file", "row"} of an export, {"customer"} of a table


@dataclass(frozen=True, slots=True)
class Expectation:
    """`subject` is a file of the export, a kind of record or a feature group; `text` reads on: "each is <text>"."""

    subject: str = ""
    column: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation held against `rows`, of which `failed` did not meet it; it passes while they are no larger a
    share than `allowed`."""

    expectation: Expectation
    rows: int
    failed: int
    allowed: float = 0.0
    examples: tuple[Example, ...] = ()

    @property
    def passed(self) -> bool:
        return self.failed <= self.allowed * self.rows


def missing(subject: str, name: str, people: int, without: int, allowed: float | None) -> Finding:
    """How many of the customers lack an attribute. Without a declared limit only that all of them do is a failure."""
    if allowed is None:
        return Finding(Expectation(subject, name, "known of some customers"), people, without, 1 - 1 / (2 * people))
    return Finding(
        Expectation(subject, name, f"missing for at most {allowed:.0%} of customers"), people, without, allowed
    )
