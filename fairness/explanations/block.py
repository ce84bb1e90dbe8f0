"""One block of an explanation in a form that the page, the PDF and the JSON show alike; it knows no decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Audience = Literal["customer", "agent", "examiner"]
SHOWN: Final[Mapping[Audience, tuple[int, ...]]] = {
    "customer": (2, 3, 5),
    "agent": (2, 3, 4, 5, 7),
    "examiner": tuple(range(1, 12)),
}
"""The blocks that each audience gets of the one record."""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` are headings; each row has as many texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """`sentences` say what `facts` (label, value) and `table` list; `data` holds the same as values, for machines."""

    number: int
    key: str
    title: str
    sentences: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def texts(self) -> list[str]:
        """Every text that a reader sees."""
        cells = [text for row in self.table.rows for text in row] if self.table else []
        heads = list(self.table.columns) if self.table else []
        return [self.title, *self.sentences, *(text for fact in self.facts for text in fact), *heads, *cells]
