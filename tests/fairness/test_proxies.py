"""How much an attribute tells of a group: known figures, and what a bank with a planted proxy shows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from decisioning import sample
from fairness import proxies
from fairness.models import ProxyStrength
from offers.conditions.grammar import Clause
from offers.conditions.vectorise import CategoryColumn, NumberColumn, SetColumn
from offers.types import Bands
from tests.factories import NOW, approve_content, clause, make_bank, rule, small_catalogue


def test_the_figure_is_the_area_under_the_curve_whichever_way_it_points() -> None:
    random = np.random.default_rng(3)
    member = random.random(500) < 0.3
    score = np.round(random.normal(member * 0.8, 1), 1)
    expected = roc_auc_score(member, score)
    assert proxies.auc(score, member) == pytest.approx(expected)
    assert proxies.auc(-score, member) == pytest.approx(expected)


def test_a_category_that_is_the_group_tells_everything_and_a_random_one_nothing() -> None:
    random = np.random.default_rng(4)
    member = random.random(4000) < 0.4
    everybody = np.ones(4000, dtype=bool)
    same = CategoryColumn(member.astype(np.int32), ("no", "yes"))
    score, known = proxies.scores(same, member, everybody)
    assert proxies.auc(score[known], member[known]) == 1.0
    chance = CategoryColumn(random.integers(0, 400, 4000).astype(np.int32), tuple(map(str, range(400))))
    score, _ = proxies.scores(chance, member, everybody)
    assert proxies.auc(score, member) < 0.55


@pytest.mark.parametrize("seed", range(5))
def test_a_category_of_four_common_values_that_tells_nothing_is_no_proxy(seed: int) -> None:
    """Of a share that leaves out just oneself every member's is a little lower: it would tell all but everything."""
    random = np.random.default_rng(seed)
    member, values = random.random(8_000) < 0.4, random.integers(0, 4, 8_000).astype(np.int32)
    score, _ = proxies.scores(CategoryColumn(values, tuple("abcd")), member, np.ones(8_000, dtype=bool))
    assert proxies.auc(score, member) < 0.53


def test_a_value_of_one_person_does_not_give_her_away() -> None:
    member = np.arange(200) < 100
    unique = CategoryColumn(np.arange(200, dtype=np.int32), tuple(map(str, range(200))))
    score, _ = proxies.scores(unique, member, np.ones(200, dtype=bool))
    assert len(set(score.tolist())) == 1


def test_missing_values_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0])
    _, known = proxies.scores(NumberColumn(values), np.array([True, False, False]), np.ones(3, dtype=bool))
    assert known.tolist() == [True, False, True]
    held = SetColumn({"a": np.array([True, False, False])}, np.array([False, False, True]))
    _, known = proxies.scores(held, np.array([True, False, False]), np.ones(3, dtype=bool))
    assert known.tolist() == [True, True, False]


@pytest.mark.django_db
def test_the_planted_proxy_is_the_strongest_and_small_groups_say_nothing() -> None:
    sample.forget()
    make_bank(1500, seed=5)
    assert proxies.strongest() == {}
    assert proxies.measure(NOW) == proxies.measure(NOW) == ProxyStrength.objects.count()
    strongest = proxies.strongest()["credit_score"]
    assert (strongest.protected, strongest.level) == ("region", "notable")
    assert strongest.auc > 0.7
    others = ProxyStrength.objects.filter(attribute="credit_score").exclude(protected="region")
    assert all(proxies.level(row.auc) == "weak" for row in others)
    ProxyStrength.objects.all().delete()
    sample.forget()


@pytest.mark.django_db
def test_forty_people_are_too_few() -> None:
    sample.forget()
    make_bank(40)
    assert proxies.measure(NOW) == 0
    sample.forget()


def test_mutual_information_is_everything_for_the_group_itself_and_nothing_for_chance() -> None:
    random = np.random.default_rng(6)
    groups = random.integers(0, 3, 6000).astype(np.int16)
    everybody = np.ones(6000, dtype=bool)
    same = CategoryColumn(groups.astype(np.int32), ("a", "b", "c"))
    assert proxies.mutual_information(same, everybody, groups) == pytest.approx(1.0)
    chance = NumberColumn(random.normal(size=6000))
    assert proxies.mutual_information(chance, everybody, groups) < 0.01
    near = NumberColumn(random.normal(groups * 2.0, 1))
    assert 0.1 < proxies.mutual_information(near, everybody, groups) < 0.9


@pytest.mark.parametrize(
    ("auc", "level"), [(0.5, "weak"), (0.599, "weak"), (0.6, "notable"), (0.749, "notable"), (0.75, "strong")]
)
def test_a_proxy_is_red_from_three_quarters_on(auc: float, level: str) -> None:
    """R-SCO-3."""
    assert proxies.level(auc) == level
    assert proxies.level(auc, Bands(proxy_notable=0.5, proxy_strong=0.5)) == "strong"


@pytest.mark.django_db
def test_each_clause_is_measured_at_night_where_it_is_live_and_at_once_where_it_is_written() -> None:
    sample.forget()
    make_bank(1500, seed=5)
    approve_content([*small_catalogue(), rule("score-670", clause("credit_score", ">=", 670), "student")])
    proxies.measure(NOW)
    live, written = Clause("credit_score", ">=", 670), Clause("credit_score", ">=", 655)
    assert set(ProxyStrength.objects.exclude(clause="").values_list("clause", flat=True)) >= {proxies.clause_key(live)}
    found = proxies.strongest_clauses(
        {"live": live, "written": written, "nobody": Clause("credit_score", ">", 849)}, NOW
    )
    assert {name: (one.attribute, one.protected) for name, one in found.items() if name != "nobody"} == {
        "live": ("credit_score", "region"), "written": ("credit_score", "region"),
    }  # fmt: skip
    assert proxies.strongest()["credit_score"].auc > found["live"].auc > 0.6  # a cut tells less than the number
    sample.forget()
