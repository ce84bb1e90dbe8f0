"""The pages of fairness: the answer first, from a tile to its counts, nothing about groups that are too small, and
something to read where there is nothing yet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import ProgrammingError
from django.test import Client
from django.urls import reverse

from fairness.cube import record
from fairness.cube.stages import STAGES
from fairness.models import CubeComparison, CubeCount
from offers import roles
from tests import factories, living_bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer() -> Client:
    client = Client()
    client.force_login(factories.make_user(roles.COMPLIANCE, "officer"))
    return client


@pytest.fixture
def audited(officer: Client) -> Client:
    """With two months of made-up counts, in which the Islands pass fewer rules."""
    living_bank.audit_made_up_months()
    return officer


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content, "utf-8")


def test_the_home_says_what_is_unfair_and_where_and_what_is_new(audited: Client) -> None:
    page = _page(audited, reverse("fairness"))
    assert re.search(r"<h1>Unfair in \w+ \d{4}: Any offer, Islands</h1>", page)
    assert page.count('class="tile fail"') == 4  # any offer, one family, two offers; by region only
    assert "What changed since" in page
    assert "Fails now, and did not" in page


def test_is_a_card_fair_takes_two_clicks_and_its_counts_one_more(audited: Client) -> None:
    home = _page(audited, reverse("home"))
    assert f'href="{reverse("fairness")}"' in home
    tile = re.search(r'<a class="tile \w+" href="([^"]*travel-plus/gender[^"]*)"', _page(audited, reverse("fairness")))
    assert tile is not None
    drill = _page(audited, tile[1].replace("&amp;", "&"))
    assert "Fair at “eligible”: female to male" in drill
    counts = re.search(r'href="(/fairness/counts/\d+/)"', drill)
    assert counts is not None
    assert "counted again: identical" in _page(audited, counts[1])


def test_why_a_gap_appeared_is_said_by_the_waterfall(audited: Client) -> None:
    page = _page(audited, reverse("fairness_drill", args=["any", "region"]))
    assert "Most of it is lost at “eligible”." in page
    assert reverse("causes", args=["any", "region"]) in page


def test_a_group_of_too_few_people_is_named_without_a_figure(audited: Client) -> None:
    for row in CubeComparison.objects.filter(group="Islands"):
        _put_in_place_of(row, total=12, favourable=7)
    for address in (reverse("fairness"), reverse("fairness_drill", args=["any", "region"])):
        page = _page(audited, address)
        assert "fewer than 20" in page
        assert "n 12" not in page
    row = CubeComparison.objects.filter(group="Islands")[0]
    assert "Too few people to be shown" in _page(audited, reverse("fairness_counts", args=[row.pk]))


def _put_in_place_of(row: CubeComparison, **changed: Any) -> None:
    """What is left to whoever may not change a row."""
    for name, value in changed.items():
        setattr(row, name, value)
    key = row.pk
    row.delete()
    row.pk = key
    row.save(force_insert=True)


@pytest.mark.parametrize("changed", [{"favourable": 1}, {"verdict": "pass"}, {"shortfall": 0.0}, {"ratio": 1.0}])
def test_a_figure_that_was_changed_by_hand_is_told(audited: Client, changed: dict[str, Any]) -> None:
    row = CubeComparison.objects.filter(group="Islands", stage="eligible", verdict="fail")[0]
    address = reverse("fairness_counts", args=[row.pk])
    assert "counted again: identical" in _page(audited, address)
    _put_in_place_of(row, **changed)
    assert "counted again: different" in _page(audited, address)


def test_a_verdict_is_not_made_to_hold_by_hashing_it_again(audited: Client) -> None:
    row = CubeComparison.objects.filter(group="Islands", stage="eligible", verdict="fail")[0]
    row.verdict = "pass"
    _put_in_place_of(row, query_hash=record.query_hash(row))
    assert "counted again: different" in _page(audited, reverse("fairness_counts", args=[row.pk]))


def test_no_stored_comparison_can_be_changed(audited: Client) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        CubeComparison.objects.update(verdict="pass")


def test_a_group_that_is_shut_out_is_said_to_be_instead_of_a_total(audited: Client) -> None:
    for row in CubeCount.objects.filter(offer="", attribute="region", channel="", segment=""):
        width, at, last = len(row.groups), row.groups.index("Islands"), STAGES.index("eligible")
        for stage in range(last, len(STAGES)):
            row.reached[stage * width + at] = 0
        row.save()
    page = _page(audited, f"{reverse('fairness_drill', args=['any', 'region'])}?group=Islands")
    assert "Shut out at “eligible”: nobody of Islands comes through." in page
    assert "no ratio in all can be given" in page
    assert "In all, to" not in page


def test_before_the_first_audit_the_page_says_so(officer: Client) -> None:
    assert "No audit yet" in _page(officer, reverse("fairness"))
    assert officer.get(reverse("fairness_drill", args=["any", "region"])).status_code == 404


def test_who_may_not_see_fairness_sees_none_of_it(audited: Client) -> None:
    nobody = Client()
    nobody.force_login(factories.make_user("nobody", "nobody"))
    row = CubeComparison.objects.all()[0]
    for address in (
        reverse("fairness"), reverse("fairness_drill", args=["any", "region"]),
        reverse("fairness_counts", args=[row.pk]),
    ):  # fmt: skip
        assert nobody.get(address).status_code == 403
