"""Take in signals: validate their payload, deduplicate, append; features are recomputed from the stored rows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import transaction
from redis.exceptions import RedisError

from decisioning import events, store
from decisioning.events import Accepted, Rejection
from decisioning.features import session
from decisioning.models import Customer, Signal
from offers.register import ATTRIBUTES

CLOCK_SKEW = timedelta(minutes=5)
# Nothing older is taken through the API: a backfill is a load, which makes the partitions that it needs.
OLDEST = timedelta(days=31)

_Check = Callable[[Any], bool]


def _number(low: float, high: float) -> _Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _text(length: int) -> _Check:
    return lambda value: isinstance(value, str) and 0 < len(value) <= length and value.isprintable()


def _choice(attribute: str) -> _Check:
    return lambda value: value in ATTRIBUTES[attribute].choices


_AMOUNT, _RATIO = _number(-1e9, 1e9), _number(0, 10)


def _key(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,58}", value) is not None


_SESSION = {"entry_point": _choice("entry_point"), "device_type": _choice("device_type"),
            "session_risk_score": _number(0, 1), "seconds": _number(0, 86400)}  # fmt: skip

# Type: fields that must be there, and fields that may be.
PAYLOADS: dict[str, tuple[dict[str, _Check], dict[str, _Check]]] = {
    "page_view": ({"page": _text(60)}, _SESSION),
    "card_view": ({"card": _key}, _SESSION),
    "login": ({}, _SESSION),
    "transaction": ({"amount": _AMOUNT}, {"mcc": _text(8), "channel": _text(20)}),
    "transaction_declined": ({"amount": _AMOUNT}, {"mcc": _text(8), "reason": _text(60)}),
    "balance": ({"balance": _AMOUNT}, {"utilisation": _RATIO}),
    "payment": ({"amount": _AMOUNT}, {}),
    "salary": ({"amount": _AMOUNT}, {}),
    "service_call": ({"topic": _text(60)}, {"seconds": _number(0, 86400)}),
    "alert_acknowledged": ({"alert": _text(60)}, {}),
    "bureau_refresh": ({"credit_score": _number(300, 850)}, {"debt_to_income": _RATIO}),
    "competitor_inquiry": ({}, {"lender_type": _text(60)}),
    "complaint": ({"topic": _text(60)}, {}),
    "life_event": ({"event": _text(60)}, {}),
    "social_post": ({"post_id": _text(64)}, {}),
}


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    customer_id: str
    type: str
    occurred_at: datetime
    payload: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        return {"type": self.type, "occurred_at": self.occurred_at.isoformat(), "payload": dict(self.payload)}


def fault(event: Event) -> str | None:
    """What is wrong with an event's payload, naming the field; None if it is good."""
    required, optional = PAYLOADS[event.type]
    for name in required:
        if name not in event.payload:
            return f"payload.{name} is required for {event.type}"
    for name, value in event.payload.items():
        check = required.get(name) or optional.get(name)
        if check is None:
            return f"payload.{name} is not a field of {event.type}"
        if not check(value):
            return f"payload.{name} has a value that {event.type} cannot have"
    return None


def take(batch: Sequence[tuple[int, Event]], now: datetime) -> Accepted:
    """Commit the good events of a batch of (index, event) pairs and say what became of each."""
    known = dict(
        Customer.objects.filter(external_id__in={event.customer_id for _, event in batch}).values_list(
            "external_id", "id"
        )
    )
    rejected: list[Rejection] = []
    good: list[tuple[int, Event, int]] = []
    for index, event in batch:
        customer, wrong = known.get(event.customer_id), fault(event)
        if customer is None:
            rejected.append(Rejection(index, "UNKNOWN_CUSTOMER", f"no customer {event.customer_id}"))
        elif wrong:
            rejected.append(Rejection(index, "INVALID_PAYLOAD", wrong))
        elif not now - OLDEST <= event.occurred_at <= now + CLOCK_SKEW:
            rejected.append(Rejection(index, "OUT_OF_TIME", "occurred_at is over 31 days old or in the future"))
        else:
            good.append((index, event, customer))
    with transaction.atomic():
        fresh, duplicates, conflicts = events.receive(
            [(index, customer, event.event_id, event.body()) for index, event, customer in good], now
        )
        kept = [item for item in good if item[0] in fresh]
        Signal.objects.bulk_create(
            Signal(
                customer_id=customer, event_id=event.event_id, type=event.type, occurred_at=event.occurred_at,
                known_at=now, payload=dict(event.payload),
            )
            for _, event, customer in kept
        )  # fmt: skip
    return Accepted(
        accepted=len(kept),
        duplicates=duplicates,
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        customers=frozenset(customer for _, _, customer in kept),
    )


def refresh(customers: frozenset[int]) -> None:
    """After the commit: what these customers' sessions look like now. Without Redis, decisions read Postgres anyway."""
    if not customers:
        return
    tokens = dict(Customer.objects.filter(pk__in=customers, token__isnull=False).values_list("id", "token"))
    with contextlib.suppress(RedisError):
        pipe = store.client().pipeline(transaction=False)
        for customer, moment in session.recompute(sorted(tokens)).items():
            pipe.set(store.session_key(str(tokens[customer])), orjson.dumps(moment), ex=store.SESSION_SECONDS)
        pipe.execute()
