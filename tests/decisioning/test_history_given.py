"""What sources tell, made one for many customers at once, is what the declaration of precedence says of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from decisioning.features import given
from decisioning.features.engines import folder
from decisioning.ingest import precedence
from decisioning.ingest.precedence import Statement

MOMENT = datetime(2026, 11, 20, tzinfo=UTC)
SOURCES = ("bureau", "core_banking", "application", "crm", "a list", "")
# In the units of a day: before and after the limit of either group, and often at the same moment.
AGES = st.sampled_from([0, 0.5, 1, 1, 34, 35, 36, 40])

VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "credit_risk": {"credit_score": st.sampled_from([600.0, 700.0]), "credit_rating": st.sampled_from(["low", "high"])},
    "account_state": {"balance": st.sampled_from([1.0, 2.0]), "owns_home": st.booleans()},
}


def _statements(group: str) -> st.SearchStrategy[list[Statement]]:
    """Statements of one customer; of one source no two are of the same moments."""
    one = st.builds(
        lambda source, age, values: Statement(source, at := MOMENT - timedelta(days=age), at, values),
        st.sampled_from(SOURCES), AGES, st.fixed_dictionaries({}, optional=VALUES[group]),
    )  # fmt: skip
    return st.lists(one, max_size=6, unique_by=lambda statement: (statement.source, statement.occurred_at))


def _table(group: str, customers: list[list[Statement]]) -> pa.Table:
    """The newest statement of each source, as an engine answers; rows in no particular order."""
    rows: list[dict[str, Any]] = []
    for entry, statements in enumerate(customers):
        newest = {each.source: each for each in sorted(statements, key=lambda each: each.occurred_at)}
        rows += [
            {"entry": entry, "source": each.source, "occurred_at": each.occurred_at, "known_at": each.known_at,
             **each.values}
            for each in newest.values()
        ]  # fmt: skip
    schema = folder.schema(f"given_{group}").remove(0).insert(0, pa.field("entry", pa.int64()))
    return pa.Table.from_pylist(rows[::-1], schema)


@pytest.mark.parametrize("group", VALUES)
@over(data=st.data())
def test_many_customers_at_once_are_resolved_as_each_alone(group: str, data: st.DataObject) -> None:
    customers = data.draw(st.lists(_statements(group), min_size=1, max_size=4))
    told = given.resolve(group, _table(group, customers), np.full(len(customers), MOMENT.timestamp()))
    for entry, statements in enumerate(customers):
        resolved = precedence.resolve(group, statements, MOMENT)
        for name in VALUES[group]:
            value, at = told.values[name][entry].as_py(), told.at[name][entry]
            expected = resolved.get(name)
            assert value == (expected.value if expected else None)
            assert np.isnan(at) if expected is None else at == expected.occurred_at.timestamp()


def test_members_are_sorted_and_joined_for_each_entry() -> None:
    rows = pa.table({"entry": [2, 0, 2], "experiment": ["tile", "tile", "colour"], "variant": ["b", "a", "red"]})
    assert given.members(rows, "experiment", "variant", 4).to_pylist() == ["tile:a", None, "colour:red|tile:b", None]
    assert given.members(rows.slice(0, 0), "experiment", "variant", 2).to_pylist() == [None, None]
