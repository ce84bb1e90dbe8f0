"""Candor's feature store beside Feast's in one run: the same values from one Redis, and training sets from the same
history, of rising size up to the one that Feast no longer finishes. Feast's settings stand in peers/feast_peer.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks import bench_history, given_bank
from tests.benchmarks.given_bank import Materialised
from tests.benchmarks.history_data import Size
from tests.benchmarks.peers import data, feast
from tests.benchmarks.peers.feast import Historical, Online
from tests.benchmarks.peers.process import SET_UP, is_set_up
from tests.benchmarks.servers import VAR, django_over

CUSTOMERS, ROUNDS, READS = 20_000, 5, 2_000
FOLDER = VAR / "bench-feast"

# A hundred transactions a customer and a decision on twenty of them, up to the size that Candor's own figure is for.
TRANSACTIONS = (200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
SIZES = tuple(Size(count // 100, count, count // 20) for count in TRANSACTIONS)


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians over the rounds of each round's median and 99th percentile, in milliseconds."""

    median: float
    p99: float


def online(redis_url: str) -> None:
    """Materialise the same customers in both, and read them in turns, so that a machine whose speed drifts treats both
    alike."""
    from django.utils import timezone

    profiles = FOLDER / "profiles.parquet"
    data.write_profiles(profiles, CUSTOMERS)
    now = given_bank.fill(profiles, timezone.now())
    ours = given_bank.materialise(profiles, now)
    print(f"{CUSTOMERS:,} customers".ljust(28), end="")
    print(f"{'customers/s':>13}{'bytes each':>12}{'bytes a key':>13}{'p50 ms':>9}{'p99 ms':>9}")
    theirs: list[tuple[Online, Latency]] = []
    rounds: list[tuple[float, float, float]] = []
    for layout in feast.LAYOUTS:
        with feast.online(redis_url, profiles, layout) as peer:
            turns = [(given_bank.read(now, CUSTOMERS, READS), peer.read(READS)) for _ in range(ROUNDS)]
        rounds += [mine for mine, _ in turns]
        theirs.append((peer, _typical([(read.median_ms, read.p99_ms) for _, read in turns])))
        _row(f"Feast, {layout}", peer, theirs[-1][1])
        bare = _typical([(read.answer_median_ms, read.answer_p99_ms) for _, read in turns])
        print(f"{'  up to its own answer':66}{bare.median:9.3f}{bare.p99:9.3f}")
    mine = _typical([(median, p99) for median, p99, _ in rounds])
    _row("Candor", ours, mine)
    print(f"{'  computed from history':28}{ours.computed_per_second:13,.0f}")
    print(f"{turns[0][1].features} features in Feast, of Candor's {rounds[0][2]:.1f} are known on average")
    _against_best(ours, mine, theirs)


def _typical(rounds: Sequence[tuple[float, float]]) -> Latency:
    return Latency(*np.median(rounds, axis=0).tolist())


def _row(name: str, store: Online | Materialised, read: Latency) -> None:
    rate = store.rows_per_second if isinstance(store, Online) else store.copied_per_second
    print(f"{name:28}{rate:13,.0f}{store.bytes_per_customer:12,.0f}{store.bytes_per_key:13,.0f}"
          f"{read.median:9.3f}{read.p99:9.3f}", flush=True)  # fmt: skip


def _against_best(ours: Materialised, mine: Latency, theirs: Sequence[tuple[Online, Latency]]) -> None:
    """Each figure against the best that any layout of Feast has for it."""
    rate = max(store.rows_per_second for store, _ in theirs)
    size = min(store.bytes_per_customer for store, _ in theirs)
    median, p99 = min(read.median for _, read in theirs), min(read.p99 for _, read in theirs)
    print(
        f"ratio to the best of Feast's for each: p50 {mine.median / median:.2f}, p99 {mine.p99 / p99:.2f}, bytes "
        f"{ours.bytes_per_customer / size:.2f}; customers a second {ours.copied_per_second / rate:.1f}, where "
        f"Candor computes them from history first {ours.computed_per_second / rate:.1f}\n",
        flush=True,
    )


def history() -> None:
    """Each of Feast's offline stores as far as it goes; then ours at the largest size that it finished."""
    for store in feast.STORES:
        finished: Historical | None = None
        for tried in _rising(store):
            _tell(tried)
            finished = tried if tried.seconds is not None else finished
        if finished is not None:
            folder = _folder(finished.size)
            bench_history.prepare(folder, finished.size)
            _beside(finished, bench_history.measured(bench_history.train, folder))


def _tell(tried: Historical) -> None:
    took = tried.ended
    if tried.seconds is not None:
        took = f"{tried.seconds:.1f} s ({tried.processor:.1f} s of processor), {tried.answered:,} answered"
    made = f"{tried.size.transactions:,} rows (made in {tried.rows_seconds:.0f} s)"
    print(
        f"Feast, {tried.store}: {tried.size.decisions:,} decisions x {data.FEATURES} features, "
        f"{made}: {took}, {tried.peak_bytes / 1e9:.1f} GB",
        flush=True,
    )


def _beside(finished: Historical, ours: bench_history.Result) -> None:
    assert finished.seconds is not None
    bench_history.report(f"Candor, {ours.columns} features", ours, finished.size)
    made = finished.seconds + finished.rows_seconds
    print(
        f"the largest size for Feast on {finished.store}: it takes {finished.seconds / ours.seconds:.1f} times as long "
        f"({made / ours.seconds:.1f} with the making of the rows that it must be given), "
        f"{finished.processor / ours.processor:.1f} times the processor time and "
        f"{finished.peak_bytes / ours.memory:.1f} times the memory\n",
        flush=True,
    )


def _rising(store: feast.Store) -> Iterator[Historical]:
    """Retrievals of rising size, up to the first that does not finish."""
    for size in SIZES:
        tried = feast.historical(_folder(size), store, size)
        yield tried
        if tried.seconds is None:
            return


def _folder(size: Size) -> Path:
    """The one in which bench_history keeps the same history."""
    return bench_history.FOLDER / f"{size.customers}-{size.transactions}-{size.decisions}"


def main() -> None:
    if not is_set_up():
        print(SET_UP)
        return
    with django_over(FOLDER) as servers:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        online(f"{servers.redis_url.rpartition('/')[0]}/1")
        history()


if __name__ == "__main__":
    main()
