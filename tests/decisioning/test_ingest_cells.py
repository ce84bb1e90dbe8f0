"""Cleaning as declared: numbers as people write them, what counts as missing, and columns that read as cells do."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisioning.ingest import columns
from decisioning.ingest.cells import BadCell, Cell
from decisioning.ingest.files import Block
from decisioning.ingest.keys import SeenKeys, repeats
from decisioning.ingest.numbers import NumberForm

GERMAN = NumberForm(decimal=",", grouping=".", strip=("€", "EUR"))
FRENCH = NumberForm(decimal=",", grouping=" ")
AMERICAN = NumberForm(grouping=",", strip=("$",), accounting=True)
PERCENT = NumberForm(strip=("%",), scale=0.01)


def read(cell: Cell, raw: Any) -> Any:
    return cell.read({"c": raw}, {})


@pytest.mark.parametrize(
    ("form", "raw", "value"),
    [
        (NumberForm(), " 12.5 ", 12.5),
        (NumberForm(), "-1e3", -1000.0),
        (NumberForm(), "1/6", 1 / 6),
        (GERMAN, "1.234,50 €", 1234.5),
        (GERMAN, "EUR -3,5", -3.5),
        (GERMAN, "-€3,5", -3.5),
        (FRENCH, "1\u202f234\u00a0567,5", 1234567.5),
        (AMERICAN, "($1,234.00)", -1234.0),
        (AMERICAN, "$5.00-", -5.0),
        (PERCENT, "57 %", 0.57),
        (PERCENT, "-0.07%", -0.0007),
    ],
)
def test_a_number_is_read_as_its_column_writes_it(form: NumberForm, raw: str, value: float) -> None:
    assert read(Cell("number", column="c", form=form), raw) == value


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        (NumberForm(), "1,5"),
        (NumberForm(), "1_000"),
        (NumberForm(), "€5"),
        (NumberForm(), "(5)"),
        (NumberForm(grouping=","), "1,50"),  # one and a half, or a hundred and fifty?
        (NumberForm(grouping=","), "12,34,567"),
        (GERMAN, "1.50"),
        (FRENCH, "12 34"),
        (AMERICAN, "-(5)"),
        (AMERICAN, "--5"),
    ],
)
def test_what_could_mean_two_numbers_is_refused_and_not_guessed(form: NumberForm, raw: str) -> None:
    with pytest.raises(BadCell, match="is not a number"):
        read(Cell("number", column="c", form=form), raw)


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from([",", ".", " ", "'"]))
def test_a_grouped_number_is_the_number_that_was_grouped(number: Decimal, grouping: str) -> None:
    mark = "," if grouping == "." else "."
    written = f"{number:,}".replace(",", "g").replace(".", mark).replace("g", grouping)
    assert read(Cell("number", column="c", form=NumberForm(mark, grouping)), written) == float(number)


@given(st.integers(-(10**6), 10**6))
def test_a_percentage_is_the_decimal_that_a_person_would_write(number: int) -> None:
    assert read(Cell("number", column="c", form=PERCENT), f"{number}%") == float(Decimal(number) / 100)


@pytest.mark.parametrize("raw", ["-1", "-1.0", -1, -1.0, "999", "n/a", "N/A", " n/a ", "", None, float("nan")])
def test_what_is_declared_to_mean_nothing_is_missing_however_it_is_spelt(raw: Any) -> None:
    cell = Cell("number", column="c", missing=(-1, 999, "n/a"))
    assert read(cell, raw) is None
    assert read(Cell("number", column="c", missing=(-1, 999, "n/a"), default=7.0), raw) == 7.0
    with pytest.raises(BadCell, match="is missing"):
        read(Cell("number", column="c", missing=(-1, 999, "n/a"), required=True), raw)


def test_a_sentinel_is_compared_before_it_is_scaled() -> None:
    cell = Cell("number", column="c", missing=(-1,), form=PERCENT)
    assert read(cell, "-1%") is None
    assert read(cell, "-100 %") == -1.0


def test_a_translation_may_forgive_case_and_spacing_and_another_column_may_stand_in() -> None:
    strict = Cell("category", column="c", values={"at home": "owner"})
    with pytest.raises(BadCell, match="not a value that the mapping knows"):
        read(strict, "At  Home")
    assert read(Cell("category", column="c", values={"at home": "owner"}, fold=True), "At  Home") == "owner"
    both = Cell("category", column="c", values={"x": "known"}, otherwise=Cell("category", column="d", default="other"))
    assert [both.read({"c": c, "d": d}, {}) for c, d in (("x", "y"), ("z", "y"), (None, "y"), (None, None))] == [
        "known", "y", "y", "other",
    ]  # fmt: skip


def test_a_moment_without_an_offset_is_of_the_zone_that_is_declared() -> None:
    prague = Cell("time", column="c", zone=ZoneInfo("Europe/Prague"))
    assert read(prague, "2020-07-01T12:00:00").astimezone(UTC) == datetime(2020, 7, 1, 10, tzinfo=UTC)
    assert read(prague, "2020-07-01T12:00:00+00:00") == datetime(2020, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("type_", ["number", "czech_birth_date", "category"])
def test_a_private_value_is_never_quoted_in_a_reason(type_: Any) -> None:
    cell = Cell(type_, column="c", private=True, longest=5, values={"a": "a"} if type_ == "category" else None)
    with pytest.raises(BadCell) as refused:
        read(cell, "secret-1")
    assert "secret" not in refused.value.reason


_CELLS = st.sampled_from(
    [
        Cell("text", column="c", required=True, longest=4),
        Cell("text", column="c", more=("d",), required=True),
        Cell("text", column="c", prefix="n-"),
        Cell("category", column="c", values={"1": "one", "x": "ex"}, default="other"),
        Cell("category", column="c", values={"1": "one"}),
        Cell("category", column="c", lookup="known", required=True),
        Cell("category", column="c", values={"1": "one"}, otherwise=Cell("category", column="d", longest=3)),
        Cell("number", column="c", missing=(1,), form=NumberForm(grouping=",")),
        Cell("integer", column="c", required=True),
        Cell("flag", column="c"),
        Cell("date", column="c"),
        Cell("time", column="c"),
        Cell("time", column="c", zone=ZoneInfo("America/New_York")),
        Cell("number", constant=0.5),
    ]
)
_RAW = st.one_of(
    st.none(),
    st.sampled_from(
        ["1", " 1", "1.0", "x", "", "  ", "yes", "2020-02-30", "2020-02-29", "1,000", "9" * 30, "a\x00b", "longer"]
    ),
    st.text(max_size=6),
)
LOOKUPS = {"known": {"1": "first", "x": None}}


@settings(deadline=None)
@given(_CELLS, st.lists(st.tuples(_RAW, _RAW), max_size=12))
def test_a_column_reads_as_its_cells_do_one_by_one(cell: Cell, rows: list[tuple[Any, Any]]) -> None:
    table = pa.table(
        {"c": pa.array([c for c, _ in rows], pa.string()), "d": pa.array([d for _, d in rows], pa.string())}
    )
    found = columns.read(cell, Block("f", np.arange(1, len(rows) + 1), table), LOOKUPS)
    values = found.values.to_pylist()
    assert len(values) == len(rows)
    told = [
        (found.faults[at].column, found.faults[at].reason) if at in found.faults else v for at, v in enumerate(values)
    ]
    assert told == [_one_by_one(cell, c, d) for c, d in rows]


def _one_by_one(cell: Cell, c: Any, d: Any) -> Any:
    """The value, or the column and the reason of its fault."""
    try:
        return cell.read({"c": c, "d": d}, LOOKUPS)
    except BadCell as fault:
        return fault.column, fault.reason


@settings(deadline=None)
@given(st.lists(st.lists(st.text("abc", max_size=2), max_size=8), max_size=6))
def test_a_key_is_seen_again_exactly_if_it_came_before(batches: list[list[str]]) -> None:
    seen, before = SeenKeys(), set[str]()
    for batch in batches:
        again = seen.has(batch) | repeats(batch)
        assert again.tolist() == [key in before or key in batch[:at] for at, key in enumerate(batch)]
        seen.add([key for key, is_again in zip(batch, again, strict=True) if not is_again])
        before |= set(batch)
    assert len(seen) == len(before)
