"""POST /decisions and its resources over the real views, Postgres and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis

from decisioning import credentials, decision_log, learn, rebuild, runtime, store, suppression
from decisioning.models import CapLedger, Consent, Customer, Decision, Presentation, SessionLease
from offers import roles
from offers.models import Stop
from tests import bank, catalogue

pytestmark = pytest.mark.django_db
OF_AGE = {"attribute": "is_21_or_over", "op": "is", "value": True}  # as everybody of the bank is
LOW = {"attribute": "utilisation", "op": "<=", "value": 0.9}


class Channel:
    """A channel with its key."""

    def __init__(self, name: str = "mobile_app", *scopes: str) -> None:
        self.name, self.key = name, bank.key(name, *scopes)
        self.client = Client()

    def post(self, path: str, content: bytes, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1{path}", content, content_type="application/json",
            headers={"Authorization": f"Api-Key {self.key}", **headers},
        )  # fmt: skip

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers={"Authorization": f"Api-Key {self.key}"})

    def decide(self, **changes: Any) -> Any:
        return self.post("/decisions", bank.body(channel=self.name, **changes))


@pytest.fixture
def app() -> Iterator[Channel]:
    bank.customers(3)
    bank.publish(catalogue.content())
    channel = Channel()
    bank.warm()
    yield channel
    runtime.forget()


def stop(scope: str, target: str) -> None:
    Stop.objects.create(
        scope=scope, target=target, reason="test", stopped_by=bank.person("officer", roles.RISK_APPROVER),
        stopped_at=timezone.now(),
    )  # fmt: skip
    rebuild.announce()


def test_a_new_decision_is_answered_with_201_and_its_text(app: Channel) -> None:
    response = app.decide(limit=2)
    answer = response.json()
    assert response.status_code == 201
    assert [offer["rank"] for offer in answer["offers"]] == [1, 2]
    first = answer["offers"][0]
    assert first["headline"] == f"{first['offer']} {first['arm'][-1]} on mobile_app"
    assert 0 < first["action_probability"] <= 1
    assert answer["reused"] is False
    assert answer["reason"] is None
    assert answer["release"] == 1
    assert Decision.objects.get(id=answer["decision_id"]).offer == first["offer"]


def test_the_hot_path_reads_no_table_and_goes_to_redis_twice(app: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "KEPT_SECONDS", 600.0)  # on a busy machine a key is looked up again in between
    credentials.forget()
    app.decide(customer="C-2", session="warm-up")
    trips: list[int] = []
    pipeline = type(store.client().pipeline())
    executed = pipeline.execute

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        trips.append(len(self.command_stack))
        return executed(self, *args, **kwargs)

    commands: list[Any] = []
    command: Any = Redis.execute_command

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        commands.append(args)
        return command(self, *args, **kwargs)

    monkeypatch.setattr(pipeline, "execute", counted)
    monkeypatch.setattr(Redis, "execute_command", noted)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert app.decide(customer="C-1", session="new").status_code == 201
    assert len(trips) == 2
    assert commands == []
    assert len(queries) == 1
    assert Decision.objects.filter(customer_id=Customer.objects.get(external_id="C-1").pk).count() == 1


def test_a_second_channel_gets_the_same_decision_in_its_own_words(app: Channel) -> None:
    first = app.decide(limit=1).json()
    web = Channel("web")
    response = web.decide(limit=3)
    again = response.json()
    assert response.status_code == 200
    assert again["reused"] is True
    assert again["decision_id"] == first["decision_id"]
    assert again["offers"][0]["arm"] == first["offers"][0]["arm"]
    assert again["offers"][0]["headline"].endswith("on web")
    assert Decision.objects.count() == 1
    assert Presentation.objects.filter(decision_id=UUID(first["decision_id"])).count() == 2


def test_a_stop_removes_the_offer_from_a_leased_decision_at_once(app: Channel) -> None:
    first = app.decide(limit=1).json()
    stop("offer", first["offers"][0]["offer"])
    again = app.decide(limit=1).json()
    assert first["offers"][0]["offer"] not in [offer["offer"] for offer in again["offers"]]
    stop("all", "")
    nothing = app.decide(limit=1).json()
    assert (nothing["offers"], nothing["reason"]) == ([], "STOPPED")


def test_a_stop_that_redis_was_not_told_of_still_stops(app: Channel) -> None:
    assert app.decide(session="before").json()["reason"] is None  # from here on this process holds an empty stop list
    Stop.objects.create(
        scope="all",
        target="",
        reason="test",
        stopped_by=bank.person("officer", roles.RISK_APPROVER),
        stopped_at=timezone.now(),
    )
    assert app.decide().json()["reason"] == "STOPPED"


def test_withdrawn_consent_removes_everything_from_a_leased_decision(app: Channel) -> None:
    app.decide()
    Consent.objects.filter(purpose="marketing", channel="mobile_app").update(granted=False)
    store.client().flushdb()
    rebuild.rebuild()
    assert app.decide().json()["reason"] == "NO_CONSENT"


def test_a_dry_run_leaves_no_trace(app: Channel) -> None:
    response = app.decide(dry_run=True)
    assert response.status_code == 200
    assert response.json()["decision_id"] is None
    assert response.json()["offers"]
    assert not any(model.objects.exists() for model in (Decision, SessionLease, CapLedger, Presentation))
    assert app.decide().status_code == 201


def test_caps_count_and_close(app: Channel) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["decisions_per_day"] = 2
    bank.publish(value)
    reasons = [app.decide(session=f"s-{number}").json()["reason"] for number in range(3)]
    assert reasons == [None, None, "CAPPED"]


def test_what_a_second_channel_shows_beyond_the_first_is_counted_once(app: Channel) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["same_offer_per_week"] = 1
    bank.publish(value)
    first = app.decide(session="a", limit=1).json()["offers"]
    web = Channel("web")
    more = [offer["offer"] for offer in web.decide(session="a", limit=3).json()["offers"]]
    assert len(more) == 3
    assert [offer["offer"] for offer in web.decide(session="a", limit=3).json()["offers"]] == more
    (day,) = CapLedger.objects.get().contacts.values()
    assert day == {"*": 1, **dict.fromkeys(more, 1)}
    assert first[0]["offer"] == more[0]
    later = app.decide(session="b", limit=3).json()
    assert [offer["offer"] for offer in later["offers"]] == ["all-cards"]


def test_caps_hold_when_redis_has_lost_the_counts(app: Channel) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["decisions_per_day"] = 1
    bank.publish(value)
    assert app.decide(session="a").json()["reason"] is None
    store.client().flushdb()
    cold = app.decide(session="b").json()
    assert cold["reason"] == "CAPPED"
    assert cold["degraded"][0] == "redis_cold"


def test_a_stale_counter_in_redis_is_caught_by_the_commit(app: Channel) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["decisions_per_day"] = 1
    bank.publish(value)
    token = Customer.objects.get(external_id="C-1").token
    assert token
    key = store.customer_key(token)
    before = store.client().hget(key, store.LEDGER)
    assert isinstance(before, bytes)
    assert app.decide(session="a").json()["reason"] is None
    store.client().hset(key, mapping={store.LEDGER: before})
    assert app.decide(session="b").json()["reason"] == "CAPPED"


def test_without_redis_decisions_go_on_and_say_so(app: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "client", lambda: Redis(host="127.0.0.1", port=1, retry=store.RETRY))
    answer = app.decide().json()
    assert answer["offers"]
    assert "redis_down" in answer["degraded"]
    assert app.decide().json()["reused"] is True


def test_an_unknown_customer_gets_404(app: Channel) -> None:
    response = app.decide(customer="C-999")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == "customer_id"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 11}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"colour": "red"}, "colour"),
        ({"placement": ""}, "placement"),
        ({"session_id": 7}, "session_id"),
        ({"context": {"seconds_on_cards_page": -1}}, "context.seconds_on_cards_page"),
        ({"context": {"seconds_on_cards_page": "41"}}, "context.seconds_on_cards_page"),
        ({"context": {"entry_point": "moon"}}, "context.entry_point"),
        ({"context": {"gender": "f"}}, "context.gender"),
        ({"context": {"transaction": {"amount": "x"}}}, "context.transaction.amount"),
        ({"context": []}, "context"),
        ({"customer_id": "a\u0000b"}, "customer_id"),
    ],
)
def test_bad_input_gets_400_with_the_field_named(app: Channel, changes: dict[str, Any], field: str) -> None:
    content = orjson.dumps({**orjson.loads(bank.body()), **changes})
    response = app.post("/decisions", content)
    assert response.status_code == 400
    assert [fault["field"] for fault in response.json()["errors"]] == [field]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"limit": NaN}'])
def test_a_body_that_is_no_object_gets_400(app: Channel, content: bytes) -> None:
    assert app.post("/decisions", content).status_code == 400


def test_the_transaction_of_the_moment_is_known_to_the_decision(app: Channel) -> None:
    transaction = {"amount": 82.4, "mcc": "4511", "channel": "pos"}
    made = app.post("/decisions", orjson.dumps({**orjson.loads(bank.body()), "context": {"transaction": transaction}}))
    _, known = decision_log.inputs(Decision.objects.get(id=made.json()["decision_id"]))
    assert {name: known.attributes[f"transaction_{name}"] for name in transaction} == transaction


def test_what_the_first_channel_said_of_the_session_holds_for_the_second(app: Channel) -> None:
    value = catalogue.content(rules={
        "looked": catalogue.rule({"attribute": "cards_viewed", "op": "contains", "value": "offer-0"})
    })  # fmt: skip
    bank.publish(value)
    first = app.post(
        "/decisions", orjson.dumps({**orjson.loads(bank.body()), "context": {"cards_viewed": ["offer-0"]}})
    )
    assert first.json()["offers"]
    again = Channel("web").post("/decisions", orjson.dumps({**orjson.loads(bank.body(channel="web")), "context": {}}))
    assert (again.json()["reused"], again.json()["offers"][0]["offer"]) == (True, first.json()["offers"][0]["offer"])


def test_an_unknown_placement_gets_400_or_no_offer(app: Channel) -> None:
    response = app.post("/decisions", bank.body(placement="nowhere"))
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "placement"


def test_keys_are_checked(app: Channel) -> None:
    for header in ("", "Api-Key", "Api-Key nonsense", f"Api-Key {app.key}x", f"Bearer {app.key}"):
        response = app.client.post(
            "/api/v1/decisions", bank.body(), content_type="application/json", headers={"Authorization": header}
        )
        assert response.status_code == 401, header
        assert response["WWW-Authenticate"] == "Api-Key"
    assert app.post("/decisions", bank.body(channel="web")).status_code == 403
    assert Channel("mobile_app", "signal").decide().status_code == 403


def test_a_revoked_key_is_refused_once_its_revocation_is_announced(app: Channel) -> None:
    other = Channel()
    app.decide(session="x")
    assert other.decide(session="y").status_code == 201
    with transaction.atomic():
        credentials.revoke(other.key.split(".")[0], actor="test", now=timezone.now())
    rebuild.announce()
    app.decide(session="z")  # any read notices
    assert other.decide(session="w").status_code == 401


def test_an_idempotency_key_gives_the_same_answer_and_refuses_another_body(app: Channel) -> None:
    first = app.post("/decisions", bank.body(), **{"Idempotency-Key": "k1"})
    again = app.post("/decisions", bank.body(), **{"Idempotency-Key": "k1"})
    other = app.post("/decisions", bank.body(session="s-2"), **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert first.json() == again.json()


def test_record_explanation_and_replay(app: Channel) -> None:
    made = app.decide(limit=2).json()
    path = f"/decisions/{made['decision_id']}"
    record = app.get(path).json()
    assert record["choices"][0]["offer"] == made["offers"][0]["offer"]
    explained = app.get(f"{path}/explanation").json()
    assert {offer["offer"] for offer in explained["offers"]} == {"offer-0", "offer-1", "offer-2", "all-cards"}
    assert explained["funnel"][0] == {"stage": "catalogue", "left": 4}
    replayed = app.post(f"{path}/replay", b"").json()
    assert replayed["identical"] is True
    assert Channel("email").get(path).status_code == 403
    assert app.get(f"/decisions/{uuid4()}").status_code == 404


def test_a_key_that_only_decides_reads_of_the_customer_what_clauses_compare_and_no_age(app: Channel) -> None:
    bank.publish(catalogue.content(rules={"low": catalogue.rule(LOW), "both": catalogue.rule({"all": [OF_AGE, LOW]})}))
    made = app.decide(limit=2).json()
    path = f"/decisions/{made['decision_id']}/explanation"
    whole, told = app.get(path).json(), Channel("mobile_app", "decide").get(path).json()
    assert whole["known"]["utilisation"] == 0.2
    assert "is_21_or_over" not in whole["known"]
    assert (told["known"], told["consents"]) == ({}, [])
    assert [offer["offer"] for offer in told["offers"]] == [offer["offer"] for offer in whole["offers"]]
    listed = {"low": [("utilisation", 0.2)], "both": [("utilisation", 0.2)]}
    for trace, expected in ((whole, listed), (told, {"low": listed["low"]})):
        for offer in trace["offers"]:
            assert {
                rule["rule"]: [(clause["attribute"], clause["value"]) for clause in rule["clauses"]]
                for rule in offer["rules"]
            } == expected
    assert Channel("email", "decide").get(path).status_code == 403


@pytest.mark.parametrize("suffix", ["", "/explanation"])
def test_a_key_without_the_scope_learns_neither_an_age_nor_an_override_from_what_ended_an_offer(
    app: Channel, suffix: str
) -> None:
    rules = {
        "of-age": catalogue.rule(
            {**OF_AGE, "value": False}, scope="offer", target="offer-1", reason="UNDER_21_PRESCREEN"
        )
    }
    bank.publish(catalogue.content(rules=rules))
    suppression.suppress(
        customer=Customer.objects.get(external_id="C-1").pk, offer="offer-0", reason_code="hardship", note="A test.",
        until=None, by=bank.person("rene", roles.RISK_AUTHOR), now=timezone.now(),
    )  # fmt: skip
    path = f"/decisions/{app.decide().json()['decision_id']}{suffix}"
    assert ended(app.get(path).json()) == {
        "offer-0": ("stops", "SUPPRESSED", "override"), "offer-1": ("eligibility", "UNDER_21_PRESCREEN", "of-age"),
    }  # fmt: skip
    told = Channel("mobile_app", "decide").get(path)
    assert ended(told.json()) == {"offer-0": ("stops", "STOPPED", ""), "offer-1": ("eligibility", "NOT_ELIGIBLE", "")}
    assert not [
        word for word in ("UNDER_21", "override", "of-age", "SUPPRESSED") if f'"{word}' in told.content.decode()
    ]
    assert "is_21_or_over" not in told.content.decode()


def ended(answer: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Of the record or the trace, by offer."""
    rows = answer.get("refusals") or [{"offer": one["offer"], **(one["ended"] or {})} for one in answer["offers"]]
    return {
        row["offer"]: (row["stage"], row["reason"], row["by"])
        for row in rows
        if row["offer"] in ("offer-0", "offer-1") and "stage" in row
    }


