"""Conditions for a whole population at once, with numpy; the same answers as `evaluate`, never another logic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from offers.conditions.grammar import Clause, Condition, Operator
from offers.register import attribute

Mask = NDArray[np.bool_]
Pair = tuple[Mask, Mask]  # where a condition is true, where it is false; neither where it is missing


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Numbers, integers or booleans (0 and 1) as float64 (N,); NaN is missing."""

    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """Categories as indices (N,) into `vocabulary`; -1 is missing."""

    codes: NDArray[np.integer[Any]]
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class SetColumn:
    """Sets as one mask (N,) for each value that occurs, and the mask (N,) of the missing sets."""

    members: Mapping[str, Mask]
    missing: Mask

    def __len__(self) -> int:
        return len(self.missing)


Column = NumberColumn | CategoryColumn | SetColumn
Columns = Mapping[str, Column]

_COMPARISONS: dict[Operator, Callable[[NDArray[np.float64], Any], Mask]] = {
    "=": np.equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    # NaN is unequal to everything, so "not equal" is below or above.
    "!=": lambda values, limit: (values < limit) | (values > limit),
    "between": lambda values, limits: (values >= limits[0]) & (values <= limits[1]),
}


def evaluate_many(condition: Condition, columns: Columns) -> NDArray[np.int8]:
    """Return an array (N,): 1 where the condition is true, 0 where false, -1 where data is missing.

    An attribute without a column is missing for everybody, as an absent name is for one customer. Raises ValueError
    without any column, and TypeError where a column is not of its attribute's type.
    """
    if not columns:
        raise ValueError("the number of customers is unknown: there is no column")
    true, false = _pair(condition, columns, len(next(iter(columns.values()))))
    return true.astype(np.int8) - ~(true | false)


def columns_from_rows(rows: Sequence[Mapping[str, object]], names: Iterable[str] | None = None) -> dict[str, Column]:
    """Return the columns of `names`, by default of every name in the rows; None, NaN and absent are missing.

    Raises UnknownAttribute or ProtectedAttribute for a name that the register does not hold.
    """
    wanted = sorted({name for row in rows for name in row} if names is None else names)
    return {name: _column(name, [row.get(name) for row in rows]) for name in wanted}


def _column(name: str, values: Sequence[object]) -> Column:
    kind = attribute(name).type
    if kind == "set":
        missing = np.array([_is_missing(value) for value in values], dtype=bool)
        sets = [frozenset() if _is_missing(value) else frozenset(cast(Iterable[str], value)) for value in values]
        occurring = sorted(frozenset[str]().union(*sets))
        return SetColumn({item: np.array([item in held for held in sets], dtype=bool) for item in occurring}, missing)
    if kind == "category":
        known = {cast(str, value) for value in values if not _is_missing(value)}
        codes = {value: code for code, value in enumerate(sorted(known))}
        indices = [-1 if _is_missing(value) else codes[cast(str, value)] for value in values]
        return CategoryColumn(np.array(indices, dtype=np.int32), tuple(codes))
    return NumberColumn(np.array([np.nan if value is None else value for value in values], dtype=np.float64))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _pair(condition: Condition, columns: Columns, size: int) -> Pair:
    """Evaluate as in `evaluate`: a condition is a pair, so that Kleene's logic is plain `and` and `or`."""
    if isinstance(condition, Clause):
        return _clause(condition, columns.get(condition.attribute), size)
    pairs = [_pair(part, columns, size) for part in condition.parts]
    trues, falses = [true for true, _ in pairs], [false for _, false in pairs]
    if condition.joiner == "all":
        return np.logical_and.reduce(trues), np.logical_or.reduce(falses)
    any_true, all_false = np.logical_or.reduce(trues), np.logical_and.reduce(falses)
    return (any_true, all_false) if condition.joiner == "any" else (all_false, any_true)


def _clause(clause: Clause, column: Column | None, size: int) -> Pair:
    known = _known(column, size)
    if clause.op == "is_known":
        return known, ~known
    if clause.op == "is_missing":
        return ~known, known
    if column is None:
        return known, known
    true = _true(clause, column) & known
    return true, known & ~true


def _known(column: Column | None, size: int) -> Mask:
    if column is None:
        return np.zeros(size, dtype=bool)
    if isinstance(column, NumberColumn):
        return ~np.isnan(column.values)
    return column.codes >= 0 if isinstance(column, CategoryColumn) else ~column.missing


def _true(clause: Clause, column: Column) -> Mask:
    """Return where the clause holds, for known values; what it says of missing ones means nothing."""
    kind = attribute(clause.attribute).type
    if isinstance(column, NumberColumn) and kind in ("number", "integer"):
        compared: Mask = _COMPARISONS[clause.op](column.values, clause.value)
        return compared
    if isinstance(column, NumberColumn) and kind == "boolean":
        equal: Mask = column.values == float(cast(bool, clause.value))
        return equal
    if isinstance(column, CategoryColumn) and kind == "category":
        return _category(clause, column)
    if isinstance(column, SetColumn) and kind == "set":
        return _set(clause, column)
    raise TypeError(f"{clause.attribute} is a {kind}, its column is a {type(column).__name__}")


def _category(clause: Clause, column: CategoryColumn) -> Mask:
    wanted = _listed(clause)
    found = np.array([value in wanted for value in column.vocabulary] + [False])  # the last one is read for code -1
    chosen: Mask = found[column.codes]
    return chosen if clause.op in ("=", "in") else ~chosen


def _set(clause: Clause, column: SetColumn) -> Mask:
    nobody = np.zeros(len(column), dtype=bool)
    masks = [column.members.get(value, nobody) for value in _listed(clause)]
    if clause.op == "contains_all_of":
        everything: Mask = np.logical_and.reduce(masks)
        return everything
    found: Mask = np.logical_or.reduce(masks)
    return ~found if clause.op == "contains_none_of" else found


def _listed(clause: Clause) -> tuple[str, ...]:
    """Return the texts that a clause compares with, one or many."""
    value = cast(str | tuple[str, ...], clause.value)
    return value if isinstance(value, tuple) else (value,)
