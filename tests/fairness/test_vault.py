"""The vault: who reaches protected attributes, and that what comes out is groups, never a lost person."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from console.databases import parameters
from fairness import counts, dataset, vault
from fairness.dataset import Grouping
from fairness.vault import Entry

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_the_serving_role_is_refused() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_user, has_schema_privilege('vault', 'USAGE')")
        assert cursor.fetchone() == ("candor_serving", False)
        for statement in (
            "SELECT * FROM vault.protected_attribute",
            "INSERT INTO vault.protected_attribute VALUES (1, 'gender', 'female', 'x', now())",
            "GRANT USAGE ON SCHEMA vault TO candor_serving",
            "SET ROLE candor_vault",
        ):
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute(statement)


@pytest.mark.django_db
def test_the_vault_role_reads_the_vault_and_changes_nothing_else() -> None:
    vault.write([Entry(7, "gender", "female")], source="test", now=NOW)
    assert list(vault.read([7, 8])) == [Entry(7, "gender", "female")]
    with (
        connections["vault"].cursor() as cursor,
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(using="vault"),
    ):
        cursor.execute("UPDATE decisioning_customer SET suppressed = true")


@pytest.mark.usefixtures("live_db")
def test_a_connection_of_its_own_as_the_serving_role_is_refused() -> None:
    vault.write([Entry(7, "gender", "female")], source="test", now=NOW)
    with (
        psycopg.connect(**parameters(settings.DATABASES["default"])) as serving,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        serving.execute("SELECT count(*) FROM vault.protected_attribute")


@pytest.mark.django_db
def test_the_later_value_of_an_attribute_stays() -> None:
    vault.write([Entry(1, "region", "Metro"), Entry(1, "region", "Islands")], source="test", now=NOW)
    assert list(vault.read([1])) == [Entry(1, "region", "Islands")]
    assert vault.write([Entry(1, "region", "Rural"), Entry(2, "region", "Metro")], source="test", now=NOW) == 2
    assert {entry.value for entry in vault.read([1, 2])} == {"Rural", "Metro"}


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["", "x" * 61])
def test_a_value_that_does_not_fit_stores_nothing(value: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        vault.write([Entry(1, "region", "Metro"), Entry(2, "region", value)], source="test", now=NOW)
    assert not list(vault.read([1, 2]))


@pytest.mark.django_db
def test_erasure_leaves_nothing_of_a_customer() -> None:
    vault.write([Entry(1, "region", "Metro"), Entry(1, "gender", "male"), Entry(2, "gender", "male")],
                source="test", now=NOW)  # fmt: skip
    assert vault.erase([1]) == 2
    assert list(vault.read([1, 2])) == [Entry(2, "gender", "male")]


@pytest.mark.django_db
def test_groups_stand_in_the_order_of_the_customers_and_missing_ones_are_counted() -> None:
    entries = [Entry(3, "gender", "male"), Entry(1, "gender", "female"), Entry(3, "income_level", "Low")]
    vault.write(entries, source="test", now=NOW)
    found = dataset.groupings(np.array([1, 2, 3], dtype=np.int64), NOW)
    assert list(found) == ["gender", "income_level"]
    assert found["gender"].codes.tolist() == [0, -1, 1]
    table = found["income_level"].table(np.array([True, False, True]))
    assert {name: (row.total, row.favourable) for name, row in table.items()} == {"Low": (1, 1), "not recorded": (2, 1)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("birth_date", "band"),
    [
        ("2001-11-21", "under 25"),  # 25 tomorrow
        ("2001-11-20", "25 to 61"),  # 25 today
        ("1964-11-21", "25 to 61"),
        ("1964-11-20", "62 and over"),
    ],
)
def test_a_birth_date_gives_the_age_band_of_the_day(birth_date: str, band: str) -> None:
    vault.write([Entry(1, "birth_date", birth_date)], source="test", now=NOW)
    found = dataset.groupings(np.array([1], dtype=np.int64), NOW)
    assert found["age_band"].names == (band,)
    assert "birth_date" not in found


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.booleans()), max_size=40))
def test_a_table_of_codes_is_the_table_of_names(people: list[tuple[str | None, bool]]) -> None:
    names = ("a", "b", "c")
    codes = np.array([-1 if group is None else names.index(group) for group, _ in people], dtype=np.int16)
    favourable = np.array([happy for _, happy in people], dtype=bool)
    assert Grouping(codes, names).table(favourable) == counts.table([group for group, _ in people], favourable)


@pytest.mark.django_db
def test_the_serving_login_reads_counts_and_never_the_vault() -> None:
    """T-AUD-11 and T-AUD-12."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_viewdef('fairness_groupcount'), has_table_privilege('candor_serving', 'fairness_groupcount',"
            " 'SELECT'), has_table_privilege('candor_serving', 'fairness_groupcount', 'INSERT'),"
            " has_schema_privilege('candor_serving', 'vault', 'USAGE')"
        )
        definition, reads, writes, enters = cursor.fetchone()
    assert (reads, writes, enters) == (True, False, False)
    assert "HAVING (count(*) >= 20)" in definition


@pytest.mark.usefixtures("live_db")
def test_the_view_counts_whom_it_may() -> None:
    """T-AUD-12: 20 women are counted, 19 men are not, and a birth date is no group."""
    entries = [Entry(number, "gender", "female" if number < 20 else "male") for number in range(39)]
    entries += [Entry(number, "birth_date", "1980-01-01") for number in range(39)]
    vault.write(entries, source="test", now=NOW)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM fairness_groupcount")
        assert cursor.fetchall() == [("gender", "female", 20)]


@pytest.mark.django_db
def test_an_estimate_is_kept_as_probabilities_with_its_method_and_goes_with_its_customer() -> None:
    """R-PRX-2 and R-PRX-3."""
    told = np.array([[0.25, 0.75], [np.nan, np.nan], [0.6, 0.4]])
    method = vault.Method("BISG", "1", "2020")
    assert vault.write_estimates("race", ["a", "b"], [1, 2, 3], told, method=method, now=NOW) == 2
    groups, found = vault.estimates("race", [3, 2, 1])
    assert groups == ("a", "b")
    assert np.array_equal(found, told[::-1], equal_nan=True)
    vault.write_estimates("race", ["a", "b"], [3], np.array([[0.1, 0.9]]), method=method, now=NOW)
    assert vault.estimates("race", [3])[1].tolist() == [[0.1, 0.9]]
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT DISTINCT method, version, vintage FROM vault.estimate")
        assert cursor.fetchall() == [("BISG", "1", "2020")]
    vault.erase([1, 3])
    assert vault.estimates("race", [1, 3])[0] == ()
