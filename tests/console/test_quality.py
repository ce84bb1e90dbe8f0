"""The data quality page: what fails stands first and says since when, and nobody's values are on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from decisioning.ingest.loading import KIND
from decisioning.models import Job
from decisioning.quality import history, results
from decisioning.quality.expectations import READABLE, UNIQUE, Expectation, Finding
from offers import roles
from tests import factories

pytestmark = pytest.mark.django_db

QUERIES = 10
SCORES = Expectation("credit_risk", "credit_score", READABLE)
KEYS = Expectation("accounts", "account_key", UNIQUE)


def run(source: str, failed: int, *, at: datetime | None = None, allowed: float = 0.0) -> None:
    """One run in which so many of 200 scores failed and every key was unique."""
    example = ({"file": "scores.csv", "row": 17}, {"customer": 5}) if failed else ()
    findings = [Finding(SCORES, 200, failed, allowed, example), Finding(KEYS, 90, 0)]
    results.record(source, findings, at or timezone.now())


def page(role: str = roles.RISK_APPROVER) -> Any:
    client = Client()
    client.force_login(factories.make_user(role, role))
    answer = client.get(reverse("quality"))
    assert isinstance(answer, HttpResponse)
    return answer


def test_before_any_load_the_page_says_how_to_load() -> None:
    assert "manage.py load MAPPING FOLDER" in page().content.decode()


def test_what_fails_stands_first_the_longest_failing_before_the_rest() -> None:
    now = timezone.now()
    run("new_bank", 3, at=now - timedelta(days=1))
    run("old_bank", 8, at=now - timedelta(days=30))
    run("old_bank", 9, at=now)
    run("good_bank", 0)
    found = page().context
    assert [row["source"] for row in found["failing"]] == ["old_bank", "new_bank"]
    assert found["failing"][0]["since"] == now - timedelta(days=30)
    assert [source["summary"].source for source in found["sources"]] == ["good_bank", "new_bank", "old_bank"]


def test_a_failure_names_its_rows_and_leads_to_the_customer_without_a_value() -> None:
    run("bank", 3)
    html = page().content.decode()
    assert "1.50\u202f%" in html
    assert "scores.csv, row 17" in html
    assert 'href="/customers/by-key/5/"' in html


def test_a_share_that_is_allowed_passes_and_is_drawn_apart() -> None:
    run("bank", 3, allowed=0.05)
    html = page().content.decode()
    assert "What fails now" not in html
    assert 'class="allowed"' in html


def test_the_last_runs_are_drawn_oldest_first() -> None:
    now = timezone.now()
    for ago, failed in enumerate([0, 10, 20]):
        run("bank", failed, at=now - timedelta(days=ago))
    runs = history.runs(2)[("bank", "credit_risk", "credit_score", READABLE)]
    assert [item.share for item in runs] == [0.05, 0.0]


def test_a_load_that_runs_is_told_and_watched() -> None:
    Job.objects.create(kind=KIND, argument={"mapping": "czech_bank"}, done=40, started_at=timezone.now())
    html = page().content.decode()
    assert "czech bank is being loaded" in html
    assert 'hx-trigger="every 5s"' in html


def test_marketers_do_not_see_it_and_compliance_does() -> None:
    assert page(roles.MARKETING_AUTHOR).status_code == 403
    assert page(roles.COMPLIANCE).status_code == 200


def test_many_runs_take_few_queries() -> None:
    for ago in range(20):
        run("bank", ago, at=timezone.now() - timedelta(days=ago))
    client = Client()
    client.force_login(factories.make_user(roles.RISK_APPROVER, "rosa"))
    with CaptureQueriesContext(connection) as made:
        client.get(reverse("quality"))
    assert len(made) <= QUERIES, "\n".join(query["sql"] for query in made.captured_queries)
