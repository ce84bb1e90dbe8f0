"""The pages of the alternatives: a protocol is frozen and run, decided and signed by two people, and comes as files."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fairness import thresholds
from fairness.alternatives import search
from fairness.counts import GroupCounts
from fairness.models import Candidate, DecisionMemo, Search, SearchRun, SearchWaiver
from offers import roles
from tests import living_bank
from tests.journeys.pages import client_of
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(60, 6)


def test_a_search_is_decided_by_one_and_signed_by_another(bank: LivingBank) -> None:
    risk, officer = client_of(bank, roles.RISK_APPROVER), client_of(bank, f"{roles.COMPLIANCE}-2")
    pk = Search.objects.get().pk
    page = risk.get(reverse("alternatives_search", args=[pk])).content.decode()
    assert "Keep what is in use" in page
    assert "who enters and leaves are shown with the decision" in page
    decided = {"candidate": "keep", "rationale": "=1+1 is too little to change a threshold for."}
    assert risk.post(reverse("alternatives_decide", args=[pk]), decided).status_code == 302
    twice = risk.post(reverse("alternatives_decide", args=[pk]), decided, follow=True)
    assert "This search has been decided on already." in twice.content.decode()
    assert DecisionMemo.objects.get().author == bank.people[roles.RISK_APPROVER]
    assert risk.post(reverse("alternatives_sign", args=[pk]), {"purpose": "memo"}).status_code == 403
    assert officer.post(reverse("alternatives_sign", args=[pk]), {"purpose": "memo"}).status_code == 302
    assert "signed" in officer.get(reverse("alternatives")).content.decode()
    assert "Sign the memo" not in officer.get(reverse("alternatives_search", args=[pk])).content.decode()


def test_a_candidate_that_could_not_be_made_stands_on_the_page_with_its_reason(bank: LivingBank) -> None:
    """It has no performance and no ratios, and is among the first where few others are."""
    found = Search.objects.get()
    why = "16 acceptances; training needs at least 30"
    Candidate.objects.create(
        run=found.run, number=99, generator="target", parameters={}, figures={}, refused=why, pareto=False,
        uses_group_at_training=False, uses_group_at_decision=False,
    )  # fmt: skip
    page = client_of(bank, roles.AUDITOR).get(reverse("alternatives_search", args=[found.pk]))
    assert page.status_code == 200
    assert page.content.decode().count(why) == 2


def test_nothing_tells_of_a_group_of_too_few_people(bank: LivingBank) -> None:
    """Of what was stored with its figures too; a group that is large enough stands beside it."""
    people = {"Metro": (500, 250), "Islands": (19, 3), "Valley": (200, 81)}
    counts = {name: GroupCounts(name, total, chosen) for name, (total, chosen) in people.items()}
    rows = [row.to_json() for row in thresholds.compare_all({"region": counts}, {"region": "Metro"})]
    old = Search.objects.get()
    asked = Search.objects.create(
        kind=old.kind, subject=old.subject, protocol=old.protocol, sha256=old.sha256, reweighing=False,
        author=old.author, frozen_at=old.frozen_at,
    )  # fmt: skip
    run = SearchRun.objects.create(search=asked, started_at=old.run.started_at, ended_at=old.run.ended_at, facts={})
    Candidate.objects.create(
        run=run, number=0, generator="in use today", parameters={}, performance=9.0, worst_ratio=0.81, pareto=True,
        figures={"value": [9.0, 8.0, 10.0], "comparisons": rows}, uses_group_at_training=False,
        uses_group_at_decision=False,
    )  # fmt: skip
    auditor = client_of(bank, roles.AUDITOR)
    page = auditor.get(reverse("alternatives_search", args=[asked.pk])).content.decode()
    assert page.count("too few to be shown") == page.count("too few people<") == 1
    assert "15.8" not in page  # 3 of 19
    assert "0.32" not in page  # their ratio
    assert "40.5" in page
    table = auditor.get(reverse("alternatives_table", args=[asked.pk])).content.decode()
    (row,) = csv.DictReader(io.StringIO(table))
    assert {row[f"region Islands {part}"] for part in ("ratio", "low", "high")} == {""}
    assert row["region Valley ratio"].startswith("0.81")
    assert auditor.get(reverse("alternatives_paper", args=[asked.pk])).content.startswith(b"%PDF")


def test_its_table_and_its_pack_can_be_taken_along(bank: LivingBank) -> None:
    auditor, pk = client_of(bank, roles.AUDITOR), Search.objects.get().pk
    rows = list(csv.DictReader(io.StringIO(auditor.get(reverse("alternatives_table", args=[pk])).content.decode())))
    assert rows[0]["generator"] == "in use today"
    assert "region Islands ratio" in rows[0]
    assert len(rows) == Search.objects.get().run.candidates.count()
    paper = auditor.get(reverse("alternatives_paper", args=[pk]))
    assert paper.content.startswith(b"%PDF")
    assert paper["Content-Type"] == "application/pdf"


def test_a_protocol_that_nothing_can_be_run_on_is_refused_in_words(bank: LivingBank) -> None:
    asked = {
        "subject": "rule:age-21", "metric": "value", "tolerance": "0.01", "offer_rate": "0.2", "smallest_group": "20",
        "trials": "5", "seed": "1",
    }  # fmt: skip
    page = client_of(bank, roles.RISK_APPROVER).post(reverse("alternatives_new"), asked)
    assert page.status_code == 400
    assert "compares no number" in page.content.decode()


def test_a_protocol_is_frozen_by_its_page_and_run_by_its_task(bank: LivingBank) -> None:
    asked = {
        "subject": "rule:low-debt", "metric": "value", "tolerance": "0.01", "offer_rate": "0.2", "smallest_group": "20",
        "trials": "5", "seed": "1",
    }  # fmt: skip
    risk = client_of(bank, roles.RISK_APPROVER)
    page = risk.post(reverse("alternatives_new"), asked)
    made = Search.objects.get(subject="low-debt")
    assert page["Location"] == reverse("alternatives_search", args=[made.pk])
    fragment = risk.get(reverse("alternatives_progress", args=[made.pk])).content.decode()
    assert fragment.strip() in risk.get(reverse("alternatives_search", args=[made.pk])).content.decode()
    assert "Waiting for its turn" in fragment
    search.run(made, made.frozen_at)
    assert risk.get(reverse("alternatives_progress", args=[made.pk]))["HX-Refresh"] == "true"


def test_a_waiver_is_refused_where_a_pack_in_force_requires_a_search(bank: LivingBank) -> None:
    officer = client_of(bank, roles.COMPLIANCE)
    page = officer.post(reverse("alternatives_waive"), {"model": "m", "reason": "Because."}, follow=True)
    assert "cannot be waived" in page.content.decode()
    assert not SearchWaiver.objects.exists()


def test_the_list_asks_few_queries(bank: LivingBank) -> None:
    officer = client_of(bank, roles.COMPLIANCE)
    with CaptureQueriesContext(connection) as asked:
        officer.get(reverse("alternatives"))
    assert len(asked) <= 12
