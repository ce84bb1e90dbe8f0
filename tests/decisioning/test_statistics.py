"""Distributions and their drift: against examples worked by hand, and as properties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from decisioning.features import distribution, statistics
from decisioning.features.distribution import Distribution
from decisioning.models import Consent, FeatureRow
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.training import Example
from offers.conditions.vectorise import Column, columns_from_rows
from offers.register import ATTRIBUTES
from tests import factories, living_bank
from tests.factories import NOW
from tests.living_bank import LivingBank

SCORES = st.lists(st.one_of(st.none(), st.integers(300, 850)), min_size=1, max_size=200)


def _of(name: str, values: Sequence[Any]) -> Distribution:
    return distribution.of(name, _parts(name, values))


def _parts(name: str, values: Sequence[Any]) -> list[Column]:
    """A column in two parts, as a population comes in chunks."""
    half = len(values) // 2
    return [
        columns_from_rows([{name: value} for value in part], [name])[name] for part in (values[:half], values[half:])
    ]


def test_the_index_is_the_one_worked_by_hand() -> None:
    # Shares 0.5 and 0.5 against 0.2 and 0.8: 0.3 ln(2.5) + 0.3 ln(1.6) = 0.3 ln 4.
    assert distribution.stability_index([50, 50], [200, 800]) == pytest.approx(0.3 * math.log(4))
    # An empty bin counts as a share of 1e-4: 0.0999 ln(1000) + 0.1 ln(10/9).
    by_hand = 0.0999 * math.log(1000) + 0.1 * math.log(10 / 9)
    assert distribution.stability_index([100, 900], [0, 1000]) == pytest.approx(by_hand)
    assert distribution.stability_index([7, 21], [1, 3]) == 0


@settings(deadline=None)
@given(now=SCORES, then=SCORES)
def test_every_row_is_in_one_bin_also_in_the_bins_of_another_distribution(
    now: list[int | None], then: list[int | None]
) -> None:
    training = _of("credit_score", then)
    for found, values in ((training, then), (distribution.like(training, _parts("credit_score", now)), now)):
        assert sum(found.counts) + found.other + found.missing == len(values) == found.rows
        assert sum(bar.share for bar in found.bins) == pytest.approx(1)
        assert [bar.label for bar in found.bins] == [bar.label for bar in training.bins]


@settings(deadline=None)
@given(SCORES)
def test_nothing_of_a_training_set_is_below_or_above_its_own_bins(values: list[int | None]) -> None:
    found = _of("credit_score", values)
    assert not found.counts or (found.counts[0], found.counts[-1]) == (0, 0)
    assert len(found.counts) <= 12


@settings(deadline=None)
@given(now=SCORES, then=SCORES)
def test_the_index_is_no_less_than_zero_and_the_same_from_either_side(
    now: list[int | None], then: list[int | None]
) -> None:
    training = _of("credit_score", then)
    here, there = (
        (*found.counts, found.other, found.missing)
        for found in (distribution.like(training, _parts("credit_score", now)), training)
    )
    assert distribution.stability_index(here, there) == pytest.approx(distribution.stability_index(there, here))
    assert distribution.stability_index(here, there) >= 0


def test_tenths_are_bins_and_a_value_that_many_share_has_its_own() -> None:
    found = _of("cards_held_count", [*[0] * 50, *range(1, 51)])
    assert [(bar.label, bar.count) for bar in found.bins] == [
        ("below 0", 0), ("0", 50), ("1 to 10", 10), ("11 to 20", 10), ("21 to 30", 10), ("31 to 40", 10),
        ("41 to 50", 10), ("above 50", 0), ("", 0),
    ]  # fmt: skip


def test_values_outside_of_the_training_are_seen() -> None:
    training = _of("cards_held_count", [3] * 400)
    below = distribution.like(training, _parts("cards_held_count", [2] * 400))
    assert [(bar.label, bar.count) for bar in below.bins] == [("below 3", 400), ("3", 0), ("above 3", 0), ("", 0)]
    assert distribution.compare(below, training).reading == "shifted"
    assert distribution.compare(training, training).index == 0


def test_members_of_sets_are_counted_one_by_one() -> None:
    found = _of("cards_held", [["student", "travel"], ["travel"], [], None])
    assert found.labels == ("travel", "none", "student")
    assert found.counts == (2, 1, 1)
    assert (found.rows, found.missing) == (4, 1)
    assert found.coverage == 0.75


def test_a_label_that_training_never_saw_is_another_one_and_not_lost() -> None:
    training = _of("lifecycle_stage", ["new"] * 200 + ["mature"] * 300)
    now = distribution.like(training, _parts("lifecycle_stage", ["new"] * 200 + ["churning"] * 300))
    assert [(bar.label, bar.count) for bar in now.bins] == [("mature", 0), ("new", 200), (None, 300), ("", 0)]
    assert distribution.compare(now, training).reading == "shifted"


def test_booleans_are_true_and_false() -> None:
    assert _of("owns_home", [True, False, True, None]).labels == ("true", "false")


def test_a_source_that_falls_silent_is_a_shift() -> None:
    training = _of("credit_score", range(400, 800))
    silent = distribution.like(
        training, _parts("credit_score", [None if score % 2 else score for score in range(400, 800)])
    )
    drift = distribution.compare(silent, training)
    assert drift.reading == "shifted"
    assert silent.bins[-1] == distribution.Bin("", 200, 0.5)


def test_the_usual_readings() -> None:
    training = _binary(500, 500)
    read = {share: distribution.compare(_binary(share, 1000 - share), training).reading for share in (580, 700, 800)}
    # Of a share p against one half the index is (p - 1/2) ln(p / (1 - p)): 0.026, 0.169 and 0.416.
    assert read == {580: "stable", 700: "watch", 800: "shifted"}


def _binary(true: int, false: int) -> Distribution:
    return Distribution("owns_home", true + false, 0, (true, false), ("true", "false"))


@pytest.mark.parametrize(("rows", "reading"), [(20, "not enough"), (1000, "shifted")])
def test_few_rows_tell_nothing(rows: int, reading: str) -> None:
    # Two coins of twenty throws each differ by 0.1 in the index more than once in twenty times, though they are alike.
    found = distribution.compare(_binary(rows, 0), _binary(rows // 2, rows // 2))
    assert found.reading == reading
    assert (found.index is None) == (reading == "not enough")


def test_what_nobody_has_is_stable_and_compared_all_the_same() -> None:
    training = _of("credit_score", [None] * 300)
    assert (
        distribution.compare(distribution.like(training, _parts("credit_score", [None] * 300)), training).reading
        == "stable"
    )
    appeared = distribution.like(training, _parts("credit_score", range(400, 700)))
    assert distribution.compare(appeared, training).reading == "shifted"


@settings(deadline=None)
@given(SCORES)
def test_a_distribution_is_read_as_it_was_stored(values: list[int | None]) -> None:
    found = _of("credit_score", values)
    assert Distribution.from_json(orjson.loads(orjson.dumps(found.to_json()))) == found


@pytest.fixture
def bank(db: None) -> LivingBank:
    return living_bank.make(customers=150, decisions=30)


def _trained(model: str, values: Sequence[float | None]) -> None:
    """Keep statistics of a training set in which this is all that was known."""
    row = OfferRow("any", "any", "cashback", {})
    examples = [
        Example(customer, {} if value is None else {"debt_to_income": value}, row, False, 1.0, NOW)
        for customer, value in enumerate(values)
    ]
    statistics.keep_training(model, examples, NOW)


def test_the_population_is_measured_as_decisions_know_it_and_sessions_as_they_were(bank: LivingBank) -> None:
    now = timezone.now()
    statistics.measure(now)
    found = statistics.population()
    assert found is not None
    assert found.made_at == now
    assert found.attributes.keys() == ATTRIBUTES.keys()
    assert found.attributes["debt_to_income"].rows == 150
    assert found.attributes["debt_to_income"].coverage == 1
    assert 0.9 < found.attributes["credit_score"].coverage < 1
    assert found.attributes["tenure_months"].coverage == 0
    assert found.attributes["is_21_or_over"].labels == ("true", "false")
    device = found.attributes["device_type"]
    assert (device.rows, device.labels, device.counts) == (30, ("app",), (30,))


def test_what_consent_withholds_is_missing_from_the_population(bank: LivingBank) -> None:
    Consent.objects.filter(purpose="personalisation").delete()
    found = statistics.measure(timezone.now()).attributes
    assert found["spend_share_travel"].coverage == 0  # a group of the moderate level
    assert found["debt_to_income"].coverage == 1


def test_drift_is_told_in_the_bins_of_each_models_training(db: None) -> None:
    factories.make_bank(400)
    factories.make_model("steady", "debt_to_income", seed=1)
    factories.make_model("moved", "debt_to_income", seed=2)
    served = FeatureRow.objects.filter(group="credit_risk").values_list("values__debt_to_income", flat=True)
    _trained("steady", list(served) * 3)
    _trained("moved", [0.9 + value / 1000 for value in range(100)] * 4)
    statistics.measure(timezone.now())
    steady, moved = statistics.drift("steady")["debt_to_income"], statistics.drift("moved")["debt_to_income"]
    assert steady.index == pytest.approx(0)
    assert steady.reading == "stable"
    assert moved.reading == "shifted"
    assert moved.now.edges == moved.training.edges != steady.training.edges
    assert next(iter(statistics.drift("moved").values())).index == max(
        drift.index or 0 for drift in statistics.drift("moved").values()
    )


def test_without_one_of_the_two_there_is_no_drift(db: None) -> None:
    assert statistics.drift("unknown") == {}
    factories.make_model("young", "debt_to_income")
    statistics.measure(timezone.now())
    assert statistics.drift("young") == {}
    _trained("young", [0.1] * 400)  # the population was measured before: its bins are not these
    assert statistics.drift("young") == {}


def test_a_decision_counts_once_in_what_was_trained_on(db: None) -> None:
    offers = [OfferRow(key, key, "cashback", {}) for key in ("one", "two")]
    examples = [
        Example(customer, {"cards_held": ["b", "a"], "owns_home": True}, row, False, 1.0, NOW)
        for customer in (1, 2)
        for row in offers
    ]
    statistics.keep_training("m", examples, NOW)
    found = statistics.training("m")
    assert found is not None
    assert found.rows == 2
    assert found.attributes["cards_held"].counts == (2, 2)
    assert found.attributes["owns_home"].counts == (2,)
    assert found.attributes["credit_score"].coverage == 0
