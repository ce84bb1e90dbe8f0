"""Dead letters on their page: found, read safely, and sent again or given up by a risk officer only."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from decisioning import dead_letters
from decisioning.events import Rejection
from decisioning.models import DeadLetter, Signal
from decisioning.streams.source import Message
from offers import roles
from offers.models import AuditEvent
from tests import bank, factories

pytestmark = pytest.mark.django_db

ORIGIN = "redis:candor:signals"
QUERIES = 10


def event(customer: str = "C-1", amount: Any = 12.5, **payload: Any) -> bytes:
    return orjson.dumps(
        {
            "event_id": f"e-{customer}-{amount}", "customer_id": customer, "type": "transaction",
            "occurred_at": timezone.now().isoformat(), "payload": {"amount": amount, **payload},
        }
    )  # fmt: skip


def letter(body: bytes, code: str = "UNKNOWN_CUSTOMER", origin: str = ORIGIN) -> DeadLetter:
    position = f"1-{DeadLetter.objects.count()}"
    dead_letters.keep(origin, [Message(position, body, "")], [Rejection(0, code, f"{code} it is")], timezone.now())
    return DeadLetter.objects.get(origin=origin, position=position)


def signed_in(role: str = roles.RISK_APPROVER) -> Client:
    client = Client()
    client.force_login(factories.make_user(role, role))
    return client


def settle(
    letters: list[DeadLetter], role: str = roles.RISK_APPROVER, *, htmx: bool = False, **posted: Any
) -> HttpResponse:
    answer = signed_in(role).post(
        reverse("dead_letters_settle"),
        {"letter": [row.pk for row in letters], "step": "replay", **posted},
        headers={"HX-Request": "true"} if htmx else {},
        follow=not htmx,
    )
    assert isinstance(answer, HttpResponse)
    return answer


def page(query: str = "", role: str = roles.RISK_APPROVER) -> str:
    return signed_in(role).get(reverse("dead_letters") + query).content.decode()


def test_without_letters_the_page_says_that_all_is_well() -> None:
    assert "No letter waits" in page()


def test_a_letter_that_is_mended_is_taken_in_when_replayed() -> None:
    waits = letter(event())
    bank.customers(1)  # the customer has come meanwhile
    html = settle([waits]).content.decode()
    assert "1 accepted." in html
    assert "No letter waits" in html
    assert Signal.objects.count() == 1
    assert AuditEvent.objects.filter(action="dead_letters.replayed", actor=roles.RISK_APPROVER).exists()


def test_a_letter_that_is_not_mended_waits_on_with_its_reason() -> None:
    html = settle([letter(event())]).content.decode()
    assert "1 could not be taken in and must wait: UNKNOWN_CUSTOMER:" in html
    assert DeadLetter.objects.get().result.startswith("UNKNOWN_CUSTOMER")


def test_a_replay_through_htmx_answers_with_the_letters_alone_and_its_outcome() -> None:
    waits = letter(event())
    bank.customers(1)
    html = settle([waits], htmx=True).content.decode()
    assert "1 accepted." in html
    assert "<html" not in html


def test_a_letter_that_is_given_up_keeps_its_reason_and_loses_its_body() -> None:
    settle([letter(event())], step="discard")
    assert bytes(DeadLetter.objects.get().body) == b""
    assert "Its body is not kept." in page("?state=settled")


def test_all_letters_of_the_page_are_sent_without_choosing_each() -> None:
    shown = [letter(event("C-1")), letter(event("C-2"))]
    bank.customers(2)
    settle([], all="replay", shown=[row.pk for row in shown])
    assert Signal.objects.count() == 2


def test_choosing_nothing_changes_nothing_and_says_so() -> None:
    letter(event())
    assert "No letter was chosen." in settle([]).content.decode()
    assert DeadLetter.objects.get().replayed_at is None


@pytest.mark.parametrize("role", [roles.COMPLIANCE, roles.MARKETING_AUTHOR])
def test_only_a_risk_officer_replays(role: str) -> None:
    waits = letter(event())
    bank.customers(1)
    assert settle([waits], role).status_code == 403
    assert Signal.objects.count() == 0


def test_compliance_reads_the_letters_and_finds_no_button() -> None:
    letter(event())
    html = page(role=roles.COMPLIANCE)
    assert "UNKNOWN_CUSTOMER it is" in html
    assert "Replay the chosen" not in html
    assert signed_in(roles.MARKETING_AUTHOR).get(reverse("dead_letters")).status_code == 403


def test_a_body_is_shown_as_text_whatever_it_holds() -> None:
    letter(b"<script>alert(1)</script>", "NO_EVENT")
    letter(b"\xff\xfe\x00", "NO_EVENT")
    letter(event(merchant="<b>bold</b>"))
    html = page()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "ff fe 00" in html
    assert "<b>bold" not in html


def test_a_long_body_is_cut_and_says_by_how_much() -> None:
    letter(orjson.dumps({"payload": {"topic": "x" * 6_000}}))
    html = page()
    assert "more characters" in html
    assert "x" * 4_100 not in html


def test_a_protected_characteristic_in_a_body_is_not_shown() -> None:
    letter(event(gender="female", nested=[{"Date of birth": "1961-07-14"}]))
    html = page()
    assert "a protected characteristic" in html
    assert not any(value in html for value in ("female", "1961"))


@pytest.mark.parametrize(
    ("query", "found"),
    [("", 2), ("?code=NO_EVENT", 1), (f"?origin={ORIGIN}", 2), ("?origin=kafka:other", 0), ("?state=settled", 0)],
)
def test_letters_are_found_by_reason_origin_and_state(query: str, found: int) -> None:
    letter(event())
    letter(b"{", "NO_EVENT")
    answer = signed_in().get(reverse("dead_letters") + query)
    assert len(answer.context["letters"]) == found


def test_many_letters_come_in_pages_and_few_queries() -> None:
    for number in range(60):
        letter(event(f"C-{number}"))
    client = signed_in()
    with CaptureQueriesContext(connection) as made:
        first = client.get(reverse("dead_letters"))
    assert len(made) <= QUERIES, "\n".join(query["sql"] for query in made.captured_queries)
    assert len(first.context["letters"]) == 50
    rest = client.get(f"{reverse('dead_letters')}?after={first.context['page'].next_key}")
    assert len(rest.context["letters"]) == 10


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "²", "-1"])
def test_a_letter_that_cannot_be_one_is_no_letter(number: str) -> None:
    answer = signed_in().post(reverse("dead_letters_settle"), {"letter": number, "step": "replay"}, follow=True)
    assert "No letter was chosen." in answer.content.decode()


@pytest.mark.parametrize("address", ["/dead-letters/?code=%00", "/customers/a%00b/", "/customers/?customer=%00a"])
def test_an_address_with_a_nul_is_refused_before_postgres_is_asked(address: str) -> None:
    client = signed_in()
    client.raise_request_exception = False
    assert client.get(address).status_code == 400
