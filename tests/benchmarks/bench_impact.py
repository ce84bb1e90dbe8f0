"""The evidence of a change on everybody: a stricter rule over 50 offers, the candidate beside the release in force, who
is shown what, parity by two protected groups and the check against the engine; beside the floor, which is reading the
vectors alone; then several at once. SIZES may be given, "100000 1000000". Vectors are made, not computed from history;
every customer has nightly scores, one in twenty a recent signal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from tests.benchmarks.servers import VAR, django_over

SIZES, OFFERS, AT_ONCE, CHUNK = (100_000, 1_000_000), 50, 2, 20_000
FOLDER = VAR / "bench-impact"
CONTEXT = [
    {"attribute": "utilisation", "centre": 0.3, "scale": 0.3},
    {"attribute": "credit_score", "centre": 700, "scale": 80},
    {"attribute": "lifecycle_stage", "equals": "mature"},
]
BOOST = {"title": "Travellers", "scope": "all", "target": "", "factor": 1.2,
         "when": {"attribute": "spend_share_travel", "op": ">", "value": 0.3}}  # fmt: skip


def catalogue() -> dict[str, Any]:
    """50 offers with a floor on the score and a ceiling on debt of their own, and what holds for all of them."""
    from tests import catalogue as made

    rules = {
        f"rule-{number}": made.rule(
            {"all": [{"attribute": "credit_score", "op": ">=", "value": 500 + 5 * number},
                     {"attribute": "debt_to_income", "op": "<=", "value": 0.6 - number / 200}]},
            scope="offer", target=f"offer-{number}",
        )
        for number in range(OFFERS)
    }  # fmt: skip
    rules["age"] = made.rule({"attribute": "is_21_or_over", "op": "is", "value": True})
    rules["held"] = made.rule({"attribute": "cards_held", "op": "contains_none_of", "value": ["offer-0"]})
    content = made.content(offers=OFFERS, creatives=1, rules=rules)
    content["boost"]["travel"] = dict(BOOST)
    content["ranking"]["default"]["context"] = CONTEXT
    for number in range(OFFERS):
        content["offer"][f"offer-{number}"]["legal_basis"] = "firm_offer"
        content["offer"][f"offer-{number}"]["facts"] = {"rate": 0.1 + number / 500, "fee": float(number)}
    content["offer"]["all-cards"]["legal_basis"] = "firm_offer"
    return content


def begin() -> None:
    """A release with a model, in an empty bank."""
    from django.core.management import call_command

    from offers import snapshot
    from tests import bank

    call_command("migrate", verbosity=0)
    if snapshot.live_row() is None:
        content = catalogue()
        model = _model()
        bank.store_model(model)
        content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
        bank.publish(content)


def _model() -> Any:
    from decisioning.propensity.encoding import offer_row
    from decisioning.propensity.training import Example, train
    from tests import catalogue as made

    release = made.release(catalogue())
    random = np.random.default_rng(1)
    rows = [offer_row(release.offers[f"offer-{number}"]) for number in range(OFFERS)]
    examples = []
    for customer in range(8000):
        share, row = float(random.uniform()), rows[random.integers(OFFERS)]
        known = {
            "credit_score": int(random.integers(500, 850)), "debt_to_income": float(random.uniform(0, 0.6)),
            "utilisation": float(random.uniform()), "spend_share_travel": share,
        }  # fmt: skip
        accepted = bool(random.random() < 0.02 + 0.1 * share)
        examples.append(Example(customer, known, row, accepted, 1.0))
    return train("champion", examples, per_arm=False, seed=1)


def grow(size: int, now: datetime) -> None:
    """Customers, consents, vectors and scores up to this number, by COPY."""
    from decisioning.models import Customer

    for first in range(Customer.objects.count(), size, CHUNK):
        _insert(first, min(CHUNK, size - first), now)


def _insert(first: int, count: int, now: datetime) -> None:
    from django.db import transaction

    from console.bank.customers import copy
    from decisioning import identity
    from decisioning.features import scores, vector
    from fairness import vault

    random = np.random.default_rng(first)
    ids = np.arange(first + 1, first + count + 1)
    names = [f"I-{number}" for number in ids.tolist()]
    moments = [now] * count
    layout = scores.keep("champion", sorted({"all-cards", *(f"offer-{number}" for number in range(OFFERS))}))
    contents = vector.encode(_values(random, count, now), now)
    nightly = scores.encode(random.uniform(0.01, 0.2, (count, len(layout.keys))), layout, now)
    with transaction.atomic():
        copy("decisioning_customer", {
            "id": ids, "external_id": names, "token": [identity.token(name) for name in names],
            "source": ["bench"] * count, "suppressed": random.random(count) < 0.01, "known_at": moments,
        })  # fmt: skip
        copy("decisioning_consent", _consents(random, ids, now))
        copy("decisioning_featurevector", {
            "customer_id": ids, "as_of": moments, "made_at": moments, "content": _hex(contents),
        })  # fmt: skip
        copy("decisioning_precomputedscore", {
            "customer_id": ids, "layout_id": [layout.number] * count, "content": _hex(nightly), "scored_at": moments,
        })  # fmt: skip
        copy("decisioning_signal", _signals(ids[random.random(count) < 0.05], now))
    vault.write(_protected(random, ids.tolist()), source="bench", now=now)


def _hex(contents: Sequence[bytes]) -> list[str]:
    return [f"\\x{content.hex()}" for content in contents]


def _values(random: np.random.Generator, count: int, now: datetime) -> pa.Table:
    from decisioning.features.layout import SCHEMA, SINCE

    held = np.array(["", "offer-0", "offer-1|offer-2", "offer-7"])
    columns: dict[str, Any] = {}
    for declared in SCHEMA.attributes:
        low, high = declared.bounds or (0.0, 1.0)
        if declared.type == "boolean":
            columns[declared.name] = random.random(count) < 0.5
        elif declared.type == "category":
            columns[declared.name] = np.array(declared.choices or ("US",))[
                random.integers(len(declared.choices or ("US",)), size=count)
            ]
        elif declared.type == "set":
            columns[declared.name] = held[random.integers(len(held), size=count)]
        else:
            columns[declared.name] = np.round(random.uniform(low, min(high, low + 1000), count), 4)
    columns["unusual_activity"] = random.random(count) < 0.02
    columns["is_21_or_over"] = random.random(count) < 0.95
    columns["debt_to_income"] = np.round(random.uniform(0, 0.8, count), 4)
    columns |= {SINCE + group.name: np.full(count, now.timestamp()) for group in SCHEMA.groups}
    return pa.table(columns)


def _consents(random: np.random.Generator, ids: Any, now: datetime) -> dict[str, Any]:
    from offers.types import CHANNELS

    purposes = [*(("marketing", channel) for channel in CHANNELS), ("personalisation", "moderate")]
    size = len(ids) * len(purposes)
    return {
        "customer_id": np.repeat(ids, len(purposes)), "purpose": [purpose for purpose, _ in purposes] * len(ids),
        "channel": [channel for _, channel in purposes] * len(ids), "granted": random.random(size) < 0.9,
        "text_version": ["1"] * size, "occurred_at": [now] * size, "known_at": [now] * size,
    }  # fmt: skip


def _signals(ids: Any, now: datetime) -> dict[str, Any]:
    count = len(ids)
    return {
        "customer_id": ids, "event_id": ["s"] * count, "type": ["transaction"] * count, "occurred_at": [now] * count,
        "known_at": [now] * count, "payload": ['{"amount": 25.0, "mcc": "5411", "channel": "pos"}'] * count,
    }  # fmt: skip


def _protected(random: np.random.Generator, ids: Sequence[int]) -> Iterator[Any]:
    from fairness.vault import Entry

    for customer, woman, days in zip(
        ids, random.random(len(ids)) < 0.5, random.integers(7_000, 29_000, len(ids)).tolist(), strict=True
    ):
        yield Entry(customer, "gender", "female" if woman else "male")
        yield Entry(customer, "birth_date", (date(2026, 11, 1) - timedelta(days=days)).isoformat())


def floor(now: datetime) -> float:
    """Seconds to read everybody's vector, as bytes."""
    from decisioning.features import population

    begun = time.perf_counter()
    read = 0
    for ids in population.id_chunks():
        statement = "SELECT string_agg(content, ''::bytea) FROM decisioning_featurevector WHERE customer_id {among}"
        (joined,) = population.read_joined(statement, ids)
        read += len(joined)
    return time.perf_counter() - begun


