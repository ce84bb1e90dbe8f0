"""Counts over a whole load what its batches were held against, and what the export as a whole should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from decisioning.ingest.declared import BankMapping
from decisioning.ingest.plausible import EXPORTED
from decisioning.ingest.records import Batch
from decisioning.quality.counting import Count
from decisioning.quality.expectations import Expectation, Finding, missing
from offers.register import ATTRIBUTES

EXPORT: Final = "export"
_KINDS: Final = ("customers", "accounts", "transactions", "decisions", "posts")


class Tally:
    """The findings of a load. `records` counts what was good, by kind."""

    def __init__(self, mapping: BankMapping) -> None:
        self.mapping = mapping
        self.records: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._count = Count()

    def add(self, batch: Batch) -> None:
        for expectation, rows in batch.held.items():
            self._count.hold(expectation, rows)
        for reject in batch.rejects:
            self._count.fail(reject.broke, {"file": reject.file, "row": reject.row})
        for kind in _KINDS:
            self.records[kind] += len(getattr(batch, kind))
        for record in batch.customers:
            self._known.update(record.attributes.keys())

    def findings(self, as_of: datetime, now: datetime, before: Mapping[str, int] | None) -> Iterator[Finding]:
        """Each expectation once. `before` are the records of the load before this one, None without any."""
        yield from self._count.findings()
        yield from self._missing()
        yield from self._fresh(as_of, now)
        yield from self._volume(before)

    def _missing(self) -> Iterator[Finding]:
        people = self.records["customers"]
        for name in self.mapping.attributes if people else ():
            allowed = self.mapping.limits.missing.get(name)
            yield missing(ATTRIBUTES[name].group + EXPORTED, name, people, people - self._known[name], allowed)

    def _fresh(self, as_of: datetime, now: datetime) -> Iterator[Finding]:
        days = self.mapping.limits.fresh_within_days
        if days is not None:
            stale = now - as_of > timedelta(days=days)
            yield Finding(Expectation(EXPORT, "as_of", f"at most {days} days old"), 1, int(stale))

    def _volume(self, before: Mapping[str, int] | None) -> Iterator[Finding]:
        allowed = self.mapping.limits.volume_change
        for kind in _KINDS if before is not None else ():
            assert before is not None
            held, now_held = before.get(kind, 0), self.records[kind]
            if held or now_held:
                expectation = Expectation(EXPORT, kind, f"within {allowed:.0%} of the load before")
                yield Finding(expectation, max(held, 1), abs(now_held - held), allowed)
