"""One answer about one group in a month, before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """As `MonthFigure` keeps it; `people` are those of the smaller of the two groups."""

    offer: str
    attribute: str
    group: str
    reference: str
    people: int
    content: Mapping[str, Any]
