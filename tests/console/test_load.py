"""`manage.py load`: what reaches the tables and the vault, twice the same, and on after a kill."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from decisioning.features import online
from decisioning.identity import session_hash, token
from decisioning.models import Account, Consent, Customer, FeatureRow, Job, LoggedDecision, Transaction
from fairness import vault
from offers import roles
from offers.models import ChangeRequest

HEADER = (
    "Customer Number,Offer Accepted,Reward,Mailer Type,Income Level,# Bank Accounts Open,Overdraft Protection,"
    "Credit Rating,# Credit Cards Held,# Homes Owned,Household Size,Own Your Home,Average Balance,Q1 Balance,"
    "Q2 Balance,Q3 Balance,Q4 Balance"
)


def _row(number: int, *, balance: str = "100.5", accepted: str = "No") -> str:
    return f"{number},{accepted},Points,Letter,High,1,No,Low,2,1,4,Yes,{balance},1,2,3,4"


def _mailing(folder: Path, *rows: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "card_offers.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return str(folder)


def _load(folder: str, rejects: Path, mapping: str = "card_offers") -> None:
    call_command("load", mapping, folder, "--rejects", str(rejects), verbosity=0)


def _state() -> dict[str, Any]:
    """Every row that a load may write, without the order of ids."""
    customers = dict(Customer.objects.values_list("pk", "external_id"))
    return {
        "customers": sorted(Customer.objects.values_list("external_id", "token", "source", "known_at")),
        "features": sorted(FeatureRow.objects.values_list("customer_id", "group", "known_at", "values"), key=repr),
        "decisions": sorted(LoggedDecision.objects.values_list("customer_id", "decision_key", "arm", "reward")),
        "consents": sorted(Consent.objects.values_list("customer_id", "purpose", "channel", "granted")),
        "accounts": sorted(Account.objects.values_list("customer_id", "account_key", "opened_on")),
        "transactions": sorted(Transaction.objects.values_list("customer_id", "transaction_key", "amount")),
        "vault": sorted((entry.customer, entry.attribute, entry.value) for entry in vault.read(list(customers))),
    }


@pytest.mark.django_db
def test_a_load_reaches_tables_vault_and_redis_and_bad_rows_a_file(tmp_path: Path) -> None:
    folder = _mailing(tmp_path / "in", _row(1, accepted="Yes"), _row(2, balance="n/k"), _row(3), _row(3))
    _load(folder, tmp_path / "rejects.csv")
    state = _state()
    assert [row[0] for row in state["customers"]] == ["M-1", "M-3"]
    first = Customer.objects.get(external_id="M-1").pk
    groups = dict(FeatureRow.objects.filter(customer_id=first).values_list("group", "values"))
    assert groups["credit_risk"] == {"credit_rating": "low"}
    assert groups["account_state"]["average_balance"] == 100.5
    assert "income_level" not in {name for values in groups.values() for name in values}
    assert (first, "income_level", "high") in state["vault"]
    logged = LoggedDecision.objects.get(customer_id=first)
    assert (logged.arm, logged.reward, logged.action_probability) == ("points/letter", 1.0, 1 / 6)
    with (tmp_path / "rejects.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["file", "row", "column", "reason"],
            ["card_offers.csv", "2", "Average Balance", "'n/k' is not a number"],
            ["card_offers.csv", "4", "Customer Number", "'3' is a duplicate"],
        ]
    read = online.read("M-1", token("M-1"), session_hash("s"), timezone.now())
    assert read.ledger.consents == {"marketing:direct_mail"}
    assert read.profile.groups["account_state"][1]["household_size"] == 4


@pytest.mark.django_db
def test_the_same_load_twice_changes_nothing_and_a_withdrawn_consent_stays_withdrawn(tmp_path: Path) -> None:
    folder = _mailing(tmp_path / "in", *(_row(number) for number in range(1, 40)))
    _load(folder, tmp_path / "rejects.csv")
    Consent.objects.filter(customer_id=Customer.objects.get(external_id="M-7").pk).update(granted=False)
    before = _state()
    _load(folder, tmp_path / "rejects.csv")
    assert _state() == before
    assert Job.objects.filter(kind="load", status=Job.Status.DONE).count() == 2


@pytest.mark.django_db
def test_a_corrected_export_of_a_dated_mapping_replaces_what_it_said(tmp_path: Path) -> None:
    dated = tmp_path / "dated.toml"
    shipped = Path(settings.BASE_DIR) / "decisioning" / "ingest" / "mappings" / "card_offers.toml"
    dated.write_text(shipped.read_text().replace('name = "card_offers"', 'name = "card_offers"\nas_of = 2024-05-01'))
    _load(_mailing(tmp_path / "in", _row(1)), tmp_path / "rejects.csv", str(dated))
    _load(_mailing(tmp_path / "in", _row(1, balance="7", accepted="Yes")), tmp_path / "rejects.csv", str(dated))
    assert LoggedDecision.objects.get().reward == 1.0
    assert FeatureRow.objects.get(group="account_state").values["average_balance"] == 7.0


@pytest.mark.django_db
def test_a_load_without_its_files_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"has no file card_offers\.csv"):
        _load(str(tmp_path), tmp_path / "rejects.csv")
    with pytest.raises(CommandError, match="nothing could be loaded"):
        _load(_mailing(tmp_path / "in", _row(1, balance="n/k")), tmp_path / "rejects.csv")
    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_the_catalogue_of_an_export_is_drafted_once_by_whom_it_may_be_proposed(tmp_path: Path) -> None:
    folder = _mailing(tmp_path / "in", _row(1))
    for name, role in (("mara", roles.MARKETING_AUTHOR), ("rolf", roles.RISK_APPROVER)):
        User.objects.create_user(name).groups.add(Group.objects.get_or_create(name=role)[0])
    for name in ("mara", "rolf", "mara", "rolf"):
        call_command("load", "card_offers", folder, "--rejects", str(tmp_path / "rejects.csv"), "--author", name)
    by_marketer, by_risk = ChangeRequest.objects.order_by("pk")
    assert {item["kind"] for item in by_marketer.items} == {"product", "offer", "creative", "arm", "placement"}
    assert sum(item["kind"] == "arm" for item in by_marketer.items) == 6
    assert {item["kind"] for item in by_risk.items} == {"ranking", "contact_policy"}
    assert by_marketer.status == by_risk.status == ChangeRequest.Status.DRAFT
    with pytest.raises(CommandError, match="there is no user nobody"):
        call_command("load", "card_offers", folder, "--author", "nobody")


@pytest.mark.usefixtures("live_db")
def test_a_killed_load_continues_and_ends_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    count = 60_000
    folder = _mailing(tmp_path / "in", *(_row(number) for number in range(1, count + 1)), _row(5))
    command = [sys.executable, "manage.py", "load", "card_offers", folder, "--rejects", str(tmp_path / "rejects.csv")]
    first = subprocess.Popen(command, cwd=settings.BASE_DIR, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not Job.objects.filter(kind="load", done__gte=2).exists():
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    written = Customer.objects.count()
    assert 0 < written < count
    assert not (tmp_path / "rejects.csv").exists()
    again = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    assert "batches had been written before" in again.stdout
    assert Customer.objects.count() == LoggedDecision.objects.count() == count
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT customer_id) FROM vault.protected_attribute")
        assert cursor.fetchone() == (count,)
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1:] == [
        f"card_offers.csv,{count + 1},Customer Number,'5' is a duplicate"
    ]


@pytest.mark.django_db
def test_the_czech_bank_loads_with_its_transactions_and_its_protected_attributes(tmp_path: Path) -> None:
    folder = Path(settings.CANDOR_DATA) / "czech_bank"
    if not folder.is_dir():
        pytest.skip("the public data set czech_bank is not here")
    _load(str(folder), tmp_path / "rejects.csv", "czech_bank")
    assert Customer.objects.count() == 5_369
    assert Account.objects.count() == 4_500 + 682
    assert Transaction.objects.count() == 49_102
    woman = Customer.objects.get(external_id="CZ-1").pk
    assert {(entry.attribute, entry.value) for entry in vault.read([woman])} == {
        ("gender", "female"), ("birth_date", "1970-12-13"), ("region", "south Bohemia"),
    }  # fmt: skip
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1:] == []
