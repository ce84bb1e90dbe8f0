"""Reads one cell of a bank's export into a typed value, as its mapping declares; knows no files and no tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Literal

from decisioning.ingest.numbers import NumberForm

CellType = Literal["text", "number", "integer", "flag", "category", "date", "time", "czech_birth_date", "czech_sex"]
Row = Mapping[str, Any]
Lookups = Mapping[str, Mapping[str, Any]]

_LARGEST = 2**53  # up to here a float holds every whole number
_SHOWN = 40  # characters of a refused value that its reason quotes


# What a bad cell breaks: how its column is written, that a key comes once, or that it refers to something.
Rule = Literal["readable", "unique", "known"]


class BadCell(ValueError):
    """A cell that cannot be used: the `column` and the reason, in words for the person who mends the export."""

    def __init__(self, column: str, reason: str, rule: Rule = "readable") -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a value comes from and what it must be.

    Either `constant`, or `column`, with `more` columns where several make one key (joined with "-"). Then in this
    order: what is listed in `missing` counts as missing (a number as a number, text whatever its case); `lookup`
    replaces the raw value by what another source says of it; `values` translates it (with `fold`, whatever its case
    and spacing); `type` converts it, a number written as `form` says, a moment without an offset in `zone`, a text with
    `prefix` before it. `default` stands in for a missing value or one without a translation, and so does the cell
    `otherwise`, which may read other columns; without them a missing value is None, and refused if `required`. What is
    `private` is never quoted in a reason.
    """

    type: CellType
    column: str = ""
    more: tuple[str, ...] = ()
    constant: Any = None
    missing: tuple[Any, ...] = ()
    lookup: str = ""
    values: Mapping[str, Any] | None = None
    fold: bool = False
    format: str = ""
    prefix: str = ""
    zone: tzinfo = UTC
    form: NumberForm = field(default=NumberForm())
    default: Any = None
    otherwise: Cell | None = None
    required: bool = False
    private: bool = False
    longest: int = 120  # characters of a text, as its table holds them

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the cell reads."""
        own = (self.column, *self.more) if self.column else ()
        return tuple(dict.fromkeys((*own, *self.otherwise.columns))) if self.otherwise else own

    def read(self, row: Row, lookups: Lookups) -> Any:
        """The typed value, or None where it is missing; raises BadCell."""
        if not self.column:
            return self.constant
        raw = self._raw(row)
        if raw is not None and self.lookup:
            raw = self._looked_up(raw, lookups)
        if raw is not None and self.values is not None:
            raw = self._translated(raw)
        value = None if raw is None else self._converted(raw)
        if value is None and self.otherwise:
            value = self.otherwise.read(row, lookups)
        if value is None:
            value = self.default
        if value is None and self.required:
            raise BadCell(self.column, "is missing")
        return value

    @property
    def _must_be_known(self) -> bool:
        return self.default is None and self.otherwise is None

    def _raw(self, row: Row) -> Any:
        parts = [_trimmed(row[column]) for column in (self.column, *self.more)]
        if None in parts:
            return None
        raw = "-".join(map(str, parts)) if self.more else parts[0]
        if not self.missing:
            return raw
        written = str(raw).casefold()
        return None if any(written == str(missing).casefold() for missing in self.missing) else raw

    def _looked_up(self, raw: Any, lookups: Lookups) -> Any:
        found = lookups[self.lookup].get(str(raw))
        if found is None and self._must_be_known:
            raise BadCell(self.column, f"{self._quoted(raw)} refers to nothing in {self.lookup}", "known")
        return found

    def _translated(self, raw: Any) -> Any:
        assert self.values is not None
        found = self.values.get(folded(str(raw)) if self.fold else str(raw))
        if found is None and self._must_be_known:
            raise BadCell(self.column, f"{self._quoted(raw)} is not a value that the mapping knows")
        return found

    def _converted(self, raw: Any) -> Any:
        """None for a number that is declared to mean that there is none."""
        try:
            value = CONVERT[self.type](raw, self)
        except (ValueError, OverflowError) as fault:
            raise BadCell(self.column, f"{self._quoted(raw)} {fault}") from fault
        if isinstance(value, str) and len(value) > self.longest:
            raise BadCell(self.column, f"{self._quoted(raw)} is longer than {self.longest} characters")
        return value

    def _quoted(self, raw: Any) -> str:
        text = str(raw)
        return "the value" if self.private else repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def folded(text: str) -> str:
    """Without case, and with one space between words."""
    return " ".join(text.split()).casefold()


def _trimmed(raw: Any) -> Any:
    """None for an empty text, and for the NaN with which typed files say that there is nothing."""
    if isinstance(raw, str):
        return raw.strip() or None
    return None if isinstance(raw, float) and raw != raw else raw


def _number(raw: Any, cell: Cell) -> float | None:
    value = cell.form.read(raw)
    return None if value in cell.missing else cell.form.scaled(value)


def _integer(raw: Any, cell: Cell) -> int | None:
    value = _number(raw, cell)
    if value is not None and value != int(value):
        raise ValueError("is not a whole number")
    if value is not None and abs(value) > _LARGEST:
        raise ValueError("is too large a number")
    return None if value is None else int(value)


_FLAGS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}


def _flag(raw: Any, _cell: Cell) -> bool:
    found = _FLAGS.get(str(raw).lower())
    if found is None:
        raise ValueError("is not yes or no")
    return found


def _time(raw: Any, cell: Cell) -> datetime:
    """A moment in UTC."""
    return _local(raw, cell).astimezone(UTC)


def _local(raw: Any, cell: Cell) -> datetime:
    """A moment with the offset of its zone; a day is its midnight."""
    if isinstance(raw, datetime):
        moment = raw
    elif isinstance(raw, date):
        moment = datetime.combine(raw, time())
    else:
        try:
            moment = _parsed(str(raw), cell)
        except ValueError:
            raise ValueError(f"is not a date of the form {cell.format or 'YYYY-MM-DD'}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=cell.zone)


def _parsed(text: str, cell: Cell) -> datetime:
    """A pattern carries no offset; ISO 8601, the form without a pattern, may."""
    if cell.format:
        return datetime.strptime(text, cell.format).replace(tzinfo=cell.zone)
    return datetime.fromisoformat(text)


def _date(raw: Any, cell: Cell) -> date:
    return _local(raw, cell).date()


def _czech_birth_date(raw: Any, _cell: Cell) -> date:
    """YYMMDD of the last century, in which a woman's month is raised by 50."""
    digits = str(raw)
    if len(digits) != 6 or not digits.isdigit():
        raise ValueError("is not a birth number of six digits")
    month = int(digits[2:4])
    try:
        return date(1900 + int(digits[:2]), month - 50 if month > 50 else month, int(digits[4:]))
    except ValueError:
        raise ValueError("is not a birth number with a real day") from None


def _czech_sex(raw: Any, _cell: Cell) -> str:
    _czech_birth_date(raw, _cell)
    return "female" if int(str(raw)[2:4]) > 50 else "male"


def _text(raw: Any, cell: Cell) -> str:
    text = cell.prefix + str(raw)
    if "\x00" in text:  # Postgres holds every character but this one
        raise ValueError("contains a null character")
    return text


CONVERT: Mapping[CellType, Callable[[Any, Cell], Any]] = {
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
