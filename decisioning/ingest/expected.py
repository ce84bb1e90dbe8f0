"""What a mapping expects of the columns of a file, before anything in it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from decisioning.ingest.cells import Cell, Rule
from decisioning.ingest.declared import BankMapping, Lookup, Section
from decisioning.quality.expectations import KNOWN, READABLE, UNIQUE, Expectation

TEXT: dict[Rule, str] = {"readable": READABLE, "unique": UNIQUE, "known": KNOWN}
Reads = Sequence[tuple[str, Section]]  # the sections that a pass over a file reads, each with its kind

_REFERENCES = ("customer", "account", "creative")


def subject_of(source: str) -> str:
    return f"{source} file"


def expected(mapping: BankMapping, source: str, reads: Reads, cells: Iterable[Cell]) -> Iterator[Expectation]:
    """Of one pass: rows are rows, columns are readable, keys come once, references lead somewhere. Each once."""
    cells = [*cells, *(cell for _, section in reads for cell in section.cells.values())]
    found = [("", READABLE), *((column, READABLE) for cell in cells for column in cell.columns)]
    found += [(cell.column, KNOWN) for cell in cells if cell.lookup]
    for kind, section in reads:
        if not (kind == "customers" and mapping.customers_repeat):
            found.append((section.cells["key"].column, UNIQUE))
        found += [(section.cells[name].column, KNOWN) for name in _REFERENCES if name in section.cells]
    for column, text in dict.fromkeys(found):
        if column or text == READABLE:
            yield Expectation(subject_of(source), column, text)


def expected_of_lookups(lookups: Iterable[Lookup]) -> Iterator[Expectation]:
    """Of the pass that learns what a file says of the keys of another; all lookups are of one source."""
    for lookup in lookups:
        subject = subject_of(lookup.source)
        for column in ("", lookup.key, lookup.value, *lookup.where):
            yield Expectation(subject, column, READABLE)
        yield Expectation(subject, lookup.key, UNIQUE)
