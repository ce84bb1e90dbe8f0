"""Posts: scored where consent allows it, kept without their text, gone when the consent is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, connections, transaction

from decisioning.models import Consent, Post
from decisioning.text import posts
from decisioning.text.posts import NewPost
from offers.register import CARD_KINDS
from tests.factories import NOW, make_bank


def _post(customer: int, key: str = "p1", text: str = "Lovely trip, great flights!") -> NewPost:
    return NewPost(customer, "forum", key, NOW - timedelta(days=1), text)


def _withdraw(customer: int) -> None:
    Consent.objects.filter(customer_id=customer, purpose="personalisation").update(granted=False)


def test_a_post_is_scored_and_its_text_is_in_no_column(db: None) -> None:
    (customer,) = make_bank(1)
    assert posts.keep([_post(customer)], NOW) == 1
    (kept,) = Post.objects.values()
    assert kept["sentiment"] > 0.5
    assert set(kept["interests"]) == set(CARD_KINDS)
    assert kept["encoder"]
    assert (kept["occurred_at"], kept["known_at"]) == (NOW - timedelta(days=1), NOW)
    assert not any("flights" in str(value) for value in kept.values())


def test_only_customers_who_consent_are_kept(db: None) -> None:
    granted, lower, denied, silent = make_bank(4)
    Consent.objects.filter(customer_id=lower, purpose="personalisation").update(channel="moderate")
    _withdraw(denied)
    Consent.objects.filter(customer_id=silent).delete()
    assert posts.keep([_post(customer) for customer in (granted, lower, denied, silent)], NOW) == 1
    assert list(Post.objects.values_list("customer_id", flat=True)) == [granted]


def test_the_same_post_twice_changes_nothing(db: None) -> None:
    (customer,) = make_bank(1)
    assert posts.keep([_post(customer), _post(customer, text="Awful!")], NOW) == 1
    first = Post.objects.values().get()
    assert posts.keep([_post(customer, text="Horrible, never again")], NOW + timedelta(days=1)) == 0
    assert Post.objects.values().get() == first


def test_no_posts_are_no_work(db: None) -> None:
    assert posts.keep([], NOW) == 0


def test_posts_go_with_the_consent_that_they_stood_on(db: None) -> None:
    leaving, staying = make_bank(2)
    posts.keep([_post(leaving), _post(leaving, "p2"), _post(staying)], NOW)
    Consent.objects.filter(customer_id=leaving, purpose="marketing").update(granted=False)
    assert Post.objects.count() == 3
    _withdraw(leaving)
    assert list(Post.objects.values_list("customer_id", flat=True)) == [staying]
    Consent.objects.filter(customer_id=staying).delete()
    assert not Post.objects.exists()


@pytest.mark.parametrize("order", ["post first", "withdrawal first"])
def test_a_post_and_the_withdrawal_at_the_same_moment_leave_no_post(live_db: None, order: str) -> None:
    (customer,) = make_bank(1)
    steps: list[Callable[[], object]] = [partial(posts.keep, [_post(customer)], NOW), partial(_withdraw, customer)]
    first, second = steps if order == "post first" else reversed(steps)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(_and_close, second)
            while not _somebody_waits():
                assert not waiting.done(), "the second did not wait for the first"
        waiting.result(timeout=30)
    assert not Consent.objects.filter(customer_id=customer, purpose="personalisation", granted=True).exists()
    assert not Post.objects.exists()


def _and_close(step: Callable[[], object]) -> None:
    try:
        step()
    finally:
        connections.close_all()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = %s",
            [connection.settings_dict["NAME"]],
        )
        return bool(cursor.fetchone()[0])


def test_the_database_ends_posts_with_the_level_that_the_register_asks_for(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'candor_posts_end_with_consent'")
        (source,) = cursor.fetchone()
    assert f"ended.channel = '{posts.LEVEL}'" in source
