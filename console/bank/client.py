"""Drives the running product over HTTP as its channels would, and keeps the client's own log of what was acknowledged.

Every request is repeated until it is answered: a session's decision and an event id are the same however often they are
sent. Only acknowledged answers are logged, so that the log can be held against the tables after a crash.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from console.bank import catalogue, people, response, sessions
from console.bank.response import ArmTraits

PATIENCE_SECONDS = 180.0  # how long the product may be down before the client gives up
_PAUSE_SECONDS = 0.25


class NoAnswer(RuntimeError):
    """The product did not answer for PATIENCE_SECONDS."""


class Refused(RuntimeError):
    """The product answered that the request itself is wrong."""


@dataclass
class Tally:
    """What a run saw; `retries` are requests that had to be sent again."""

    decisions: int = 0
    without_offer: int = 0
    outcomes: int = 0
    reward: float = 0.0
    retries: int = 0
    unknown: int = 0


class Api:
    """One connection of one channel's client; made anew where it breaks."""

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self._address = urlsplit(url)
        self._keys = keys
        self._connection: http.client.HTTPConnection | None = None
        self.retries = 0

    def post(self, path: str, channel: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer, after as many repeats as it takes. Raises NoAnswer or Refused."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                status, answer = self._once(path, channel, json.dumps(body).encode())
            except (OSError, http.client.HTTPException, ValueError):
                status, answer = 503, {}
                self._close()
            if status < 400 or status == 404:
                return status, answer
            if status < 500 and status not in (408, 429):
                raise Refused(f"{path}: {status} {answer}")
            if time.monotonic() > until:
                raise NoAnswer(f"{path} was not answered for {PATIENCE_SECONDS:.0f} s")
            self.retries += 1
            time.sleep(_PAUSE_SECONDS)

    def _once(self, path: str, channel: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._address.hostname or "127.0.0.1", self._address.port or 80, timeout=30
            )
        headers = {"Authorization": f"Api-Key {self._keys[channel]}", "Content-Type": "application/json"}
        self._connection.request("POST", f"/api/v1/{path}", body, headers)
        answer = self._connection.getresponse()
        return answer.status, dict(json.loads(answer.read() or b"{}"))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Log:
    """Acknowledged decisions and outcomes, one JSON object a line, written out at once; threads may share it."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._lock = file, threading.Lock()

    def write(self, entries: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            self._file.writelines(json.dumps(entry) + "\n" for entry in entries)
            self._file.flush()


@dataclass
class Client:
    """Lives through visits: ask, look, answer. `run` names this run's sessions, so that no other run shares them."""

    access: Mapping[str, Any]  # as in var/demo.json
    log: Log
    run: str
    seed: int
    customers: int
    tally: Tally = field(default_factory=Tally)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def live(self, numbers: range, *, threads: int, progress: Callable[[int], None]) -> None:
        """All visits of these numbers on so many connections. Raises what the first failing thread raised."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            waiting.put(number)
        failures: list[BaseException] = []
        workers = [threading.Thread(target=self._work, args=(waiting, failures), daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            time.sleep(0.2)
            progress(len(numbers) - waiting.qsize())
        if failures:
            raise failures[0]

    def _work(self, waiting: queue.SimpleQueue[int], failures: list[BaseException]) -> None:
        api, arms = Api(self.access["url"], self.access["keys"]), catalogue.traits()
        try:
            while not failures:
                self._visit(api, arms, waiting.get_nowait())
        except queue.Empty:
            pass
        except (NoAnswer, Refused) as failure:
            failures.append(failure)
        with self._lock:
            self.tally.retries += api.retries

    def _visit(self, api: Api, arms: ArmTraits, number: int) -> None:
        visit = sessions.visit(self.seed, number, self.customers)
        question = {
            "customer_id": people.external_id(visit.customer), "session_id": f"live-{self.run}-{number}",
            "channel": visit.channel, "placement": visit.placement, "limit": 1, "context": visit.context,
        }  # fmt: skip
        status, answer = api.post("decisions", visit.channel, question)
        if status == 404:
            with self._lock:
                self.tally.unknown += 1
            return
        offers = answer["offers"]
        entry = {
            "kind": "decision", "decision_id": answer["decision_id"], "customer_id": question["customer_id"],
            "session_id": question["session_id"], "arm": offers[0]["arm"] if offers else None,
        }  # fmt: skip
        self.log.write([entry])
        reward, count = self._answer(api, arms, visit, answer) if offers else (0.0, 0)
        with self._lock:
            self.tally.decisions += 1
            self.tally.without_offer += not offers
            self.tally.outcomes += count
            self.tally.reward += reward

    def _answer(self, api: Api, arms: ArmTraits, visit: sessions.Visit, answer: Mapping[str, Any]) -> tuple[float, int]:
        """What the customer does, reported; returns the reward and how many events were acknowledged."""
        first = answer["offers"][0]
        met = ["impression"]
        if first["arm"] in arms.keys:
            chances = response.respond(visit.truth, visit.context, arms)
            met = chances.outcomes(arms.chosen(first["arm"]), visit.draws)
        events = [
            {
                "event_id": f"{answer['decision_id']}-{kind}"[:64], "decision_id": answer["decision_id"],
                "offer": first["offer"], "type": kind, "occurred_at": datetime.now(UTC).isoformat(),
            }
            for kind in met
        ]  # fmt: skip
        _, taken = api.post("outcomes", visit.channel, {"events": events})
        rejected = {rejection["index"] for rejection in taken["rejected"]}
        kept = [event for index, event in enumerate(events) if index not in rejected]
        self.log.write([{"kind": "outcome", **event} for event in kept])
        reward = sum(response.REWARD_WEIGHTS.get(event["type"], 0.0) for event in kept)
        return reward, len(kept)


def read_log(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Decisions and outcomes of a log; a last line that was cut off by a kill was not acknowledged to anybody."""
    entries: list[dict[str, Any]] = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    by_kind = {kind: [entry for entry in entries if entry["kind"] == kind] for kind in ("decision", "outcome")}
    return by_kind["decision"], by_kind["outcome"]