def stricter(number: int) -> Any:
    """A submitted change that makes one rule stricter."""
    from offers import snapshot
    from tests import factories

    live = snapshot.live_row()
    assert live is not None
    when = live.content["rule"][f"rule-{number}"]["when"]
    floor_ = {"attribute": "credit_score", "op": ">=", "value": 720}
    item = factories.rule(f"rule-{number}", {"all": [*when["all"], floor_]}, f"offer-{number}")
    return factories.propose([item], author=factories.author_of_anything("bench"))


def computed(number: int, now: datetime) -> tuple[float, str]:
    """Seconds of the whole evidence, and what it found."""
    from fairness import evidence

    change = stricter(number)
    begun = time.perf_counter()
    content = evidence.compute(change, now).content
    seconds = time.perf_counter() - begun
    shown, agreed = content["decisions"], content["agreement"]
    told = f"{shown['before']['shown']:,} shown an offer, then {shown['after']['shown']:,}"
    return seconds, (
        f"{told}; {agreed['mismatches']} of {agreed['decisions']} not the engine's, scores within "
        f"{agreed['largest_difference']:.1e}; {len(content['parity'])} comparisons of groups"
    )


def _child(number: int) -> None:
    """One run, in a process of its own, whose memory is its own too."""
    import django

    django.setup()
    from django.utils import timezone

    seconds, told = computed(number, timezone.now())
    memory = psutil.Process().memory_info()
    peak = getattr(memory, "peak_wset", 0) or _peak()
    told = f"{time.process_time():.1f} s busy beside Postgres, {peak / 1e6:,.0f} MB; {told}"
    print(f"{'':>10}  run {number}: {seconds:.1f} s; {told}", flush=True)


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(sizes: Sequence[int]) -> None:
    import subprocess

    from django.utils import timezone

    from decisioning import partitions

    begin()
    now = timezone.now()
    partitions.ensure(now.date(), now.date(), ("signal",))
    for size in sizes:
        begun = time.perf_counter()
        grow(size, now)
        _analyse()
        print(f"{size:>10,}  made in {time.perf_counter() - begun:.0f} s", flush=True)
        bare = floor(now)
        for together in (1, AT_ONCE):
            begun = time.perf_counter()
            command = [sys.executable, "-m", __spec__.name, "run"]
            running = [subprocess.Popen([*command, str(number)]) for number in range(1, together + 1)]
            if max(one.wait() for one in running):
                raise SystemExit("a run failed")
            seconds = time.perf_counter() - begun
            print(f"{size:>10,}  {together} at once: {seconds:.1f} s with the start of the process, "
                  f"{seconds / bare:.1f} times the floor of {bare:.1f} s", flush=True)  # fmt: skip


def _analyse() -> None:
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    if sys.argv[1:2] == ["run"]:
        _child(int(sys.argv[2]))
        return
    sizes = sorted(int(size) for size in os.environ.get("SIZES", "").split()) or list(SIZES)
    os.environ["CANDOR_DEMO"] = "1"
    with django_over(FOLDER):
        run(sizes)


if __name__ == "__main__":
    main()
