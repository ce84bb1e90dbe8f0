"""Posts: scored where consent allows it, kept without their text, gone when the consent is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from decisioning.models import Consent, Post
from decisioning.text import posts
from decisioning.text.posts import NewPost
from offers.register import CARD_KINDS
from tests.factories import NOW, make_bank

pytestmark = pytest.mark.django_db


def _post(customer: int, key: str = "p1", text: str = "Lovely trip, great flights!") -> NewPost:
    return NewPost(customer, "forum", key, NOW - timedelta(days=1), text)


def _withdraw(customer: int) -> None:
    Consent.objects.filter(customer_id=customer, purpose="personalisation").update(granted=False)


def test_a_post_is_scored_and_its_text_is_in_no_column() -> None:
    (customer,) = make_bank(1)
    assert posts.keep([_post(customer)], NOW) == 1
    (kept,) = Post.objects.values()
    assert kept["sentiment"] > 0.5
    assert set(kept["interests"]) == set(CARD_KINDS)
    assert kept["encoder"]
    assert (kept["occurred_at"], kept["known_at"]) == (NOW - timedelta(days=1), NOW)
    assert not any("flights" in str(value) for value in kept.values())


def test_only_customers_who_consent_are_kept() -> None:
    granted, lower, denied, silent = make_bank(4)
    Consent.objects.filter(customer_id=lower, purpose="personalisation").update(channel="moderate")
    _withdraw(denied)
    Consent.objects.filter(customer_id=silent).delete()
    assert posts.keep([_post(customer) for customer in (granted, lower, denied, silent)], NOW) == 1
    assert list(Post.objects.values_list("customer_id", flat=True)) == [granted]


def test_the_same_post_twice_changes_nothing() -> None:
    (customer,) = make_bank(1)
    assert posts.keep([_post(customer), _post(customer, text="Awful!")], NOW) == 1
    first = Post.objects.values().get()
    assert posts.keep([_post(customer, text="Horrible, never again")], NOW + timedelta(days=1)) == 0
    assert Post.objects.values().get() == first


def test_no_posts_are_no_work() -> None:
    assert posts.keep([], NOW) == 0


def test_posts_go_with_the_consent_that_they_stood_on() -> None:
    leaving, staying = make_bank(2)
    posts.keep([_post(leaving), _post(leaving, "p2"), _post(staying)], NOW)
    assert posts.forget_withdrawn([leaving, staying]) == 0
    _withdraw(leaving)
    assert posts.forget_withdrawn([staying]) == 0
    assert posts.forget_withdrawn([leaving, staying]) == 2
    assert list(Post.objects.values_list("customer_id", flat=True)) == [staying]
    Consent.objects.filter(customer_id=staying).delete()
    assert posts.forget_withdrawn() == 1
