"""What must hold when a part is stale, altered or raced: records replay, stops and refusals count, approvals bind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from django.test import Client
from django.utils import timezone as clock

from decisioning import decision_log, identity, learn, outcomes, rebuild, replay, reward_log, runtime, serve, store
from decisioning.features import online, stored
from decisioning.features.ledger import Ledger
from decisioning.models import CapLedger, Consent, Customer, Decision, ModelVersion, RewardLog
from decisioning.propensity.scoring import UnreadableModel
from offers import audit, roles
from offers.models import Stop
from tests import bank, catalogue


@pytest.fixture
def product(db: None) -> Iterator[None]:
    bank.customers(2)
    bank.publish(catalogue.content())
    learn.run(clock.now())
    bank.warm()
    yield
    runtime.forget()


def ask(session: str = "s", channel: str = "mobile_app", customer: str = "C-1", **changes: Any) -> serve.Answer:
    now = changes.pop("now", None) or clock.now()
    fields: dict[str, Any] = {"placement": "home_banner", "limit": 1, "context": {}, **changes}
    return serve.ask(serve.Ask(customer, session, channel, **fields), now)


def row(answer: serve.Answer) -> Decision:
    assert answer.decision_id
    return decision_log.get(answer.decision_id)


def shown(answer: serve.Answer) -> list[str]:
    return [item.choice.offer for item in answer.presented.shown]


def event(answer: serve.Answer, kind: str, event_id: str) -> tuple[int, outcomes.Event]:
    assert answer.decision_id
    return 0, outcomes.Event(event_id, answer.decision_id, shown(answer)[0], kind, clock.now(), None)


def _ledger(key: str) -> Ledger:
    content = store.client().hget(key, store.LEDGER)
    assert isinstance(content, bytes)
    return Ledger.decode(content)


def test_a_decision_under_caps_replays_whatever_order_the_ledger_came_in(product: None) -> None:
    value = catalogue.content(offers=4)
    value["contact_policy"]["default"]["same_offer_per_week"] = 1
    bank.publish(value)
    day = clock.now().date().isoformat()
    contacts = {day: {"*": 3, "offer-2": 1, "offer-0": 1, "offer-1": 1}}
    customer = Customer.objects.get(external_id="C-1").pk
    CapLedger.objects.create(customer_id=customer, sequence=3, contacts=contacts)
    key = store.customer_key(identity.token("C-1"))
    held = _ledger(key)
    store.client().hset(key, mapping={store.LEDGER: replace(held, sequence=3, contacts=contacts).encode()})
    answer = ask()
    assert not any(step.startswith("redis") for step in answer.degraded)
    assert replay.replay(row(answer)).identical


def test_a_posterior_that_lost_bytes_in_redis_is_rebuilt_from_the_log(product: None) -> None:
    held = store.client().get(store.POSTERIOR)
    assert isinstance(held, bytes)
    for broken in (b"", b"x", held[:-1], held[:40]):
        store.client().set(store.POSTERIOR, broken)
        runtime.forget()
        assert shown(ask(broken[:3].hex()))


@pytest.mark.parametrize("field", ["vector", "scores", "ledger", "moment", "lease", "whole", "versions"])
def test_a_value_that_redis_has_half_of_is_read_from_postgres_and_written_anew(product: None, field: str) -> None:
    token = identity.token("C-1")
    key = store.customer_key(token)
    fields: dict[str, Any] = {
        "vector": store.VECTOR, "scores": store.SCORES, "ledger": store.LEDGER, "moment": store.MOMENT,
        "lease": store.lease_field(identity.session_hash("s")),
    }  # fmt: skip
    for value in (b"{", b"[1]", b'{"a":1}', b"\xff", b"\xff" * 12):
        if field == "versions":
            store.client().hset(store.VERSIONS, "posterior", value)
        elif field == "whole":
            store.client().set(key, value)
        else:
            assert store.client().hset(key, mapping={fields[field]: value}) is not None
        answer = ask()
        assert shown(answer), value
        assert "redis_unreadable" in answer.degraded, value
        if field != "versions":
            assert online.read("C-1", token, "s", clock.now()).degraded == (), value


def test_a_stop_that_redis_was_not_told_of_holds_for_a_session_that_has_its_decision(product: None) -> None:
    first = ask()
    Stop.objects.create(
        scope="offer", target=shown(first)[0], reason="test", stopped_by=bank.person("officer", roles.RISK_APPROVER),
        stopped_at=clock.now(),
    )  # fmt: skip
    again = ask(channel="web")
    assert again.decision_id == first.decision_id
    assert len(shown(again)) == 1
    assert shown(again) != shown(first)


def test_a_release_that_redis_was_not_told_of_is_decided_under(product: None, monkeypatch: pytest.MonkeyPatch) -> None:
    value = catalogue.content(rules={"nobody": catalogue.rule({"attribute": "credit_score", "op": ">=", "value": 850})})
    monkeypatch.setattr(rebuild, "announce", lambda: None)
    live = bank.publish(value)
    answer = ask()
    assert (answer.release, shown(answer)) == (live.number, [])


@pytest.mark.parametrize("again", [False, True], ids=["a new session", "the same session"])
def test_an_opt_out_holds_though_redis_kept_the_old_profile(
    product: None, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    first = ask()
    monkeypatch.setattr(outcomes, "refresh", lambda customers: None)  # Redis did not answer in time
    assert outcomes.take([event(first, "opt_out", "o")], clock.now()).accepted == 1
    answer = ask("s" if again else "another")
    assert (shown(answer), answer.presented.reason) == ([], "NO_CONSENT")


def test_a_run_that_read_before_an_opt_out_does_not_undo_it(product: None) -> None:
    customer = Customer.objects.get(external_id="C-1").pk
    (before,) = stored.many([customer], clock.now())
    taken = outcomes.take([event(ask(), "opt_out", "o")], clock.now())
    outcomes.refresh(taken.customers)
    second = ask("second")
    assert (second.presented.reason, second.degraded) == ("NO_CONSENT", ())
    store.put([(before.token, before.fields())])
    held = _ledger(store.customer_key(before.token))
    assert "marketing:mobile_app" not in held.consents
    store.client().hset(store.customer_key(before.token), mapping={store.LEDGER: before.ledger.encode()})
    assert ask("third").presented.reason == "NO_CONSENT"  # and were it undone, the commit would notice


def test_an_opt_out_ends_marketing_on_the_channel_that_it_came_through(product: None) -> None:
    ask()
    seen = ask(channel="web")
    outcomes.take([event(seen, "opt_out", "o")], clock.now(), channel="web")
    denied = Consent.objects.filter(granted=False, purpose="marketing").values_list("channel", flat=True)
    assert set(denied) == {"web", "mobile_app"}


def test_a_decision_in_simulated_time_finds_its_own_lease(product: None) -> None:
    then = clock.now() - timedelta(days=20)
    first = ask(now=then)
    store.client().flushdb()
    again = ask(now=then + timedelta(minutes=1))
    assert (again.reused, again.decision_id) == (True, first.decision_id)


def test_a_month_without_a_partition_gets_one(live_db: None) -> None:
    bank.customers(1)
    bank.publish(catalogue.content())
    bank.warm()
    answer = ask(now=datetime(2040, 5, 31, 23, 59, 59, tzinfo=UTC))
    assert row(answer).made_at.year == 2040
    runtime.forget()


def test_an_outcome_of_an_older_release_is_learned_in_todays_context(product: None) -> None:
    answer = ask(context={"device_type": "app"})
    value = catalogue.content()
    value["ranking"]["default"]["context"] = [
        {"attribute": "utilisation", "centre": 0.3, "scale": 0.3},
        {"attribute": "device_type", "equals": "app"},
    ]
    bank.publish(value)
    outcomes.take([event(answer, "impression", "i")], clock.now())
    learn.run(clock.now())
    learned = RewardLog.objects.filter(type=reward_log.REWARD).get()
    live = runtime.plan(answer.release + 1)
    assert bytes(learned.context) == live.context(decision_log.inputs(row(answer))[1].attributes).tobytes()


def test_a_model_whose_bytes_were_changed_is_not_used(product: None) -> None:
    assert runtime.model("0" * 64) is None
    ModelVersion.objects.create(name="m", sha256="0" * 64, content=b"other", report={}, trained_at=clock.now())
    with pytest.raises(UnreadableModel):
        runtime.model("0" * 64)


def refused(statement: str, alias: str = "default") -> None:
    with pytest.raises(DatabaseError), transaction.atomic(alias), connections[alias].cursor() as cursor:
        cursor.execute(statement)


def test_the_serving_role_cannot_rewrite_who_approved_or_what_runs(product: None) -> None:
    refused("UPDATE offers_changerequest SET checker_id = NULL")
    refused("UPDATE offers_changerequest SET comment = 'x'")
    refused("UPDATE offers_changerequest SET justification = 'x'")
    refused("UPDATE offers_changerequest SET title = 'x'")
    ModelVersion.objects.create(name="m", sha256="0" * 64, content=b"a", report={}, trained_at=clock.now())
    refused("UPDATE decisioning_modelversion SET content = 'b'")
    refused("UPDATE decisioning_modelversion SET sha256 = '1'")
    refused("DELETE FROM decisioning_modelversion")
    refused("UPDATE decisioning_posterior SET content = 'x'")
    refused("UPDATE offers_stopepoch SET epoch = 1")


def test_the_trail_holds_for_a_time_with_an_offset(product: None) -> None:
    at = datetime(2026, 11, 22, 10, 0, tzinfo=timezone(timedelta(hours=2)))
    with transaction.atomic():
        audit.record(actor="a", action="test", subject="s", detail={}, now=at)
    assert audit.verify().broken_at is None


def test_two_requests_at_once_with_one_key_and_two_bodies_do_one_piece_of_work(live_db: None) -> None:
    bank.customers(1)
    bank.publish(catalogue.content())
    key = bank.key()
    bank.warm()

    def post(session: str) -> int:
        try:
            headers = {"Authorization": f"Api-Key {key}", "Idempotency-Key": "one"}
            kind = "application/json"
            return Client().post(
                "/api/v1/decisions", bank.body(session=session), content_type=kind, headers=headers
            ).status_code  # fmt: skip
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(post, [f"s-{number}" for number in range(6)]))
    assert codes == [201, 409, 409, 409, 409, 409]
    assert Decision.objects.count() == 1
    runtime.forget()
