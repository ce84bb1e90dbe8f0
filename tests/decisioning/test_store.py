"""Customers in Redis: the newer value stays, every key ends, and what nobody knows any more is not guessed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from decisioning import customer_signals, identity, learn, rebuild, runtime, scoring, serve, store
from decisioning.features import materialise, momentary, online, scores
from decisioning.features.ledger import Ledger
from decisioning.models import Customer, ScoreLayout
from decisioning.propensity import precision
from decisioning.signal_shapes import Event
from offers.register import LEVELS
from offers.types import CHANNELS
from tests import bank, catalogue, factories

_day = st.dates().map(lambda day: day.isoformat())
_counts = st.dictionaries(st.text(max_size=20), st.integers(1, 10**6), max_size=3)
_purposes = [f"marketing:{channel}" for channel in CHANNELS] + [f"personalisation:{level}" for level in LEVELS]


def aged(age: int, content: bytes = b"x") -> bytes:
    return age.to_bytes(8, "big") + content


# --- Written -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [5, 2**40])
def test_an_older_value_never_takes_the_place_of_a_newer_one(empty_redis: Redis, first: int) -> None:
    key = store.customer_key("t")
    store.put([("t", {store.VECTOR: aged(first, b"new"), store.LEDGER: aged(1)})])
    store.put([("t", {store.VECTOR: aged(first - 1, b"old"), store.LEDGER: aged(2, b"later")})])
    assert empty_redis.hgetall(key) == {store.VECTOR: aged(first, b"new"), store.LEDGER: aged(2, b"later")}
    store.put([("t", {store.VECTOR: aged(first, b"again")})])
    assert empty_redis.hget(key, store.VECTOR) == aged(first, b"again")


def test_a_value_of_nothing_takes_an_older_one_away_and_leaves_a_newer_one(empty_redis: Redis) -> None:
    store.put([("t", {store.VECTOR: aged(1), store.MOMENT: aged(3)})])
    store.put([("t", {store.MOMENT: aged(2, b"")})])
    assert empty_redis.hget(store.customer_key("t"), store.MOMENT) == aged(3)
    store.put([("t", {store.MOMENT: aged(4, b"")})])
    assert empty_redis.hget(store.customer_key("t"), store.MOMENT) is None


def test_thousands_are_written_whatever_the_batches(empty_redis: Redis) -> None:
    assert store.put((f"t{number}", {store.VECTOR: aged(number)}) for number in range(1_234)) == 1_234
    assert empty_redis.dbsize() == 1_234
    assert empty_redis.hget(store.customer_key("t1233"), store.VECTOR) == aged(1233)


def test_a_fault_in_the_middle_spoils_no_later_command(empty_redis: Redis) -> None:
    empty_redis.set(store.customer_key("t3"), "no hash")
    with pytest.raises(ResponseError):
        store.put((f"t{number}", {store.VECTOR: aged(1)}) for number in range(1_000))
    assert store.client().get(store.customer_key("t3")) == b"no hash"
    assert store.client().echo("still in step") == b"still in step"


# --- A day in a bank -----------------------------------------------------------------------------------------------


@pytest.fixture
def product(db: None) -> Iterator[None]:
    bank.customers(5)
    model = factories.make_model("champion", "spend_share_travel")
    content = catalogue.content()
    content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    bank.publish(content)
    learn.forget()
    learn.run(timezone.now())
    bank.warm()
    yield
    runtime.forget()


def ask(customer: str = "C-1", session: str = "s", **changes: Any) -> serve.Answer:
    fields: dict[str, Any] = {"channel": "web", "placement": "home_banner", "limit": 1, "context": {}, **changes}
    return serve.ask(serve.Ask(customer, session, **fields), timezone.now())


def test_every_key_ends(product: None, empty_redis: Redis) -> None:
    now = timezone.now()
    scoring.score_population(now)
    ask()
    ask("C-2", "another")
    events = [(0, Event("e", "C-3", "competitor_inquiry", now, {}))]
    customer_signals.refresh(customer_signals.take(events, now))
    rebuild.announce()
    keys = set(empty_redis.scan_iter())
    assert {store.VERSIONS.encode(), store.POSTERIOR.encode(), store.BEHIND.encode()} < keys
    assert sum(key.startswith(b"c:") for key in keys) == 5
    assert [key for key in keys if empty_redis.ttl(key) == -1] == []  # which is no time to live at all
    momentary.catch_up(timezone.now())
    assert not empty_redis.exists(store.BEHIND)


def test_what_all_share_is_kept_for_as_long_as_somebody_renews_it(product: None, empty_redis: Redis) -> None:
    for key in (store.VERSIONS, store.POSTERIOR):
        empty_redis.expire(key, 10)
    rebuild.announce()
    for key in (store.VERSIONS, store.POSTERIOR):
        assert (empty_redis.ttl(key) or 0) > 10
    empty_redis.delete(store.VERSIONS)
    assert ask().degraded[0] == "redis_cold"


def test_a_customer_is_one_small_key(product: None, empty_redis: Redis) -> None:
    scoring.score_population(timezone.now())
    ask()
    key = store.customer_key(identity.token("C-1"))
    assert list(empty_redis.scan_iter(match="*" + identity.token("C-1") + "*")) == [key.encode()]
    assert empty_redis.object("encoding", key) in (b"ziplist", b"listpack")  # what keeps it small
    size = empty_redis.memory_usage(key)
    assert size
    assert size < 700


def test_a_lease_ends_by_the_clock_of_the_commit_and_goes_with_a_later_one(product: None, empty_redis: Redis) -> None:
    key, now = store.customer_key(identity.token("C-1")), timezone.now()
    lease = runtime.plan(1).release.ranking.lease_minutes
    first = serve.ask(serve.Ask("C-1", "one", "web", "home_banner", 1, {}), now)
    again = serve.ask(serve.Ask("C-1", "one", "web", "home_banner", 1, {}), now + timedelta(minutes=lease - 1))
    assert again.decision_id == first.decision_id
    later = now + timedelta(minutes=lease)
    assert serve.ask(serve.Ask("C-1", "one", "web", "home_banner", 1, {}), later).decision_id != first.decision_id
    serve.ask(serve.Ask("C-1", "two", "web", "home_banner", 1, {}), later + timedelta(minutes=lease))
    fields = [field for field in empty_redis.hkeys(key) if isinstance(field, bytes) and store.is_lease(field)]
    assert fields == [store.lease_field(identity.session_hash("two"))]


def test_a_vector_of_another_declaration_is_made_anew_and_nothing_is_degraded(
    product: None, empty_redis: Redis
) -> None:
    customer = Customer.objects.get(external_id="C-1")
    assert customer.token
    key = store.customer_key(customer.token)
    held = empty_redis.hget(key, store.VECTOR)
    assert isinstance(held, bytes)
    empty_redis.hset(key, store.VECTOR, held[:8] + b"\0\0\0\0" + held[12:])
    read = online.read("C-1", customer.token, "s", timezone.now())
    assert read.degraded == ()
    assert read.profile.groups["credit_risk"][1]["credit_score"] == 720.0
    assert empty_redis.hget(key, store.VECTOR) == held


def test_scores_that_nobody_can_name_any_more_are_not_used(product: None) -> None:
    scoring.score_population(timezone.now())
    token = identity.token("C-1")
    assert online.read("C-1", token, "s", timezone.now()).profile.scores
    layout = scores.Layout("champion", ("gone",))
    store.put([(token, {store.SCORES: scores.encode(np.array([[0.5]]), layout, timezone.now())[0]})])
    read = online.read("C-1", token, "s", timezone.now())
    assert (read.profile.scores, read.degraded) == (None, ())
    assert ScoreLayout.objects.count() == 1


def test_a_customer_of_whom_redis_lost_a_part_is_filled_up_again(product: None, empty_redis: Redis) -> None:
    key = store.customer_key(identity.token("C-1"))
    whole = empty_redis.hgetall(key)
    for field in (store.VECTOR, store.LEDGER):
        empty_redis.hdel(key, field)
        assert online.read("C-1", identity.token("C-1"), "s", timezone.now()).degraded == ()
        assert empty_redis.hgetall(key) == whole


def test_copying_again_changes_nothing(product: None, empty_redis: Redis) -> None:
    ids = list(Customer.objects.values_list("pk", flat=True))
    keys = sorted(empty_redis.scan_iter(match="c:*"))
    before = [empty_redis.hgetall(key) for key in keys]
    assert materialise.publish(ids, timezone.now()) == 5
    assert [empty_redis.hgetall(key) for key in keys] == before


def test_prometheus_is_told_what_a_customer_costs_and_who_waits(product: None, client: Client) -> None:
    now = timezone.now()
    events = [(0, Event("e", "C-3", "competitor_inquiry", now, {}))]
    customer_signals.refresh(customer_signals.take(events, now))
    figures = dict(line.rsplit(" ", 1) for line in client.get("/metrics").content.decode().splitlines())
    assert float(figures["candor_vectors_owed"]) == 1
    assert float(figures["candor_redis_keys_without_end"]) == 0
    assert 100e6 < float(figures["candor_redis_bytes_per_million_customers"]) < 700e6


# --- The bytes -----------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**40 - 1), st.integers(0, 2**63 - 1), st.dictionaries(_day, _counts, max_size=3),
    st.frozensets(st.sampled_from(_purposes) | st.text(max_size=10)), st.booleans(),
)  # fmt: skip
def test_a_ledger_comes_back_whole(
    customer: int, sequence: int, contacts: dict[str, dict[str, int]], consents: frozenset[str], suppressed: bool
) -> None:
    ledger = Ledger(customer, sequence, contacts, consents, suppressed)
    assert Ledger.decode(ledger.encode()) == ledger


def test_every_consent_has_a_bit_of_its_own() -> None:
    for granted in itertools.chain.from_iterable(itertools.combinations(_purposes, size) for size in (0, 1, 2)):
        for suppressed in (False, True):
            content = Ledger(1, 1, {}, frozenset(granted), suppressed).encode()
            assert len(content) == 17
            assert Ledger.decode(content).consents == set(granted)


def test_a_ledger_of_other_purposes_is_refused() -> None:
    content = bytearray(Ledger(1, 1, {}, frozenset({"marketing:web"}), False).encode())
    content[13] ^= 1
    with pytest.raises(ValueError, match="other purposes"):
        Ledger.decode(bytes(content))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_propensity_is_stored_as_the_number_that_the_model_gives(values: list[float]) -> None:
    given_by_model = precision.rounded(np.array([values]))
    (content,) = precision.pack(given_by_model)
    assert precision.unpack(content.tobytes()) == given_by_model[0].tolist()
    np.testing.assert_allclose(given_by_model[0], values, rtol=1 / 130_000, atol=1e-38)
    assert given_by_model.max() <= 1
