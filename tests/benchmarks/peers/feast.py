"""Feast's figures for a benchmark of ours to print beside its own: online from Redis, and historical from Parquet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import pyarrow.parquet as pq
import redis

from tests.benchmarks import history_data
from tests.benchmarks.history_data import Size
from tests.benchmarks.peers import data
from tests.benchmarks.peers.process import Peer, PeerFault, started

SCRIPT = Path(__file__).with_name("feast_peer.py")

Layout = Literal["one", "group", "precomputed"]
Store = Literal["dask", "duckdb"]
LAYOUTS: Sequence[Layout] = ("one", "group", "precomputed")
STORES: Sequence[Store] = ("dask", "duckdb")
LIMIT_SECONDS = 600.0  # of one historical retrieval
SPARE_BYTES = 2 * 10**9  # of memory, left to everything else on the machine
SAMPLED_KEYS = 200


@dataclass(frozen=True, slots=True)
class Read:
    """Milliseconds of reading all features of one customer: up to plain values, and up to Feast's own answer."""

    features: int
    median_ms: float
    p99_ms: float
    answer_median_ms: float
    answer_p99_ms: float


@dataclass(frozen=True, slots=True)
class Online:
    """One layout, as it stands in Redis.

    `rows_per_second`: customers with every feature. Bytes of the memory of Redis: in all by customer, and of a key by a
    sample.
    """

    layout: Layout
    rows_per_second: float
    bytes_per_customer: float
    bytes_per_key: float
    reader: Peer

    def read(self, reads: int = 2_000) -> Read:
        """Read this many customers one after the other, warmed up before. Raises PeerFault."""
        self.reader.say(str(reads))
        answer = self.reader.answer("read")
        return Read(answer["features"], *answer["plain_ms"], *answer["answer_ms"])


@dataclass(frozen=True, slots=True)
class Historical:
    """One retrieval: `seconds` is None where it did not finish, and `ended` says why. `processor`: seconds that all its
    threads together computed; `peak_bytes`: resident memory at its highest.

    `rows_seconds` is not Feast's: numpy took so long for the feature rows that Feast must be given. `answered` is less
    than the decisions where Feast drops those whose rows are all older than its time to live.
    """

    store: Store
    size: Size
    rows_seconds: float
    seconds: float | None
    processor: float
    answered: int
    peak_bytes: int
    ended: str


@contextmanager
def online(redis_url: str, profiles: Path, layout: Layout) -> Iterator[Online]:
    """Materialise the profiles into a Redis database that must be empty and keep them for reads, so that these can take
    turns with ours; the context empties it. Raises PeerFault."""
    options = {"redis": redis_url, "profiles": profiles, "layout": layout}
    with redis.Redis.from_url(redis_url) as client, started(SCRIPT, "online", **options) as peer:
        if client.dbsize():
            raise PeerFault("the peer wants a Redis database of its own, and this one is not empty")
        peer.answer("ready")
        before = used_bytes(client)
        try:
            peer.say("materialise")
            made = peer.answer("materialised")
            if client.dbsize() != made["customers"]:
                raise PeerFault(f"{client.dbsize()} of {made['customers']} customers arrived")
            each = (used_bytes(client) - before) / made["customers"]
            yield Online(layout, made["customers"] / made["seconds"], each, key_bytes(client), peer)
        finally:
            client.flushdb()


def historical(folder: Path, store: Store, size: Size) -> Historical:
    """Retrieve forty features for every decision of the shared history, from a row for each of its transactions, within
    LIMIT_SECONDS and the memory that is free but SPARE_BYTES. `folder` is laid out as bench_history's."""
    transactions, spine = folder / "transactions" / "part.parquet", folder / "spine.parquet"
    rows = folder / "peer-rows.parquet"
    transactions.parent.mkdir(parents=True, exist_ok=True)
    history_data.write_transactions(transactions, size)
    begun = time.perf_counter()
    data.write_feature_rows(rows, transactions)
    made = time.perf_counter() - begun
    pq.write_table(history_data.decisions(size), spine)
    memory = psutil.virtual_memory().available - SPARE_BYTES
    options = {
        "store": store, "rows": rows, "spine": spine, "window_days": max(data.WINDOW_DAYS),
        # DuckDB spills beyond its bound, which is the share of what there is that it takes by itself.
        "memory_mb": int(0.8 * memory) // 10**6,
    }  # fmt: skip
    with started(SCRIPT, "historical", **options) as peer:
        peak, ended = peer.watch(LIMIT_SECONDS, memory)
        try:
            joined = {} if ended else peer.answer("joined")
        except PeerFault as fault:
            joined, ended = {}, str(fault)
    rows.unlink()  # a gigabyte at twenty million rows
    return Historical(
        store, size, made, joined.get("seconds"), joined.get("processor", 0.0), joined.get("rows", 0),
        joined.get("peak_bytes", peak), ended,
    )  # fmt: skip


def used_bytes(client: redis.Redis) -> int:
    """The memory of the whole server."""
    return int(client.info("memory")["used_memory"])


def key_bytes(client: redis.Redis) -> float:
    """Mean bytes of a key with all that it holds, of a sample."""
    sizes = [client.memory_usage(key, samples=0) or 0 for _ in range(SAMPLED_KEYS) if (key := client.randomkey())]
    return sum(sizes) / len(sizes)
