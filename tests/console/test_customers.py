"""The profile of one customer: what a person reads of him, what stays hidden, and that reading leaves a trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from decisioning.models import Consent, Customer, FeatureRow
from fairness import vault
from offers import roles
from offers.models import AuditEvent
from tests import bank, factories

pytestmark = pytest.mark.django_db

CUSTOMER = "C-1"
QUERIES = 26  # one profile, cold: the read of a decision, its sources, consents, decisions, signals and the audit event


@pytest.fixture
def customer() -> Customer:
    bank.customers(1)
    return Customer.objects.get(external_id=CUSTOMER)


def say(customer: Customer, group: str, values: dict[str, Any], source: str = "", *, days_ago: float = 0) -> None:
    """A source says this of a customer."""
    at = timezone.now() - timedelta(days=days_ago)
    FeatureRow.objects.create(
        customer_id=customer.pk, group=group, source=source, version=1, occurred_at=at, known_at=at, values=values
    )


def page(role: str, address: str) -> Any:
    bank.warm()
    client = Client()
    client.force_login(factories.make_user(role, role))
    answer = client.get(address)
    assert isinstance(answer, HttpResponse)
    return answer


def profile(role: str = roles.RISK_APPROVER, external_id: str = CUSTOMER) -> str:
    html: str = page(role, reverse("customer", args=[external_id])).content.decode()
    return html


@pytest.mark.parametrize("role", [roles.RISK_APPROVER, roles.COMPLIANCE])
def test_reading_a_profile_is_an_event_of_the_audit_trail_under_the_surrogate_key(
    customer: Customer, role: str
) -> None:
    profile(role)
    event = AuditEvent.objects.order_by("-sequence")[0]
    assert (event.actor, event.action, event.subject) == (role, "profile.read", f"customer {customer.pk}")
    assert CUSTOMER not in event.detail


def test_a_marketer_is_refused_with_the_reason_and_leaves_no_event(customer: Customer) -> None:
    answer = page(roles.MARKETING_AUTHOR, reverse("customer", args=[CUSTOMER]))
    assert answer.status_code == 403
    assert "data minimisation" in answer.content.decode()
    assert not AuditEvent.objects.filter(action="profile.read").exists()


def test_what_consent_withholds_is_not_shown_to_officers_either(customer: Customer) -> None:
    say(customer, "text_interest", {"text_sentiment": -0.4321})
    Consent.objects.filter(customer_id=customer.pk, purpose="personalisation").update(channel="moderate")
    html = profile()
    assert "only with consent to advanced personalisation" in html
    assert "0.43" not in html


def test_sources_that_disagree_are_shown_with_the_one_that_is_believed(customer: Customer) -> None:
    say(customer, "credit_risk", {"credit_score": 701}, "application")
    say(customer, "credit_risk", {"credit_score": 655}, "bureau")
    html = profile()
    assert "sources disagree" in html
    assert "application says 701: not believed" in html
    assert "bureau says 655" not in html


def test_a_group_past_its_limit_says_what_is_served_instead(customer: Customer) -> None:
    FeatureRow.objects.filter(customer_id=customer.pk, group="credit_risk").delete()
    say(customer, "credit_risk", {"credit_score": 733}, days_ago=40)
    html = profile()
    assert "nothing is served, so no rule on it passes" in html
    assert "served: –" in html
    assert "733" in html


def test_the_points_are_a_table_that_adds_up(customer: Customer) -> None:
    answer = page(roles.RISK_APPROVER, reverse("customer", args=[CUSTOMER]))
    risk = answer.context["risk"]
    # 720 and 25 % stand in the third and the second band; the two that nobody knows count as the middle.
    assert [line["points"] for line in risk["lines"]] == [18, 8, 9, 7]
    assert risk["sum"] == 42


def test_points_that_rest_on_what_is_withheld_are_withheld_too(customer: Customer) -> None:
    """Or a basic group would tell what only a higher level may read."""
    say(customer, "spend_behaviour", {"utilisation_90d": 0.8}, "card_processor")
    assert ">53<" in profile()
    Consent.objects.filter(customer_id=customer.pk, purpose="personalisation").delete()
    assert "Financial risk points" in (html := profile())
    assert ">53<" not in html


def test_nothing_protected_is_on_a_profile(customer: Customer) -> None:
    vault.write(
        [
            vault.Entry(customer.pk, "gender", "female"),
            vault.Entry(customer.pk, "birth_date", "1961-07-14"),
            vault.Entry(customer.pk, "marital_status", "widowed"),
        ],
        source="test", now=timezone.now(),
    )  # fmt: skip
    html = profile()
    assert not any(value in html for value in ("female", "1961", "widowed"))


def test_an_unknown_id_is_said_and_an_erased_customer_is_gone(customer: Customer) -> None:
    unknown = page(roles.RISK_APPROVER, reverse("customer", args=["nobody"]))
    assert unknown.status_code == 404
    assert "No customer has the id nobody" in unknown.content.decode()
    Customer.objects.filter(pk=customer.pk).update(external_id=None, token=None, erased_at=timezone.now())
    erased = page(roles.RISK_APPROVER, reverse("customer_by_key", args=[customer.pk]))
    assert erased.status_code == 410
    assert "This customer was erased" in erased.content.decode()
    assert page(roles.RISK_APPROVER, reverse("customer", args=[CUSTOMER])).status_code == 404


def test_the_search_leads_to_the_profile_and_lists_nobody(customer: Customer) -> None:
    form = page(roles.RISK_APPROVER, reverse("customers"))
    assert CUSTOMER not in form.content.decode()
    assert (
        page(roles.RISK_APPROVER, f"{reverse('customers')}?customer={CUSTOMER}")["Location"]
        == f"/customers/{CUSTOMER}/"
    )
    assert (
        page(roles.RISK_APPROVER, reverse("customer_by_key", args=[customer.pk]))["Location"]
        == f"/customers/{CUSTOMER}/"
    )


def test_a_profile_takes_few_queries(customer: Customer) -> None:
    bank.warm()
    client = Client()
    client.force_login(factories.make_user(roles.RISK_APPROVER, "rosa"))
    with CaptureQueriesContext(connection) as made:
        assert client.get(reverse("customer", args=[CUSTOMER])).status_code == 200
    assert len(made) <= QUERIES, "\n".join(query["sql"] for query in made.captured_queries)
