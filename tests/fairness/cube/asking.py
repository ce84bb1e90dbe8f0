"""Decisions and outcomes of customers in tests, through the product's own doors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from decisioning import outcomes, serve
from decisioning.models import Customer, Decision
from fairness.cube import units

LATER: Final = units.LAG + timedelta(minutes=1)


def ask(pk: int, session: str, now: datetime, channel: str = "mobile_app") -> UUID:
    external = Customer.objects.get(pk=pk).external_id
    assert external is not None
    answer = serve.ask(serve.Ask(external, session, channel, "home", 1, {}), now)
    assert answer.decision_id is not None
    return answer.decision_id


def report(decision: UUID, kind: str, at: datetime) -> None:
    offer = Decision.objects.get(id=decision).offer
    if offer:
        event = outcomes.Event(f"{kind}-{decision}", decision, offer, kind, at, None)
        assert not outcomes.take([(0, event)], at).rejected