def test_a_decision_replays_after_a_newer_release_and_posterior(app: Channel) -> None:
    learn.run(timezone.now())
    bank.warm()
    made = app.decide().json()
    event = {
        "event_id": "e1", "decision_id": made["decision_id"], "offer": made["offers"][0]["offer"],
        "type": "impression", "occurred_at": timezone.now().isoformat(),
    }  # fmt: skip
    assert app.post("/outcomes", orjson.dumps({"events": [event]})).json()["accepted"] == 1
    learn.run(timezone.now())
    bank.publish(catalogue.content(offers=5))
    learn.run(timezone.now())
    later = app.decide(session="later").json()
    assert (later["release"], later["posterior"]) != (made["release"], made["posterior"])
    runtime.forget()
    for decision in (made, later):
        assert app.post(f"/decisions/{decision['decision_id']}/replay", b"").json()["identical"] is True


def test_every_offer_says_which_stage_ended_it(app: Channel) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["decisions_per_day"] = 1
    bank.publish(value)
    made, capped = app.decide(session="a", limit=1).json(), app.decide(session="b").json()
    explained = app.get(f"/decisions/{made['decision_id']}/explanation").json()
    stages = {offer["offer"]: (offer["ended"] or {}).get("reason") for offer in explained["offers"]}
    assert stages.pop("all-cards") == "FALLBACK_NOT_NEEDED"
    assert set(stages.values()) == {None}  # three are ranked for later channels
    explained = app.get(f"/decisions/{capped['decision_id']}/explanation").json()
    assert {offer["ended"]["stage"] for offer in explained["offers"]} == {"caps"}
    assert explained["caps"]["policy"]["decisions_per_day"] == 1


@pytest.mark.parametrize("path", ["/decisions/xyz", "/decisions/", "/nowhere"])
def test_an_address_that_is_not_there_is_a_problem_too(app: Channel, path: str) -> None:
    response = app.get(path)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


def test_a_key_is_made_and_revoked_from_a_shell(app: Channel, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("api_key", "--channel", "mobile_app", "--by", "rosa")
    app.key = capsys.readouterr().out.strip()
    assert app.decide().status_code == 201
    call_command("api_key", "--revoke", app.key.split(".")[0], "--by", "rosa")
    credentials.forget()
    assert app.decide().status_code == 401
    with pytest.raises(CommandError, match="no key nonsense"):
        call_command("api_key", "--revoke", "nonsense", "--by", "rosa")


def test_the_schema_names_the_key_and_the_events(app: Channel) -> None:
    schema = app.client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert schema["components"]["securitySchemes"]["ApiKey"]["name"] == "Authorization"
    assert {"SignalEvent", "OutcomeEvent", "DecisionAnswer"} <= set(schema["components"]["schemas"])
