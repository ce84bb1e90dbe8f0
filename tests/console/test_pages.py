"""Every page for every role: who may open it, how many queries it takes, and what it never contains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from decisioning import impact, runtime, sample
from decisioning.impact.kept import forget as forget_people
from offers import roles
from tests import factories, living_bank
from tests.living_bank import LivingBank

if TYPE_CHECKING:
    from tests.conftest import TestDatabase

# Name of the address, its arguments, the action that guards it, and the most queries that it may take.
PAGES: tuple[tuple[str, tuple[Any, ...], str | None, int], ...] = (
    ("home", (), None, 17),
    ("offers", (), "see:offers", 12),
    ("offer", ("travel-plus",), "see:offers", 15),
    ("offer_step", ("draft", "product"), "propose:offer", 10),
    ("offer_step", ("draft", "worth"), "propose:offer", 10),
    ("offer_step", ("draft", "words"), "propose:offer", 11),
    ("offer_step", ("draft", "check"), "propose:offer", 12),
    ("offer_duplicate", ("student",), "propose:offer", 10),
    ("offer_terms", ("student",), "propose:terms", 7),
    ("offer_calendar", (), "see:offers", 12),
    ("creatives", ("student",), "see:offers", 9),
    ("creative_new", ("student",), "propose:creative", 8),
    ("creative_edit", ("student", "plain"), "propose:creative", 8),
    ("placements", (), "see:offers", 9),
    ("placement_edit", ("home",), "propose:placement", 8),
    ("products", (), "see:offers", 7),
    ("offer_edit", ("student",), "propose:offer", 10),
    ("arms", (), "see:arms", 12),
    ("reach", (), "see:reach", 8),
    ("offer_funnel", ("travel-plus",), "see:reach", 12),
    ("what_if", (), "see:reach", 12),
    ("rules", (), "see:rules", 12),
    ("rule", ("score-670",), "see:rules", 10),
    ("rule_new", (), "propose:rule", 12),
    ("rule_edit", ("score-670",), "propose:rule", 12),
    ("boosts", (), "see:rules", 10),
    ("boost_new", (), "propose:boost", 12),
    ("policies", (), "see:rules", 10),
    ("contact_policy_edit", ("standard",), "propose:contact_policy", 8),
    ("ranking_edit", ("standard",), "propose:ranking", 8),
    ("reviews", (), "see:reviews", 6),
    ("releases", (), "see:releases", 8),
    ("release", (1,), "see:releases", 10),
    ("release_difference", (), "see:releases", 6),
    ("stops", (), "see:stops", 13),
    ("fairness", (), "see:fairness", 12),
    ("fairness_beyond", (), "see:fairness", 13),
    ("packs", (), "see:fairness", 12),
    ("pack", ("us-new-jersey",), "see:fairness", 8),
    ("pack_new", (), "propose:pack", 6),
    ("pack_edit", ("us-new-jersey",), "propose:pack", 7),
    ("findings", (), "see:findings", 9),
    ("finding", ("{finding}",), "see:findings", 9),
    ("decisions", (), "see:decisions", 11),
    ("requests", (), "see:requests", 11),
    ("request", ("{request}",), "see:requests", 9),
    ("request_new", (), "work:requests", 7),
    ("why_not", ("C0000000",), "see:customers", 8),
    ("holds", (), "see:audit", 9),
    ("audit", (), "see:audit", 10),
    ("examiner", (), "export:evidence", 7),
    ("models", (), "see:models", 11),
    ("model", ("spare",), "see:models", 24),
    ("validation", ("spare",), "see:models", 10),
    ("model_edit", ("spare",), "document:models", 8),
    ("overrides", (), "see:models", 11),
    ("features", (), "see:features", 12),
    ("feature_group", ("account_state",), "see:features", 16),
    ("customers", (), "see:customers", 5),
    ("customer", ("C0000000",), "see:customers", 26),
    ("quality", (), "see:quality", 9),
    ("dead_letters", (), "see:dead_letters", 9),
    ("health", (), "see:health", 24),
    ("roles", (), "see:roles", 7),
    ("your_sign_in", (), None, 8),
    ("your_password", (), None, 6),
    ("your_phone", (), None, 10),
)


@pytest.fixture(scope="module")
def bank(test_database: TestDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[LivingBank]:
    """One bank for all tests of this module, which only read it."""
    with django_db_blocker.unblock():
        with Redis.from_url(settings.REDIS_URL) as client:
            client.flushdb()
        made = living_bank.make()
        sample.sample(timezone.now())  # a page reads it once in five minutes
        forget_people()
        impact.kept(timezone.now())
        yield made
        runtime.forget()
        test_database.recreate()


def open_to(action: str | None) -> frozenset[str]:
    return frozenset(roles.ROLES) if action is None else roles.PERMISSIONS[action]


def signed_in(bank: LivingBank, who: str) -> Client:
    client = Client()
    client.force_login(bank.people[who])
    return client


def _address(bank: LivingBank, name: str, arguments: tuple[Any, ...]) -> str:
    """Keys that the database gives out are named in braces."""
    return reverse(name, args=[str(one).format(finding=bank.finding, request=bank.request) for one in arguments])


@pytest.mark.parametrize("role", roles.ROLES)
@pytest.mark.parametrize(("name", "arguments", "action", "queries"), PAGES, ids=[page[0] for page in PAGES])
def test_a_page_opens_to_its_roles_only_and_takes_few_queries(
    bank: LivingBank, name: str, arguments: tuple[Any, ...], action: str | None, queries: int, role: str
) -> None:
    client = signed_in(bank, role)
    with CaptureQueriesContext(connection) as made:
        answer = client.get(_address(bank, name, arguments))
    assert answer.status_code == (200 if role in open_to(action) else 403)
    assert len(made) <= queries, "\n".join(query["sql"] for query in made.captured_queries)


@pytest.mark.parametrize(("name", "arguments"), [page[:2] for page in PAGES], ids=[page[0] for page in PAGES])
def test_a_page_sends_strangers_to_the_sign_in(bank: LivingBank, name: str, arguments: tuple[Any, ...]) -> None:
    address = _address(bank, name, arguments)
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"{reverse('sign_in')}?next={address}")


def test_somebody_without_a_role_sees_no_catalogue(bank: LivingBank) -> None:
    stranger = factories.make_user("nobody", "nobody")
    client = Client()
    client.force_login(stranger)
    assert client.get(reverse("home")).status_code == 200
    assert {client.get(reverse(name)).status_code for name in ("offers", "reviews", "decisions")} == {403}


@pytest.mark.parametrize(("name", "arguments", "action"), [page[:3] for page in PAGES], ids=[page[0] for page in PAGES])
def test_no_page_holds_an_inline_style_or_script(
    bank: LivingBank, name: str, arguments: tuple[Any, ...], action: str | None
) -> None:
    answer = signed_in(bank, sorted(open_to(action))[0]).get(_address(bank, name, arguments))
    html = answer.content.decode()
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", html)
    scripts = re.findall(r"<script([^>]*)>", html)
    assert all("src=" in attributes or 'type="application/json"' in attributes for attributes in scripts)


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_menu_leads_to_pages_that_open(bank: LivingBank, role: str) -> None:
    client = signed_in(bank, role)
    html = client.get(reverse("home")).content.decode()
    menu = html[html.index('<nav class="nav" aria-label="Main">') :]
    links = set(re.findall(r'<a href="([^"]+)"', menu[: menu.index("</nav>")]))
    assert len(links) >= 7
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_page_of_a_decision_explains_it_and_a_marketer_may_not_read_it(bank: LivingBank) -> None:
    address = reverse("decision", args=[bank.decisions[0]])
    html = signed_in(bank, roles.RISK_APPROVER).get(address).content.decode()
    assert f"Why {bank.customers[0]} was shown" in html
    assert "in the catalogue" in html
    assert signed_in(bank, roles.MARKETING_AUTHOR).get(address).status_code == 403


def test_a_replay_on_the_page_is_identical_with_and_without_javascript(bank: LivingBank) -> None:
    client, address = signed_in(bank, roles.COMPLIANCE), reverse("decision_replay", args=[bank.decisions[0]])
    fragment = client.post(address, headers={"HX-Request": "true"}).content.decode()
    whole = client.post(address).content.decode()
    assert "byte for byte" in fragment
    assert "<html" not in fragment
    assert "byte for byte" in whole
    assert 'class="funnel"' in whole


def test_a_decision_that_does_not_exist_is_not_found(bank: LivingBank) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    assert signed_in(bank, roles.RISK_APPROVER).get(reverse("decision", args=[unknown])).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?customer=C0000000", 1),
        ("?customer=nobody", 0),
        ("?channel=sms", 0),
        ("?day=1999-01-01", 0),
        ("?day=never", 0),
    ],
)
def test_decisions_are_found_by_what_one_knows_of_them(bank: LivingBank, query: str, found: int) -> None:
    answer = signed_in(bank, roles.RISK_APPROVER).get(reverse("decisions") + query)
    assert len(answer.context["decisions"]) == found


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("travel-plus", "/offers/travel-plus/"),
        ("score-670", "/rules/score-670/"),
        ("C0000000", "/customers/C0000000/"),
        ("01890000-0000-7000-8000-000000000000", "/decisions/01890000-0000-7000-8000-000000000000/"),
        ("cash & carry", "/offers/?q=cash+%26+carry"),
    ],
)
def test_the_search_box_leads_to_what_was_named(bank: LivingBank, text: str, leads_to: str) -> None:
    assert signed_in(bank, roles.RISK_APPROVER).get(reverse("search"), {"q": text})["Location"] == leads_to


def test_the_search_box_does_not_tell_a_marketer_who_is_a_customer(bank: LivingBank) -> None:
    assert (
        signed_in(bank, roles.MARKETING_AUTHOR).get(reverse("search"), {"q": "C0000000"})["Location"]
        == "/offers/?q=C0000000"
    )


def test_a_filter_that_matches_nothing_says_so(bank: LivingBank) -> None:
    html = signed_in(bank, roles.MARKETING_AUTHOR).get(reverse("offers"), {"q": "no such offer"}).content.decode()
    assert "No offer matches" in html


def test_the_chain_of_the_audit_trail_is_checked_on_the_page(bank: LivingBank) -> None:
    html = signed_in(bank, roles.COMPLIANCE).post(reverse("audit_verify"), follow=True).content.decode()
    assert "The chain is intact" in html
