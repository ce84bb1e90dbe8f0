"""Puts the synthetic bank's customers into the tables by COPY, in chunks; a kill loses the chunk at hand at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import connection, transaction
from numpy.typing import NDArray
from pyarrow import csv

from console.bank import people, profiles
from console.bank.people import CHANNEL_CONSENT, CHUNK, REGIONS, SPEND_KINDS, People
from decisioning import identity, partitions
from decisioning.models import Customer
from fairness import vault
from offers.register import LEVELS

SOURCE = "demo"
MONTHS = 6  # of transactions
_DAYS = 182
_GENDERS = ("male", "female", None)
_AMOUNTS = 0x7472616E  # a stream of draws apart from the traits

Integers = NDArray[np.int64]


def present() -> int:
    """How many customers of this bank there are; erased ones count, so that they do not come back."""
    return Customer.objects.filter(source=SOURCE).count()


def load(count: int, *, seed: int, opened: datetime, progress: Callable[[int], None]) -> int:
    """Bring the bank to `count` customers; returns how many were added. `opened` is the day to which history leads."""
    partitions.ensure((opened - timedelta(days=_DAYS + 31)).date(), opened.date(), ("transaction", "signal"))
    start = done = present()
    progress(done)
    if done:  # the vault has a login and so a transaction of its own: it may lack the last chunk
        _protect(people.chunk(seed, (done - 1) // CHUNK), slice(0, (done - 1) % CHUNK + 1), opened)
    while done < count:
        chunk, first = people.chunk(seed, done // CHUNK), done % CHUNK
        part = slice(first, min(CHUNK, first + count - done))
        with transaction.atomic():
            _insert(chunk, part, seed, opened)
        _protect(chunk, part, opened)
        done += part.stop - part.start
        progress(done)
    return done - start


def _insert(chunk: People, part: slice, seed: int, opened: datetime) -> None:
    places = range(CHUNK)[part]
    ids = _ids(len(places))
    numbers = [people.external_id(chunk.first + place) for place in places]
    known = _moment(opened)
    copy("decisioning_customer", {
        "id": ids, "external_id": numbers, "token": [identity.token(number) for number in numbers],
        "source": [SOURCE] * len(ids), "suppressed": chunk.suppressed[part], "known_at": [known] * len(ids),
    })  # fmt: skip
    copy("decisioning_featurerow", _features(chunk, part, ids, opened))
    copy("decisioning_consent", _consents(chunk, part, ids, opened))
    copy("decisioning_account", _accounts(chunk, part, ids, opened))
    copy("decisioning_transaction", _transactions(chunk, part, ids, seed, opened))


def _ids(count: int) -> Integers:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('decisioning_customer', 'id')) FROM generate_series(1, %s)", [count]
        )
        return np.array([row[0] for row in cursor.fetchall()], dtype=np.int64)


def copy(table: str, columns: Mapping[str, Any]) -> None:
    """COPY columns of equal length into a table, as the serving login."""
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(dict(columns)), sink, csv.WriteOptions(include_header=False))
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)") as target:
        target.write(sink.getvalue().to_pybytes())


def _moment(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")  # settings and sessions are UTC


def _features(chunk: People, part: slice, ids: Integers, opened: datetime) -> dict[str, Any]:
    """One row for each group, and the bureau's refresh of five weeks earlier as the history of credit risk."""
    customers: list[Integers] = []
    groups: list[str] = []
    ages: list[float] = []
    values: list[str] = []
    for group, days, rows in profiles.rows(chunk, part):
        customers.append(ids)
        groups += [group] * len(ids)
        ages += [days] * len(ids)
        values += rows
    moments = _moment(opened) - (np.array(ages) * 86_400e6).astype("timedelta64[us]")
    return {
        "customer_id": np.concatenate(customers), "group": groups, "source": [SOURCE] * len(groups),
        "version": np.ones(len(groups), dtype=np.int16),
        "occurred_at": moments, "known_at": moments, "values": values,
    }  # fmt: skip


def _consents(chunk: People, part: slice, ids: Integers, opened: datetime) -> dict[str, Any]:
    """Granted marketing by channel, and the level of personalisation; what is missing is denied."""
    customer, channel = np.nonzero(chunk.consent[part])
    level = chunk.level[part]
    levelled = np.flatnonzero(level >= 0)
    size = len(customer) + len(levelled)
    names = np.array(list(CHANNEL_CONSENT))[channel].tolist() + np.array(LEVELS)[level[levelled]].tolist()
    moment = _moment(opened - timedelta(days=90))
    return {
        "customer_id": np.concatenate([ids[customer], ids[levelled]]),
        "purpose": ["marketing"] * len(customer) + ["personalisation"] * len(levelled), "channel": names,
        "granted": np.ones(size, dtype=np.bool_), "text_version": ["2026-03"] * size,
        "occurred_at": np.full(size, moment), "known_at": np.full(size, moment),
    }  # fmt: skip


