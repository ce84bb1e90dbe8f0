"""What a mapping expects of the columns of a file, before anything in it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from decisioning.ingest.cells import Cell, Rule
from decisioning.ingest.declared import BankMapping
from decisioning.quality.expectations import KNOWN, POSSIBLE, READABLE, UNIQUE, Expectation

TEXT: dict[Rule, str] = {"readable": READABLE, "unique": UNIQUE, "known": KNOWN, "plausible": POSSIBLE}
_REFERENCES = ("customer", "account", "creative")


def subject_of(source: str) -> str:
    return f"{source} file"


def expected(mapping: BankMapping, source: str, cells: Iterable[Cell], columns: Iterable[str]) -> Iterator[Expectation]:
    """Each once: rows are rows, columns are readable, keys come once, references lead somewhere."""
    cells = list(cells)
    found = [("", READABLE), *((column, READABLE) for column in columns)]
    found += [(cell.column, KNOWN) for cell in cells if cell.lookup]
    found += [(lookup.key, UNIQUE) for lookup in mapping.lookups.values() if lookup.source == source and not cells]
    for _, section in mapping.sections():
        if section.source == source:
            own = {name: cell.column for name, cell in section.cells.items() if cell in cells and cell.column}
            found += [(own["key"], UNIQUE)] if "key" in own else []
            found += [(own[name], KNOWN) for name in _REFERENCES if name in own]
    for column, text in dict.fromkeys(found):
        yield Expectation(subject_of(source), column, text)
