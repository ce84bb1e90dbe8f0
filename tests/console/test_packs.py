"""The pages of policy packs: what is stale comes first, a place and day name their pack, two officers change one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.compliance import pack_forms, pack_words
from console.compliance.pack_forms import PackForm
from fairness import evidence, thresholds
from fairness.models import MonthFigure
from offers import packs, roles, snapshot
from offers.catalog import Item, faults_of
from offers.models import ChangeRequest
from tests import factories, living_bank
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db
SHIPPED = packs.shipped()


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=20, decisions=3)


def signed_in(bank: LivingBank, who: str = roles.COMPLIANCE) -> Client:
    client = Client()
    client.force_login(bank.people[who])
    return client


def page(client: Client, name: str, *arguments: str, **query: str) -> str:
    return client.get(reverse(name, args=arguments), query).content.decode()


def posted(key: str, **changes: Any) -> dict[str, Any]:
    """The form of a pack as a browser sends it back, with some fields typed over."""
    pack = packs.read(key, (snapshot.live_row() or pytest.fail("nothing is live")).content["pack"][key])
    form, lists = PackForm(initial=pack_forms.initial(pack)), pack_forms.lists(SHIPPED["us-new-jersey"])
    data = {name: form[name].value() for name in form.fields}
    for made in lists.values():
        data |= {made.management_form[name].html_name: made.management_form[name].value()
                 for name in made.management_form.fields}  # fmt: skip
        data |= {row[name].html_name: row[name].value() for row in made.initial_forms for name in row.fields}
    return {name: value for name, value in (data | changes).items() if value is not None}


def test_what_nobody_verified_for_long_stands_first_and_above_the_list(bank: LivingBank) -> None:
    """T-LEG-19."""
    html = page(signed_in(bank), "packs")
    assert html.index("Stale") < html.index("In force, to come and past")
    assert html.index(">New Jersey<") < html.index("United States, federal, from 21 July 2026</a>")
    assert "Last verified" in page(signed_in(bank), "pack", "us-new-jersey")


@pytest.mark.parametrize(
    ("country", "state", "on", "found"),
    [
        ("US", "NY", "2026-11-22", "United States, federal, from 21 July 2026"),
        ("us", "nj", "2026-11-22", "New Jersey"),
        ("US", "NY", "2026-07-20", "Strict default"),
        ("DE", "", "2026-11-22", "Strict default"),
    ],
)
def test_a_place_and_a_day_name_their_pack(bank: LivingBank, country: str, state: str, on: str, found: str) -> None:
    """T-LEG-02, T-LEG-03."""
    html = page(signed_in(bank), "packs", country=country, state=state, on=on)
    answer = html[html.index("What applies to somebody") :]
    assert f">{found}</a>" in answer


def test_a_pack_shows_each_line_its_source_and_where_it_is_not_the_strict_default(bank: LivingBank) -> None:
    html = page(signed_in(bank), "pack", "us-federal")
    for lines in pack_words.sections(packs.read("us-federal", SHIPPED["us-federal-from-2026-07"])).values():
        for line in lines:
            assert line.label in html.replace("&#x27;", "'")
            assert line.citation is None or f'href="{line.citation.url}"' in html
    assert "strict default: a search for alternatives, not older than twelve months" in html


def test_every_line_of_the_bands_has_its_words() -> None:
    assert tuple(pack_words.LINES) == packs.LINES
    grouped = [name for names in pack_words.TOPICS.values() for name in names]
    assert sorted(grouped) == sorted(packs.LINES)
    assert list(pack_words.METRICS) == [f"M{number}" for number in range(1, 19)]


@pytest.mark.parametrize("key", SHIPPED)
def test_a_form_that_is_sent_back_untouched_says_the_same(key: str) -> None:
    pack = packs.read(key, SHIPPED[key])
    start = pack_forms.initial(pack)
    form = PackForm({**start, "change_title": "x"}, initial=start)
    assert form.is_valid(), form.errors
    lists = {name: SHIPPED[key].get(name, []) for name in ("notices", "rulings", "citations")}
    content = {**form.content(), **lists}
    assert faults_of(Item("pack", key, content)) == []
    assert packs.read(key, content) == pack


def test_two_officers_move_a_line_and_the_audits_judge_by_it(bank: LivingBank) -> None:
    today = timezone.localdate()
    client = signed_in(bank)
    answer = client.post(
        reverse("pack_edit", args=["us-new-jersey"]),
        posted("us-new-jersey", line_fail_ratio="0.85", verified_on=today.isoformat(), change_title="Fail under 0.85"),
    )
    change = ChangeRequest.objects.order_by("-pk")[0]
    assert answer.status_code == 302, answer.context["form"].errors
    assert [item["content"]["bands"] for item in change.items] == [{"fail_ratio": 0.85}]
    html = page(client, "review", str(change.pk))
    assert "Impact ratio fails under" in html
    assert "<ins>0.85</ins>" in html
    now = timezone.now()
    evidence.compute(change, now)
    second = bank.people[f"{roles.COMPLIANCE}-2"]
    release = factories.approve(change, second, now=now)
    assert thresholds.bands_in_force(release.content, today).fail_ratio == 0.85


def test_a_pack_that_contradicts_itself_goes_back_to_its_author_at_the_field_and_in_its_words(bank: LivingBank) -> None:
    answer = signed_in(bank).post(
        reverse("pack_edit", args=["us-new-jersey"]),
        posted("us-new-jersey", line_fail_ratio="0.95", change_title="Too much"),
    )
    assert answer.context["form"].errors["line_fail_ratio"] == [
        "“Impact ratio is watched under” is reached after “Impact ratio fails under”."
    ]
    assert not ChangeRequest.objects.filter(kind="pack", title="Too much").exists()


def test_what_is_shipped_and_not_approved_can_be_proposed_as_it_is(bank: LivingBank) -> None:
    html = page(signed_in(bank), "packs")
    assert html.index("not approved") < html.index("Strict default")
    assert "Propose to adopt it" in page(signed_in(bank), "pack", "eu")


def test_the_strict_default_is_nobodys_to_change(bank: LivingBank) -> None:
    assert signed_in(bank).get(reverse("pack_edit", args=[packs.STRICT])).status_code == 404
    assert reverse("pack_edit", args=[packs.STRICT]) not in page(signed_in(bank), "pack", packs.STRICT)


def test_the_list_says_which_figures_the_packs_ask_for_and_which_were_not_made(bank: LivingBank) -> None:
    html = page(signed_in(bank, roles.AUDITOR), "packs")
    assert "1 not made yet" in html
    assert re.search(r'Consistency</a></th><td data-label="Made">(?!<span)', html)
    assert re.search(r'Exposure</a></th><td data-label="Made"><span class="chip warn">', html)  # too few in any group
    MonthFigure.objects.filter(kind=MonthFigure.Kind.SCORES).delete()
    assert "10 not made yet" in page(signed_in(bank, roles.AUDITOR), "packs")
