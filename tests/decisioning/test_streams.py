"""Messages of any stream: good ones are committed, poison goes to a dead letter once, and a letter can be replayed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from decisioning import dead_letters, identity, store
from decisioning.features import online
from decisioning.models import Consent, DeadLetter, EventReceipt, FeatureRow, Post, Signal
from decisioning.streams import consumer
from decisioning.streams.source import Message
from offers.models import AuditEvent
from tests import bank

pytestmark = pytest.mark.django_db

ORIGIN = "redis:candor:signals"
SECRET = "The doctor says that it is a boy"
DEEP = b"[" * 600 + b"]" * 600  # levels, of which orjson reads 1,024 and writes 254


def event(event_id: str, kind: str = "login", customer: str = "C-1", **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, "customer_id": customer, "type": kind, "occurred_at": timezone.now().isoformat(),
        "payload": {}, **changes,
    }  # fmt: skip


def messages(*bodies: Any) -> list[Message]:
    return [
        Message(f"{number}-0", body if isinstance(body, bytes) else orjson.dumps(body))
        for number, body in enumerate(bodies, start=1)
    ]


@pytest.fixture(autouse=True)
def customers() -> None:
    bank.customers(2)


POISON: dict[str, tuple[Any, str, str]] = {
    "no JSON": (b'{"event_id": ', "NOT_JSON", "body"),
    "not UTF-8": (b"\xff\xfe{}", "NOT_JSON", "body"),
    "no event": (["login"], "INVALID", "body"),
    "an unknown type": (event("p", "teleport"), "INVALID", "type"),
    "an unknown field": (event("p", colour="red"), "INVALID", "colour"),
    "no customer": ({name: value for name, value in event("p").items() if name != "customer_id"}, "INVALID",
                    "customer_id"),
    "no such customer": (event("p", customer="C-999"), "UNKNOWN_CUSTOMER", "customer_id"),
    "a bad payload": (event("p", "bureau_refresh", payload={"credit_score": 9}), "INVALID_PAYLOAD",
                      "payload.credit_score"),
    "a time without an offset": (event("p", occurred_at="2026-11-22T10:00:00"), "INVALID", "occurred_at"),
    "too old": (event("p", occurred_at=(timezone.now() - timedelta(days=40)).isoformat()), "OUT_OF_TIME",
                "occurred_at"),
    "another body": (event("good", payload={"device_type": "app"}), "CONFLICT", "event_id"),
    "more levels than can be written again": (orjson.dumps(event("p", more=0)).replace(b'"more":0', b'"more":' + DEEP),
                                              "INVALID", "more"),
    "an event of megabytes": (event("p", "page_view", payload={"page": "x" * 70_000}), "TOO_LARGE", "body"),
}  # fmt: skip


@pytest.mark.parametrize("name", POISON)
def test_poison_is_kept_once_with_its_reason_and_the_stream_goes_on(name: str) -> None:
    body, code, field = POISON[name]
    batch = messages(event("good"), body, event("other"))
    for _ in range(2):
        consumer.take(ORIGIN, batch, timezone.now())
    assert set(Signal.objects.values_list("event_id", flat=True)) == {"good", "other"}
    letter = DeadLetter.objects.get()
    assert (letter.origin, letter.position, letter.code) == (ORIGIN, "2-0", code)
    assert letter.reason.startswith(field)


def end_of_partitions() -> datetime:
    """The first moment that no partition of signals holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(to_date(right(c.relname, 6), 'YYYYMM')) + interval '1 month' FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'decisioning_signal'::regclass"
        )
        end: datetime = cursor.fetchone()[0]
    return end.replace(tzinfo=UTC)


def test_what_postgres_refuses_is_found_and_the_rest_is_kept() -> None:
    end = end_of_partitions()
    before, after = end - timedelta(minutes=2), end + timedelta(minutes=1)
    bodies = [event(f"e{number}", occurred_at=before.isoformat()) for number in range(5)]
    bodies.insert(3, event("nowhere", occurred_at=after.isoformat()))
    taken = consumer.take(ORIGIN, messages(*bodies), before)
    assert (taken.accepted, Signal.objects.count()) == (5, 5)
    assert DeadLetter.objects.values_list("position", "code").get() == ("4-0", "REFUSED")


def test_the_text_of_a_post_is_scored_and_stored_nowhere() -> None:
    post = event("post", "social_post", payload={"post_id": "p1", "text": SECRET})
    unknown = event("lost", "social_post", "C-999", payload={"post_id": "p2", "text": SECRET})
    consumer.take(ORIGIN, messages(post, unknown), timezone.now())
    assert Signal.objects.get().payload == {"post_id": "p1"}
    assert Post.objects.get().post_key == "p1"
    letter = DeadLetter.objects.get()
    assert orjson.loads(bytes(letter.body))["payload"] == {"post_id": "p2"}
    assert SECRET not in letter.reason


@pytest.mark.parametrize(
    "body",
    [[{"event_id": "p", "payload": {"text": SECRET}}], {"event": {"payload": {"text": SECRET}}},
     event("p", text=SECRET), event("p", payload=[{"text": SECRET}])],
)  # fmt: skip
def test_the_text_of_a_post_is_in_no_letter_wherever_a_producer_put_it(body: Any) -> None:
    consumer.take(ORIGIN, messages(body), timezone.now())
    letter = DeadLetter.objects.get()
    assert SECRET.encode() not in bytes(letter.body)
    assert dead_letters.replay([letter.pk], by="rosa", now=timezone.now())[letter.pk].startswith("INVALID: ")


