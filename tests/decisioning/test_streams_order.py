"""However events come, late, twice, in any order and batch and over any adapter, the next decision knows the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from decisioning import customer_signals, identity, runtime, store
from decisioning.features import materialise, momentary, online
from decisioning.models import Customer, Signal
from decisioning.signal_shapes import PAYLOADS
from decisioning.streams import consumer
from decisioning.streams.redis_streams import RedisStream
from tests import bank, catalogue
from tests.decisioning.test_api_decisions import Channel

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
AT_ONCE = ("session_context", "recent_activity", "account_state")  # what signals change by themselves
_numbers = itertools.count(1)
Event = dict[str, Any]
Deliver = Callable[[Sequence[Event]], None]

_payloads: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "page_view": st.fixed_dictionaries({"page": st.sampled_from(["cards", "home"])}, optional={"seconds": st.just(9)}),
    "card_view": st.fixed_dictionaries({"card": st.sampled_from(["gold", "miles"])}, optional={"seconds": st.just(4)}),
    "login": st.fixed_dictionaries({}, optional={"device_type": st.sampled_from(["app", "desktop"]),
                                                 "session_risk_score": st.sampled_from([0.1, 0.7])}),
    "transaction": st.fixed_dictionaries({"amount": st.sampled_from([9.99, 700, -3])}),
    "balance": st.fixed_dictionaries({"balance": st.sampled_from([10.5, 20])}, optional={"utilisation": st.just(0.4)}),
    "payment": st.just({"amount": 5}),
    "service_call": st.just({"topic": "fees"}),
    "complaint": st.just({"topic": "fees"}),
    "experiment_assigned": st.fixed_dictionaries({"experiment": st.just("hero"), "variant": st.sampled_from("ab")}),
    "life_event": st.just({"event": "new_mortgage"}),
    "salary": st.just({"amount": 2000}),
    "bureau_refresh": st.fixed_dictionaries({"credit_score": st.sampled_from([610, 790])}),
}  # fmt: skip
# Seconds ago: within the session, after the vector was made, before it, and days before.
_ages = st.sampled_from([1, 5, 60, 600, 1700, 3000, 4000, 30_000, 200_000, 700_000])
_events = st.lists(
    st.sampled_from(sorted(_payloads)).flatmap(lambda kind: st.tuples(st.just(kind), _ages, _payloads[kind])),
    min_size=1, max_size=8,
)  # fmt: skip


def test_every_type_that_changes_a_feature_is_among_them() -> None:
    assert set(PAYLOADS) - set(_payloads) == {
        "transaction_declined", "alert_acknowledged", "competitor_inquiry", "social_post",
    }  # fmt: skip


@pytest.fixture
def adapters() -> Iterator[list[Deliver]]:
    """The ways in, each with its real client."""
    bank.publish(catalogue.content())
    bank.warm()
    channel = Channel()
    redis_source = RedisStream(settings.REDIS_URL, consumer="test")

    def http(events: Sequence[Event]) -> None:
        assert channel.post("/signals", orjson.dumps({"events": list(events)})).json()["rejected"] == []

    def redis(events: Sequence[Event]) -> None:
        client = store.client()
        for event in events:
            client.xadd(store.SIGNALS, {"event": orjson.dumps(event)})
        consumer.consume(redis_source, running=lambda: client.xlen(store.SIGNALS) > 0, clock=timezone.now)

    yield [http, redis, *_kafka()]
    redis_source.close()
    runtime.forget()


def _kafka() -> list[Deliver]:
    try:
        from tests.decisioning.test_streams_kafka import Cluster
    except pytest.skip.Exception:
        return []
    cluster = Cluster.make()
    source = cluster.source()

    def kafka(events: Sequence[Event]) -> None:
        cluster.send(*(orjson.dumps(event) for event in events))
        consumer.consume(source, running=lambda: cluster.waiting() > 0, clock=timezone.now)

    return [kafka]


def newcomers(now: datetime) -> list[str]:
    """Two customers who differ in nothing, whose vectors were made an hour ago, and who are in Redis."""
    names = bank.customers(2, now=now - 2 * HOUR, first=2 * next(_numbers))
    materialise.customers(Customer.objects.filter(external_id__in=names).values_list("pk", flat=True), now - HOUR)
    for name in names:
        served(name, now)
    return names


def served(name: str, now: datetime) -> dict[str, Any]:
    """What a decision knows of a customer, from Redis."""
    read = online.read(name, identity.token(name), "session", now)
    assert read.degraded == ()
    return {group: values for group, (_, values) in read.profile.groups.items()}


def committed(name: str, now: datetime) -> dict[str, Any]:
    """The same from Postgres."""
    return {group: values for group, (_, values) in online.read_committed(name, "session", now).profile.groups.items()}


@effort(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), happened=_events)
def test_late_repeated_and_disordered_events_give_what_ordered_ones_give(
    adapters: list[Deliver], data: st.DataObject, happened: list[tuple[str, int, dict[str, Any]]]
) -> None:
    now = timezone.now()
    ordered, disordered = newcomers(now)

    def event(number: int, customer: str) -> Event:
        kind, age, payload = happened[number]
        # Two reports of one moment have no order but that of their arrival.
        at = now - timedelta(seconds=age, milliseconds=number * (kind == "bureau_refresh"))
        return {"event_id": f"e{number}", "customer_id": customer, "type": kind, "occurred_at": at.isoformat(),
                "payload": payload}  # fmt: skip

    in_order = sorted(range(len(happened)), key=lambda number: (-happened[number][1], number))
    taken = customer_signals.take_json(enumerate([event(number, ordered) for number in in_order]), timezone.now())
    customer_signals.refresh(taken)

    repeated = data.draw(st.lists(st.sampled_from(in_order), max_size=4))
    left = data.draw(st.permutations([*in_order, *repeated]))
    while left:
        size = data.draw(st.integers(1, len(left)))
        deliver = data.draw(st.sampled_from(adapters))
        deliver([event(number, disordered) for number in left[:size]])
        left = left[size:]

    momentary.catch_up(timezone.now())  # what a worker does as soon as signals call for a new vector
    then, ids = timezone.now(), dict(Customer.objects.values_list("external_id", "pk"))
    assert Signal.objects.filter(customer_id=ids[disordered]).count() == len(happened)
    one, other = served(ordered, then), served(disordered, then)
    assert {group: one.get(group) for group in AT_ONCE} == {group: other.get(group) for group in AT_ONCE}
    assert other == committed(disordered, then)
    # What is computed once a night is the same after that night.
    materialise.customers([ids[ordered], ids[disordered]], then)
    assert served(ordered, then) == served(disordered, then) == committed(disordered, then)
