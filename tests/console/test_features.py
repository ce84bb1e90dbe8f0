"""The feature catalogue: what is wrong stands first, every attribute is on it, and no single customer is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.attributes import how
from console.templatetags import console as tags
from decisioning.features import statistics
from decisioning.features.freshness import Ages
from decisioning.models import FeatureRow, SkewCheck
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.training import Example
from offers import roles
from offers.register import ATTRIBUTES, GROUPS, attributes
from tests import bank, catalogue, factories


def page(address: str, role: str = roles.RISK_APPROVER) -> Any:
    client = Client()
    client.force_login(factories.make_user(role, role))
    answer = client.get(address)
    assert isinstance(answer, HttpResponse)
    return answer


def group(name: str) -> str:
    html: str = page(reverse("feature_group", args=[name])).content.decode()
    return html


def row_of(group_name: str, attribute: str) -> str:
    """The row of one attribute on its group's page."""
    html = group(group_name)
    start = html.index(f'id="{attribute}"')
    return html[start : html.index("</tr>", start)]


def skew(**mismatches: int) -> None:
    example = {
        "decision": "01890000-0000-7000-8000-000000000000", "attribute": "balance", "served": 1200.5,
        "recomputed": 1234.56, "moment": timezone.now().isoformat(),
    }  # fmt: skip
    SkewCheck.objects.create(
        made_at=timezone.now(), decisions=100, values=4000, mismatches=mismatches,
        examples=[example] if mismatches else [],
    )  # fmt: skip


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_says_how_it_comes_about(name: str) -> None:
    found = how(name)
    assert found.kind in ("given", "aggregated", "derived", "momentary")
    assert found.definition


@pytest.mark.django_db
@pytest.mark.parametrize("name", GROUPS)
def test_a_group_shows_each_of_its_attributes_once_with_its_purpose(name: str) -> None:
    html = group(name)
    assert all(html.count(f'id="{declared.name}"') == 1 for declared in attributes(group=name))
    assert GROUPS[name].owner in html


@pytest.mark.django_db
def test_before_anything_was_measured_the_page_says_when_it_will_be() -> None:
    html = page(reverse("features")).content.decode()
    assert "No check has run yet" in html
    assert "drift is measured every night" in html


@pytest.mark.django_db
def test_values_that_differ_from_history_turn_the_page_red_and_lead_to_the_decision() -> None:
    skew(balance=3, utilisation=1)
    html = page(reverse("features")).content.decode()
    assert "Served values differ from history" in html
    assert '<section class="card bad" aria-labelledby="skew">' in html
    assert "1,234.56" in html
    assert "/decisions/01890000-0000-7000-8000-000000000000/" in html


@pytest.mark.django_db
def test_a_marketer_sees_how_many_values_differ_and_nobodys() -> None:
    skew(balance=3)
    html = page(reverse("features"), roles.MARKETING_AUTHOR).content.decode()
    assert "risk and compliance officers see them here" in html
    assert "1,234.56" not in html
    assert "/decisions/0189" not in html


@pytest.mark.django_db
def test_the_newest_check_decides_the_colour() -> None:
    skew(balance=3)
    skew()
    assert "Served values differ" not in page(reverse("features")).content.decode()


@pytest.mark.django_db
def test_a_group_past_its_limit_is_named_at_the_top() -> None:
    bank.customers(3)
    old = timezone.now() - timedelta(days=50)
    FeatureRow.objects.filter(group="credit_risk").update(occurred_at=old, known_at=old)
    bank.warm()
    found = page(reverse("features")).context
    assert [row["key"] for row in found["stale"]] == ["credit_risk"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=debt", {"debt_to_income"}),
        ("?q=HOUSEHOLD", {"household_size"}),
        ("?q=state+of&use=model", set()),
        ("?q=gender", set()),
    ],
)
def test_attributes_are_found_by_name_meaning_and_use(query: str, names: set[str]) -> None:
    answer = page(reverse("features") + query)
    assert {row["name"] for row in answer.context["found"]} == names
    assert ("A protected characteristic is never an attribute" in answer.content.decode()) == (not names)


@pytest.mark.django_db
def test_an_attribute_leads_to_the_rule_that_uses_it() -> None:
    rules = {"low-debt": catalogue.rule({"attribute": "debt_to_income", "op": "<=", "value": 0.4})}
    bank.publish(catalogue.content(rules=rules))
    assert 'href="/rules/low-debt/"' in row_of("credit_risk", "debt_to_income")
    assert "nothing" in row_of("credit_risk", "credit_rating")


@pytest.mark.django_db
def test_an_attribute_that_moved_since_the_training_is_named_at_the_top() -> None:
    now = timezone.now()
    model = factories.make_model("leaning", "debt_to_income")
    content = catalogue.content()
    content["model"]["leaning"] = {"title": "leaning", "sha256": model.sha256}
    bank.publish(content)
    row = OfferRow("any", "any", "cashback", {})
    learned = [Example(n, {"debt_to_income": 0.9, "credit_score": 720.0}, row, False, 1.0) for n in range(400)]
    statistics.keep_training("leaning", learned, now)
    bank.customers(400)  # who have a debt to income of 0.25 and the same score
    bank.warm()
    statistics.measure(now)
    found = page(reverse("features")).context
    moved = {drift["meaning"]: drift["reading"] for drift in found["drifting"]}
    assert moved["debt to income"] == "shifted"
    assert "credit score" not in moved
    assert 'class="before"' in row_of("credit_risk", "debt_to_income")


@pytest.mark.django_db
def test_what_may_not_be_scored_carries_its_warning() -> None:
    row = row_of("account_state", "household_size")
    assert "close proxy" in row
    assert ">boosts<" not in row


@pytest.mark.django_db
def test_an_unknown_group_is_not_found() -> None:
    assert page("/features/no_such_group/").status_code == 404


def drawn(template: str, context: dict[str, Any]) -> str:
    return render_to_string(f"partials/{template}.html", context)


def test_a_distribution_is_drawn_over_the_one_before_and_said_in_words() -> None:
    now, before = [("low", 0.5), ("not known", 0.25)], [("low", 0.25), ("not known", 0.5)]
    html = drawn("distribution", tags.distribution(now, before))
    assert html.count('class="before"') == 2
    assert html.count('class="now unknown"') == 1
    assert "low 50.0\u202f% (before 25.0\u202f%)" in html


def test_runs_are_columns_of_which_the_smallest_failure_is_still_seen() -> None:
    html = drawn("history", tags.history([(0.0, True), (0.001, False), (1.0, False), (0.2, True)], "four runs"))
    assert 'class="passed" x="0" y="20.0" width="4" height="2.0"' in html
    assert 'class="failed" x="6" y="19.0" width="4" height="3.0"' in html
    assert html.count('class="allowed"') == 1


def test_an_age_past_its_limit_warns_and_its_line_stays_on_the_scale() -> None:
    html = drawn("age", tags.age(Ages(10, 3_600.0, 7_200.0, 0.3), 3_600))
    assert 'class="age warn"' in html
    assert "the limit is 1\u202fh" in html
    assert "svg" not in drawn("age", tags.age(None, 3_600))
