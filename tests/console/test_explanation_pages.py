"""The pages of an explanation and of the requests of customers: who opens them, what they give, in how many queries and
in how few clicks a decision is proved."""

from __future__ import annotations

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from decisioning.models import Decision as DecisionRow
from fairness.models import CustomerRequest, Finding
from offers import roles
from tests import factories
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db

QUERIES = 42  # cold, for the examiner: the replay, the model, the catalogue's note of each version, the audits


@pytest.fixture
def row() -> DecisionRow:
    explained.make()
    return explained.decide()


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(factories.make_user(role, role))
    return client


def test_an_explanation_opens_to_whoever_sees_decisions_on_paper_and_as_values(row: DecisionRow) -> None:
    for role in (roles.COMPLIANCE, roles.MARKETING_AUTHOR):
        expected = 200 if role in roles.PERMISSIONS["see:decisions"] else 403
        client = client_of(role)
        for name in ("decision_explanation", "decision_explanation_pdf", "decision_explanation_json"):
            assert client.get(reverse(name, args=[row.id, "examiner"])).status_code == expected
        for name in ("decision_letter", "decision_letter_pdf"):
            assert client.get(reverse(name, args=[row.id])).status_code == expected
    client = client_of(roles.COMPLIANCE)
    assert client.get(reverse("decision_explanation_pdf", args=[row.id, "agent"])).content.startswith(b"%PDF")
    values = orjson.loads(client.get(reverse("decision_explanation_json", args=[row.id, "examiner"])).content)
    assert [block["number"] for block in values["blocks"]] == list(range(1, 12))
    assert client.get(reverse("decision_explanation", args=[row.id, "neighbour"])).status_code == 404


def test_the_page_of_the_examiner_takes_a_bounded_number_of_queries(row: DecisionRow) -> None:
    client, address = client_of(roles.AUDITOR), reverse("decision_explanation", args=[row.id, "examiner"])
    with CaptureQueriesContext(connection) as made:
        assert client.get(address).status_code == 200
    assert len(made) <= QUERIES, "\n".join(query["sql"][:150] for query in made.captured_queries)


def test_the_search_for_its_id_leads_to_a_decision_that_is_already_replayed(row: DecisionRow) -> None:
    html = client_of(roles.AUDITOR).get(reverse("search"), {"q": str(row.id)}, follow=True).content.decode()
    assert "byte for byte" in html


def test_a_request_is_taken_down_from_a_decision_worked_on_and_ends_in_a_finding(row: DecisionRow) -> None:
    client = client_of(roles.COMPLIANCE)
    new = reverse("request_new")
    assert 'value="C-1"' in client.get(new, {"decision": str(row.id)}).content.decode()
    given = {"kind": "human_review", "customer": "C-1", "decision": str(row.id), "question": "My income is higher."}
    assert client.post(new, {**given, "customer": "nobody"}).status_code == 400
    client.post(new, {**given, "received_on": "2020-01-01"})
    made = CustomerRequest.objects.get()
    address = reverse("request", args=[made.pk])
    assert "Overdue" in client.get(address).content.decode()
    assert "1 overdue" in client.get(reverse("requests")).content.decode()
    client.post(reverse("request_take", args=[made.pk]))
    wrong = {"wrong": "wrong", "answer": "You were right."}
    told = client.post(reverse("request_close", args=[made.pk]), wrong, follow=True).content.decode()
    assert "what was done" in told
    client.post(reverse("request_close", args=[made.pk]), {**wrong, "remedy": "The income was corrected."})
    assert Finding.objects.filter(kind="review").count() == 1
    html = client.get(address).content.decode()
    assert "You were right." in html
    assert "The income was corrected." in html


def test_who_only_reads_requests_is_offered_no_step(row: DecisionRow) -> None:
    officer, reader = client_of(roles.COMPLIANCE), client_of(roles.AUDITOR)
    given = {"kind": "explanation", "customer": "C-1", "question": "Why?", "decision": ""}
    officer.post(reverse("request_new"), given)
    made = CustomerRequest.objects.get()
    assert "Refuse" not in reader.get(reverse("request", args=[made.pk])).content.decode()
    for name in ("request_take", "request_close", "request_refuse"):
        assert reader.post(reverse(name, args=[made.pk])).status_code == 403
    assert client_of(roles.MARKETING_LEAD).get(reverse("requests")).status_code == 403
    officer.post(reverse("request_refuse", args=[made.pk]), {"reason": "Asked and answered before."})
    html = officer.get(reverse("requests"), {"state": "closed"}).content.decode()
    assert "refused" in html
