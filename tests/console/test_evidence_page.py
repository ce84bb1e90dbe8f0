"""The effect of a change on its page: the answer first, how far a computation is, and why one ended."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console import evidence_view
from decisioning import runtime
from decisioning.models import Job
from fairness import evidence
from fairness.tasks import evidence_job
from offers import roles
from offers.catalog import Item
from offers.models import ChangeRequest, Evidence
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _proposed(customers: int = 120) -> ChangeRequest:
    now = timezone.now()
    if customers:
        factories.make_bank(customers, now=now)
    factories.approve_content(now=now)
    return factories.propose(
        [factories.rule("prime", factories.clause("credit_score", ">=", 720))],
        author=factories.author_of_anything(), now=now,
    )  # fmt: skip


def _page(change: ChangeRequest, part: str = "evidence/") -> str:
    client = Client()
    client.force_login(factories.make_user(roles.RISK_APPROVER, "reader"))
    return client.get(f"/reviews/{change.pk}/{part}").content.decode()


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def test_the_answer_stands_first_and_the_check_against_the_engine_on_the_page() -> None:
    change = _proposed()
    row = evidence.compute(change, timezone.now())
    decisions = row.content["decisions"]
    told = _text(_page(change))
    assert f"{decisions['lose']} lose it" in told
    assert "expected value falls by" in told
    assert told.index("What it does") < told.index("Who qualifies") < told.index("Checked against the engine")
    assert "240 decisions on 120 customers were made again by the engine itself: 0 differ" in told
    assert 'hx-trigger="every 1s"' not in _page(change)


def test_a_computation_under_way_says_how_far_it_is_and_asks_again() -> None:
    change = _proposed()
    assert "Deciding on every customer" in _text(_page(change))
    Job.objects.create(kind=evidence_job(change.pk), done=40, total=120, started_at=timezone.now())
    page = _page(change)
    assert "40 of 120 customers" in _text(page)
    assert 'hx-trigger="every 1s"' in page


def test_a_computation_that_failed_says_why_and_does_not_ask_again() -> None:
    change = _proposed()
    Job.objects.create(
        kind=evidence_job(change.pk), status=Job.Status.FAILED, started_at=timezone.now(),
        message="Disagreement: 3 of 400 decisions are not the engine's",
    )  # fmt: skip
    page = _page(change)
    assert "The effect could not be computed 3 of 400 decisions are not the engine's" in _text(page)
    assert 'hx-trigger="every 1s"' not in page


def test_the_fragment_is_the_part_of_the_whole_page() -> None:
    change = _proposed()
    evidence.compute(change, timezone.now())
    fragment = re.sub(r"computed [^<]* ago", "", _page(change))
    assert fragment.strip() in re.sub(r"computed [^<]* ago", "", _page(change, ""))


def test_evidence_of_before_decisions_were_part_of_it_is_still_shown() -> None:
    change = _proposed(0)
    row = evidence.compute(change, timezone.now())
    old: dict[str, Any] = {
        name: value
        for name, value in row.content.items()
        if name not in ("decisions", "agreement", "shown_parity")
    }  # fmt: skip
    shown = evidence_view.shown(
        Evidence(change=change, verdict=row.verdict, population=0, content=old, computed_at=row.computed_at)
    )
    assert (shown["decisions"], shown["agreement"]) == (None, None)
    assert "qualify for an offer" in shown["headline"]


def test_what_a_change_does_later_stands_on_its_page() -> None:
    now = timezone.now()
    factories.make_bank(2000, now=now)
    factories.approve_content(now=now)
    made = factories.rule("prime", factories.clause("credit_score", ">=", 780))
    starts = (now + timedelta(minutes=2)).replace(microsecond=0).isoformat()
    change = factories.propose(
        [Item("rule", "prime", {**(made.content or {}), "starts_at": starts})],
        author=factories.author_of_anything(), now=now,
    )  # fmt: skip
    row = evidence.compute(change, now)
    (later,) = row.content["later"]
    told = _text(_page(change))
    assert "rule prime starts" in told
    assert f"{later['any_offer']['lose']:,}" in told[told.index("rule prime starts") :][:60]
    assert f"{len(later['fails'])} comparison" in told
    assert row.verdict == later["verdict"] == "fail"


def test_evidence_of_before_there_were_moments_is_still_shown() -> None:
    change = _proposed()
    row = evidence.compute(change, timezone.now())
    old = {name: value for name, value in row.content.items() if name != "later"}
    row.content = old
    assert evidence_view.shown(row)["later"] == []


def test_what_fails_stands_open_with_its_counts_and_what_is_too_little_or_passes_is_folded_and_counted() -> None:
    change = _proposed(400)
    row = evidence.compute(change, timezone.now())
    shown = evidence_view.shown(row)
    counted = [*shown["notable"], *shown["unclear"], *shown["passing"]]
    assert len(counted) == len(row.content["parity"])
    assert {one["verdict"] for one in shown["notable"]} <= {"fail", "watch", "undefined"}
    told = _text(_page(change))
    assert shown["judged"] in told
    assert shown["judged"].startswith(f"Of {len(counted)} comparisons")
    big = next(one for one in counted if not one["few"])
    part, whole = big["counts"][0]
    assert f"{part:,} of {whole:,}" in told


def test_a_comparison_of_too_few_people_to_be_shown_has_its_verdict_and_no_figure() -> None:
    change = _proposed(60)
    row = evidence.compute(change, timezone.now())
    few = [one for one in evidence_view.shown(row)["unclear"] if one["few"]]
    assert few
    assert "too few to be shown" in _page(change)


def test_an_effect_that_no_longer_holds_is_computed_again_before_anything_is_signed() -> None:
    change = _proposed()
    evidence.compute(change, timezone.now())
    factories.approve_content(
        [factories.rule("later", factories.clause("credit_score", ">=", 700))], now=timezone.now()
    )
    client = Client()
    client.force_login(factories.make_user(roles.COMPLIANCE, "officer"))
    told = _text(client.get(f"/reviews/{change.pk}/").content.decode())
    assert "Its effect no longer holds: its author or whoever approves it has it computed again first." in told
    assert "Record justification" not in told
