"""The pages of causes: which rule, who is steered, who is exposed; in few queries, and empty before the first night."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from fairness.models import Cause
from offers import roles
from tests import living_bank
from tests.journeys.pages import client_of
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db
PAGES = (reverse("causes", args=["travel-plus", "region"]), reverse("steering"), reverse("exposure"))


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make()


@pytest.fixture
def officer(bank: LivingBank) -> Client:
    return client_of(bank, roles.COMPLIANCE)


def test_the_rule_behind_the_gap_is_named_first(officer: Client) -> None:
    page = officer.get(PAGES[0]).content.decode()
    found = Cause.objects.get(kind="rules", subject="travel-plus", attribute="region", group="Islands").content
    assert page.index(found["rules"][0]["name"]) < page.index("All rules together")
    assert "of what is lost" in page
    assert "Tells Islands apart" not in page  # no model is live


def test_another_group_is_a_click_away_and_a_mistyped_one_shows_the_first(officer: Client) -> None:
    for group in ("Islands", "nobody"):
        assert officer.get(PAGES[0], {"group": group}).status_code == 200
    assert officer.get(reverse("causes", args=["no-such-offer", "region"])).status_code == 404


def test_any_offer_and_a_family_list_the_offers_to_look_at(officer: Client) -> None:
    for offer in ("any", "family:cashback"):
        page = officer.get(reverse("causes", args=[offer, "region"])).content.decode()
        assert PAGES[0] in page


def test_a_family_that_steers_says_so_with_its_bands(officer: Client) -> None:
    page = officer.get(PAGES[1], {"attribute": "region"}).content.decode()
    assert "1 group see" in page
    assert "20 of 60" in page


@pytest.mark.parametrize("shown", ["audience", "arms", "learning", "caps", "odd"])
def test_each_tab_of_exposure_opens(officer: Client, shown: str) -> None:
    page = officer.get(PAGES[2], {"show": shown, "attribute": "gender"}).content.decode()
    assert "male" in page


def test_the_pages_ask_few_queries_however_much_there_is(
    officer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for page, most in zip(PAGES, (16, 11, 12), strict=True):
        officer.get(page)
        with django_assert_max_num_queries(most):
            officer.get(page)


def test_before_the_first_night_the_pages_say_what_will_stand_there(officer: Client) -> None:
    Cause.objects.all().delete()
    for page in PAGES:
        assert "every night" in officer.get(page).content.decode().lower()


def test_somebody_without_the_right_sees_none_of_it(bank: LivingBank) -> None:
    client = client_of(bank, roles.MARKETING_AUTHOR)
    allowed = "see:fairness" in {action for action, who in roles.PERMISSIONS.items() if roles.MARKETING_AUTHOR in who}
    for page in PAGES:
        assert (client.get(page).status_code == 200) == allowed
