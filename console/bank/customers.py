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

from console.bank import events, people, posts, profiles
from console.bank.events import DAYS, SOURCE, moment
from console.bank.people import CHANNEL_CONSENT, CHUNK, REGIONS, People
from decisioning import identity, partitions
from decisioning.models import Customer
from decisioning.text.posts import keep
from fairness import vault
from offers.register import GROUPS, LEVELS

_GENDERS = ("male", "female", None)
AGREED = timedelta(days=260)  # before the opening: customers and their consents are older than the first decision

Integers = NDArray[np.int64]


def present() -> int:
    """How many customers of this bank there are; erased ones count, so that they do not come back."""
    return Customer.objects.filter(source=SOURCE).count()


def load(count: int, *, seed: int, opened: datetime, progress: Callable[[int], None]) -> int:
    """Bring the bank to `count` customers; returns how many were added. `opened` is the day to which history leads."""
    partitions.ensure((opened - timedelta(days=DAYS + 31)).date(), opened.date(), ("transaction", "signal"))
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
    known = moment(opened - AGREED)
    copy("decisioning_customer", {
        "id": ids, "external_id": numbers, "token": [identity.token(number) for number in numbers],
        "source": [SOURCE] * len(ids), "suppressed": chunk.suppressed[part], "known_at": [known] * len(ids),
    })  # fmt: skip
    copy("decisioning_featurerow", _features(chunk, part, ids, opened))
    copy("decisioning_consent", _consents(chunk, part, ids, opened))
    copy("decisioning_account", _accounts(chunk, part, ids, opened))
    copy("decisioning_transaction", events.transactions(chunk, part, ids, seed, opened))
    copy("decisioning_signal", events.signals(chunk, part, ids, seed, opened))
    keep(list(posts.of(chunk, part, ids, seed, opened)), opened)


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
    moments = events.before(opened, ages)
    return {
        "customer_id": np.concatenate(customers), "group": groups, "source": [SOURCE] * len(groups),
        "version": [GROUPS[group].version for group in groups],
        "occurred_at": moments, "known_at": moments, "values": values,
    }  # fmt: skip


def _consents(chunk: People, part: slice, ids: Integers, opened: datetime) -> dict[str, Any]:
    """Granted marketing by channel, and the level of personalisation; what is missing is denied."""
    customer, channel = np.nonzero(chunk.consent[part])
    level = chunk.level[part]
    levelled = np.flatnonzero(level >= 0)
    size = len(customer) + len(levelled)
    names = np.array(list(CHANNEL_CONSENT))[channel].tolist() + np.array(LEVELS)[level[levelled]].tolist()
    agreed = moment(opened - AGREED)
    return {
        "customer_id": np.concatenate([ids[customer], ids[levelled]]),
        "purpose": ["marketing"] * len(customer) + ["personalisation"] * len(levelled), "channel": names,
        "granted": np.ones(size, dtype=np.bool_), "text_version": ["2026-03"] * size,
        "occurred_at": np.full(size, agreed), "known_at": np.full(size, agreed),
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
        "balance": balances, "occurred_at": np.full(len(rows), moment(opened)),
        "known_at": np.full(len(rows), moment(opened)),
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
