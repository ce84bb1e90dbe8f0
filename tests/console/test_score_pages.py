"""What the pages say of scores and outcomes, of groups that nobody named and of groups that are estimated: in words,
with the counts behind, and nothing of a few people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.test import Client
from django.urls import reverse

from console.compliance import scores
from fairness.cube import lines
from fairness.cube.stages import STAGES
from fairness.models import CubeCount, MonthFigure
from offers import roles
from tests import factories, living_bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer() -> Client:
    client = Client()
    client.force_login(factories.make_user(roles.COMPLIANCE, "officer"))
    living_bank.audit_made_up_months()
    return client


@pytest.fixture
def looked_at(officer: Client) -> Client:
    living_bank.look_at_made_up_scores()
    return officer


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content, "utf-8")


def _drill(client: Client, offer: str = "travel-plus", attribute: str = "region") -> str:
    return _page(client, reverse("fairness_drill", args=[offer, attribute]))


def test_the_drill_down_says_how_a_group_is_scored_with_the_counts_one_click_away(looked_at: Client) -> None:
    page = _drill(looked_at)
    assert "Score and outcomes: Islands to Metro" in page
    for name in ("How they are scored", "Passed over among equals", "Took it, for each that was expected"):
        assert name in page
    assert 'data-figure="deciles-figure"' in page
    href = re.search(r'href="(/fairness/scores/\d+/)#score_difference"', page)
    assert href is not None
    counts = _page(looked_at, href[1])
    assert "hash holds" in counts
    assert "Took it, scored too low" in counts


def test_differential_fairness_and_both_ratios_stand_on_the_drill_down(looked_at: Client) -> None:
    """R-MET-5, M16."""
    page = _drill(looked_at)
    assert "the ratio of the unfavourable rates of Islands" in page
    assert "Differential fairness: the rates of any two groups lie at most a factor of" in page
    assert "Four fifths allow 1.25" in page


def test_differential_fairness_counts_a_group_that_is_shut_out_and_names_what_it_leaves_out(looked_at: Client) -> None:
    """Smoothing makes no gap of nobody; a group of hundreds of whom none comes through is one."""
    cube = CubeCount.objects.filter(offer="", channel="", segment="", attribute="region").latest("month")
    place = cube.groups.index("Islands")
    bands = lines.in_force(lines.last_day(cube.month))

    def found(passed: int, of: int) -> list[dict[str, Any]]:
        at = STAGES.index("eligible") * len(cube.groups) + place
        cube.reached[at - len(cube.groups)], cube.reached[at] = of, passed
        cube.save()
        return [
            one
            for one in scores.differential(cube.month, "eligible", "", "region", bands)
            if "+" not in one["attribute"]
        ]

    (shut_out,) = found(0, 300)
    assert shut_out["factor"] > 100
    assert shut_out["left_out"] == []
    assert found(20, 25) == []  # too few on one side: one group is left
    assert found(150, 300)[0]["factor"] < 3


def test_a_changed_figure_is_told_by_its_hash(looked_at: Client) -> None:
    row = MonthFigure.objects.filter(kind="scores")[0]
    row.delete()
    row.pk, row.people = None, row.people + 1
    row.save()
    assert "hash differs" in _page(looked_at, reverse("fairness_score_counts", args=[row.pk]))


def test_a_month_that_was_not_looked_at_and_a_group_of_a_few_say_so(officer: Client) -> None:
    assert "Not looked at yet" in _drill(officer)
    living_bank.look_at_made_up_scores()
    assert "Too little data" in _drill(officer, attribute="gender")


def test_the_home_shows_what_a_scan_came_upon_and_what_is_estimated_and_calls_them_that(looked_at: Client) -> None:
    """M17, T-MET-11."""
    page = _page(looked_at, reverse("fairness_beyond"))
    assert "gender: female, region: Islands" in page
    assert "exploratory: not a verdict" in page
    assert "hispanic to other" in page
    assert "estimated, never recorded" in page
    assert all(f'data-label="{name}"' in page for name in ("Weighted", "At least 0.5", "At least 0.8", "Regression"))


def test_without_a_pack_that_allows_it_the_home_says_that_nothing_is_estimated(officer: Client) -> None:
    page = _page(officer, reverse("fairness_beyond"))
    assert "No pack in force allows it" in page
    assert "Not scanned yet" in page


def test_the_database_keeps_no_figure_of_a_few_and_changes_none(looked_at: Client) -> None:
    """T-AUD-12."""
    row = MonthFigure.objects.filter(kind="subgroup")[0]
    row.pk, row.group, row.people = None, "gender: female", 19
    with pytest.raises(IntegrityError, match="no_figure_of_a_few"), transaction.atomic():
        row.save()
    with pytest.raises(ProgrammingError), transaction.atomic():
        MonthFigure.objects.update(people=100)


def test_only_who_may_see_fairness_sees_the_counts(looked_at: Client) -> None:
    nobody = Client()
    nobody.force_login(factories.make_user(roles.MARKETING_AUTHOR, "maya"))
    row = MonthFigure.objects.filter(kind="scores")[0]
    assert nobody.get(reverse("fairness_score_counts", args=[row.pk])).status_code == 403
    other = MonthFigure.objects.filter(kind="subgroup")[0]
    assert looked_at.get(reverse("fairness_score_counts", args=[other.pk])).status_code == 404
