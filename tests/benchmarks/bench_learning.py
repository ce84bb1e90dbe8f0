"""From the 202 of a click to a decision under the newer posterior, over HTTP, on the demo that var/demo.json names; its
floor is the time of one such decision."""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

ACCESS = Path(__file__).resolve().parents[2] / "var" / "demo.json"
CHANNEL, CLICKS, PATIENCE = "mobile_app", 20, 10.0  # seconds


class Demo:
    def __init__(self, access: dict[str, Any]) -> None:
        self.address = urlsplit(access["url"]).netloc
        self.key, self.customers = access["keys"][CHANNEL], access["customers"]

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Api-Key {self.key}", "Content-Type": "application/json"}
        connection = HTTPConnection(self.address, timeout=PATIENCE)
        connection.request("POST", f"/api/v1{path}", json.dumps(content), headers)
        answer = connection.getresponse()
        result: dict[str, Any] = json.load(answer)
        connection.close()
        if answer.status >= 300:
            sys.exit(f"{path} answered {answer.status}: {result}")
        return result

    def decide(self, customer: str, *, dry_run: bool = False) -> dict[str, Any]:
        return self.post(
            "/decisions",
            {"customer_id": customer, "session_id": uuid.uuid4().hex, "channel": CHANNEL, "placement": "home_banner",
             "context": {"device_type": "app"}, "dry_run": dry_run},
        )  # fmt: skip


def learned_after(demo: Demo, customer: str) -> float | None:
    """Seconds from a click's 202 to the first decision that has learned it; None where caps leave nothing to click."""
    made = demo.decide(customer)
    if not made["offers"]:
        return None
    now, offer = datetime.now(UTC).isoformat(), made["offers"][0]["offer"]
    events = [
        {"event_id": uuid.uuid4().hex, "decision_id": made["decision_id"], "offer": offer, "type": kind,
         "occurred_at": now}
        for kind in ("impression", "click")
    ]  # fmt: skip
    before = demo.decide(customer, dry_run=True)["posterior"]
    if demo.post("/outcomes", {"events": events})["accepted"] != len(events):
        sys.exit("the outcomes were not accepted")
    started = time.perf_counter()
    while demo.decide(customer, dry_run=True)["posterior"] <= before:
        if time.perf_counter() - started > PATIENCE:
            sys.exit(f"nothing was learned within {PATIENCE:.0f} s")
    return time.perf_counter() - started


def main() -> None:
    if not ACCESS.exists():
        print("skipped: it needs a running `make demo`, whose var/demo.json is not there")
        return
    demo = Demo(json.loads(ACCESS.read_text()))
    asked = [demo.customers[number % len(demo.customers)] for number in range(CLICKS)]
    taken = [seconds for customer in asked if (seconds := learned_after(demo, customer)) is not None]
    floor = []
    for customer in asked:
        started = time.perf_counter()
        demo.decide(customer, dry_run=True)
        floor.append(time.perf_counter() - started)
    if not taken:
        sys.exit("the demo's ten customers are at their caps; ask again tomorrow, or start a fresh demo")
    median, most = np.median(taken), max(taken)
    print(f"{len(taken)} clicks learned: median {median:.3f} s, at most {most:.3f} s")
    print(f"floor, one decision over HTTP: median {np.median(floor):.3f} s; ratio {median / np.median(floor):.0f}")


if __name__ == "__main__":
    main()
