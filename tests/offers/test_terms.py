"""Terms that risk owns: what marketing may bring, what risk may change by itself, and that no door leads around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction

from offers import catalog, roles
from offers.catalog import InvalidContent, Item
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def propose(items: Sequence[Item], role: str) -> Any:
    author = factories.make_user(role, role)
    with transaction.atomic():
        return catalog.draft(
            kind=items[0].kind, key=items[0].key, title="A change", items=items, author=author, now=NOW
        )


def refused(items: Sequence[Item], role: str = roles.MARKETING_AUTHOR) -> list[str]:
    with pytest.raises(InvalidContent) as caught:
        propose(items, role)
    return [fault.path for fault in caught.value.faults]


def offer(key: str, **changes: Any) -> Item:
    return factories.offer(key, **changes)[0]


@pytest.mark.parametrize("role", [roles.MARKETING_AUTHOR, roles.MARKETING_LEAD])
@pytest.mark.parametrize("facts", [{"rate": 0.1, "fee": 0}, {"fee": 0}, {"rate": 0.2, "fee": 0, "limit": 900}])
def test_marketing_does_not_change_the_terms_of_a_live_offer(role: str, facts: dict[str, Any]) -> None:
    factories.approve_content()
    changed = "limit" if "limit" in facts else "rate"
    assert refused([offer("student", facts=facts)], role) == [f"/offer/student/facts/{changed}"]


def test_marketing_changes_what_is_its_own_beside_the_terms_as_they_are_live() -> None:
    factories.approve_content()
    made = propose([offer("student", facts={"rate": 0.2, "fee": 25, "bonus": 50}, value=90)], roles.MARKETING_AUTHOR)
    assert made.items[0]["content"]["facts"] == {"rate": 0.2, "fee": 25, "bonus": 50}


@pytest.mark.parametrize("facts", [{"rate": 0.2, "fee": 5}, {"fee": 5}, {}])
def test_a_new_offer_takes_over_approved_terms_or_none(facts: dict[str, Any]) -> None:
    factories.approve_content()
    assert propose([offer("summer", facts=facts)], roles.MARKETING_AUTHOR).status == "draft"


def test_a_new_offer_does_not_bring_terms_that_nobody_approved() -> None:
    factories.approve_content()
    assert refused([offer("summer", facts={"rate": 0.15, "limit": 500, "fee": 0})]) == [
        "/offer/summer/facts/limit", "/offer/summer/facts/rate",
    ]  # fmt: skip


def test_terms_of_two_offers_are_not_mixed() -> None:
    items = factories.small_catalogue()
    own = {"student": {"rate": 0.25, "limit": 1000}, "travel-plus": {"rate": 0.19, "limit": 9000}}
    factories.approve_content(
        [Item(item.kind, item.key, {**item.content, "facts": own[item.key]})
         if item.content and item.kind == "offer" and item.key in own else item for item in items]
    )  # fmt: skip
    assert refused([offer("summer", facts={"rate": 0.19, "limit": 1000})]) == ["/offer/summer/facts/rate"]


def test_terms_of_another_product_are_not_approved_for_this_one() -> None:
    factories.approve_content()
    product = Item("product", "loan", {"title": "Loan"})
    assert refused([offer("summer", product="loan"), product]) == ["/offer/summer/facts/rate"]


def test_a_creative_cannot_bring_terms_past_the_offer() -> None:
    factories.approve_content()
    creative = next(item for item in factories.offer("student") if item.kind == "creative")
    assert creative.content is not None
    smuggled = Item("creative", creative.key, {**creative.content, "facts": {"rate": 0.01, "mailer": "A"}})
    assert refused([smuggled]) == ["/creative/student/plain/facts/rate"]


def test_risk_changes_the_terms_of_a_live_offer_by_itself() -> None:
    factories.approve_content()
    made = propose([offer("student", facts={"rate": 0.18, "fee": 0, "limit": 1500})], roles.RISK_AUTHOR)
    assert made.items[0]["content"]["facts"]["rate"] == 0.18


@pytest.mark.parametrize("changes", [{"value": 1}, {"facts": {"rate": 0.2, "fee": 99}}, {"channels": ["web"]}])
def test_risk_changes_nothing_else_of_an_offer(changes: dict[str, Any]) -> None:
    factories.approve_content()
    with pytest.raises(roles.NotAllowed):
        propose([offer("student", **changes)], roles.RISK_APPROVER)


def test_risk_makes_no_offer() -> None:
    factories.approve_content()
    with pytest.raises(roles.NotAllowed):
        propose([offer("summer")], roles.RISK_APPROVER)


def test_compliance_does_not_change_terms() -> None:
    factories.approve_content()
    with pytest.raises(roles.NotAllowed):
        propose([offer("student", facts={"rate": 0.18, "fee": 0})], roles.COMPLIANCE)


def test_a_revision_does_not_lead_around_it() -> None:
    factories.approve_content()
    change = propose([offer("student", value=90)], roles.MARKETING_AUTHOR)
    with pytest.raises(InvalidContent) as caught:
        catalog.revise(
            change, items=[offer("student", facts={"rate": 0.1, "fee": 0})],
            author=factories.make_user(roles.MARKETING_AUTHOR, roles.MARKETING_AUTHOR), now=NOW,
        )  # fmt: skip
    assert [fault.path for fault in caught.value.faults] == ["/offer/student/facts/rate"]
