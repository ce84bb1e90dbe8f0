"""The online store by itself: from an Arrow table to Redis, the read of a decision beside a bare GET of as many bytes,
and bytes a customer with 24 scores and every consent. Beside Feast it stands in bench_feast, with the same values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from redis import Redis

from tests.benchmarks.peers import data
from tests.benchmarks.servers import VAR, django_over

CUSTOMERS, READS, ROUNDS, CHUNK = int(os.environ.get("CUSTOMERS", "100000")), 2_000, 5, 20_000
OFFERS = 24
FOLDER = VAR / "bench-store"


def tables(path: Path, now: datetime) -> Iterator[pa.Table]:
    """The profiles as history gives them: sets joined, and each group true since now."""
    from decisioning.features.layout import SCHEMA, SINCE

    for batch in pq.ParquetFile(path).iter_batches(CHUNK):
        table = pa.Table.from_batches([batch])
        for place, column in enumerate(table.columns):
            if pa.types.is_list(column.type):
                table = table.set_column(place, table.column_names[place], pc.binary_join(column, "|"))
        for group in SCHEMA.groups:
            table = table.append_column(SINCE + group.name, pa.array(np.full(len(table), now.timestamp())))
        yield table


def token(number: int) -> str:
    from decisioning import identity

    return identity.token(f"B-{number}")


def packed(path: Path, now: datetime) -> float:
    """Microseconds a customer of packing alone."""
    from decisioning.features import vector

    read = list(tables(path, now))
    return _timed(lambda: [vector.encode(table, now) for table in read])


def materialised(path: Path, now: datetime, tokens: Sequence[str]) -> float:
    """Microseconds a customer from the Arrow table to an empty Redis."""
    from decisioning import store
    from decisioning.features import vector

    read = list(tables(path, now))
    store.client().flushdb()

    def work() -> None:
        names = iter(tokens)
        for table in read:
            store.put((next(names), {store.VECTOR: content}) for content in vector.encode(table, now))

    return _timed(work)


def filled(tokens: Sequence[str], now: datetime) -> None:
    """Scores and ledgers beside the vectors, and the versions, without which Redis counts as cold."""
    from decisioning import store
    from decisioning.features import scores
    from decisioning.features.ledger import Ledger
    from offers.register import LEVELS
    from offers.types import CHANNELS

    layout = scores.keep("bench", [f"offer-{number}" for number in range(OFFERS)])
    made = scores.encode(np.random.default_rng(1).random((len(tokens), OFFERS)), layout, now)
    consents = frozenset({f"marketing:{channel}" for channel in CHANNELS} | {f"personalisation:{LEVELS[-1]}"})
    ledgers = (Ledger(number, 1, {}, consents, False).encode() for number in range(len(tokens)))
    store.put(
        (name, {store.SCORES: score, store.LEDGER: ledger})
        for name, score, ledger in zip(tokens, made, ledgers, strict=True)
    )
    store.client().hset(store.VERSIONS, mapping={"release": 1, "posterior": 0, "stop_epoch": 0, "credentials": 0})


def latencies(read: Callable[[int], Any]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds over random customers."""
    taken = []
    for number in np.random.default_rng(0).integers(0, CUSTOMERS, READS + 500).tolist():
        begun = time.perf_counter()
        read(number)
        taken.append((time.perf_counter() - begun) * 1e3)
    median, p99 = np.percentile(taken[500:], [50, 99])
    return float(median), float(p99)


def reads(tokens: Sequence[str], now: datetime) -> None:
    """The read of a decision, and as a floor the same bytes as one string, in turns."""
    from decisioning import store
    from decisioning.features import online

    client = store.client()
    size = sum(len(value) for value in client.hgetall(store.customer_key(tokens[0])).values())
    client.set("candor:floor", bytes(size), ex=600)
    rounds: dict[str, list[tuple[float, float]]] = {"read of a decision": [], "bare GET of as many bytes": []}
    known = sum(len(values) for _, values in online.read("B-0", tokens[0], "s", now).profile.groups.values())
    for _ in range(ROUNDS):
        rounds["read of a decision"].append(
            latencies(lambda number: online.read(f"B-{number}", token(number), "s", now))
        )
        rounds["bare GET of as many bytes"].append(latencies(lambda _: client.get("candor:floor")))
    for name, found in rounds.items():
        median, p99 = np.median(found, axis=0)
        print(f"{name:32}{median:9.3f} ms p50{p99:9.3f} ms p99", flush=True)
    print(f"{size} bytes in Redis, {known} attributes of the first customer\n")


def memory(client: Redis) -> int:
    """Bytes that Redis holds, without what it keeps meanwhile to write its file anew."""
    while client.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)
    found = client.info("memory")
    return int(found["used_memory"]) - int(found["mem_aof_buffer"])


def _timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) / CUSTOMERS * 1e6


def run() -> None:
    from django.core.management import call_command

    from decisioning import store

    call_command("migrate", verbosity=0)
    path, now = FOLDER / f"profiles-{CUSTOMERS}.parquet", datetime.now(UTC)
    data.write_profiles(path, CUSTOMERS)
    tokens = [token(number) for number in range(CUSTOMERS)]
    client = store.client()
    client.flushdb()
    before = memory(client)
    alone = sorted(packed(path, now) for _ in range(ROUNDS))[ROUNDS // 2]
    both = sorted(materialised(path, now, tokens) for _ in range(ROUNDS))[ROUNDS // 2]
    print(f"{CUSTOMERS:,} customers: {1e6 / alone:,.0f} a second packed, {1e6 / both:,.0f} a second in Redis")
    filled(tokens, now)
    each = (memory(client) - before) / CUSTOMERS
    print(f"{each:.0f} bytes a customer in all, {each / 1e3:.2f} GB a million\n", flush=True)
    reads(tokens, now)


def main() -> None:
    with django_over(FOLDER):
        run()


if __name__ == "__main__":
    main()
