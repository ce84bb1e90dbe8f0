"""Overrides on the pages (T-GOV-25): no reason, nothing kept; a second person ends it; counted by person, and by group
only from twenty people on."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from decisioning.models import Customer, Suppression
from fairness import vault
from offers import roles
from tests import bank, catalogue, factories

pytestmark = pytest.mark.django_db

REASONED = {"offer": "offer-0", "reason_code": "complaint", "note": "Asked us to wait."}


@pytest.fixture
def customer() -> Customer:
    bank.customers(25)
    bank.publish(catalogue.content())
    bank.warm()
    return Customer.objects.get(external_id="C-1")


def browser(role: str) -> Client:
    client = Client()
    client.force_login(factories.make_user(role, role))
    return client


def keep(client: Client, **changes: Any) -> str:
    answer = client.post(reverse("customer_suppress", args=["C-1"]), {**REASONED, **changes}, follow=True)
    return str(answer.content.decode())


@pytest.mark.parametrize(
    ("missing", "said"),
    [({"reason_code": ""}, "This field is required"), ({"note": "  "}, "This field is required"),
     ({"reason_code": "because"}, "not one of the available"), ({"offer": "offer-9"}, "no offer offer-9 is live")],
)  # fmt: skip
def test_a_form_without_its_reason_keeps_nothing(customer: Customer, missing: dict[str, str], said: str) -> None:
    assert said in keep(browser(roles.RISK_AUTHOR), **missing)
    assert not Suppression.objects.exists()


def test_what_one_person_keeps_another_ends(customer: Customer) -> None:
    rosa, clara = browser(roles.RISK_APPROVER), browser(roles.COMPLIANCE)
    html = keep(rosa)
    assert "Asked us to wait." in html
    assert "somebody else ends it" in html
    made = Suppression.objects.get()
    address = reverse("customer_lift", args=["C-1", made.pk])
    assert "so somebody else must end it" in rosa.post(address, follow=True).content.decode()
    assert "ended" in clara.post(address, follow=True).content.decode()
    made.refresh_from_db()
    assert made.ended_by is not None


def test_marketing_and_operators_reach_neither(customer: Customer) -> None:
    for role in (roles.MARKETING_LEAD, roles.OPERATOR, roles.AUDITOR):
        assert browser(role).post(reverse("customer_suppress", args=["C-1"]), REASONED).status_code == 403
    assert not Suppression.objects.exists()


def test_overrides_are_counted_by_person_and_of_an_attribute_only_where_each_group_has_twenty_people(
    customer: Customer,
) -> None:
    """The page names each customer: beside 24 of 25 who are male, one would be told, and by those of whom it is not
    recorded, too."""
    now, rene = timezone.now(), bank.person("rene", roles.RISK_AUTHOR)
    bank.customers(20, first=26)
    people = list(Customer.objects.order_by("pk"))
    entries = {
        "gender": ["female"] * 21 + ["male"] * 24, "region": ["North"] * 44 + ["South"], "religion": ["Quaker"] * 44,
    }  # fmt: skip
    vault.write(
        [vault.Entry(people[at].pk, name, value) for name, held in entries.items() for at, value in enumerate(held)],
        source="test", now=now,
    )  # fmt: skip
    made = [
        Suppression(customer_id=one.pk, offer="", reason_code="legal", note="Insolvent.", made_by=rene, made_at=now)
        for one in people
    ]
    Suppression.objects.bulk_create(made[:19])
    page = browser(roles.MODEL_RISK).get(reverse("overrides"))
    assert "Too few people to tell of groups" in page.content.decode()
    Suppression.objects.bulk_create(made[19:])
    page = browser(roles.AUDITOR).get(reverse("overrides"))
    assert ("rene", 45) in page.context["by_person"]
    groups = {(one.attribute, one.group): one.people for one in page.context["by_group"]}
    assert groups == {("gender", "female"): 21, ("gender", "male"): 24}
