"""Signals laid over what Redis holds give what a read of the whole history gives, whoever writes meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from decisioning import customer_signals, identity, store
from decisioning.events import Accepted
from decisioning.features import fold, increment, materialise, momentary, stored
from decisioning.features.vector import stamp
from decisioning.models import Customer
from tests import bank

pytestmark = pytest.mark.django_db

_numbers = itertools.count(1)
Told = tuple[str, dict[str, Any]]
_TOLD: list[Told] = [
    ("login", {"device_type": "app"}), ("login", {"device_type": "desktop"}), ("card_view", {"card": "gold"}),
    ("page_view", {"page": "cards", "seconds": 3}), ("balance", {"balance": 10, "utilisation": 0.5}),
    ("balance", {"balance": 20}), ("transaction", {"amount": 800}), ("transaction", {"amount": 8.25}),
    ("experiment_assigned", {"experiment": "hero", "variant": "a"}), ("service_call", {"topic": "fees"}),
    ("experiment_assigned", {"experiment": "hero", "variant": "b"}), ("salary", {"amount": 1}),
]  # fmt: skip


def newcomer(now: datetime) -> str:
    """A customer whose vector is older than every signal, and of whom Redis knows that there is no signal but one."""
    (name,) = bank.customers(1, now=now - timedelta(days=9), first=next(_numbers))
    materialise.customers([surrogate(name)], now - timedelta(days=8))
    tell(name, now, [("first", 0, ("login", {}))])
    return name


def surrogate(name: str) -> int:
    return Customer.objects.get(external_id=name).pk


def take(name: str, now: datetime, told: Sequence[tuple[str, float, Told]]) -> Accepted:
    """Commit (id, seconds before `now`, what happened), and tell Redis nothing."""
    batch = [
        {"event_id": key, "customer_id": name, "type": kind, "payload": payload,
         "occurred_at": (now - timedelta(seconds=ago)).isoformat()}
        for key, ago, (kind, payload) in told
    ]  # fmt: skip
    return customer_signals.take_json(enumerate(batch), timezone.now())


def tell(name: str, now: datetime, told: Sequence[tuple[str, float, Told]]) -> None:
    customer_signals.refresh(take(name, now, told))


def in_redis(name: str, now: datetime) -> Any:
    (moment,) = store.held([identity.token(name)], store.MOMENT)
    return fold.over(None, stored.rows(moment), stamp(now))


def in_history(name: str, now: datetime) -> Any:
    (found,) = stored.moments([surrogate(name)], now)
    return fold.over(None, stored.rows(found.content), stamp(now))


_happened = st.lists(st.tuples(st.integers(1, 500_000), st.sampled_from(_TOLD)), unique_by=lambda each: each[0],
                     min_size=1, max_size=12)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=_happened, cuts=st.lists(st.integers(0, 12), max_size=3).map(sorted))
@example(happened=[(60, _TOLD[0]), (600, _TOLD[1])], cuts=[1])
def test_laying_signals_on_gives_what_history_gives(
    monkeypatch: pytest.MonkeyPatch, happened: list[tuple[int, Told]], cuts: list[int]
) -> None:
    now = timezone.now()
    name = newcomer(now)
    told = [(f"e{number}", ago, what) for number, (ago, what) in enumerate(happened)]
    with monkeypatch.context() as patch:
        patch.setattr(momentary, "refresh", lambda customers, now: pytest.fail("read") if customers else None)
        for start, end in itertools.pairwise([0, *cuts, len(told)]):
            tell(name, now, told[start:end])
    then = timezone.now()
    assert in_redis(name, then) == in_history(name, then)


def reread(name: str, taken: Accepted) -> bool:
    """Whether history has to be read for this customer, because laying the signals on was not enough."""
    return increment.lay(taken.arrived, timezone.now()) == {surrogate(name)}


def test_whoever_was_written_meanwhile_is_read_again_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    name = newcomer(now)
    mine, theirs = take(name, now, [("mine", 60, _TOLD[2])]), take(name, now, [("theirs", 50, _TOLD[4])])
    exchange = store.exchange

    def interrupted(rows: list[tuple[str, bytes, bytes]], field: bytes) -> list[bool]:
        monkeypatch.setattr(store, "exchange", exchange)
        customer_signals.refresh(theirs)
        return exchange(rows, field)

    monkeypatch.setattr(store, "exchange", interrupted)
    customer_signals.refresh(mine)
    then = timezone.now()
    assert in_redis(name, then) == in_history(name, then)
    assert in_redis(name, then)["session_context"][1]["cards_viewed"] == ["gold"]


@pytest.mark.parametrize(
    ("kind", "payload", "days"),
    [("bureau_refresh", {"credit_score": 700}, 0), ("life_event", {"event": "new_mortgage"}, 0),
     ("balance", {"balance": 1}, 8.5), ("payment", {"amount": 1}, 8.5)],
)  # fmt: skip
def test_what_only_a_new_vector_can_show_is_left_to_history(kind: str, payload: dict[str, Any], days: float) -> None:
    now = timezone.now()
    name = newcomer(now)
    assert reread(name, take(name, now, [("e", days * 86_400, (kind, payload))]))


def test_two_signals_of_one_moment_have_an_order_only_in_history() -> None:
    now = timezone.now()
    name = newcomer(now)
    assert reread(name, take(name, now, [("b", 5, _TOLD[0]), ("a", 5, _TOLD[1])]))
    assert reread(name, take(name, now, [("c", 0, _TOLD[0])]))  # the moment of the one before


def test_a_customer_who_is_not_in_redis_is_read_from_history(empty_redis: Redis) -> None:
    now = timezone.now()
    name = newcomer(now)
    empty_redis.flushdb()
    assert reread(name, take(name, now, [("e", 5, _TOLD[0])]))


def test_what_redis_could_not_be_told_it_is_told_with_a_later_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    name, somebody = newcomer(now), newcomer(now)
    with Redis.from_url("redis://127.0.0.1:1/0") as nowhere, monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda: nowhere)
        tell(name, now, [("e", 5, _TOLD[2])])
    assert in_redis(name, now) != in_history(name, now)
    tell(somebody, now, [("e", 5, _TOLD[2])])
    then = timezone.now()
    assert in_redis(name, then) == in_history(name, then)
