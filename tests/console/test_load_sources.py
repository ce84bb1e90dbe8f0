"""Several exports make one customer of a bank: profiles, a bureau's file, transactions and posts, each by a mapping."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from decisioning import quality
from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.ingest import files, loading, store
from decisioning.ingest.records import Batch
from decisioning.models import Account, Customer, FeatureRow, Post, QualityCheck, Transaction
from fairness import vault

pytestmark = pytest.mark.django_db

CORE = """
name = "core_banking"
as_of = 2026-11-01
[source.people]
file = "people.csv"
separator = ";"
[source.accounts]
file = "accounts.csv"
[source.loans]
file = "loans.csv"
[source.homes]
file = "homes.csv"
[customers]
source = "people"
key = "no"
prefix = "B-"
[attributes]
debt_to_income = { column = "burden", strip = ["%"], decimal = ",", scale = 0.01, missing = [-1] }
state = { column = "state", values = { "new york" = "NY", "california" = "CA" }, fold = true }
household_size = { column = "people" }
[attributes.owns_home]
source = "homes"
customer = "no"
column = "owner"
[protected.marital_status]
source = "homes"
customer = "no"
column = "status"
values = { m = "married", s = "single" }
[[accounts]]
source = "accounts"
key = "iban"
customer = "no"
product = { constant = "current account" }
balance = { column = "balance", grouping = ",", strip = ["$"], accounting = true }
[[accounts]]
source = "loans"
key = { column = "loan", prefix = "loan-" }
customer = "no"
product = { constant = "loan" }
[consents]
personalisation = "advanced"
[quality]
missing = { debt_to_income = 0.5, owns_home = 0.2 }
fresh_within_days = 400
"""
BUREAU = """
name = "bureau"
as_of = 2026-11-05
[source.scores]
file = "scores.csv"
[customers]
source = "scores"
key = "no"
prefix = "B-"
create = false
[attributes]
credit_score = { column = "score" }
debt_to_income = { column = "dti" }
"""
MOVES = """
name = "ledger"
as_of = 2026-11-05
[source.moves]
file = "moves.csv"
[customers]
prefix = "B-"
[transactions]
source = "moves"
key = { columns = ["day", "no", "place"] }
customer = "no"
account = "iban"
occurred_at = { column = "at", zone = "America/New_York" }
amount = { column = "amount", strip = ["$"], grouping = "," }
category = { column = "what", default = "other" }
"""
POSTS = """
name = "forum"
as_of = 2026-11-05
[source.posts]
file = "posts.csv"
[customers]
prefix = "B-"
[posts]
source = "posts"
key = "id"
customer = "no"
occurred_at = "at"
text = "said"
"""


class Bank:
    """The exports of a made bank in one folder, and their mappings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("core", CORE), ("bureau", BUREAU), ("moves", MOVES), ("posts", POSTS)):
            (folder / f"{name}.toml").write_text(text)
        self.write("people.csv", "no;burden;state;people", "1;35,5 %;New  York;2", "2;-1;california;3", "3;12%;;1")
        self.write("accounts.csv", "iban,no,balance", 'a1,1,"$1,250.50"', "a2,2,($40.00)")
        self.write("loans.csv", "loan,no", "a1,1")
        self.write("homes.csv", "no,owner,status", "1,yes,m", "2,no,s")
        self.write("scores.csv", "no,score,dti", "1,712,0.2", "9,650,0.1")
        self.write("moves.csv", "day,no,place,iban,at,amount,what", '1,1,7,a1,2026-10-31T20:30:00,"$1,000.00",food')
        self.write("posts.csv", "id,no,at,said", "p1,1,2026-11-02,I love my new travel card")

    def write(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def load(self, name: str) -> list[list[str]]:
        """Load through one of the mappings; returns the rejects without their header."""
        rejects = self.folder / f"{name}.rejects.csv"
        call_command(
            "load", str(self.folder / f"{name}.toml"), str(self.folder), "--rejects", str(rejects), verbosity=0
        )
        with rejects.open(newline="") as file:
            return list(csv.reader(file))[1:]

    def customer(self, number: int) -> int:
        return Customer.objects.get(external_id=f"B-{number}").pk


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def _served(customer: int, *names: str) -> dict[str, Any]:
    """What a decision would read, at a moment after all exports."""
    spine = history.spine(np.array([customer]), np.datetime64("2026-11-06"))
    return {name: history.as_of(Postgres(), spine)[name][0].as_py() for name in names}


def test_two_sources_make_one_customer_and_conflicts_go_by_the_declared_order(bank: Bank) -> None:
    assert bank.load("core") == []
    assert bank.load("bureau") == [["scores.csv", "2", "no", "'9' refers to no customer that was loaded"]]
    assert not Customer.objects.filter(external_id="B-9").exists()
    one = bank.customer(1)
    told = {row.source: row.values for row in FeatureRow.objects.filter(customer_id=one, group="credit_risk")}
    assert told == {"core_banking": {"debt_to_income": 0.355}, "bureau": {"credit_score": 712.0, "debt_to_income": 0.2}}
    assert _served(one, "credit_score", "debt_to_income", "state", "household_size", "owns_home") == {
        "credit_score": 712.0, "debt_to_income": 0.2, "state": "NY", "household_size": 2, "owns_home": True,
    }  # fmt: skip
    assert _served(bank.customer(2), "credit_score", "debt_to_income", "owns_home") == {
        "credit_score": None, "debt_to_income": None, "owns_home": False,
    }  # fmt: skip
    assert dict(Account.objects.filter(customer_id=one).values_list("account_key", "balance")) == {
        "a1": 1250.5, "loan-a1": None,
    }  # fmt: skip
    assert {(entry.attribute, entry.value) for entry in vault.read([one])} == {("marital_status", "married")}


def test_transactions_of_an_export_of_their_own_find_their_customers_and_accounts(bank: Bank) -> None:
    bank.load("core")
    good = (bank.folder / "moves.csv").read_text().splitlines()
    bank.write(
        "moves.csv", *good, "1,1,8,a2,2026-10-31,5,food", "1,8,9,a1,2026-10-31,5,food", "1,1,7,a1,2026-10-31,5,",
        "1,2,7,a2,2026-10-31,-3,", "1,2,8,a2,2125-10-31,5,", "1,2,9,a2,1026-10-31,5,", "1,2,,a2,2026-10-31,5,",
    )  # fmt: skip
    assert bank.load("moves") == [
        ["moves.csv", "2", "iban", "'a2' refers to no account that was loaded"],
        ["moves.csv", "3", "no", "'8' refers to no customer that was loaded"],
        ["moves.csv", "4", "day", "'1-1-7' is a duplicate"],
        ["moves.csv", "6", "at", "2125-10-31 04:00:00+00:00 is not a time from 1900 until now"],
        ["moves.csv", "7", "at", "1026-10-31 04:56:02+00:00 is not a time from 1900 until now"],
        ["moves.csv", "8", "day", "is missing"],
    ]
    kept = Transaction.objects.order_by("amount").values_list("transaction_key", "amount", "category", "account_key")
    assert list(kept) == [("1-2-7", -3.0, "other", "a2"), ("1-1-7", 1000.0, "food", "a1")]
    assert Transaction.objects.get(transaction_key="1-1-7").occurred_at == datetime(2026, 11, 1, 0, 30, tzinfo=UTC)


def test_what_a_later_export_adds_to_the_past_was_not_known_then(bank: Bank) -> None:
    """The leak of a backfill: the booking lies before the decision, and came after it."""
    bank.load("core")
    bank.load("moves")
    first = Transaction.objects.get()
    assert first.known_at == first.occurred_at  # history of a source is known as it happened
    good = (bank.folder / "moves.csv").read_text().splitlines()
    bank.write("moves.csv", *good, "1,1,8,a1,2026-10-31,50,food")
    before = timezone.now()
    bank.load("moves")
    late = Transaction.objects.get(amount=50)
    assert late.occurred_at < before <= late.known_at
    assert Transaction.objects.get(amount=1000).known_at == first.known_at
    customer, day = np.array([bank.customer(1)]), np.timedelta64(1, "D")
    then, now = np.datetime64("2026-11-06"), np.datetime64(late.known_at.replace(tzinfo=None), "us") + day
    spent = [history.as_of(Postgres(), history.spine(customer, at))["spend_90d"][0].as_py() for at in (then, now)]
    assert spent == [1000.0, 1050.0]
    known = late.known_at
    bank.load("moves")  # the same files again change nothing
    assert Transaction.objects.get(amount=50).known_at == known


def test_a_post_is_scored_only_with_consent_and_its_words_are_nowhere(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.load("core")
    bank.write("people2.csv", "no", "7")
    without = CORE.replace('[consents]\npersonalisation = "advanced"\n', "").replace("people.csv", "people2.csv")
    (bank.folder / "other.toml").write_text(without[: without.index("[attributes]")].replace("core_banking", "others"))
    bank.load("other")
    bank.write(
        "posts.csv", "id,no,at,said", "p1,1,2026-11-02,I love my new travel card", "p2,7,2026-11-02,zanzibar secret",
        "p3,1,2026-11-02,", "p4,1,never,zanzibar secret", "p5,6,2026-11-02,zanzibar secret",
    )  # fmt: skip
    capsys.readouterr()
    assert [(row[1], row[2]) for row in bank.load("posts")] == [("3", "said"), ("4", "at"), ("5", "no")]
    assert "1 posts withheld and not kept" in capsys.readouterr().out
    assert list(Post.objects.values_list("customer_id", "source", "post_key")) == [(bank.customer(1), "forum", "p1")]
    said = repr(list(Post.objects.values()) + list(QualityCheck.objects.values()))
    assert "zanzibar" not in said + (bank.folder / "posts.rejects.csv").read_text()
    assert "travel card" not in said


def test_every_export_loaded_again_changes_nothing(bank: Bank) -> None:
    tables = (Customer, FeatureRow, Account, Transaction, Post)

    def state() -> list[Any]:
        return [sorted(map(repr, model.objects.values())) for model in tables]

    for name in ("core", "bureau", "moves", "posts"):
        bank.load(name)
    before = state()
    for name in ("posts", "moves", "bureau", "core"):
        bank.load(name)
    assert state() == before


def test_an_export_that_tells_of_nobody_known_loads_nothing_and_says_so(bank: Bank) -> None:
    with pytest.raises(CommandError, match="nothing could be loaded"):
        bank.load("moves")
    assert not Customer.objects.exists()


def _failing(source: str) -> dict[tuple[str, str], QualityCheck]:
    return {(row.subject, row.column): row for row in quality.latest(source) if not row.passed}


def test_what_an_export_breaks_is_kept_with_its_rows_and_since_when(bank: Bank) -> None:
    bank.write("people.csv", "no;burden;state;people", "1;-1;New York;2", "2;-1;Atlantis;3", "3;12%;;99", "3;n/k;;1")
    bank.load("core")
    failing = _failing("core_banking")
    assert {place: (row.failed, row.examples) for place, row in failing.items() if "file" in place[0]} == {
        ("people file", "state"): (1, [{"file": "people.csv", "row": 2}]),
        ("people file", "burden"): (1, [{"file": "people.csv", "row": 4}]),
        ("accounts file", "no"): (1, [{"file": "accounts.csv", "row": 2}]),
        ("homes file", ""): (1, [{"file": "homes.csv", "row": 2}]),
    }
    wrong = failing["account_state, as exported", "household_size"]
    assert (wrong.expectation, wrong.rows, wrong.failed) == ("between 1 and 30", 2, 1)
    lacking = failing["credit_risk, as exported", "debt_to_income"]
    assert (lacking.expectation, lacking.rows, lacking.failed) == ("missing for at most 50% of customers", 1, 1)
    since = failing["people file", "state"].failing_since
    bank.write("people.csv", "no;burden;state;people", "1;12%;New York;2", "2;3%;Atlantis;3", "3;12%;;1")
    bank.load("core")
    failing = _failing("core_banking")
    assert ("account_state, as exported", "household_size") not in failing
    assert since is not None
    assert failing["people file", "state"].failing_since == since < failing["people file", "state"].run_at
    assert failing["export", "customers"].expectation == "within 50% of the load before"
    bank.write("people.csv", "no;burden;state;people", "1;12%;New York;2", "2;3%;california;3", "3;12%;;1")
    bank.load("core")
    assert ("people file", "state") not in _failing("core_banking")
    bank.write("people.csv", "no;burden;state;people", "1;12%;New York;2", "2;3%;Atlantis;3", "3;12%;;1")
    bank.load("core")
    again = _failing("core_banking")["people file", "state"]
    assert again.failing_since == again.run_at


def test_a_protected_value_that_cannot_be_read_is_not_repeated_in_words(bank: Bank) -> None:
    bank.write("homes.csv", "no,owner,status", "1,yes,divorced-in-2020")
    assert bank.load("core") == [["homes.csv", "1", "status", "the value is not a value that the mapping knows"]]


def test_a_source_is_summed_up_with_its_longest_failure(bank: Bank) -> None:
    bank.load("core")
    bank.load("bureau")
    by_name = {one.source: one for one in quality.sources()}
    assert set(by_name) == {"core_banking", "bureau"}
    assert by_name["bureau"].failing == 1
    failure = next(row for row in quality.latest("bureau") if not row.passed)
    assert (failure.subject, failure.column, failure.expectation) == ("scores file", "no", "refers to what was loaded")
    assert by_name["bureau"].failing_since == failure.failing_since


SHOP = """
name = "shop"
as_of = 2026-11-05
[source.lines]
file = "lines-*.parquet"
format = "parquet"
[source.goods]
file = "goods.csv"
[lookup.aisle]
source = "goods"
key = "id"
value = "aisle"
[customers]
source = "lines"
key = "household"
prefix = "S-"
repeated = true
[transactions]
source = "lines"
key = { columns = ["basket", "good"] }
customer = "household"
occurred_at = "at"
amount = "paid"
category = { column = "good", lookup = "aisle", values = { FRUIT = "groceries" }, default = "other" }
"""


def test_households_that_no_file_lists_are_those_who_bought_something(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(SHOP)
    (tmp_path / "goods.csv").write_text("id,aisle\n7,FRUIT\n8,SOAP\n")
    at = pa.array([datetime(2026, 11, day, 9, 30, 0, 123456, UTC) for day in (1, 2, 3, 4)], pa.timestamp("ns", "UTC"))
    for part, households in enumerate([[1, 2, 1, None], [2, 3, 2, 1]]):
        lines = {
            "household": households,
            "basket": [part, part, part, part],
            "good": [7, 8, 9, 7],
            "paid": [1.5, 2.0, 0.0, 4.0],
        }
        pq.write_table(pa.table({**lines, "at": at}), tmp_path / f"lines-{part}.parquet")
    rejects = tmp_path / "rejects.csv"
    call_command("load", str(tmp_path / "shop.toml"), str(tmp_path), "--rejects", str(rejects), verbosity=0)
    assert set(Customer.objects.values_list("external_id", flat=True)) == {"S-1", "S-2", "S-3"}
    kept = Transaction.objects.order_by("transaction_key").values_list("transaction_key", "category", "amount")
    assert list(kept) == [
        ("0-7", "groceries", 1.5), ("0-8", "other", 2.0), ("0-9", "other", 0.0), ("1-7", "groceries", 1.5),
        ("1-8", "other", 2.0), ("1-9", "other", 0.0),
    ]  # fmt: skip
    assert rejects.read_text().splitlines()[1:] == [
        "lines-0.parquet,4,household,is missing",
        "lines-1.parquet,4,basket,'1-7' is a duplicate",
    ]


def test_a_load_that_broke_off_ends_as_one_that_did_not(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that were written are not written again, and their rejects are listed all the same."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 120)
    bank.load("core")
    header = (bank.folder / "moves.csv").read_text().splitlines()[0]
    bank.write(
        "moves.csv", header, *(f"1,{1 + n % 3},{n},a{1 + n % 2},2026-10-{1 + n % 28:02},{n}," for n in range(40))
    )
    written: list[int] = []
    honest = store.store

    def break_off(batch: Batch, *rest: Any) -> Any:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(batch.number)
        return honest(batch, *rest)

    monkeypatch.setattr(loading, "store", break_off)
    with pytest.raises(KeyboardInterrupt):
        bank.load("moves")
    part = Transaction.objects.count()
    assert 0 < part < 20
    monkeypatch.setattr(loading, "store", honest)
    rejected = bank.load("moves")
    good = [n for n in range(40) if (n % 3, n % 2) in {(0, 0), (1, 1)}]
    assert (
        sorted(int(key.split("-")[2]) for key in Transaction.objects.values_list("transaction_key", flat=True)) == good
    )
    assert len(rejected) == 40 - len(good)
    keys = {(row.subject, row.column): row for row in quality.latest("ledger")}
    assert keys["moves file", "iban"].rows == 40
