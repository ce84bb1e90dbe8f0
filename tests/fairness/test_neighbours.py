"""Consistency among people who are alike, and the swap of what stands for a group (R-IND-2, R-IND-3)."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import transaction

from fairness import evidence
from fairness.individual import neighbours, space, swap
from fairness.individual.space import Space
from fairness.models import ComparatorPair
from offers import approvals, catalog, roles
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn
from offers.register import PROTECTED
from tests.factories import NOW, approve, approve_content, author_of_anything, clause, make_bank, make_user, rule


def _line(size: int) -> Space:
    return Space(np.arange(size, dtype=float)[:, np.newaxis], ("credit_score",))


def test_nobody_is_a_neighbour_of_their_own() -> None:
    """With k = 1 and self counted, consistency would be exactly one whatever the outcomes are."""
    where = Space(np.zeros((40, 2)), ("a", "b"))  # all at one point: the first that is found need not be oneself
    anchors = np.arange(40, dtype=np.intp)
    _, found = where.nearest(anchors, anchors, 3)
    assert found.shape == (40, 3)
    assert not (found == anchors[:, np.newaxis]).any()
    _, found = _line(40).nearest(anchors, anchors, 1)
    assert (np.abs(found[:, 0] - anchors) == 1).all()


def test_alike_people_with_alike_outcomes_are_consistent_beside_chance() -> None:
    outcome = (np.arange(400) >= 200).astype(float)
    smooth = neighbours.consistency(_line(400), outcome)
    assert smooth.value > 0.98
    assert smooth.baseline == pytest.approx(0.5, abs=0.1)
    alternating = neighbours.consistency(_line(400), (np.arange(400) % 2).astype(np.float64), k=2)
    assert alternating.value < 0.02


def test_the_interval_of_consistency_is_that_of_the_mean_over_the_anchors() -> None:
    outcome = np.random.default_rng(4).random(400)
    found = neighbours.consistency(_line(400), outcome)
    each = 1 - np.abs(outcome[found.anchors] - outcome[found.neighbours].mean(axis=1))
    half = 1.96 * each.std(ddof=1) / np.sqrt(len(each))
    assert found.interval is not None
    assert list(found.interval) == pytest.approx([found.value - half, found.value + half], abs=half / 5)


def test_the_pairs_are_those_that_differ_most_where_they_are_nearest_and_nobody_stands_twice() -> None:
    outcome = np.zeros(20)
    outcome[10] = 1.0
    found = neighbours.least_alike(neighbours.consistency(_line(20), outcome), outcome)
    assert {10} < set(found[0][:2])
    people = [person for pair in found for person in pair[:2]]
    assert len(people) == len(set(people))


@pytest.mark.django_db
def test_distance_is_measured_on_nothing_protected_and_no_proxy() -> None:
    columns: dict[str, Column] = {
        "credit_score": NumberColumn(np.array([600.0, 700.0, np.nan])),
        "household_size": NumberColumn(np.array([1.0, 2.0, 3.0])),
        "is_21_or_over": NumberColumn(np.array([1.0, 0.0, 1.0])),
        "income_band": CategoryColumn(np.array([0, 1, -1]), ("below_2000", "7000_up")),
    }
    found = space.of(columns)
    assert set(found.names) == {"credit_score", "income_band"}
    assert not set(found.names) & {one.name for one in PROTECTED}
    assert np.isfinite(found.points).all()


@pytest.mark.django_db
def test_pairs_are_kept_with_what_a_decision_may_use_and_nothing_else() -> None:
    make_bank(150, missing=0.0)
    approve_content()
    kept = neighbours.check(NOW)
    assert 0 < kept.figures["baseline"] < kept.figures["consistency"] <= 1
    pairs = list(ComparatorPair.objects.filter(check_of=kept))
    assert 0 < len(pairs) <= neighbours.PAIRS
    for pair in pairs:
        told = pair.figures
        assert len(told["first"]["eligible"]) != len(told["second"]["eligible"])
        assert not {value["attribute"] for value in told["values"]} & {"gender", "region", "birth_date", "age_band"}


@pytest.mark.django_db
def test_pairs_are_of_the_newest_two_checks_and_of_nobody_who_was_erased() -> None:
    make_bank(150, missing=0.0)
    approve_content()
    checks = [neighbours.check(NOW + timedelta(weeks=week)) for week in range(3)]
    assert set(ComparatorPair.objects.values_list("check_of", flat=True)) == {one.pk for one in checks[1:]}
    first, last = ComparatorPair.objects.earliest("pk"), ComparatorPair.objects.latest("pk")
    erased = {first.customer_id, last.other_id}
    before = ComparatorPair.objects.count()
    gone = neighbours.erase(list(erased))
    assert 2 <= gone == before - ComparatorPair.objects.count()
    left = {person for pair in ComparatorPair.objects.values_list("customer_id", "other_id") for person in pair}
    assert left
    assert not left & erased


@pytest.mark.django_db
def test_a_rule_on_a_proxy_shows_in_the_swap_and_others_do_not() -> None:
    make_bank(150, missing=0.0)
    approve_content()
    clean = swap.check(NOW)
    assert {row["attribute"] for row in clean.figures["attributes"]} == {"age_band", "gender", "region"}
    assert clean.differing == 0
    author = author_of_anything()
    with transaction.atomic():
        change = catalog.draft(
            kind="rule", key="licence", title="Licence", items=[rule("licence", clause("state", "in", ["CA", "NY"]))],
            author=author, now=NOW, rationale="The card is licensed there alone.",
        )  # fmt: skip
        approvals.submit(change.pk, author=author, now=NOW)
    evidence.compute(change, NOW)
    approve(change, make_user(roles.RISK_APPROVER, "checker"))
    assert swap.check(NOW).differing > 0
