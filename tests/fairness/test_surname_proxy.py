"""Estimated groups (T-MET-11): the formula, the simulation in which each method errs its own way, and a verdict that
none of them gives alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from decisioning.models import Customer
from fairness import surname_proxy, vault
from fairness.surname_proxy import Floats
from fairness.thresholds import Verdict
from offers import packs
from offers.catalog import Item
from tests.factories import approve_content, make_bank

Mask = NDArray[np.bool_]
SHARES = np.array([0.67121, 0.11709, 0.14216, 0.05074, 0.00686, 0.01193])  # adults of the US, 2010
shares = arrays(np.float64, 6, elements=st.floats(0.01, 1)).map(lambda drawn: drawn / drawn.sum())


@given(shares, shares, st.lists(st.floats(0.5, 50), min_size=6, max_size=6))
def test_the_posterior_is_that_of_bayes(by_name: Floats, base: Floats, places: list[float]) -> None:
    """p(g | name, place) from p(g | name) and p(place | g), where p(g | place) = p(place | g) p(g) / p(place)."""
    likelihood = np.array(places) / sum(places)
    of_place = likelihood * base / (likelihood * base).sum()
    expected = by_name * likelihood / (by_name * likelihood).sum()
    found = surname_proxy.posterior(by_name[None], of_place[None], base)[0]
    assert np.allclose(found, expected, atol=1e-12)
    assert found.sum() == pytest.approx(1.0)


def test_a_name_a_place_or_probabilities_that_are_not_known_estimate_nothing() -> None:
    full, missing, partial = SHARES, np.full(6, np.nan), SHARES * 0.9
    by_name = np.array([full, missing, full, partial])
    of_place = np.array([full, full, missing, full])
    found = surname_proxy.posterior(by_name, of_place, SHARES)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, True]


def test_a_place_like_the_nation_adds_nothing_to_a_name() -> None:
    by_name = np.array([[0.1, 0.6, 0.1, 0.1, 0.05, 0.05]])
    assert np.allclose(surname_proxy.posterior(by_name, SHARES[None], SHARES), by_name)


def simulated(size: int, seed: int, *, rate: float = 0.2, reference_rate: float = 0.25) -> tuple[Floats, Mask, Mask]:
    """Probabilities (N, 2) of a group with mean 0.15, who belongs to it (N,), and who was favourable (N,)."""
    random = np.random.default_rng(seed)
    p = random.beta(0.6, 3.4, size)
    member = random.random(size) < p
    happy = random.random(size) < np.where(member, rate, 0.25)
    return np.column_stack([p, 1 - p]), member, happy


def test_weighting_hides_a_gap_and_regression_finds_it() -> None:
    p, member, happy = simulated(200_000, seed=1)
    truth = happy[member].mean() / happy[~member].mean()
    found = surname_proxy.compare(p, happy, 0, 1)
    weighted, regressed = found.of("weighted").ratio, found.of("regression").ratio
    assert weighted is not None
    assert regressed is not None
    assert truth == pytest.approx(0.8, abs=0.02)
    assert weighted > truth + 0.04
    assert regressed == pytest.approx(truth, abs=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= regressed <= found.high
    assert [one.method for one in found.estimators] == list(surname_proxy.METHODS)
    assert found.label == "estimated"


def test_one_method_alone_makes_nobody_red() -> None:
    """R-PRX-1: the weighted ratio passes the line that the regression is under, so somebody has to look."""
    p, _, happy = simulated(200_000, seed=2, rate=0.18)
    found = surname_proxy.compare(p, happy, 0, 1)
    assert (found.of("regression").ratio or 1) < 0.8 < (found.of("weighted").ratio or 0)
    assert found.p is not None
    assert found.p < 1e-6
    assert found.verdict is Verdict.WATCH


def test_a_gap_that_both_see_is_red() -> None:
    p, _, happy = simulated(200_000, seed=3, rate=0.02)
    found = surname_proxy.compare(p, happy, 0, 1)
    assert (found.of("weighted").ratio or 1) < 0.8
    assert found.verdict is Verdict.FAIL


def test_no_gap_is_not_red_however_often_it_is_looked_at() -> None:
    verdicts = [surname_proxy.compare(*_fair(seed), group=0, reference=1).verdict for seed in range(40)]
    assert Verdict.FAIL not in verdicts


def _fair(seed: int) -> tuple[Floats, Mask]:
    p, _, happy = simulated(4_000, seed, rate=0.25)
    return p, happy


def test_a_few_people_reassure_nobody() -> None:
    p, _, happy = simulated(120, seed=5, rate=0.25)
    assert surname_proxy.compare(p, happy, 0, 1).verdict is Verdict.TOO_LITTLE_DATA


def test_probabilities_that_tell_nobody_apart_say_nothing() -> None:
    same = np.full((500, 2), 0.5)
    found = surname_proxy.compare(same, np.arange(500) % 3 == 0, 0, 1)
    assert found.verdict is Verdict.UNDEFINED
    assert found.of("regression").ratio is None


@given(st.integers(0, 50))
def test_who_is_not_estimated_is_left_out_and_changes_nothing(extra: int) -> None:
    p, _, happy = simulated(600, seed=7)
    padded = np.vstack([p, np.full((extra, 2), np.nan)])
    more = np.concatenate([happy, np.ones(extra, dtype=bool)])
    assert surname_proxy.compare(padded, more, 0, 1) == surname_proxy.compare(p, happy, 0, 1)


@pytest.fixture
def tables(tmp_path: Path) -> list[str]:
    """Two customers whom the tables know and one whose name they do not, as the command's arguments."""
    files = {
        "people": "customer,name,place\nC0000000,garcia,60601\nC0000001,smith,60601\nC0000002,nobody,60601\n",
        "names": "name,hispanic,other\nGARCIA,0.9,0.1\nSMITH,0.02,0.98\n",
        "places": "place,hispanic,other\n60601,0.3,0.7\n",
        "base": "hispanic,other\n0.15,0.85\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    named = [f"--{name}={tmp_path / name}.csv" for name in ("names", "places", "base")]
    return [str(tmp_path / "people.csv"), *named, "--table-version=1", "--vintage=2020"]


@pytest.mark.django_db
def test_groups_are_estimated_where_a_pack_allows_it_and_nowhere_else(tables: list[str]) -> None:
    """R-PRX-5."""
    make_bank(3)
    approve_content()
    with pytest.raises(CommandError, match="no policy pack in force allows that race is estimated"):
        call_command("estimate_groups", *tables)
    pack = packs.shipped()["us-federal-from-2026-07"]
    approve_content([Item("pack", "us-federal", {**pack, "effective_from": "2020-01-01"})])
    call_command("estimate_groups", *tables)
    customers = list(Customer.objects.order_by("external_id").values_list("pk", flat=True))
    groups, found = vault.estimates("race", customers)
    assert groups == ("hispanic", "other")
    odds = 0.9 * 0.3 / 0.15, 0.1 * 0.7 / 0.85
    assert found[0].tolist() == pytest.approx([odds[0] / sum(odds), odds[1] / sum(odds)])
    assert 0 < found[1][0] < 0.1
    assert np.isnan(found[2]).all()
