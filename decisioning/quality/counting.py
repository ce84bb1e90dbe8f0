"""Counts, while rows go by, what was held against each expectation and what failed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from decisioning.quality.expectations import EXAMPLES, Example, Expectation, Finding


class Count:
    """Rows held and failed by expectation, with the first examples of each."""

    def __init__(self) -> None:
        self._rows: Counter[Expectation] = Counter()
        self._failed: Counter[Expectation] = Counter()
        self._examples: dict[Expectation, list[Example]] = {}

    def hold(self, expectation: Expectation, rows: int) -> None:
        self._rows[expectation] += rows

    def fail(self, expectation: Expectation, example: Example, times: int = 1) -> None:
        self._failed[expectation] += times
        examples = self._examples.setdefault(expectation, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def findings(self) -> Iterator[Finding]:
        """Each expectation that any row was held against, once."""
        for expectation in dict.fromkeys((*self._rows, *self._failed)):
            failed = self._failed[expectation]
            # What failed without having been held was one of those that were looked for.
            rows = max(self._rows[expectation], failed)
            if rows:
                yield Finding(expectation, rows, failed, examples=tuple(self._examples.get(expectation, ())))
