"""Materialising: a run that dies is continued, several share one, and what it makes is what a decision reads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone
from redis import Redis

from decisioning import known, rebuild, store
from decisioning.features import history, layout, materialise, online, population, vector
from decisioning.models import Customer, FeatureRow, FeatureVector, Job
from offers.register import ATTRIBUTES
from tests import bank

NIGHT = timezone.now() - timedelta(hours=1)


class Killed(BaseException):
    """What ends a process, as the tests can have it."""


@pytest.fixture
def thirty(db: None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    bank.customers(30, now=NIGHT - timedelta(days=1))
    monkeypatch.setattr(materialise, "CHUNK", 10)
    return list(Customer.objects.order_by("pk").values_list("pk", flat=True))


def moments() -> list[datetime]:
    return sorted(set(FeatureVector.objects.values_list("as_of", flat=True)))


def test_a_run_that_died_is_continued_for_its_own_moment(thirty: list[int]) -> None:
    def die(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        materialise.population(NIGHT, die)
    first = FeatureVector.objects.count()
    assert 0 < first < 30
    made = dict(FeatureVector.objects.values_list("customer_id", "made_at"))
    assert materialise.population(NIGHT + timedelta(minutes=20)) == 30 - first
    assert (FeatureVector.objects.count(), moments()) == (30, [NIGHT])
    assert made.items() <= dict(FeatureVector.objects.values_list("customer_id", "made_at")).items()
    assert list(Job.objects.filter(kind="materialise").order_by("id").values_list("status", "done")) == [
        ("failed", first), ("done", 30 - first),
    ]  # fmt: skip


def test_the_next_night_is_a_run_of_its_own(thirty: list[int]) -> None:
    assert materialise.population(NIGHT) == 30
    assert materialise.population(NIGHT) == 0
    later = NIGHT + timedelta(minutes=30)
    assert materialise.population(later) == 30
    assert moments() == [later]


def test_a_vector_made_meanwhile_for_a_later_moment_stays(thirty: list[int]) -> None:
    later = NIGHT + timedelta(minutes=5)
    materialise.customers(thirty[:3], later)
    assert materialise.population(NIGHT) == 27
    materialise.customers(thirty[:3], NIGHT)
    assert set(FeatureVector.objects.filter(customer_id__in=thirty[:3]).values_list("as_of", flat=True)) == {later}


def test_several_share_one_run_and_nobody_is_made_twice_or_forgotten(
    live_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.customers(200, now=NIGHT - timedelta(days=1))
    monkeypatch.setattr(materialise, "CHUNK", 10)
    made: list[int] = []
    compute, gate, passed = materialise._compute, threading.Barrier(3), threading.local()

    def noted(ids: list[int], as_of: datetime, engine: history.Engine) -> None:
        if not hasattr(passed, "gate"):
            passed.gate = gate.wait(timeout=60)  # each has a chunk of its own before anybody goes on
        made.extend(ids)
        compute(ids, as_of, engine)

    monkeypatch.setattr(materialise, "_compute", noted)

    def work(_: int) -> int:
        try:
            return materialise.population(NIGHT)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(work, range(3)))
    assert sorted(made) == sorted(Customer.objects.values_list("pk", flat=True))
    assert sum(results) == 200
    assert moments() == [NIGHT]


def test_a_vector_of_another_declaration_is_made_again_by_whoever_meets_it(thirty: list[int]) -> None:
    materialise.population(NIGHT)
    content = bytes(FeatureVector.objects.get(pk=thirty[0]).content)
    other = content[:8] + (layout.SCHEMA.fingerprint ^ 1).to_bytes(4, "big") + content[12:]

    def age() -> None:
        FeatureVector.objects.filter(pk=thirty[0]).update(content=other)

    def readable() -> bool:
        return vector.readable(bytes(FeatureVector.objects.get(pk=thirty[0]).content))

    for meet in (
        lambda: online.read_committed("C-1", "s", timezone.now()),
        lambda: list(population.chunks(["balance"], timezone.now())),
        lambda: rebuild.rebuild(),
        lambda: materialise.population(timezone.now()),
    ):
        age()
        assert not readable()
        meet()
        assert readable()


def test_the_erased_are_not_computed(thirty: list[int]) -> None:
    Customer.objects.filter(pk=thirty[0]).update(external_id=None, token=None, erased_at=NIGHT)
    assert materialise.population(NIGHT) == 29


def test_without_redis_vectors_are_in_postgres(thirty: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "client", lambda: Redis(host="127.0.0.1", port=1, retry=store.RETRY))
    assert materialise.population(NIGHT) == 30
    assert FeatureVector.objects.count() == 30


def test_what_a_load_says_is_served_once_it_is_materialised(thirty: list[int], empty_redis: Redis) -> None:
    bank.warm()
    FeatureRow.objects.create(
        customer_id=thirty[0], group="credit_risk", source="bureau", version=1, occurred_at=timezone.now(),
        known_at=timezone.now(), values={"credit_score": 801.0},
    )  # fmt: skip
    materialise.customers(thirty[:1], timezone.now())
    customer = Customer.objects.get(pk=thirty[0])
    read = online.read("C-1", customer.token or "", "s", timezone.now())
    assert read.profile.groups["credit_risk"][1]["credit_score"] == 801.0
    assert read.degraded == ()


def test_the_population_is_read_as_each_decision_would_read_its_customer(thirty: list[int]) -> None:
    materialise.population(NIGHT)
    for group, declared in (("text_interest", 5), ("spend_behaviour", 40)):
        FeatureRow.objects.filter(customer_id__in=thirty[:declared], group=group).delete()
    now = timezone.now()
    for moment in (now, now + timedelta(days=3), now + timedelta(days=40)):
        (chunk,) = population.chunks(ATTRIBUTES, moment)
        for customer, attributes in zip(chunk.customers.tolist(), chunk.attributes, strict=True):
            row = Customer.objects.get(pk=customer)
            read = online.read_committed(row.external_id or "", "s", moment)
            assert attributes == known.held(read.profile.groups, read.ledger.consents, moment.timestamp()).attributes
