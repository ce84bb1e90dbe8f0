"""Reads one cell of a bank's export into a typed value, as its mapping declares; knows no files and no tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any, Literal

CellType = Literal["text", "number", "integer", "flag", "category", "date", "time", "czech_birth_date", "czech_sex"]
Row = Mapping[str, Any]
Lookups = Mapping[str, Mapping[str, Any]]

_SHOWN = 40  # characters of a refused value that its reason quotes


class BadCell(ValueError):
    """A cell that cannot be used: the `column` and the reason, in words for the person who mends the export."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a value comes from and what it must be.

    Either `constant`, or `column`; then in this order: `lookup` replaces the raw value by what another source says of
    it, `values` translates it, `type` converts it. `default` stands in for a missing value (or one without a
    translation, when `default` is given); without a default a missing value is None, and refused if `required`.
    """

    type: CellType
    column: str = ""
    constant: Any = None
    lookup: str = ""
    values: Mapping[str, Any] | None = None
    format: str = ""
    default: Any = None
    required: bool = False
    longest: int = 120  # characters of a text, as its table holds them

    def read(self, row: Row, lookups: Lookups) -> Any:
        """The typed value, or None where it is missing; raises BadCell."""
        if not self.column:
            return self.constant
        raw = row[self.column]
        if isinstance(raw, str):
            raw = raw.strip() or None
        if raw is not None and self.lookup:
            raw = self._looked_up(raw, lookups)
        if raw is not None and self.values is not None:
            raw = self._translated(raw)
        if raw is None:
            if self.required and self.default is None:
                raise BadCell(self.column, "is missing")
            return self.default
        try:
            value = CONVERT[self.type](raw, self.format)
        except (ValueError, OverflowError) as fault:
            raise BadCell(self.column, f"{_quoted(raw)} {fault}") from fault
        if isinstance(value, str) and len(value) > self.longest:
            raise BadCell(self.column, f"{_quoted(raw)} is longer than {self.longest} characters")
        return value

    def _looked_up(self, raw: Any, lookups: Lookups) -> Any:
        found = lookups[self.lookup].get(str(raw))
        if found is None and self.default is None:
            raise BadCell(self.column, f"{_quoted(raw)} refers to nothing in {self.lookup}")
        return found

    def _translated(self, raw: Any) -> Any:
        assert self.values is not None
        found = self.values.get(str(raw))
        if found is None and self.default is None:
            raise BadCell(self.column, f"{_quoted(raw)} is not a value that the mapping knows")
        return found


def _quoted(raw: Any) -> str:
    text = str(raw)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _number(raw: Any, _format: str) -> float:
    try:
        value = float(Fraction(raw)) if isinstance(raw, str) and "/" in raw else float(raw)
    except (TypeError, ValueError, ZeroDivisionError):
        raise ValueError("is not a number") from None
    if value - value != 0.0:
        raise ValueError("is not a finite number")
    return value


def _integer(raw: Any, _format: str) -> int:
    value = _number(raw, "")
    if value != int(value):
        raise ValueError("is not a whole number")
    return int(value)


_FLAGS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}


def _flag(raw: Any, _format: str) -> bool:
    found = _FLAGS.get(str(raw).lower())
    if found is None:
        raise ValueError("is not yes or no")
    return found


def _time(raw: Any, pattern: str) -> datetime:
    """A moment; without an offset it is taken as UTC, and a day as its midnight."""
    if isinstance(raw, datetime):
        moment = raw
    elif isinstance(raw, date):
        moment = datetime.combine(raw, time())
    else:
        try:
            moment = _parsed(str(raw), pattern)
        except ValueError:
            raise ValueError(f"is not a date of the form {pattern or 'YYYY-MM-DD'}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed(text: str, pattern: str) -> datetime:
    """A pattern carries no offset; ISO 8601, the form without a pattern, may."""
    return datetime.strptime(text, pattern).replace(tzinfo=UTC) if pattern else datetime.fromisoformat(text)


def _date(raw: Any, pattern: str) -> date:
    return _time(raw, pattern).date()


def _czech_birth_date(raw: Any, _format: str) -> date:
    """YYMMDD of the last century, in which a woman's month is raised by 50."""
    digits = str(raw)
    if len(digits) != 6 or not digits.isdigit():
        raise ValueError("is not a birth number of six digits")
    month = int(digits[2:4])
    try:
        return date(1900 + int(digits[:2]), month - 50 if month > 50 else month, int(digits[4:]))
    except ValueError:
        raise ValueError("is not a birth number with a real day") from None


def _czech_sex(raw: Any, _format: str) -> str:
    _czech_birth_date(raw, "")
    return "female" if int(str(raw)[2:4]) > 50 else "male"


def _text(raw: Any, _format: str) -> str:
    text = str(raw)
    if "\x00" in text:  # Postgres holds every character but this one
        raise ValueError("contains a null character")
    return text


CONVERT: Mapping[CellType, Callable[[Any, str], Any]] = {
    "text": _text,
    "category": _text,
    "number": _number,
    "integer": _integer,
    "flag": _flag,
    "date": _date,
    "time": _time,
    "czech_birth_date": _czech_birth_date,
    "czech_sex": _czech_sex,
}
