"""Feast's figures for a benchmark of ours to print beside its own: online from Redis, and historical from Parquet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
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

# Up to the size that Candor's own figure is for: 200 transactions a customer, and a decision on twenty of them.
TRANSACTIONS = (200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
SIZES = tuple(Size(count // 200, count, count // 20) for count in TRANSACTIONS)


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

    `rows_per_second`: customers with every feature, by all processes together. Bytes of Redis's memory: in all by
    customer, and of a key alone by a sample.
    """

    layout: Layout
    customers: int
    processes: int
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
    """One retrieval: `seconds` is None where it did not finish, and `ended` says why; resident memory at its highest.

    `rows_seconds` is not Feast's: numpy took so long for the feature rows that Feast must be given. `answered` is less
    than the decisions where Feast drops those whose rows are all older than its time to live.
    """

    store: Store
    size: Size
    rows_seconds: float
    seconds: float | None
    answered: int
    peak_bytes: int
    ended: str


@contextmanager
def online(redis_url: str, folder: Path, layout: Layout, customers: int, *, processes: int = 1) -> Iterator[Online]:
    """Materialise `customers` into a Redis database that must be empty, each process its share of them at the same
    time, and keep it for reads, so that they can take turns with ours; the context empties it. Raises PeerFault."""
    files = _profiles(folder, customers, processes)
    with redis.Redis.from_url(redis_url) as client, ExitStack() as running:
        if client.dbsize():
            raise PeerFault("the peer wants a Redis database of its own, and this one is not empty")
        peers = [
            running.enter_context(started(SCRIPT, "online", redis=redis_url, profiles=file, layout=layout))
            for file in files
        ]
        for peer in peers:
            peer.answer("ready")
        before = _used(client)
        try:
            for peer in peers:
                peer.say("materialise")
            seconds = max(peer.answer("materialised")["seconds"] for peer in peers)
            if client.dbsize() != customers:
                raise PeerFault(f"{client.dbsize()} of {customers} customers arrived")
            bytes_per_customer = (_used(client) - before) / customers
            yield Online(
                layout, customers, processes, customers / seconds, bytes_per_customer, _sampled(client), peers[0]
            )
        finally:
            client.flushdb()


def historical(folder: Path, store: Store, size: Size) -> Historical:
    """Retrieve forty features for every decision of the shared history, from a row for each of its transactions, within
    LIMIT_SECONDS and the memory that is free but SPARE_BYTES."""
    transactions = folder / f"history-{size.transactions}.parquet"
    rows, spine = folder / "rows.parquet", folder / "spine.parquet"
    history_data.write_transactions(transactions, size)
    begun = time.perf_counter()
    data.write_feature_rows(rows, transactions)
    made = time.perf_counter() - begun
    pq.write_table(history_data.decisions(size), spine)
    memory = psutil.virtual_memory().available - SPARE_BYTES
    options = {
        "store": store, "rows": rows, "spine": spine, "window_days": max(data.WINDOW_DAYS),
        # DuckDB spills beyond its bound; half is left to what it hands out.
        "memory_mb": memory // 2 // 10**6,
    }  # fmt: skip
    with started(SCRIPT, "historical", **options) as peer:
        peak, ended = peer.watch(LIMIT_SECONDS, memory)
        try:
            joined = {} if ended else peer.answer("joined")
        except PeerFault as fault:
            joined, ended = {}, str(fault)
    peak = joined.get("peak_bytes", peak)
    return Historical(store, size, made, joined.get("seconds"), joined.get("rows", 0), peak, ended)


def rising(folder: Path, store: Store, sizes: Sequence[Size] = SIZES) -> Iterator[Historical]:
    """Retrievals of rising size, up to the first that does not finish."""
    for size in sizes:
        tried = historical(folder, store, size)
        yield tried
        if tried.seconds is None:
            return


def _profiles(folder: Path, customers: int, processes: int) -> list[Path]:
    """A file of profiles for each process, which together hold the customers 1 to `customers`."""
    bounds = [1 + customers * number // processes for number in range(processes + 1)]
    files = []
    for first, end in pairwise(bounds):
        files.append(folder / f"profiles-{first}-{end - first}.parquet")
        data.write_profiles(files[-1], first, end - first)
    return files


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def _sampled(client: redis.Redis) -> float:
    """Mean bytes of a key with all that it holds."""
    sizes = [client.memory_usage(key, samples=0) or 0 for _ in range(SAMPLED_KEYS) if (key := client.randomkey())]
    return sum(sizes) / len(sizes)
