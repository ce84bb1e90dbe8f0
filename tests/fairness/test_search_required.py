"""T-LDA-03, R-MIT-1: no model takes another's place without its search for less discriminatory alternatives, or a
waiver that the packs in force allow, whoever writes the release."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from fairness import evidence
from fairness.alternatives import record
from fairness.models import SearchWaiver
from offers import packs, roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest, Release
from tests import factories
from tests.factories import NOW, approve_content, author_of_anything, make_model, make_user, propose, searched

pytestmark = pytest.mark.django_db

FEDERAL, JERSEY = "us-federal-from-2026-07", "us-new-jersey"


@pytest.fixture(autouse=True)
def _without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for whoever goes around the gate's own question: the database is asked alone."""
    monkeypatch.setattr(record, "missing", lambda *_: "")


@pytest.fixture
def checker() -> User:
    return make_user(roles.COMPLIANCE, "second-person")


def proposed(name: str, content: dict[str, Any] | None = None) -> ChangeRequest:
    sha = make_model(name, "debt_to_income").sha256
    change = propose([Item("model", name, {"title": name, "sha256": sha})], author=author_of_anything())
    evidence.compute(change, NOW)
    return change


def refused(change: ChangeRequest, checker: User) -> bool:
    try:
        with transaction.atomic():
            factories.approve(change, checker)
    except DatabaseError as error:
        return "no signed search for less discriminatory alternatives" in str(error)
    return False


def shipped(*keys: str) -> list[Item]:
    return [Item("pack", key, packs.shipped()[key]) for key in keys]


def waive(name: str, officer: User, days: int = 0) -> None:
    SearchWaiver.objects.create(
        model_name=name, packs=[], reason="A new seed.", person=officer, given_at=NOW - timedelta(days=days)
    )


def test_the_first_champion_needs_no_search_and_the_second_does(checker: User) -> None:
    approve_content()
    assert not refused(proposed("first"), checker)
    change = proposed("second")
    assert refused(change, checker)
    searched("second")
    assert not refused(change, checker)
    assert Release.objects.order_by("-number")[0].content["model"].keys() == {"second"}


@pytest.mark.parametrize(
    ("keys", "days", "kept_out"),
    [
        ((FEDERAL,), 0, False),
        ((FEDERAL,), 366, True),  # a waiver lasts as long as a search
        ((FEDERAL, JERSEY), 0, True),
        ((JERSEY,), 0, True),
        (("eu",), 0, True),
        ((), 0, True),  # the strict default
    ],
)
def test_a_waiver_counts_where_every_pack_in_force_allows_it(
    checker: User, keys: tuple[str, ...], days: int, kept_out: bool
) -> None:
    """T-LDA-03: not under New Jersey's pack, under the federal one alone, and never under the strict default."""
    approve_content([*factories.small_catalogue(), *shipped(*keys)])
    assert not refused(proposed("first"), checker)
    change = proposed("second")
    waive("second", checker, days)
    assert refused(change, checker) == kept_out


@pytest.mark.parametrize(
    ("keys", "on", "waivable"),
    [
        (("us-federal-until-2026-07", FEDERAL), date(2026, 7, 20), False),
        (("us-federal-until-2026-07", FEDERAL), date(2026, 7, 22), True),
        (("us-federal-until-2026-07", FEDERAL, JERSEY), date(2026, 7, 22), False),
        ((FEDERAL, "eu"), date(2026, 11, 19), True),
        ((FEDERAL, "eu"), date(2026, 11, 20), False),
        ((), date(2026, 7, 22), False),
    ],
)
def test_the_day_and_the_place_change_what_the_gate_and_the_database_ask(
    keys: tuple[str, ...], on: date, waivable: bool
) -> None:
    """T-LEG-02, T-LEG-03: both read the same packs alike."""
    content = snapshot.apply(snapshot.EMPTY, shipped(*keys))
    assert record.required(packs.in_force(content, on)) != waivable
    with connection.cursor() as cursor:
        cursor.execute("SELECT candor_search_waivable(%s::jsonb, %s)", [json.dumps(content.get("pack", {})), on])
        assert cursor.fetchone() == (waivable,)
