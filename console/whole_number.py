"""A whole number as an address or a button gives it; never one of so many digits that reading it is refused."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 18  # digits, so that it fits in a column


def whole_number(text: str) -> int | None:
    """None where this is no whole number of at most 18 decimal digits."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST else None
