"""The monthly drill of the stops (R-GOV-4): every scope takes effect in the engine, nothing of it is left behind, and
the board is red where the proof is missing, failed or old."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from decisioning import drill, runtime, serve
from decisioning.models import StopDrill
from offers import roles
from offers.models import AuditEvent, Stop, StopEpoch
from tests import bank, catalogue
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def served() -> Iterator[None]:
    bank.customers(1)
    bank.publish(catalogue.content())
    bank.warm()
    yield
    runtime.forget()


def decide(session: str) -> serve.Answer:
    return serve.ask(serve.Ask("C-1", session, "mobile_app", "home_banner", 3, {}), timezone.now())


def test_every_scope_takes_effect_and_nothing_is_left_stopped() -> None:
    before, epoch = decide("a"), StopEpoch.objects.get(pk=1).epoch
    done = drill.run(timezone.now())
    assert {one.scope for one in done} == {"all", "product", "offer", "arm"}  # no model is live
    assert all(one.ok and one.seconds > 0 for one in done), [(one.scope, one.detail) for one in done]
    assert not Stop.objects.exists()
    assert StopEpoch.objects.get(pk=1).epoch == epoch
    assert [one.action for one in AuditEvent.objects.filter(action__startswith="stop.")] == ["stop.drilled"]
    after = decide("b")
    assert after.presented.reason is None
    assert {one.choice.offer for one in after.presented.shown} == {one.choice.offer for one in before.presented.shown}


def test_a_live_model_is_drilled_and_what_is_stopped_in_earnest_too() -> None:
    model, content = explained.model(), catalogue.content()
    bank.store_model(model)
    content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    bank.publish(content)
    bank.warm()
    answer = decide("a")
    stopped = answer.presented.shown[0].choice.offer
    officer = bank.person("officer", roles.RISK_APPROVER)
    Stop.objects.create(
        scope="offer", target=stopped, reason="In earnest.", stopped_by=officer, stopped_at=timezone.now()
    )
    done = drill.run(timezone.now())
    assert {one.scope: one.detail for one in done} == dict.fromkeys(("all", "product", "offer", "arm", "model"), "")
    assert Stop.objects.get(resumed_at__isnull=True).target == stopped


def test_a_model_that_was_not_used_before_proves_no_stop_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, content = explained.model(), catalogue.content()
    bank.store_model(model)
    content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    bank.publish(content)
    bank.warm()
    monkeypatch.setattr(runtime, "_champion", lambda sha256: None)  # as if it could not be loaded
    decide("a")
    assert {one.scope for one in drill.run(timezone.now()) if not one.ok} == {"model"}


def test_a_scope_that_the_engine_does_not_obey_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    decide("a")
    monkeypatch.setattr(runtime, "open_stops", frozenset)  # as if the engine read no stop
    done = {one.scope: one for one in drill.run(timezone.now())}
    assert not any(one.ok for one in done.values())
    assert done["all"].detail == "the engine did not obey"
    assert {one.why for one in drill.standing(timezone.now(), modelled=False)} == {"did not take effect"}


def test_the_board_is_red_before_the_first_drill_and_after_thirty_five_days() -> None:
    now = timezone.now()
    assert {one.why for one in drill.standing(now, modelled=False)} == {"never drilled"}
    with pytest.raises(drill.NothingToDrill):
        drill.run(now)
    decide("a")
    drill.run(now)
    assert {one.why for one in drill.standing(now + timedelta(days=35), modelled=False)} == {""}
    late = drill.standing(now + timedelta(days=36), modelled=False)
    assert {one.why for one in late} == {"last drilled more than 35 days ago"}


def test_nobody_changes_what_a_drill_has_shown() -> None:
    decide("a")
    drill.run(timezone.now())
    with pytest.raises(DatabaseError), transaction.atomic():
        StopDrill.objects.update(ok=True)
