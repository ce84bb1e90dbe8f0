"""A bank whose customers have the values of the peer's profiles: Candor's side of a comparison in Redis, as its online
store holds and reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq

from offers.register import ATTRIBUTES, LEVELS, SESSION_GROUP
from offers.types import CHANNELS
from tests.benchmarks.bench_store import tables
from tests.benchmarks.peers.feast import key_bytes, used_bytes

SOURCE, SESSION = "bench", "0" * 32
WARM_UP = 500
_STORED = {name: declared.group for name, declared in ATTRIBUTES.items() if declared.group != SESSION_GROUP}
_PURPOSES = [*(("marketing", channel) for channel in CHANNELS), *(("personalisation", level) for level in LEVELS)]


@dataclass(frozen=True, slots=True)
class Materialised:
    """Customers a second from the Parquet of their values to Redis, which is what the peer does, and from history to
    Redis, by way of Postgres; bytes of the memory of Redis, in all by customer and of a key by a sample."""

    copied_per_second: float
    computed_per_second: float
    bytes_per_customer: float
    bytes_per_key: float


def fill(profiles: Path, now: datetime) -> datetime:
    """Put the profiles into empty tables: told by one source, with consent to everything, and in a session that has
    just begun. Returns a moment of that session at which they can be read."""
    from decisioning import partitions
    from decisioning.models import Customer

    there = Customer.objects.order_by("id").values_list("known_at", flat=True).first()
    if there is None:
        partitions.ensure(now.date(), now.date(), ("signal",))
        for batch in pq.ParquetFile(profiles).iter_batches(2_000):
            _insert(batch.to_pylist(), now)
    return (there or now) + timedelta(minutes=1)


def materialise(profiles: Path, now: datetime) -> Materialised:
    """Bring everybody to an empty Redis: as the profiles say, then as history says at `now`, and leave it filled."""
    from decisioning import rebuild, store
    from decisioning.features import materialise
    from decisioning.models import FeatureVector

    client = store.client()
    client.flushdb()
    begun = time.perf_counter()
    copied = store.put(_vectors(profiles, now)) / (time.perf_counter() - begun)
    client.flushdb()
    FeatureVector.objects.all().delete()
    before, begun = used_bytes(client), time.perf_counter()
    customers = materialise.population(now)
    computed = customers / (time.perf_counter() - begun)
    each, key = (used_bytes(client) - before) / customers, key_bytes(client)
    rebuild.rebuild()  # with the versions, without which Redis counts as cold
    return Materialised(copied, computed, each, key)


def _vectors(profiles: Path, now: datetime) -> Iterator[tuple[str, dict[bytes, bytes]]]:
    """Token and fields of each customer of the profiles."""
    from decisioning import identity, store
    from decisioning.features import vector

    for table in tables(profiles, now):
        contents = vector.encode(table, now)
        for number, content in zip(table["customer_id"].to_pylist(), contents, strict=True):
            yield identity.token(_name(number)), {store.VECTOR: content}


def read(now: datetime, customers: int, reads: int) -> tuple[float, float, float]:
    """Median and 99th percentile (milliseconds) of reading all groups of one customer, and the mean number of
    attributes that were known."""
    from decisioning import identity
    from decisioning.features import online

    taken, known = [], 0
    for number in np.random.default_rng(0).integers(1, customers + 1, WARM_UP + reads).tolist():
        begun = time.perf_counter()
        external = _name(number)
        found = online.read(external, identity.token(external), SESSION, now)
        taken.append((time.perf_counter() - begun) * 1e3)
        known += sum(len(values) for _, values in found.profile.groups.values())
    median, p99 = np.percentile(taken[WARM_UP:], [50, 99])
    return float(median), float(p99), known / len(taken)


def _insert(rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    from console.bank.customers import copy

    copy("decisioning_customer", _customers(rows, at))
    copy("decisioning_featurerow", _statements(rows, at))
    copy("decisioning_consent", _consents(rows, at))
    copy("decisioning_signal", _signals(rows, at))


def _customers(rows: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    from decisioning import identity

    names = [_name(row["customer_id"]) for row in rows]
    return {
        "id": [row["customer_id"] for row in rows], "external_id": names,
        "token": [identity.token(name) for name in names], "source": [SOURCE] * len(rows),
        "suppressed": [False] * len(rows), "known_at": [at] * len(rows),
    }  # fmt: skip


def _statements(rows: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    """One statement a group, of what is known."""
    told: list[tuple[int, str, str]] = []
    for row in rows:
        groups: dict[str, dict[str, Any]] = {}
        for name, group in _STORED.items():
            if row[name] is not None:
                groups.setdefault(group, {})[name] = row[name]
        told += [(row["customer_id"], group, orjson.dumps(values).decode()) for group, values in groups.items()]
    owners, groups_, values_ = map(list, zip(*told, strict=True))
    return {
        "customer_id": owners, "group": groups_, "source": [SOURCE] * len(told), "version": [1] * len(told),
        "occurred_at": [at] * len(told), "known_at": [at] * len(told), "values": values_,
    }  # fmt: skip


def _consents(rows: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    size = len(rows) * len(_PURPOSES)
    return {
        "customer_id": [row["customer_id"] for row in rows for _ in _PURPOSES],
        "purpose": [purpose for purpose, _ in _PURPOSES] * len(rows),
        "channel": [channel for _, channel in _PURPOSES] * len(rows),
        "granted": [True] * size, "text_version": ["1"] * size, "occurred_at": [at] * size, "known_at": [at] * size,
    }  # fmt: skip


def _signals(rows: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    """A page, a card and a transaction: the three say every attribute of the session that the profile knows."""
    events = [
        (row["customer_id"], type_, orjson.dumps({name: value for name, value in payload.items() if value is not None}))
        for row in rows
        for type_, payload in _session(row).items()
    ]
    return {
        "customer_id": [customer for customer, _, _ in events],
        "event_id": [f"{SOURCE}-{type_}" for _, type_, _ in events], "type": [type_ for _, type_, _ in events],
        "occurred_at": [at] * len(events), "known_at": [at] * len(events),
        "payload": [payload.decode() for _, _, payload in events],
    }  # fmt: skip


def _session(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    told = {name: row[name] for name in ("entry_point", "device_type", "session_risk_score")}
    bought = {name: row[f"transaction_{name}"] for name in ("mcc", "channel")}
    return {
        "page_view": {"page": "cards", "seconds": row["seconds_on_cards_page"], **told},
        "card_view": {"card": "alpha"},
        "transaction": {"amount": abs(row["transaction_amount"] or 1.0), **bought},
    }


def _name(number: int) -> str:
    return f"B-{number}"