def _accounts(chunk: People, part: slice, ids: Integers, opened: datetime) -> dict[str, Any]:
    """A current account for everybody, and one for each card held."""
    rows = [
        (int(customer), key, product, limit, balance, months)
        for customer, place in zip(ids.tolist(), range(CHUNK)[part], strict=True)
        for key, product, limit, balance, months in profiles.accounts(chunk, place)
    ]
    customers, keys, products, limits, balances, months = map(list, zip(*rows, strict=True))
    since = np.datetime64(opened.date()) - (np.array(months) * 30).astype("timedelta64[D]")
    return {
        "customer_id": customers, "account_key": keys, "product": products, "opened_on": since, "credit_limit": limits,
        "balance": balances, "occurred_at": np.full(len(rows), _moment(opened)),
        "known_at": np.full(len(rows), _moment(opened)),
    }  # fmt: skip


def _transactions(chunk: People, part: slice, ids: Integers, seed: int, opened: datetime) -> dict[str, Any]:
    """Six months of purchases, which in the last 90 days add up to about `spend_90d`, and six salaries."""
    rng = np.random.default_rng([seed, chunk.first // CHUNK, _AMOUNTS])
    # Drawn for the whole chunk, so that a chunk taken in two parts has the same transactions.
    owner = np.repeat(np.arange(CHUNK), chunk.transactions)
    kind = (rng.random((len(owner), 1)) > np.cumsum(chunk.spend_shares, axis=1)[owner, :-1]).sum(axis=1)
    mean = (chunk.spend_90d * _DAYS / 90 / chunk.transactions)[owner]
    amount = np.round(mean * rng.gamma(1.4, 1 / 1.4, len(owner)), 2)
    age = rng.uniform(0.1, _DAYS, len(owner))
    paid = np.repeat(np.arange(CHUNK), MONTHS)
    pay_age = np.tile(np.arange(MONTHS) * 30.4, CHUNK) + rng.uniform(1, 5, CHUNK)[paid]
    owner = np.concatenate([owner, paid])
    age = np.concatenate([age, pay_age])
    amount = np.concatenate([amount, -chunk.income[paid]])  # positive is money out
    category = np.concatenate([np.array(SPEND_KINDS)[kind], np.full(len(paid), "salary")])
    number = np.arange(len(owner))
    mine = (owner >= part.start) & (owner < part.stop)
    moments = _moment(opened) - (age[mine] * 86_400e6).astype("timedelta64[us]")
    return {
        "customer_id": ids[owner[mine] - part.start], "transaction_key": [f"t{at}" for at in number[mine].tolist()],
        "account_key": ["current"] * int(mine.sum()), "occurred_at": moments, "known_at": moments,
        "amount": amount[mine], "category": category[mine].tolist(), "source": [SOURCE] * int(mine.sum()),
    }  # fmt: skip


def _protect(chunk: People, part: slice, opened: datetime) -> None:
    """Gender, birth date and region go to the vault and nowhere else; written again, they lie over what is there.

    No age band is stored: fairness takes it from the birth date, at exactly its own boundaries, on the day of an audit.
    """
    numbers = [people.external_id(chunk.first + place) for place in range(CHUNK)[part]]
    rows = Customer.objects.filter(external_id__in=numbers).values_list("external_id", "id")
    ids = {str(number): customer for number, customer in rows}
    vault.write(_entries(chunk, part, ids, opened), source=SOURCE, now=opened)


def _entries(chunk: People, part: slice, ids: Mapping[str, int], opened: datetime) -> Iterator[vault.Entry]:
    for place in range(CHUNK)[part]:
        customer = ids.get(people.external_id(chunk.first + place))
        if customer is None:
            continue  # erased since
        gender = _GENDERS[chunk.gender[place]]
        if gender:
            yield vault.Entry(customer, "gender", gender)
        born = opened.date() - timedelta(days=int(chunk.age_days[place]))
        yield vault.Entry(customer, "birth_date", born.isoformat())
        yield vault.Entry(customer, "region", REGIONS[chunk.region[place]])
