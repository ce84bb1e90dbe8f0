"""Feast as the peer of the benchmarks: runs under .venv-peers only, imports nothing of Candor, answers in JSON lines.

Feast 0.67 runs with what its own guides and its source say is fastest, on one machine, with files and one Redis:

- Registry: a local file, read once and never refreshed (cache_ttl_seconds 0). No server between: the SDK in process.
- Redis store: skip_dedup (one pipeline and no read before each write), batches of 10,000 rows, no time to live,
  entity keys of version 3 over an integer, a short project name. hiredis parses. Its other client, Valkey GLIDE,
  reads without holding Python's lock, which helps many threads and not one reader; it is not in the pinned set.
- Reading: a FeatureService that is fetched once, short feature names, one entity row; timed up to the protobuf answer
  and up to plain values. Its asynchronous reader and lists of references were slower here and are left out.
- Layouts: one FeatureView of every feature (fewest commands), one FeatureView a group (as the groups are owned), and
  the one view with `precompute_online` (Feast's own packed vector, which wants full feature names). Each of Candor's
  figures stands beside the best of the three for that figure.
- Materialising: the local engine over DuckDB's offline store (faster here than Dask's), pull_latest_features.
- Historical retrieval: both offline stores that need no server, Dask (the default) and DuckDB. Feast joins and does not
  aggregate over windows here, so it is given its features computed: one row a transaction, which is the same data, in
  one FeatureView, and the time of computing them stands apart. Its time to live is the longest window, the shortest
  that keeps every value right: an older row says nothing but zeros. Without one DuckDB takes several times as long.
  DuckDB may use four fifths of the memory that is free and spills to a folder beyond that.
- Feast of this version sends no usage data; the switch of the older ones is set all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.repo_config import RegistryConfig
from feast.types import Array, Bool, Float64, Int32, Int64, String

PROJECT, SERVICE, KEY, MOMENT = "bank", "all", "customer_id", "event_timestamp"
BATCH, WARM_UP = 10_000, 500
_TYPES = {
    pa.float64(): Float64, pa.int64(): Int64, pa.int32(): Int32, pa.bool_(): Bool, pa.string(): String,
    pa.list_(pa.field("element", pa.string())): Array(String),
}  # fmt: skip


def main() -> None:
    answers = _answers_alone()
    with tempfile.TemporaryDirectory() as folder:
        options = _options()
        if options.command == "online":
            online(options, Path(folder), answers)
        else:
            historical(options, Path(folder), answers)


def online(options: argparse.Namespace, folder: Path, answers: TextIO) -> None:
    """Do what each line of standard input says: materialise the profiles, or read so many customers."""
    redis = {"type": "redis", "connection_string": _connection(options.redis), "skip_dedup": True}
    store = _store(folder, "duckdb", redis)
    _apply(store, options.profiles, options.layout, timedelta(0))
    customers = pq.read_metadata(options.profiles).num_rows
    _say(answers, step="ready")
    for line in sys.stdin:
        started = time.perf_counter()
        if line.strip() == "materialise":
            store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
            _say(answers, step="materialised", customers=customers, seconds=time.perf_counter() - started)
        else:
            _say(answers, step="read", **_read(store, options, int(line)))


def _read(store: FeatureStore, options: argparse.Namespace, reads: int) -> dict[str, Any]:
    """Latency of all features of one customer (milliseconds), up to plain values and up to Feast's own answer."""
    service = store.get_feature_service(SERVICE)
    ids = pq.read_table(options.profiles, columns=[KEY])[KEY].to_numpy()
    full = options.layout == "precomputed"

    def answer(customer: int) -> Any:
        return store.get_online_features(features=service, entity_rows=[{KEY: customer}], full_feature_names=full)

    plain = _latencies(lambda customer: answer(customer).to_dict(), ids, reads)
    values = answer(int(ids[0])).to_dict()
    known = sum(value != [None] for value in values.values())
    return {"plain_ms": plain, "answer_ms": _latencies(answer, ids, reads), "features": len(values) - 1, "known": known}


