"""Requests from somebody who means ill: whatever the bytes, the answer is a problem in the contract's form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.test import Client

from decisioning import runtime
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

_DEEP = b"[" * 100_000 + b"]" * 100_000
_HUGE = b"1" + b"0" * 400
_NOW = b'"2026-11-22T10:00:00+00:00"'


@pytest.fixture
def client() -> Iterator[Client]:
    bank.customers(1)
    bank.publish(catalogue.content())
    bank.warm()
    client = Client(headers={"Authorization": f"Api-Key {bank.key()}"})
    client.raise_request_exception = False
    yield client
    runtime.forget()


def asked(field: bytes, value: bytes) -> bytes:
    """A good question with one field replaced or added."""
    fields = {
        b"customer_id": b'"C-1"', b"session_id": b'"s"', b"channel": b'"mobile_app"', b"placement": b'"home_banner"',
        field: value,
    }  # fmt: skip
    return b"{" + b",".join(b'"%b":%b' % pair for pair in fields.items()) + b"}"


QUESTIONS: dict[str, bytes] = {
    "empty": b"",
    "an array": b"[]",
    "null": b"null",
    "a number": b"5",
    "text": b'"x"',
    "deep": _DEEP,
    "deep in a field": asked(b"context", _DEEP),
    "deep objects": asked(b"context", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "not UTF-8": b'{"customer_id":"\xff\xfe"}',
    "UTF-16": '{"customer_id":"C-1"}'.encode("utf-16"),
    "NaN": asked(b"limit", b"NaN"),
    "infinity": asked(b"context", b'{"seconds_on_cards_page":1e999}'),
    "a huge integer": asked(b"limit", _HUGE),
    "a huge integer as a number": asked(b"context", b'{"seconds_on_cards_page":' + _HUGE + b"}"),
    "a huge amount": asked(b"context", b'{"transaction":{"amount":' + _HUGE + b"}}"),
    "digits beyond Python's limit": asked(b"limit", b"1" * 5000),
    "NUL in a customer": asked(b"customer_id", b'"a\\u0000b"'),
    "NUL in a placement": asked(b"placement", b'"a\\u0000b"'),
    "half a surrogate pair": asked(b"customer_id", b'"\\ud800"'),
    "half a pair in a session": asked(b"session_id", b'"\\udfff"'),
    "half a pair in a channel": asked(b"channel", b'"\\ud800"'),
    "half a pair in a name": asked(b"\\ud800", b"1"),
    "half a pair in the context": asked(b"context", b'{"\\ud800":1}'),
    "NUL in a name": asked(b"\\u0000", b"1"),
    "an object for a text": asked(b"customer_id", b"{}"),
    "an array for a choice": asked(b"channel", b"[[]]"),
    "an object for a limit": asked(b"limit", b"{}"),
    "an array for a flag": asked(b"dry_run", b"[]"),
    "an array for the context": asked(b"context", b"[1]"),
    "null for the context": asked(b"context", b"null"),
    "null for a transaction": asked(b"context", b'{"transaction":null}'),
    "objects for cards": asked(b"context", b'{"cards_viewed":[{}]}'),
    "an object for the cards": asked(b"context", b'{"cards_viewed":{"a":1}}'),
    "a very long customer": asked(b"customer_id", b'"' + b"x" * 1_000_000 + b'"'),
    "a very long name": asked(b"x" * 100_000, b"1"),
}  # fmt: skip


def wrong(client: Client, path: str, bodies: dict[str, bytes], status: int, indices: list[int] | None) -> list[str]:
    """The names of the bodies whose answer, with and without an idempotency key, is another than this."""
    found = []
    for number, (name, body) in enumerate(bodies.items()):
        for header in ({}, {"Idempotency-Key": f"k{number}"}):
            answer = client.generic("POST", f"/api/v1/{path}", body, content_type="application/json", headers=header)
            kind = "application/json" if status < 400 else "application/problem+json"
            good = (answer.status_code, answer["Content-Type"]) == (status, kind)
            if good and indices is not None:
                good = [row["index"] for row in answer.json()["rejected"]] == indices
            if not good:
                found.append(f"{path}, {name}, {header}: {answer.status_code} {answer.content[:100]!r}")
    return found


def test_a_hostile_question_gets_400_as_problem_details(client: Client) -> None:
    assert wrong(client, "decisions", QUESTIONS, 400, None) == []


def signal(**fields: bytes) -> bytes:
    given = {"event_id": b'"e"', "customer_id": b'"C-1"', "type": b'"card_view"', "occurred_at": _NOW,
             "payload": b'{"card":"a"}', **fields}  # fmt: skip
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in given.items()) + b"}"


EVENTS: dict[str, bytes] = {
    "null": b"null",
    "a number": b"7",
    "an array": b"[[]]",
    "NUL in a payload's name": signal(payload=b'{"card":"a","a\\u0000":1}'),
    "NUL in a payload's value": signal(payload=b'{"card":"\\u0000"}'),
    "an array for a choice": signal(payload=b'{"card":"a","entry_point":[]}'),
    "an object for a choice": signal(payload=b'{"card":"a","device_type":{}}'),
    "an array for the payload": signal(payload=b"[]"),
    "a time without an offset": signal(occurred_at=b'"2026-11-22T10:00:00"'),
    "no such day": signal(occurred_at=b'"2026-02-30T10:00:00Z"'),
    "the first year": signal(occurred_at=b'"0001-01-01T00:00:00+14:00"'),
    "the last year": signal(occurred_at=b'"9999-12-31T23:59:59-14:00"'),
    "a number for a time": signal(occurred_at=b"5"),
    "an array for a type": signal(type=b"[]"),
    "a huge event id": signal(event_id=b'"' + b"x" * 100_000 + b'"'),
}  # fmt: skip


@pytest.mark.parametrize("path", ["signals", "outcomes"])
def test_a_hostile_event_is_rejected_and_named_by_its_index(client: Client, path: str) -> None:
    batches = {name: b'{"events":[' + event + b"]}" for name, event in EVENTS.items()}
    assert wrong(client, path, batches, 202, [0]) == []


BATCHES: dict[str, bytes] = {
    "half a surrogate pair in a payload": b'{"events":[' + signal(payload=b'{"card":"a","\\ud800":1}') + b"]}",
    "half a pair in a type": b'{"events":[' + signal(type=b'"\\ud800"') + b"]}",
    "half a pair in a name": b'{"events":[{"\\ud800":1}]}',
    "deep": b'{"events":[' + _DEEP + b"]}",
    "NaN": b'{"events":[{"value":NaN}]}',
    "a number that no double holds": b'{"events":[' + _HUGE + b"]}",
    "such a number in a payload": b'{"events":[' + signal(payload=b'{"card":"a","seconds":' + _HUGE + b"}") + b"]}",
    "no events": b'{"events":[]}',
    "too many events": b'{"events":[' + b",".join([b"1"] * 1001) + b"]}",
    "an object": b'{"events":{}}',
}


@pytest.mark.parametrize("path", ["signals", "outcomes"])
def test_a_batch_that_is_no_json_or_no_batch_gets_400(client: Client, path: str) -> None:
    assert wrong(client, path, BATCHES, 400, None) == []


def test_a_charset_in_the_header_changes_nothing(client: Client) -> None:
    for charset in ("rot13", "hex", "base64", "zlib", "undefined", "utf-7", "latin-1", "nonsense"):
        kind = f"application/json; charset={charset}"
        answer = client.generic("POST", "/api/v1/decisions", bank.body(), content_type=kind)
        assert answer.status_code in (200, 201), charset


def test_another_content_type_gets_415(client: Client) -> None:
    for kind in ("", "text/plain", "multipart/form-data; boundary=x", "application/xml", "/", ";"):
        answer = client.generic("POST", "/api/v1/decisions", bank.body(), content_type=kind)
        assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json"), kind


def test_a_body_beyond_the_limit_gets_413(client: Client) -> None:
    body = b'{"customer_id":"' + b"x" * 9_000_000 + b'"}'
    answer = client.post("/api/v1/decisions", body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")


def test_every_wrong_field_is_named_also_beside_an_unknown_one(client: Client) -> None:
    body = orjson.dumps({"customer": "C-1", "session_id": "s", "context": {"colour": 1, "session_risk_score": 7}})
    answer = client.post("/api/v1/decisions", body, content_type="application/json")
    named = {row["field"] for row in answer.json()["errors"]}
    assert named == {
        "customer", "customer_id", "channel", "placement", "context.colour", "context.session_risk_score",
    }  # fmt: skip


def test_a_strange_key_gets_401(client: Client) -> None:
    for header in ("", "Api-Key", "Api-Key ", "Api-Key .", "Api-Key x.y", "Api-Key \xe9.\xe9", "Bearer x",
                   "Api-Key " + "x" * 9000):  # fmt: skip
        answer = client.post(
            "/api/v1/decisions", bank.body(), content_type="application/json", headers={"Authorization": header}
        )
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Api-Key"), header


def test_another_method_or_accept_header_is_no_crash(client: Client) -> None:
    for method in ("get", "put", "patch", "delete", "options", "head"):
        assert getattr(client, method)("/api/v1/decisions").status_code in (200, 405), method
    for accept in ("text/html", "application/problem+json", "*/*", "nonsense"):
        answer: Any = client.post(
            "/api/v1/decisions", bank.body(), content_type="application/json", headers={"Accept": accept}
        )
        assert answer.status_code in (200, 201, 406), accept
