"""The pages of findings: who sees what, and each step with what it says."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from fairness import findings
from fairness.models import CubeComparison, Finding
from offers import roles
from tests import bank, living_bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def finding() -> Finding:
    return findings.breach(
        kind="parity", subject="travel-plus by region", title="Islands fall behind", severity="high",
        evidence={"ratio": 0.7, "counts": {"Islands": [40, 100]}}, now=timezone.now(),
    )  # fmt: skip


def browser(role: str, name: str = "") -> tuple[Client, User]:
    person = bank.person(name or role, role)
    client = Client()
    client.force_login(person)
    return client, person


def post(client: Client, finding: Finding, step: str, **given: str) -> str:
    answer = client.post(f"/findings/{finding.pk}/{step}/", given, follow=True)
    finding.refresh_from_db()
    return answer.content.decode()


def test_a_finding_goes_from_breach_to_sign_off_on_the_pages(finding: Finding) -> None:
    risk, person = browser(roles.RISK_AUTHOR)
    due = timezone.now().date().isoformat()
    assert "answers for it now" in post(risk, finding, "assign", owner=str(person.pk), due_on=due)
    assert "signs it off" in post(risk, finding, "remedy", root_cause="A rule.", remediation="It was loosened.")
    officer, _ = browser(roles.COMPLIANCE)
    assert "What convinced you" in officer.get(f"/findings/{finding.pk}/").content.decode()
    assert "Signed off" in post(officer, finding, "close", comment="The next audit passes.")
    assert (finding.status, finding.closing_note) == ("closed", "The next audit passes.")
    assert "Islands fall behind" in officer.get("/findings/?state=closed").content.decode()


def test_whoever_remedied_it_is_not_offered_to_close_it_and_cannot(finding: Finding) -> None:
    officer, _ = browser(roles.COMPLIANCE)
    post(officer, finding, "remedy", root_cause="A rule.", remediation="Loosened.")
    page = officer.get(f"/findings/{finding.pk}/").content.decode()
    assert "somebody else in compliance signs it" in page
    assert "What convinced you" not in page
    assert "somebody else must sign it off" in post(officer, finding, "close", comment="Fine.")
    assert finding.status == "remedied"


@pytest.mark.parametrize(
    ("step", "given", "named"),
    [
        ("remedy", {"root_cause": "A rule."}, "remediation"),
        ("assign", {"owner": "0", "due_on": "soon"}, "due on"),
        ("close", {"comment": ""}, "comment"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    finding: Finding, step: str, given: dict[str, str], named: str
) -> None:
    officer, _ = browser(roles.COMPLIANCE)
    assert named in post(officer, finding, step, **given)
    assert (finding.status, finding.owner) == ("open", None)


def test_marketing_sees_no_findings_and_an_auditor_takes_no_step(finding: Finding) -> None:
    marketer, _ = browser(roles.MARKETING_LEAD)
    assert marketer.get("/findings/").status_code == 403
    auditor, _ = browser(roles.AUDITOR)
    page = auditor.get(f"/findings/{finding.pk}/").content.decode()
    assert "Remedied</summary>" not in page
    assert auditor.post(f"/findings/{finding.pk}/remedy/", {"root_cause": "x", "remediation": "y"}).status_code == 403
    modeller, _ = browser(roles.MODEL_RISK)
    assert modeller.post(f"/findings/{finding.pk}/close/", {"comment": "x"}).status_code == 403


def test_what_is_overdue_says_so(finding: Finding) -> None:
    Finding.objects.filter(pk=finding.pk).update(due_on="2020-01-01")
    officer, _ = browser(roles.COMPLIANCE)
    assert "1 overdue" in officer.get("/findings/").content.decode()
    assert "It was to be settled by 1 January 2020" in officer.get(f"/findings/{finding.pk}/").content.decode()


def test_an_empty_list_says_what_would_stand_there() -> None:
    officer, _ = browser(roles.COMPLIANCE)
    assert "Nothing here" in officer.get("/findings/").content.decode()
    assert officer.get("/findings/4711/").status_code == 404


def test_what_opened_a_finding_is_read_in_words_and_leads_to_where_it_comes_from() -> None:
    opened = findings.breach(
        kind="leak", subject="spare/region/Islands", title="spare can tell who is Islands",
        evidence={"inputs": {"commute_zone": 0.80489086}, "line": 0.75, "people": 3000}, now=timezone.now(),
    )  # fmt: skip
    officer, _ = browser(roles.COMPLIANCE)
    page = officer.get(f"/findings/{opened.pk}/").content.decode()
    assert "AUC of commute zone" in page
    assert "0.805" in page
    assert "0.80489" not in page
    assert 'href="/models/spare/"' in page


def test_a_group_that_falls_behind_leads_to_its_comparison_its_causes_and_its_counts() -> None:
    living_bank.audit_made_up_months()
    row = CubeComparison.objects.filter(verdict="fail", offer="travel-plus").first()
    assert row is not None
    told = {"month": row.month.isoformat(), "shortfall": 39.28125, "ratios": {row.stage: row.ratio}}
    opened = findings.breach(
        kind="parity", subject="s", title="Travel plus", cause="eligible", now=timezone.now(),
        evidence={**told, "comparisons": {row.stage: row.query_hash}},
    )  # fmt: skip
    officer, _ = browser(roles.COMPLIANCE)
    page = officer.get(f"/findings/{opened.pk}/").content.decode()
    assert f'href="/fairness/counts/{row.pk}/"' in page
    assert f"/fairness/offers/travel-plus/{row.attribute}/?month=" in page
    assert f"/fairness/causes/travel-plus/{row.attribute}/" in page
    assert "Most of it is lost at “eligible”" in page
    assert row.query_hash not in page
