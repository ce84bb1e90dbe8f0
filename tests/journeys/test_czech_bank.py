"""A real bank's tables, loaded: what reaches the profile, and that gender, birth and region reach the vault only."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from decisioning.models import Customer, FeatureRow
from fairness import evidence
from tests import factories
from tests.exports import CZECH_BANK, count_known, load, loaded, names_of_known_values, needs


@needs(CZECH_BANK)
@pytest.mark.usefixtures("live_db")
def test_the_czech_bank_is_loaded_with_gender_birth_and_region_in_the_vault_only(tmp_path: Path) -> None:
    load("czech_bank", CZECH_BANK, tmp_path)
    before = loaded()
    assert (len(before["customers"]), before["accounts"], before["transactions"]) == (5_369, 4_500 + 682, 49_102)
    assert (tmp_path / "rejects.csv").read_text().splitlines() == ["file,row,column,reason"]
    held = FeatureRow.objects.filter(group="account_state").values_list("values", flat=True)
    assert sum(values["cards_held_count"] for values in held) == _lines("card.asc") == 892
    clients = _czech_clients()
    assert Counter(name for _, name, _ in before["vault"]) == dict.fromkeys(["birth_date", "gender", "region"], 5_369)
    in_vault = {(customer, name): value for customer, name, value in before["vault"]}
    for customer, external in Customer.objects.values_list("pk", "external_id"):
        gender, born = clients[str(external)]
        assert (in_vault[customer, "gender"], in_vault[customer, "birth_date"]) == (gender, born.isoformat())
    assert names_of_known_values() == {"is_21_or_over", "cards_held", "cards_held_count"}
    of_age = sum(born <= date(1977, 12, 31) for _, born in clients.values())
    assert count_known(list(Customer.objects.values_list("pk", flat=True)), "is_21_or_over", True) == of_age
    load("czech_bank", CZECH_BANK, tmp_path)
    assert loaded() == before
    # A rule on age sees the flag; a rule on a score, which this bank does not tell, lets nobody through.
    change = factories.propose(factories.small_catalogue(), author=factories.author_of_anything(), now=timezone.now())
    seen = evidence.compute(change, timezone.now() + timedelta(seconds=1)).content
    assert seen["attributes"] == ["age_band", "gender", "region"]
    assert {row["offer"]: row["after"] for row in seen["reach"]} == {
        "first-card": of_age, "everyday-cash": of_age, "travel-plus": 0, "student": 0,
    }  # fmt: skip


def _lines(name: str) -> int:
    return len((CZECH_BANK / name).read_text().splitlines()) - 1


def _czech_clients() -> dict[str, tuple[str, date]]:
    """Gender and birth date, read without the product's own reader: women have 50 added to the month."""
    clients = {}
    with (CZECH_BANK / "client.asc").open(newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            year, month, day = (int(row["birth_number"][at : at + 2]) for at in (0, 2, 4))
            gender = "female" if month > 50 else "male"
            clients[f"CZ-{row['client_id']}"] = gender, date(1900 + year, month - 50 * (month > 50), day)
    return clients
