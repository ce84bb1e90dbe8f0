"""What signals change between two nights: the same in whatever order they come, right when it is read, and the values
that history gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning import customer_signals
from decisioning.features import fold, history, materialise, momentary, online, stored, vector
from decisioning.features.engines.postgres import Postgres
from decisioning.features.fold import DAY, HOUR, MINUTE, Row
from decisioning.features.vector import Vector, stamp
from decisioning.models import Customer, Signal
from decisioning.signal_shapes import Event
from tests import bank

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT = stamp(NOW)

_session = {"entry_point": "push", "device_type": "app", "session_risk_score": 0.25}
_PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "page_view": st.sampled_from([{"page": "cards", "seconds": 12.5, **_session}, {"page": "home"}]),
    "card_view": st.sampled_from([{"card": "travel", "seconds": 3}, {"card": "student", "device_type": "desktop"}]),
    "login": st.sampled_from([{}, {"entry_point": "email"}]),
    "transaction": st.sampled_from([{"amount": 20.005}, {"amount": 800, "mcc": "5411"}, {"amount": -50.0}]),
    "transaction_declined": st.just({"amount": 5}),
    "balance": st.sampled_from([{"balance": 10.0}, {"balance": 20.0, "utilisation": 0.5}]),
    "payment": st.just({"amount": 30}),
    "service_call": st.just({"topic": "fees"}),
    "complaint": st.just({"topic": "fees"}),
    "alert_acknowledged": st.just({"alert": "a"}),
    "experiment_assigned": st.sampled_from([{"experiment": "tile", "variant": v} for v in "ab"]),
    "life_event": st.sampled_from([{"event": e} for e in ("first_child", "new_mortgage", "salary_change", "moved")]),
}
_events = st.sampled_from(fold.TYPES).flatmap(
    lambda kind: st.tuples(
        st.one_of(st.integers(-35 * DAY, 5 * MINUTE), st.integers(-2 * HOUR, 0)), st.just(kind), _PAYLOADS[kind]
    )
)
_rows = st.lists(_events, max_size=25).map(
    lambda events: [fold.row(AT + ago, kind, payload) for ago, kind, payload in sorted(events, key=lambda e: e[0])]
)


def rows(*events: tuple[int, str, dict[str, Any]]) -> list[Row]:
    return [fold.row(at, kind, payload) for at, kind, payload in events]


def read(found: Sequence[Row], now: int, made: Vector | None = None) -> dict[str, Any]:
    return {name: value for _, values in fold.over(made, found, now).values() for name, value in values.items()}


def made(ago: timedelta = timedelta(0), **account: Any) -> Vector:
    return Vector(NOW - ago, {"account_state": ((NOW - ago).timestamp(), account)})


# --- Pure ----------------------------------------------------------------------------------------------------------


@given(found=_rows, later=st.one_of(st.integers(0, 20 * MINUTE), st.integers(0, 40 * DAY)), behind=st.integers(0, DAY))
def test_what_is_kept_gives_what_everything_would_have_given_at_any_later_moment(
    found: list[Row], later: int, behind: int
) -> None:
    vector = made(timedelta(microseconds=behind), balance=1.0, days_since_last_payment=3, large_purchase_7d=True)
    kept = fold.unpack(fold.pack(found, AT))
    assert fold.over(vector, kept, AT + later) == fold.over(vector, found, AT + later)
    assert fold.pack(kept, AT) == fold.pack(found, AT)


def test_a_count_of_the_last_day_falls_while_nothing_happens() -> None:
    found = rows((AT - 23 * HOUR, "transaction", {"amount": 10.0}), (AT - HOUR, "transaction", {"amount": 2.5}))
    assert (read(found, AT)["transactions_24h"], read(found, AT)["spend_24h"]) == (2, 12.5)
    assert (read(found, AT + 2 * HOUR)["transactions_24h"], read(found, AT + 2 * HOUR)["spend_24h"]) == (1, 2.5)
    assert read(found, AT + 25 * HOUR)["transactions_24h"] == 0


def test_a_session_is_over_half_an_hour_after_its_last_sign() -> None:
    found = rows((AT, "card_view", {"card": "travel"}), (AT + 10 * MINUTE, "page_view", {"page": "home"}))
    now = read(found, AT + 10 * MINUTE)
    assert (now["cards_viewed"], now["cards_viewed_count"], now["pages_viewed_count"]) == (["travel"], 1, 1)
    later = read(found, AT + 35 * MINUTE)
    assert (later["cards_viewed"], later["cards_viewed_count"], later["pages_viewed_count"]) == ([], 0, 1)
    assert "session_context" not in fold.over(None, found, AT + 40 * MINUTE)


def test_days_since_a_payment_grow_and_a_later_booking_is_believed() -> None:
    found = rows((AT - 2 * DAY, "payment", {"amount": 30}))
    assert read(found, AT)["days_since_last_payment"] == 2
    assert read(found, AT + 3 * DAY)["days_since_last_payment"] == 5
    assert read(found, AT + DAY, made(days_since_last_payment=2))["days_since_last_payment"] == 3
    assert read(found, AT, made(days_since_last_payment=0))["days_since_last_payment"] == 0


def test_a_large_purchase_is_forgotten_in_time_whoever_told_it() -> None:
    signalled = rows((AT - 6 * DAY, "transaction", {"amount": 500}))
    for at, expected in ((AT, True), (AT + 2 * DAY, False)):
        assert read(signalled, at, made(large_purchase_7d=True))["large_purchase_7d"] is expected
    old = rows((AT - 20 * DAY, "transaction", {"amount": 500}))
    for booked in (True, False):
        assert read(old, AT, made(large_purchase_7d=booked))["large_purchase_7d"] is booked


def test_a_balance_that_the_vector_has_seen_changes_nothing() -> None:
    found = rows((AT - HOUR, "balance", {"balance": 10.0, "utilisation": 0.5}))
    assert read(found, AT, made(timedelta(hours=2), balance=1.0))["balance"] == 10.0
    assert read(found, AT, made(balance=1.0)) | {"balance": 1.0} == read(found, AT, made(balance=1.0))


def test_where_nothing_has_happened_what_was_counted_last_night_holds_still() -> None:
    counted, told = {"service_calls_7d": 0}, {"service_calls_7d": 3}
    for since, values, expected in ((NOW, counted, AT + DAY), (NOW - timedelta(days=9), told, AT - 9 * DAY)):
        before = Vector(NOW, {"recent_activity": (since.timestamp(), values)})
        assert fold.over(before, [], AT + DAY) == {"recent_activity": (expected / fold.SECOND, values)}


def test_a_clock_that_is_ahead_is_not_believed_before_its_time() -> None:
    found = rows((AT - HOUR, "balance", {"balance": 1.0}), (AT + MINUTE, "balance", {"balance": 2.0}))
    kept = fold.unpack(fold.pack(found, AT))
    assert (read(kept, AT)["balance"], read(kept, AT + MINUTE)["balance"]) == (1.0, 2.0)


def test_an_experiment_keeps_its_newest_variant_beside_the_others() -> None:
    found = rows(
        (AT - 2 * DAY, "experiment_assigned", {"experiment": "tile", "variant": "a"}),
        (AT - DAY, "experiment_assigned", {"experiment": "tile", "variant": "b"}),
    )
    before = Vector(NOW, {"recent_activity": (NOW.timestamp(), {"experiments": ["rate:x", "tile:a"]})})
    assert read(found, AT, before)["experiments"] == ["rate:x", "tile:b"]


def test_a_life_event_holds_at_once() -> None:
    found = rows((AT, "life_event", {"event": "first_child"}), (AT, "life_event", {"event": "moved"}))
    assert read(found, AT, made(timedelta(hours=1), first_child_180d=False))["first_child_180d"] is True


# --- With Postgres and Redis ---------------------------------------------------------------------------------------


def sent(count: int, random_: random.Random, now: datetime) -> list[Event]:
    """Signals of one customer over the last days, some at the same moment."""
    kinds: dict[str, dict[str, Any]] = {
        "transaction": {"amount": 700.0}, "card_view": {"card": "travel", "seconds": 4}, "payment": {"amount": 3.0},
        "balance": {"balance": 5.0, "utilisation": 0.25}, "service_call": {"topic": "x"}, "complaint": {"topic": "x"},
        "page_view": {"page": "cards", "seconds": 7}, "login": {"device_type": "app"},
        "transaction_declined": {"amount": 3.0}, "experiment_assigned": {"experiment": "tile", "variant": "a"},
    }  # fmt: skip
    events = []
    for number in range(count):
        kind = random_.choice(sorted(kinds))
        ago = random_.choice([timedelta(0), timedelta(minutes=3), timedelta(minutes=20), timedelta(hours=20),
                              timedelta(days=6, hours=3), timedelta(days=25)])  # fmt: skip
        payload = dict(kinds[kind])
        for name in ("amount", "balance"):
            if name in payload:
                payload[name] = float(random_.randrange(1000))
        if "variant" in payload:
            payload["variant"] = random_.choice("ab")
        events.append(Event(f"e{number}", "C-1", kind, now - ago, payload))
    return events


MOMENTARY = ("balance", "utilisation", "days_since_last_payment", "large_purchase_7d")


@pytest.mark.parametrize("seed", range(4))
def test_late_repeated_and_disordered_signals_give_what_ordered_ones_give(db: None, seed: int) -> None:
    now, random_ = datetime.now(UTC), random.Random(seed)
    events = sorted(sent(60, random_, now), key=lambda event: event.occurred_at)
    shuffled = [*events, *random_.choices(events, k=20)]
    random_.shuffle(shuffled)
    ordered, other = (taken_in(stream, number, now) for number, stream in enumerate((events, shuffled)))
    later = now + timedelta(minutes=9)
    assert changed_at_once(ordered, later) == changed_at_once(other, later)
    materialise.customers([ordered.pk, other.pk], later)  # the next night, for all that is not momentary
    assert groups(ordered, later) == groups(other, later)


def taken_in(stream: Sequence[Event], number: int, now: datetime) -> Customer:
    """A customer whose vector is an hour old when these signals come, a handful at a time."""
    (external,) = bank.customers(1, first=number + 1, now=now - timedelta(days=40))
    customer = Customer.objects.get(external_id=external)
    materialise.customers([customer.pk], now - timedelta(hours=1))
    bank.warm()
    mine = [replace(event, customer_id=external) for event in stream]
    for start in range(0, len(mine), 7):
        batch = list(enumerate(mine[start : start + 7]))
        customer_signals.refresh(customer_signals.take(batch, datetime.now(UTC)))
        momentary.catch_up(datetime.now(UTC))
    return customer


def groups(customer: Customer, moment: datetime) -> dict[str, Any]:
    assert customer.external_id
    assert customer.token
    read = online.read(customer.external_id, customer.token, "s", moment)
    assert not read.degraded
    return dict(read.profile.groups)


def changed_at_once(customer: Customer, moment: datetime) -> dict[str, Any]:
    """What signals change at once."""
    found = groups(customer, moment)
    accounts = {name: found["account_state"][1].get(name) for name in MOMENTARY}
    return {**accounts, "recent": found.get("recent_activity"), "session": found.get("session_context")}


def test_between_two_nights_a_decision_reads_what_history_says_at_its_moment(db: None) -> None:
    """Vectors of the night and the signals since, against history as of the moment itself."""
    night = datetime.now(UTC) - timedelta(hours=14)
    moment, random_ = night + timedelta(hours=13), random.Random(5)
    ids = [Customer.objects.get(external_id=name).pk for name in bank.customers(40, now=night - timedelta(days=40))]
    for customer in ids:
        for number, event in enumerate(sent(random_.choice([0, 3, 12]), random_, moment)):
            Signal.objects.create(
                customer_id=customer, event_id=f"{customer}-{number}", type=event.type, occurred_at=event.occurred_at,
                known_at=event.occurred_at, payload=event.payload,
            )  # fmt: skip

    def as_of(at: datetime) -> list[Vector]:
        spine = history.spine(np.array(ids), np.datetime64(at.replace(tzinfo=None), "us"))
        return [vector.decode(content) for content in vector.encode(history.as_of(Postgres(), spine), at)]

    signalled = {each.customer: stored.rows(each.content) for each in stored.moments(ids, moment)}
    differing = 0
    for customer, before, after in zip(ids, as_of(night), as_of(moment), strict=True):
        read = fold.over(before, signalled[customer], stamp(moment))
        differing += before.groups != after.groups
        for name in MOMENTARY:
            assert read["account_state"][1].get(name) == after.groups["account_state"][1].get(name), name
        assert read.get("recent_activity", (0, {}))[1] == after.groups.get("recent_activity", (0, {}))[1]
    assert differing > 10
