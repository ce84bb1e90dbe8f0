"""Unusual activity: the same flags in every process, for about one customer in a hundred, and never of nobody."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from decisioning import decision_log, serve
from decisioning.features import forests, history, materialise, skew
from decisioning.features.derived import derived
from decisioning.features.derived.column import Column
from decisioning.features.derived.unusual import (
    FEWEST,
    INPUTS,
    SAMPLE,
    Forest,
    Forests,
    TooFewCustomers,
    UnreadableForest,
    fit,
)
from decisioning.features.engines.postgres import Postgres
from decisioning.models import ActivityForest, Customer, Decision, FeatureRow
from offers.register import ATTRIBUTES, RULE_ONLY, attributes
from tests.factories import NOW, approve_content, make_bank


def _population(size: int, seed: int = 0) -> dict[str, Column]:
    random = np.random.default_rng(seed)
    month = random.lognormal(6.5, 0.5, size)
    shares = random.dirichlet(np.ones(6), size)[:, :5].T
    counts = random.poisson(month / 40)
    return {
        "transactions_24h": random.poisson(counts / 30).astype(np.float64),
        "spend_24h": month / 30 * random.lognormal(0, 0.5, size),
        "transactions_30d": counts.astype(np.float64),
        "spend_30d": month * random.lognormal(0, 0.15, size),
        "spend_90d": 3 * month,
        **dict(zip([name for name in INPUTS if "share" in name], shares, strict=True)),
    }


def _with(columns: dict[str, Column], **values: float) -> dict[str, Column]:
    """The first customer as they are, and changed."""
    return {name: np.array([column[0], values.get(name, column[0])]) for name, column in columns.items()}


SPENDING = {each.name for each in attributes(group="spend_behaviour")}
FOREST = fit(_population(3_000), seed=5)


def test_about_one_customer_in_a_hundred_is_flagged() -> None:
    flags = FOREST.flags(_population(5_000, seed=9))
    assert set(flags.tolist()) == {0.0, 1.0}
    assert 0.003 < flags.mean() < 0.03


def test_a_day_that_is_like_no_other_is_flagged() -> None:
    usual, burst = FOREST.flags(_with(_population(1), transactions_24h=60, spend_24h=25_000, spend_30d=26_000)).tolist()
    assert (usual, burst) == (0.0, 1.0)


def test_somebody_of_whom_nothing_is_known_is_not_flagged() -> None:
    flags = FOREST.flags(_with(_population(1), spend_90d=np.nan))
    assert flags[0] == 0.0
    assert np.isnan(flags[1])


def test_the_stored_forest_flags_alike_in_another_process() -> None:
    people = _population(500, seed=3)
    program = (
        "import sys, io, numpy as np\n"
        "from decisioning.features.derived.unusual import INPUTS, Forest\n"
        "size = int.from_bytes(sys.stdin.buffer.read(8), 'big')\n"
        "forest = Forest.from_bytes(sys.stdin.buffer.read(size))\n"
        "people = dict(zip(INPUTS, np.load(io.BytesIO(sys.stdin.buffer.read()))))\n"
        "sys.stdout.write(''.join(str(int(flag)) for flag in forest.flags(people)))\n"
    )
    sent, stored = io.BytesIO(), FOREST.to_bytes()
    np.save(sent, np.array([people[name] for name in INPUTS]))
    told = len(stored).to_bytes(8, "big") + stored + sent.getvalue()
    answer = subprocess.run([sys.executable, "-c", program], input=told, capture_output=True, check=True)
    assert answer.stdout.decode() == "".join(str(int(flag)) for flag in FOREST.flags(people))


def test_the_same_customers_and_seed_give_the_same_bytes() -> None:
    assert fit(_population(3_000), seed=5).to_bytes() == FOREST.to_bytes()
    assert fit(_population(3_000), seed=6).to_bytes() != FOREST.to_bytes()
    assert Forest.from_bytes(FOREST.to_bytes()).to_bytes() == FOREST.to_bytes()


def test_a_forest_keeps_no_more_rows_than_it_needs_and_refuses_too_few() -> None:
    assert len(fit(_population(SAMPLE + 500), seed=1).rows) == SAMPLE
    with pytest.raises(TooFewCustomers):
        fit(_population(FEWEST - 1), seed=1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no archive", b"\x80\x04K\x01.", FOREST.to_bytes()[:-40]])
def test_what_is_no_forest_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableForest):
        Forest.from_bytes(content)


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.floats()] * len(INPUTS)), min_size=1, max_size=4))
def test_any_input_gives_a_flag_or_nothing(rows: list[tuple[float, ...]]) -> None:
    columns = {name: np.array([row[index] for row in rows]) for index, name in enumerate(INPUTS)}
    attribute = derived(Forests((0.0,), (FOREST,)))["unusual_activity"]
    flags = attribute.compute({**columns, "moment": np.ones(len(rows))})
    assert all(np.isnan(flag) or flag in (0.0, 1.0) for flag in flags.tolist())


def test_it_holds_back_and_spares_and_its_definition_accuses_nobody() -> None:
    assert ATTRIBUTES["unusual_activity"].uses == RULE_ONLY | {"shield"}
    words = derived()["unusual_activity"].definition.lower()
    assert not any(word in words for word in ("fraud", "suspicious", "suspect", "criminal", "launder"))


@pytest.mark.django_db
def test_each_moment_is_flagged_by_the_forest_that_held_then() -> None:
    day = timedelta(days=1)
    first, second = fit(_population(600, seed=1), seed=1), fit(_population(600, seed=2), seed=2)
    forests.keep(first, NOW)
    forests.keep(second, NOW + 7 * day)
    people = _population(300, seed=3)
    held = forests.kept(NOW - day, NOW + 30 * day)
    assert [forest.rows.tolist() for forest in held.forests] == [first.rows.tolist(), second.rows.tolist()]
    for moment, forest in ((NOW, first), (NOW + 6 * day, first), (NOW + 7 * day, second), (NOW + 20 * day, second)):
        flags = held.flags(np.full(300, moment.timestamp()), people)
        assert flags.tolist() == forest.flags(people).tolist()
    assert np.isnan(held.flags(np.full(300, (NOW - day).timestamp()), people)).all()


@pytest.mark.django_db
def test_only_the_forests_of_the_time_asked_for_are_read() -> None:
    for week in range(3):
        forests.keep(fit(_population(300, seed=week), seed=week), NOW + timedelta(weeks=week))
    later = NOW + timedelta(weeks=2, days=1)
    assert len(forests.kept(later, later).since) == 1
    assert forests.kept(later, later).since[0] == (NOW + timedelta(weeks=2)).timestamp()
    assert forests.kept(NOW - timedelta(days=2), NOW - timedelta(days=1)).since == ()
    assert ActivityForest.objects.count() == 3


@pytest.mark.django_db
def test_forests_of_a_time_that_nothing_is_checked_against_go() -> None:
    for moment in (NOW, NOW + timedelta(days=60), NOW + forests.KEPT + timedelta(days=1)):
        forests.keep(FOREST, moment)
    assert ActivityForest.objects.count() == 2


def _bank(now: datetime) -> list[int]:
    """Customers whose bank tells what they spend."""
    people = make_bank(FEWEST + 50, now=now)
    rows = np.round(np.column_stack(list(_population(len(people)).values())), 4).tolist()
    FeatureRow.objects.filter(group="spend_behaviour").delete()
    FeatureRow.objects.bulk_create(
        FeatureRow(
            customer_id=customer, group="spend_behaviour", version=1, occurred_at=now, known_at=now,
            values={name: value for name, value in zip(INPUTS, row, strict=True) if name in SPENDING},
        )
        for customer, row in zip(people, rows, strict=True)
    )  # fmt: skip
    return people


def _flags(people: list[int], now: datetime, held: Forests | None = None) -> list[bool | None]:
    spine = history.spine(np.array(people), np.datetime64(now.replace(tzinfo=None)))
    flags: list[bool | None] = history.as_of(Postgres(), spine, forests=held)["unusual_activity"].to_pylist()
    return flags


@pytest.mark.django_db
def test_the_population_is_flagged_by_a_forest_of_a_sample_of_it() -> None:
    people = _bank(NOW)
    forest = forests.renew_if_due(Postgres(), NOW)
    assert forest is not None
    assert forests.renew_if_due(Postgres(), NOW + timedelta(days=6)) is None
    flags = _flags(people, NOW, forests.kept(NOW, NOW))
    assert len(forest.rows) == len(people)
    assert set(flags) == {True, False}
    assert sum(map(bool, flags)) < len(people) / 20
    assert set(_flags(people, NOW)) == {None}


@pytest.mark.django_db
def test_a_flag_that_was_served_is_what_history_gives_again() -> None:
    people = _bank(timezone.now())
    approve_content(now=timezone.now())
    now = timezone.now()
    materialise.population(now)
    flags = _flags(people, now, forests.kept(now, now))
    unusual, usual = people[flags.index(True)], people[flags.index(False)]
    for customer in (unusual, usual):
        name = Customer.objects.get(pk=customer).external_id
        assert name
        answer = serve.ask(serve.Ask(name, "s", "web", "home", 1, {}), timezone.now())
        known = decision_log.inputs(Decision.objects.get(id=str(answer.decision_id)))[1]
        assert known.attributes["unusual_activity"] is (customer == unusual)
    soon = timezone.now() + timedelta(minutes=2)
    check = skew.check(soon, 10)
    assert (check.decisions, check.mismatches) == (2, {})
    check.delete()  # the next one looks at the same decisions
    ActivityForest.objects.all().delete()
    assert skew.check(soon, 10).mismatches == {"unusual_activity": 2}


@pytest.mark.django_db
def test_a_bank_whose_customers_do_nothing_gets_no_forest() -> None:
    make_bank(3)
    assert forests.renew_if_due(Postgres(), NOW) is None
    assert not ActivityForest.objects.exists()
