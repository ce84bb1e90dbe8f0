"""POST /signals and POST /outcomes: what is kept, what is refused by name, and that the next decision knows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from decisioning import decision_log, runtime, signal_shapes
from decisioning.models import Decision, EventReceipt, Signal
from tests import bank, catalogue
from tests.decisioning.test_api_decisions import Channel

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> Iterator[Channel]:
    bank.customers(3)
    bank.publish(catalogue.content())
    channel = Channel()
    bank.warm()
    yield channel
    runtime.forget()


def signal(event_id: str = "e1", kind: str = "card_view", **changes: Any) -> dict[str, Any]:
    payload = {"card": "offer-1", "seconds": 20, "device_type": "app"} if kind == "card_view" else {}
    return {
        "event_id": event_id, "customer_id": "C-1", "type": kind, "occurred_at": timezone.now().isoformat(),
        "payload": payload, **changes,
    }  # fmt: skip


def send(app: Channel, *events: Any, path: str = "/signals") -> Any:
    return app.post(path, orjson.dumps({"events": list(events)}))


def test_the_next_decision_knows_what_was_just_viewed(app: Channel) -> None:
    assert send(app, signal("a"), signal("b")).json() == {"accepted": 2, "duplicates": 0, "rejected": []}
    made = app.post("/decisions", orjson.dumps({**orjson.loads(bank.body()), "context": {}})).json()
    _, known = decision_log.inputs(Decision.objects.get(id=made["decision_id"]))
    assert known.attributes["cards_viewed"] == ["offer-1"]
    assert known.attributes["cards_viewed_count"] == 2
    assert known.attributes["seconds_on_cards_page"] == 40
    assert known.ages["session_context"] < 5


def test_good_events_are_kept_when_others_are_not(app: Channel) -> None:
    now = timezone.now()
    events = [
        signal("good"),
        signal("no-customer", customer_id="C-999"),
        signal("bad-type", "teleport"),
        signal("no-card", payload={"seconds": 1}),
        signal("odd-field", payload={"card": "offer-1", "gender": "f"}),
        signal("bad-score", "bureau_refresh", payload={"credit_score": 9000}),
        signal("future", occurred_at=(now + timedelta(hours=1)).isoformat()),
        signal("past", occurred_at=(now - timedelta(days=40)).isoformat()),
        signal("no-offset", occurred_at="2026-11-22T10:00:00"),
        "not an object",
        {"event_id": "bare"},
    ]
    response = send(app, *events)
    answer = response.json()
    assert response.status_code == 202
    assert answer["accepted"] == 1
    assert [fault["index"] for fault in answer["rejected"]] == list(range(1, 11))
    by_index = {fault["index"]: (fault["code"], fault["message"]) for fault in answer["rejected"]}
    assert by_index[1][0] == "UNKNOWN_CUSTOMER"
    assert "type" in by_index[2][1]
    assert "payload.card" in by_index[3][1]
    assert "payload.gender" in by_index[4][1]
    assert "payload.credit_score" in by_index[5][1]
    assert by_index[6][0] == by_index[7][0] == "OUT_OF_TIME"
    assert "occurred_at" in by_index[8][1]
    assert Signal.objects.count() == EventReceipt.objects.count() == 1


def test_a_repeat_is_a_duplicate_and_another_body_a_conflict(app: Channel) -> None:
    first = signal("e", occurred_at="2026-11-22T08:00:00Z") | {"occurred_at": timezone.now().isoformat()}
    send(app, first)
    changed = {**first, "payload": {"card": "offer-2"}}
    answer = send(app, first, changed, first).json()
    assert (answer["accepted"], answer["duplicates"]) == (0, 2)
    assert [(fault["index"], fault["code"]) for fault in answer["rejected"]] == [(1, "CONFLICT")]


def test_a_batch_of_a_thousand_is_taken_and_one_more_is_refused(app: Channel) -> None:
    events = [signal(f"e{number}", customer_id=f"C-{number % 3 + 1}") for number in range(1001)]
    assert send(app, *events).status_code == 400
    assert send(app, *events[:1000]).json()["accepted"] == 1000
    assert send(app).status_code == 400


def test_an_opt_out_holds_in_the_very_next_decision(app: Channel) -> None:
    made = app.decide().json()
    event = {
        "event_id": "out", "decision_id": made["decision_id"], "offer": made["offers"][0]["offer"], "type": "opt_out",
        "occurred_at": timezone.now().isoformat(),
    }  # fmt: skip
    assert send(app, event, path="/outcomes").json()["accepted"] == 1
    assert app.decide(session="next").json()["reason"] == "NO_CONSENT"


def test_outcomes_with_faults_are_named(app: Channel) -> None:
    event = {"event_id": "x", "decision_id": "nonsense", "offer": "offer-0", "type": "click", "occurred_at": "now"}
    answer = send(app, event, path="/outcomes").json()
    assert answer["accepted"] == 0
    assert "decision_id" in answer["rejected"][0]["message"]
    assert "occurred_at" in answer["rejected"][0]["message"]


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@pytest.mark.parametrize("text", ["a\\u0000b", ""])
def test_text_that_cannot_be_stored_is_refused(app: Channel, text: str) -> None:
    event = orjson.dumps(signal("e", "page_view", payload={"page": "TEXT"})).decode().replace("TEXT", text)
    answer = app.post("/signals", f'{{"events": [{event}]}}'.encode()).json()
    assert [fault["code"] for fault in answer["rejected"]] == ["INVALID_PAYLOAD"]


@given(kind=st.sampled_from(sorted(signal_shapes.PAYLOADS)), payload=st.dictionaries(st.text(), _values, max_size=5))
def test_any_payload_is_either_good_or_named(kind: str, payload: dict[str, Any]) -> None:
    event = signal_shapes.Event("e", "C-1", kind, timezone.now(), payload)
    wrong = signal_shapes.fault(event)
    assert wrong is None or wrong.startswith("payload.")
