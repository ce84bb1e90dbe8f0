"""What a JSON value must be for the database and the content hash to hold it; what it means comes in elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from offers.conditions.grammar import Fault

MAX_DEPTH: Final = 40  # lists and objects within each other; the deepest condition takes 15
_MOST: Final = 2**63  # beyond it the canonical form, and so the hash, holds no whole number

# NUL, which Postgres refuses, and a lone surrogate, which is no character of UTF-8.
_ODD: Final = re.compile("[\0\ud800-\udfff]")


def faults(value: Any, path: str) -> Iterator[Fault]:
    """Every text, number and name that cannot be held, each with its path under `path`. Never recurses: what is nested
    too deeply for other readers is one fault."""
    waiting = [(path, value, 0)]
    while waiting:
        place, current, depth = waiting.pop()
        message = _unholdable(current, depth)
        if message:
            yield Fault(place, "not_storable", message)
        elif isinstance(current, dict):
            yield from (
                Fault(f"{place}/{escaped(name)}", "not_storable", "no name holds such a character")
                for name in current
                if _ODD.search(name)
            )
            waiting += [(f"{place}/{escaped(name)}", part, depth + 1) for name, part in current.items()]
        elif isinstance(current, list | tuple):
            waiting += [(f"{place}/{index}", part, depth + 1) for index, part in enumerate(current)]


def _unholdable(value: Any, depth: int) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "a number is finite"
    if isinstance(value, int) and not -_MOST <= value < _MOST:
        return "a whole number has at most 18 digits"
    if isinstance(value, str) and _ODD.search(value):
        return "a text holds neither NUL nor half a character"
    return f"nothing is nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else ""


def escaped(name: str) -> str:
    """A name of a file or a field as any page or terminal can show it."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
