"""What every night and every stream bring to a bank that has lived a while: the checks of the night, and a few events
that a producer got wrong. So no page of the data is empty on the demo's first day."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import transaction

from console.bank import staff
from console.bank.events import SOURCE
from decisioning import drill, store
from decisioning.features import materialise, skew, statistics
from decisioning.models import Customer, ModelVersion, SkewCheck
from decisioning.models import Decision as DecisionRow
from decisioning.quality import tables
from decisioning.streams.redis_streams import FIELD
from fairness import holds, proxies, tasks
from fairness.alternatives import protocol, search
from fairness.explanations import requests
from fairness.individual import flip, neighbours, swap
from offers import firm_offers


def pending() -> bool:
    return not SkewCheck.objects.exists()


def run(now: datetime) -> None:
    """Send the wrong events, then compute everybody's features, by which a forest learns what is usual; then measure,
    compute again and check. Raises RedisError or jobs.AlreadyRunning."""
    for body in _wrong_events(now):
        store.client().xadd(store.SIGNALS, {FIELD: body})
    materialise.population(now)
    statistics.measure(now)
    skew.check(now)
    tables.check(now)
    proxies.measure(now)
    tasks.find_causes()
    tasks.review_models()
    tasks.anchor_audit()
    drill.run(now)
    _individuals(now)
    _alternatives(now)
    _request(now)
    _on_record(now)


def _on_record(now: datetime) -> None:
    """A list is pulled for a card that no change in review is about, and an examination holds its records."""
    with transaction.atomic():
        officer = staff.user("clara.compliance")
        firm_offers.pull("secured-first", "Rebuild your credit, winter", by=officer, now=now)
        held = holds.Held(holds.Scope.OFFER, offer="secured-first", first_day=(now - timedelta(days=180)).date())
        holds.place(held, "Examination by the state, matter 26-114.", by=officer, now=now)


def _request(now: datetime) -> None:
    """A customer asks for a person to look at the newest decision."""
    row = DecisionRow.objects.filter(reason__isnull=True).order_by("-id").first()
    if row is not None:
        requests.open_request(
            kind=requests.Kind.HUMAN_REVIEW, customer=row.customer_id, decision=row.id, now=now,
            question="I do not understand why I was shown this card. Please let a person look at it.",
            by=staff.user("clara.compliance"),
        )  # fmt: skip


def _individuals(now: datetime) -> None:
    """What a week brings, on fewer customers than a week does."""
    flip.check(now, most=1_000)
    neighbours.check(now)
    swap.check(now)


def _alternatives(now: datetime) -> None:
    """A search for alternatives to the champion, where the bank has seen enough to judge one out of time."""
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).first()
    if champion is None:
        return
    settings = protocol.Settings(trials=24)
    with contextlib.suppress(protocol.InvalidProtocol):
        search.run(
            protocol.freeze_model_search(champion.name, settings, author=staff.user("mona.models"), now=now), now
        )


def _wrong_events(now: datetime) -> list[bytes]:
    """A customer nobody knows, a sum written as text, an event of last spring, and a line that is no JSON."""
    rows = Customer.objects.filter(source=SOURCE, external_id__isnull=False).order_by("id")
    customer = rows.values_list("external_id", flat=True).first()
    purchase: dict[str, Any] = {
        "event_id": "pos-7713", "customer_id": customer, "type": "transaction", "occurred_at": now.isoformat(),
        "payload": {"amount": 48.2, "mcc": "5812"},
    }  # fmt: skip
    old = (now - timedelta(days=200)).isoformat()
    return [
        orjson.dumps({**purchase, "event_id": "pos-7714", "customer_id": "C-0"}),
        orjson.dumps({**purchase, "event_id": "pos-7715", "payload": {"amount": "48,20"}}),
        orjson.dumps({**purchase, "event_id": "pos-7716", "occurred_at": old}),
        b"pos-7717;transaction;48.20",
    ]
