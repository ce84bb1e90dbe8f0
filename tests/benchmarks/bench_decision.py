"""A whole decision over HTTP (50 eligible offers, committed) beside a DRF view that validates the same request and
echoes it, on the same server in one run; then the median of each step, so that one sees where the rest goes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from console.web import web_server
from tests.benchmarks import load
from tests.benchmarks.servers import VAR, django_over

OFFERS, CUSTOMERS, REQUESTS, CONNECTIONS, ROUNDS = 50, 2000, 4000, 8, 3
FOLDER = VAR / "bench"


def prepare() -> str:
    """A bank with 50 offers that everybody is eligible for, and a trained model; returns an API key."""
    from django.core.management import call_command
    from django.utils import timezone

    from decisioning import learn
    from offers import snapshot
    from tests import bank

    call_command("migrate", verbosity=0)
    content, live = _catalogue(), snapshot.live_row()
    if live is None:
        bank.customers(CUSTOMERS)
        model = _model(content)
        bank.store_model(model)
        content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    else:
        content["model"] = live.content["model"]
    if live is None or live.content != content:  # a folder of an earlier run may hold another catalogue
        bank.publish(content)
    learn.run(timezone.now())
    key = bank.key()
    bank.warm()
    return key


def _catalogue() -> dict[str, Any]:
    from tests import catalogue

    rules = {
        f"rule-{number}": catalogue.rule(
            {"all": [{"attribute": "credit_score", "op": ">=", "value": 600},
                     {"attribute": "debt_to_income", "op": "<=", "value": 0.5}]},
            scope="offer", target=f"offer-{number}",
        )
        for number in range(OFFERS)
    }  # fmt: skip
    content = catalogue.content(offers=OFFERS, creatives=1, rules=rules)
    for number in range(OFFERS):
        # A firm offer: nobody may be invited by what a credit bureau reports.
        content["offer"][f"offer-{number}"] |= {
            "facts": {"rate": 0.1 + number / 500, "fee": float(number)}, "legal_basis": "firm_offer",
        }  # fmt: skip
    content["contact_policy"]["default"] |= {
        "decisions_per_day": 1000, "decisions_per_week": 1000, "same_offer_per_week": 1000,
    }  # fmt: skip
    return content


def _model(content: dict[str, Any]) -> Any:
    from decisioning.propensity.encoding import offer_row
    from decisioning.propensity.training import Example, train
    from tests import catalogue

    release = catalogue.release(content)
    random = np.random.default_rng(1)
    keys = sorted(set(release.offers) - {"all-cards"})
    examples = []
    for customer in range(8000):
        share, utilisation = float(random.uniform()), float(random.uniform())
        attributes = {
            "credit_score": int(random.integers(600, 850)), "debt_to_income": float(random.uniform(0, 0.5)),
            "utilisation": utilisation, "spend_90d": float(random.uniform(0, 5000)), "spend_share_travel": share,
            "tenure_months": int(random.integers(1, 200)), "seconds_on_cards_page": float(random.uniform(0, 100)),
            "device_type": str(random.choice(["app", "desktop"])),
        }  # fmt: skip
        offer = release.offers[keys[random.integers(len(keys))]]
        chance = 0.03 + 0.2 * share * utilisation + 0.05 * (float(offer.facts["fee"] or 0) > 25) * share
        examples.append(Example(customer, attributes, offer_row(offer), bool(random.uniform() < chance), 1 / OFFERS))
    # A model of the usual size, whatever these few rows would choose.
    return train("bench", examples, per_arm=False, seed=1, params={"num_leaves": 15})


def questions(key: str, path: str, tag: str, count: int) -> list[bytes]:
    from tests import bank

    return [
        load.post(path, bank.body(f"C-{number % CUSTOMERS + 1}", f"{tag}-{number}"), key) for number in range(count)
    ]


def over_http(key: str) -> None:
    """Alternate the two, so that a machine whose speed drifts treats both alike."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.benchmarks.echo_settings"}
    server = subprocess.Popen(web_server(port), env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        load.run(port, questions(key, "/api/v1/decisions", f"warm-{time.time_ns()}", 300), CONNECTIONS)
        load.run(port, questions(key, "/echo", "warm", 300), CONNECTIONS)
        ratios = []
        print(f"{'':24}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}")
        for round_ in range(ROUNDS):
            tag = f"{time.time_ns()}-{round_}"
            decided = load.run(port, questions(key, "/api/v1/decisions", tag, REQUESTS), CONNECTIONS)
            echoed = load.run(port, questions(key, "/echo", tag, REQUESTS), CONNECTIONS)
            ratios.append(decided.per_second / echoed.per_second)
            for name, result in (("decision, committed", decided), ("validate and echo", echoed)):
                print(f"{name:24}{result.per_second:12.0f}{result.p50_ms:9.2f}{result.p99_ms:9.2f}{result.refused:9d}")
        print(f"ratio of requests a second, decision to echo: median {np.median(ratios):.2f} of {ROUNDS} rounds\n")
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    for _ in range(900):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the web server did not start")


def steps(key: str) -> None:
    """In this process, one request at a time: the median of each step of a new decision."""
    from django.test import Client

    from decisioning import decision_log, delivery, records, serve
    from decisioning.api import answers, serializers
    from decisioning.features import online
    from tests import bank

    taken: dict[str, list[float]] = defaultdict(list)

    def watch(owner: Any, name: str, label: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = inner(*args, **kwargs)
            taken[label].append(time.perf_counter() - started)
            return result

        setattr(owner, name, timed)

    watch(serializers.DecisionQuestion, "is_valid", "validate")
    watch(online, "read", "read (Redis, one trip)")
    watch(serve, "known_of", "assemble what is known")
    watch(serve, "decide", "decide, all stages")
    watch(records, "inputs_to_bytes", "record inputs")
    watch(decision_log, "append", "commit (Postgres, one statement)")
    watch(serve, "_remember", "write (Redis, one trip)")
    watch(delivery, "worded", "texts")
    watch(answers, "decision", "answer")
    client = Client(headers={"Authorization": f"Api-Key {key}"}, SERVER_NAME="localhost")
    tag = time.time_ns()
    for number in range(1000):
        content = bank.body(f"C-{number % CUSTOMERS + 1}", f"steps-{tag}-{number}")
        started = time.perf_counter()
        response = client.post("/api/v1/decisions", content, content_type="application/json")
        taken["whole request, without the socket"].append(time.perf_counter() - started)
        assert response.status_code == 201, response.content
    print("median of each step, microseconds")
    for label, values in taken.items():
        print(f"  {label:40}{np.median(values) * 1e6:9.0f}")
    _stages()


def _stages() -> None:
    """Each stage of the cascade on recorded inputs."""
    from decisioning import explanation
    from decisioning.models import Decision

    taken: dict[str, list[int]] = defaultdict(list)
    for row in Decision.objects.filter(reason__isnull=True).order_by("-id")[:200]:
        for name, microseconds in explanation.timings(row).items():
            taken[name].append(microseconds)
    inputs = [len(bytes(row.inputs)) + len(bytes(row.result)) for row in Decision.objects.order_by("-id")[:200]]
    print("median of each stage of the cascade, microseconds")
    for name, values in taken.items():
        print(f"  {name:40}{np.median(values):9.0f}")
    print(f"median size of a record: {np.median(inputs):.0f} bytes")


def main() -> None:
    with django_over(FOLDER):
        key = prepare()
        over_http(key)
        steps(key)


if __name__ == "__main__":
    main()
