"""What everybody fails of the rules on an offer: all of it, and for everybody."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.bank import people, profiles, world
from decisioning import impact, runtime
from decisioning.features import population
from decisioning.features.population import Chunk
from decisioning.plan import compile_release
from fairness import dataset
from fairness.causes import attribution, failures
from fairness.dataset import Grouping
from offers import snapshot
from offers.conditions.describe import sentence
from offers.conditions.grammar import Combination, parse
from offers.conditions.vectorise import columns_from_rows, evaluate_many
from tests.factories import NOW, approve_content, make_bank, rule, small_catalogue

SCORE = {"attribute": "credit_score", "op": ">=", "value": 640}
DEBT = {"attribute": "debt_to_income", "op": "<=", "value": 0.5}
HELD = {"attribute": "cards_held", "op": "contains_none_of", "value": ["student"]}
TREES = [
    SCORE, {"all": [SCORE, DEBT]}, {"all": [SCORE, {"all": [DEBT, {"none": [HELD, SCORE]}]}]}, {"any": [SCORE, DEBT]},
    {"none": [SCORE, DEBT]}, {"none": [{"all": [SCORE, DEBT]}]},
]  # fmt: skip


@given(st.lists(st.lists(st.booleans(), min_size=40, max_size=40), min_size=1, max_size=30))
def test_patterns_are_the_distinct_rows_however_many_columns_there_are(rows: list[list[bool]]) -> None:
    failed = np.array(rows, dtype=bool)
    distinct, which = failures.patterns(failed)
    assert (distinct[which] == failed).all()
    assert len({row.tobytes() for row in distinct}) == len(distinct)


@pytest.mark.parametrize("tree", TREES)
def test_a_rule_is_met_exactly_where_all_its_parts_are(tree: dict[str, object]) -> None:
    when = parse(tree)
    chunk = people.chunk(3, 0)
    rows = profiles.attributes(chunk)[:400]
    columns = columns_from_rows(rows, ["credit_score", "debt_to_income", "cards_held"])
    parts = [evaluate_many(part, columns) == 1 for part in failures.conjuncts(when)]
    assert (np.logical_and.reduce(parts) == (evaluate_many(when, columns) == 1)).all()


@pytest.mark.django_db
def test_every_rule_is_evaluated_for_everybody_as_the_engine_does_one_by_one() -> None:
    # T-AUD-03: nothing is skipped because another rule has refused already.
    runtime.forget()
    ids = make_bank(250, seed=5, missing=0.1)
    both = {"all": [SCORE, DEBT]}
    session = rule("on-phone", {"attribute": "device_type", "op": "=", "value": "app"}, "student")
    approve_content([*small_catalogue(), rule("both", both, "student"), session])
    live = snapshot.live_row()
    assert live is not None
    plan = impact.plan_of(live.content)
    found = failures.of_offers(plan, ["student", "travel-plus"], NOW)["student"]
    assert found.customers.tolist() == sorted(ids)
    assert found.left_out == ("on-phone",)
    assert {part.rule for part in found.parts} == {"age-21", "low-debt", "both", "_under-21-strict-default"}
    names = frozenset({"is_21_or_over", "debt_to_income", "credit_score"})
    known = [row for chunk in population.chunks(names, NOW) for row in chunk.attributes]
    for at, attributes in enumerate(known):
        engine = {plan.rules[position].key for position, passed in plan.failures(attributes) if not passed}
        ours = {part.rule for part, failed in zip(found.parts, found.patterns[found.which[at]], strict=True) if failed}
        assert ours == engine & {part.rule for part in found.parts}


def test_a_rule_of_all_is_taken_apart_and_one_of_any_is_not() -> None:
    assert len(list(failures.conjuncts(parse(TREES[2])))) == 4
    (whole,) = failures.conjuncts(parse({"any": [SCORE, DEBT]}))
    assert isinstance(whole, Combination)


def chunks(count: int) -> Iterator[Chunk]:
    for number in range(count):
        chunk = people.chunk(11, number)
        ids = np.arange(number * people.CHUNK, (number + 1) * people.CHUNK)
        names = ("credit_score", "debt_to_income", "is_21_or_over", "cards_held", "state", "income_estimate_monthly")
        yield Chunk(ids, columns_from_rows(profiles.attributes(chunk), names))


def test_the_rule_planted_in_the_synthetic_bank_ranks_first_without_being_told() -> None:
    """console/bank/response.py plants it; among its rules on travel cards it lowers the South-East's ratio most."""
    region = np.concatenate([people.chunk(11, number).region for number in range(3)])
    groups = Grouping(region.astype(np.int16), people.REGIONS)
    found = failures.over(compile_release(world.release(), None), ["travel-gold"], chunks(3), NOW)["travel-gold"]
    counted = found.people(groups)
    said = attribution.attribute(
        [part.rule for part in found.parts], [sentence(part.when) for part in found.parts], found.patterns,
        ("South-East", counted[:, people.REGIONS.index("South-East")]), ("Metro", counted[:, 0]),
    )  # fmt: skip
    assert said.exact
    assert said.rules[0].name == "travel-states"
    assert said.rules[0].shapley < 10 * min(rule.shapley for rule in said.rules[1:])
    assert said.rules[0].without == pytest.approx(1.0, abs=0.15)
    assert said.clauses.keys() == {"travel-credit", "travel-gold-credit-floor"} & {part.rule for part in found.parts}


@pytest.mark.django_db
def test_people_are_counted_by_group_and_those_of_none_beside_them() -> None:
    # T-MET-10
    runtime.forget()
    make_bank(200, seed=2, missing=0.2)
    approve_content(small_catalogue())
    live = snapshot.live_row()
    assert live is not None
    found = failures.of_offers(impact.plan_of(live.content), ["student"], NOW)["student"]
    groups = dataset.groupings(found.customers, NOW)["region"]
    counted = found.people(groups)
    assert counted.sum() == 200
    assert counted[:, -1].sum() == (groups.codes < 0).sum() > 0
