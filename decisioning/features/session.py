"""The groups that signals change from moment to moment, recomputed from the signals themselves, so that late, repeated
and out-of-order events give what ordered ones give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from decisioning.models import Signal

SESSION_WINDOW = timedelta(minutes=30)
ACCOUNT_WINDOW = timedelta(days=7)
LARGE_PURCHASE = 500.0  # currency; what large_purchase_7d counts

Moment = dict[str, tuple[float, dict[str, Any]]]
_SESSION_TYPES = ("page_view", "card_view", "login")
_ACCOUNT_TYPES = ("transaction", "balance", "payment")


def recompute(customers: list[int]) -> dict[int, Moment]:
    """Session and account values of these customers from their signals of the last days, as known now."""
    now = timezone.now()
    rows = (
        Signal.objects.filter(customer_id__in=customers, occurred_at__gt=now - ACCOUNT_WINDOW)
        .order_by("customer_id", "occurred_at", "event_id")
        .values_list("customer_id", "type", "occurred_at", "payload")
    )
    by_customer: dict[int, list[tuple[str, datetime, Mapping[str, Any]]]] = defaultdict(list)
    for customer, kind, at, payload in rows:
        by_customer[customer].append((kind, at, payload))
    return {customer: _moment(events, now) for customer, events in by_customer.items()}


def laid_over(
    stored: tuple[float, Mapping[str, Any]] | None, since: float, values: Mapping[str, Any]
) -> tuple[float, Mapping[str, Any]]:
    """A group with what signals say of it: the newer of the two wins, and the older only fills in."""
    if stored is None:
        return since, values
    if stored[0] > since:
        return stored[0], {**values, **stored[1]}
    return since, {**stored[1], **values}


def _moment(events: list[tuple[str, datetime, Mapping[str, Any]]], now: datetime) -> Moment:
    moment: Moment = {}
    recent = [event for event in events if event[0] in _SESSION_TYPES and event[1] > now - SESSION_WINDOW]
    if recent:
        moment["session_context"] = (recent[-1][1].timestamp(), _session(recent))
    account = [event for event in events if event[0] in _ACCOUNT_TYPES]
    if account:
        moment["account_state"] = (account[-1][1].timestamp(), _account(account, now))
    return moment


def _session(events: Iterable[tuple[str, datetime, Mapping[str, Any]]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    viewed: set[str] = set()
    views, seconds = 0, 0.0
    for kind, _, payload in events:
        for name in ("entry_point", "device_type", "session_risk_score"):
            if name in payload:
                values[name] = payload[name]
        if kind == "card_view":
            views += 1
            viewed.add(payload["card"])
        seconds += float(payload.get("seconds", 0)) if payload.get("page", "cards") == "cards" else 0.0
    return {**values, "cards_viewed": sorted(viewed), "cards_viewed_count": views, "seconds_on_cards_page": seconds}


def _account(events: Iterable[tuple[str, datetime, Mapping[str, Any]]], now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for kind, at, payload in events:
        if kind == "balance":
            values["balance"] = payload["balance"]
            if "utilisation" in payload:
                values["utilisation"] = payload["utilisation"]
        elif kind == "payment":
            values["days_since_last_payment"] = (now - at).days
        elif payload.get("amount", 0) >= LARGE_PURCHASE:
            values["large_purchase_7d"] = True
    return values