def _latencies(read: Callable[[int], Any], ids: Any, reads: int) -> list[float]:
    taken = []
    for customer in np.random.default_rng(0).choice(ids, WARM_UP + reads).tolist():
        started = time.perf_counter()
        read(customer)
        taken.append((time.perf_counter() - started) * 1e3)
    return [float(np.percentile(taken[WARM_UP:], percent)) for percent in (50, 99)]


def historical(options: argparse.Namespace, folder: Path, answers: TextIO) -> None:
    """Join the spine with the rows known before each of its moments; seconds, and the highest memory of the process."""
    store = _store(folder, options.store, None)
    _apply(store, options.rows, "one", timedelta(days=options.window_days))
    spine = pq.read_table(options.spine).to_pandas().rename(columns={"moment": MOMENT})
    if options.store == "duckdb":
        # The backend that Feast's expressions run on when none is named, with bounds instead of the whole machine.
        ibis.set_backend(ibis.duckdb.connect(memory_limit=f"{options.memory_mb}MB", temp_directory=str(folder)))
    started, before = time.perf_counter(), time.process_time()
    job = store.get_historical_features(entity_df=spine, features=store.get_feature_service(SERVICE))
    joined = job.to_arrow() if options.store == "duckdb" else job.to_df()
    seconds, processor = time.perf_counter() - started, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _say(answers, step="joined", rows=len(joined), seconds=seconds, processor=processor, peak_bytes=peak)


def _store(folder: Path, offline: str, online_store: dict[str, Any] | None) -> FeatureStore:
    registry = RegistryConfig(registry_type="file", path=str(folder / "registry.db"), cache_ttl_seconds=0)
    config = RepoConfig(
        project=PROJECT, provider="local", registry=registry, repo_path=str(folder), entity_key_serialization_version=3,
        online_store=online_store, offline_store={"type": offline},
        materialization={"online_write_batch_size": BATCH, "pull_latest_features": True},
    )  # fmt: skip
    return FeatureStore(config=config)


def _apply(store: FeatureStore, path: Path, layout: str, live: timedelta) -> None:
    """Register every column of the file that names its group, in one view or in a view a group."""
    groups: dict[str, list[Field]] = {}
    for column in pq.read_schema(path):
        group = (column.metadata or {}).get(b"group", b"").decode()
        if group:
            groups.setdefault(group if layout == "group" else SERVICE, []).append(
                Field(name=column.name, dtype=_TYPES[column.type])
            )
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.INT64)
    source = FileSource(name="rows", path=str(path), timestamp_field=MOMENT)
    views = [
        FeatureView(name=name, entities=[customer], ttl=live, schema=[Field(name=KEY, dtype=Int64), *fields],
                    source=source)
        for name, fields in groups.items()
    ]  # fmt: skip
    service = FeatureService(name=SERVICE, features=views, precompute_online=layout == "precomputed")
    store.apply([customer, *views, service])


def _connection(url: str) -> str:
    """Feast's own notation of a redis:// address."""
    parts = urlsplit(url)
    words = [f"{parts.hostname}:{parts.port or 6379}", f"db={parts.path.strip('/') or 0}"]
    # Quoted: Feast reads each of these as JSON where it can.
    words += [f"{name}={json.dumps(value)}" for name, value in
              (("username", parts.username), ("password", parts.password)) if value]  # fmt: skip
    return ",".join(words)


def _answers_alone() -> TextIO:
    """Standard output for the answers only; what Feast prints of its progress goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, **content: Any) -> None:
    print(json.dumps(content), file=answers, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("online")
    command.add_argument("--redis", required=True)
    command.add_argument("--profiles", type=Path, required=True)
    command.add_argument("--layout", choices=["one", "group", "precomputed"], required=True)
    command = commands.add_parser("historical")
    command.add_argument("--rows", type=Path, required=True)
    command.add_argument("--spine", type=Path, required=True)
    command.add_argument("--store", choices=["dask", "duckdb"], required=True)
    command.add_argument("--window-days", type=int, required=True)
    command.add_argument("--memory-mb", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
