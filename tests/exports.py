"""Public exports in tests: where they lie, loading one as a bank would, and what that left in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from decisioning.models import Account, Consent, Customer, FeatureRow, LoggedDecision, Transaction
from fairness import vault

MAILING = Path(settings.CANDOR_DATA) / "card_offers"
CZECH_BANK = Path(settings.CANDOR_DATA) / "czech_bank"
RETAIL_JOURNEY = Path(settings.CANDOR_DATA) / "retail_journey"


def needs(folder: Path) -> pytest.MarkDecorator:
    """Skips in words where a data set is not on this machine."""
    return pytest.mark.skipif(
        not folder.is_dir(), reason=f"the public data set {folder.name} is not here: name its folder in CANDOR_DATA"
    )


def load(mapping: str, folder: Path, tmp_path: Path, author: User | None = None) -> None:
    """`manage.py load`, with its rejects in `tmp_path / "rejects.csv"`."""
    named = ["--author", author.get_username()] if author else []
    call_command("load", mapping, str(folder), "--rejects", str(tmp_path / "rejects.csv"), *named, verbosity=0)


def loaded() -> dict[str, Any]:
    """Every row that a load may write, in an order of its own; accounts and transactions as counts."""
    customers = list(Customer.objects.order_by("pk").values_list("pk", flat=True))
    return {
        "customers": sorted(Customer.objects.values_list("external_id", "token", "known_at")),
        "features": sorted(FeatureRow.objects.values_list("customer_id", "group", "values"), key=lambda row: row[:2]),
        "decisions": sorted(LoggedDecision.objects.values_list("customer_id", "arm", "reward", "occurred_at")),
        "consents": sorted(Consent.objects.values_list("customer_id", "purpose", "channel", "granted")),
        "accounts": Account.objects.count(),
        "transactions": Transaction.objects.count(),
        "vault": [(entry.customer, entry.attribute, entry.value) for entry in vault.read(customers)],
    }


def names_of_known_values() -> set[str]:
    """The attributes that a decision could read of anybody."""
    return {name for values in FeatureRow.objects.values_list("values", flat=True) for name in values}


def count_known(customers: Sequence[int], attribute: str, value: object) -> int:
    """Customers of whom the attribute is known to have this value."""
    rows = FeatureRow.objects.filter(customer_id__in=customers).values_list("values", flat=True)
    return sum(values.get(attribute) == value for values in rows)
