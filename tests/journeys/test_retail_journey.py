"""A grocer's households, loaded: baskets become spend by kind, demographics reach the vault, campaigns stay outside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.db.models import Count, Sum

from decisioning import quality
from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.models import Consent, Customer, FeatureRow, FeatureVector, LoggedDecision, Outcome, Transaction
from fairness import vault
from tests.exports import RETAIL_JOURNEY, load, needs

FOOD = {"GROCERY", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "NUTRITION", "SEAFOOD", "SEAFOOD-PCKGD",
        "SALAD BAR", "FROZEN GROCERY", "CHEF SHOPPE", "TRAVEL & LEISURE"}  # fmt: skip


@needs(RETAIL_JOURNEY)
@pytest.mark.usefixtures("live_db")
def test_every_basket_becomes_spend_by_kind_and_demographics_go_to_the_vault(tmp_path: Path) -> None:
    load("retail_journey", RETAIL_JOURNEY, tmp_path)
    assert (tmp_path / "rejects.csv").read_text().splitlines() == ["file,row,column,reason"]
    baskets, kinds = _baskets()
    assert Customer.objects.count() == len(set(baskets["household_id"])) == 2_430
    loaded = Transaction.objects.values("category").annotate(rows=Count("*"), spent=Sum("amount"))
    assert {row["category"]: row["rows"] for row in loaded} == Counter(kinds)
    assert sum(Counter(kinds).values()) == 976_544
    assert sum(row["spent"] for row in loaded) == pytest.approx(baskets["sales_value"].sum())

    customers = dict(Customer.objects.values_list("external_id", "pk"))
    held = Counter((entry.attribute, entry.value) for entry in vault.read(list(customers.values())))
    for name, column in (("age_band", "age"), ("income_level", "income"), ("marital_status", "marital_status")):
        told = Counter(value for value in _demographics(column) if value is not None)
        assert {value: held[name, value] for value in told} == told
    names = {name for values in FeatureRow.objects.values_list("values", flat=True) for name in values}
    assert names == {"household_size", "owns_home", "is_21_or_over"}
    # Campaigns were targeted by a rule that nobody published: nothing of them may look like a decision with a chance.
    assert not LoggedDecision.objects.exists()
    assert not Outcome.objects.exists()
    assert not Consent.objects.exists()

    _check_served(baskets, kinds, customers)
    assert FeatureVector.objects.count() == 2_430
    _check_quality()


def _baskets() -> tuple[dict[str, np.ndarray], list[str]]:
    """The transactions' columns, and the kind of spend of each, without the product's own reader."""
    products = pq.read_table(RETAIL_JOURNEY / "products.parquet", columns=["product_id", "department"])
    departments = dict(zip(*(products[name].to_pylist() for name in products.column_names), strict=True))
    table = pq.read_table(
        RETAIL_JOURNEY / "transactions.parquet",
        columns=["household_id", "product_id", "sales_value", "transaction_timestamp"],
    )
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return columns, [_kind(departments.get(product)) for product in columns["product_id"].tolist()]


def _kind(department: str | None) -> str:
    if department in FOOD:
        return "groceries"
    return {"RESTAURANT": "dining", "FUEL": "fuel"}.get(department or "", "other")


def _demographics(column: str) -> list[str | None]:
    values: list[str | None] = pq.read_table(RETAIL_JOURNEY / "demographics.parquet")[column].to_pylist()
    return values


def _check_served(baskets: dict[str, np.ndarray], kinds: list[str], customers: dict[str | None, int]) -> None:
    """Spend over the last 90 days and its share on groceries, counted here again for some households."""
    end = np.datetime64("2017-09-01")
    recent = baskets["transaction_timestamp"] > end - np.timedelta64(90, "D")
    food = np.array(kinds) == "groceries"
    some = [1, 900, 1228, 2500]
    found = history.as_of(Postgres(), history.spine(np.array([customers[f"RJ-{one}"] for one in some]), end))
    for at, household in enumerate(some):
        own = recent & (baskets["household_id"] == household)
        spent = baskets["sales_value"][own].sum()
        assert found["spend_90d"][at].as_py() == pytest.approx(spent, abs=0.01)
        share = baskets["sales_value"][own & food].sum() / spent
        assert found["spend_share_groceries"][at].as_py() == pytest.approx(share, abs=1e-4)


def _check_quality() -> None:
    """The page is filled, and says what is true: nothing is wrong but the age of the export."""
    rows = quality.latest("retail_journey")
    assert [(row.subject, row.column) for row in rows if not row.passed] == [("export", "as_of")]
    by_place = {(row.subject, row.column, row.expectation): row for row in rows}
    assert by_place["transactions file", "basket_id", "no key twice"].rows == 976_544
    lacking = by_place["account_state, as exported", "household_size", "missing for at most 70% of customers"]
    assert (lacking.rows, lacking.failed) == (2_430, 2_430 - 801)