def test_a_post_of_somebody_who_agreed_to_less_leaves_no_score() -> None:
    Consent.objects.filter(purpose="personalisation").delete()
    post = event("post", "social_post", payload={"post_id": "p1", "text": SECRET})
    assert consumer.take(ORIGIN, messages(post), timezone.now()).accepted == 1
    assert not Post.objects.exists()


def test_a_bureau_report_is_a_given_value_of_credit_risk_beside_its_signal() -> None:
    now = timezone.now()
    reports = [
        event(f"b{days}", "bureau_refresh", occurred_at=(now - timedelta(days=days)).isoformat(),
              payload={"credit_score": 700 - days})
        for days in (1, 3, 2)
    ]  # fmt: skip
    consumer.take(ORIGIN, messages(*reports), now)
    rows = FeatureRow.objects.filter(group="credit_risk", source="bureau").order_by("known_at")
    assert [row.values for row in rows] == [{"credit_score": 697}, {"credit_score": 698}, {"credit_score": 699}]
    assert all(timedelta() <= row.known_at - now < timedelta(milliseconds=1) for row in rows)
    assert Signal.objects.filter(type="bureau_refresh").count() == 3


def test_a_repeat_refreshes_its_customer_again() -> None:
    bank.warm()
    batch, token = messages(event("e")), identity.token("C-1")
    consumer.take(ORIGIN, batch, timezone.now())
    # As if the consumer had died after its commit.
    store.client().hdel(store.customer_key(token), store.MOMENT.decode())
    again = consumer.take(ORIGIN, batch, timezone.now())
    assert (again.accepted, again.duplicates) == (0, 1)
    assert online.read("C-1", token, "s", timezone.now()).profile.groups["session_context"]


def letter_of_a_stranger() -> DeadLetter:
    consumer.take(ORIGIN, messages(event("early", customer="C-3")), timezone.now())
    return DeadLetter.objects.get()


def test_a_letter_is_replayed_once_its_customer_is_known() -> None:
    letter, now = letter_of_a_stranger(), timezone.now()
    assert dead_letters.counts() == {"UNKNOWN_CUSTOMER": 1}
    result = dead_letters.replay([letter.pk], by="rosa", now=now)[letter.pk]
    assert result.startswith("UNKNOWN_CUSTOMER: customer_id")
    assert dead_letters.waiting().get().result == result
    bank.customers(1, first=3)
    assert dead_letters.replay([letter.pk], by="rosa", now=now) == {letter.pk: "accepted"}
    assert (Signal.objects.get().event_id, dead_letters.waiting().count()) == ("early", 0)
    letter.refresh_from_db()
    assert (letter.replayed_by, letter.replayed_at, bytes(letter.body)) == ("rosa", now, b"")
    assert AuditEvent.objects.filter(action="dead_letters.replayed", actor="rosa").count() == 2


def test_a_second_replay_changes_nothing_and_says_what_the_first_did() -> None:
    letter = letter_of_a_stranger()
    bank.customers(1, first=3)
    dead_letters.replay([letter.pk], by="rosa", now=timezone.now())
    trail = AuditEvent.objects.count()
    assert dead_letters.replay([letter.pk], by="ravi", now=timezone.now()) == {letter.pk: "accepted"}
    assert dead_letters.discard([letter.pk], by="ravi", now=timezone.now()) == {letter.pk: "accepted"}
    assert (Signal.objects.count(), EventReceipt.objects.count(), AuditEvent.objects.count()) == (1, 1, trail)
    letter.refresh_from_db()
    assert letter.replayed_by == "rosa"


def test_a_letter_whose_event_came_meanwhile_is_a_duplicate() -> None:
    letter = letter_of_a_stranger()
    sent = bytes(letter.body)
    bank.customers(1, first=3)
    consumer.take(ORIGIN, [Message("7-0", sent)], timezone.now())
    assert dead_letters.replay([letter.pk], by="rosa", now=timezone.now()) == {letter.pk: "duplicate"}
    assert Signal.objects.count() == 1


def test_what_is_no_json_cannot_be_replayed_but_discarded() -> None:
    consumer.take(ORIGIN, messages(b"{"), timezone.now())
    letter = DeadLetter.objects.get()
    assert dead_letters.replay([letter.pk], by="rosa", now=timezone.now())[letter.pk].startswith("NOT_JSON: ")
    assert dead_letters.counts() == {"NOT_JSON": 1}
    assert dead_letters.discard([letter.pk], by="rosa", now=timezone.now()) == {letter.pk: "discarded"}
    assert dead_letters.counts() == {}
    assert AuditEvent.objects.filter(action="dead_letters.discarded").count() == 1


def test_erasure_forgets_the_letters_of_a_customer_and_of_nobody_else() -> None:
    # Written with escapes by its producer, which a search in its bytes would not find.
    hidden = orjson.dumps(event("hidden", customer="É/9")).replace("É/9".encode(), rb"\u00c9\/9")
    consumer.take(
        ORIGIN, messages(hidden, event("kept", customer="É/99"), b'{"customer_id": "\xc3\x89/9", '), timezone.now()
    )
    assert dead_letters.forget("É/9") == 2
    assert orjson.loads(bytes(DeadLetter.objects.get().body))["event_id"] == "kept"
