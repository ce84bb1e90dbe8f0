"""Validation, measurement and review of models: who writes and signs, what is measured, and what becomes of a model
whose review is overdue (T-GOV-22, T-GOV-23, R-GOV-6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import transaction

from decisioning import retraining, runtime
from decisioning.models import ModelVersion
from fairness import small_groups
from fairness.governance import fields, inventory, measurement, reviews, validation
from fairness.governance.inventory import Statement
from fairness.models import Finding, ModelMeasurement, ModelValidation, ReviewTrigger
from offers import roles, stopping
from offers.approvals import NoReason, SelfApproval, WrongStatus
from offers.catalog import Item
from offers.models import AuditEvent, Stop
from tests import living_bank
from tests.factories import NOW, approve_content, make_model, make_user
from tests.fairness.test_inventory import CONFIRMED, validate

pytestmark = pytest.mark.django_db
SAID = dict.fromkeys(fields.SECTIONS, "Looked at; nothing of note.")


@pytest.fixture
def name() -> str:
    make_model("challenger", "spend_share_travel")
    return "challenger"


@pytest.fixture
def validator() -> User:
    return make_user(roles.MODEL_RISK, "validator")


def measured(name: str, **content: object) -> None:
    overall = {"rows": 1000, "accepted": 100, "expected": 100.0, "auc": 0.7, "low": 0.65, "high": 0.75}
    told = {"overall": overall, "out_of_time": True, "replication": {"identical": True}, **content}
    ModelMeasurement.objects.create(model_id=name, made_at=NOW, content=told)


def written(name: str, validator: User, conclusion: str = "approved") -> ModelValidation:
    made = validation.begin(name, validator=validator, now=NOW)
    return validation.write(made.pk, sections=SAID, findings="", conclusion=conclusion, by=validator, now=NOW)


def test_a_validation_is_written_signed_and_countersigned(name: str, validator: User) -> None:
    measured(name)
    made = validation.sign(written(name, validator).pk, by=validator, now=NOW)
    assert (made.signed_at, made.valid_until) == (NOW, date(2028, 11, 20))  # tier 2: two years
    officer = make_user(roles.COMPLIANCE, "officer")
    assert validation.countersign(made.pk, by=officer, now=NOW).countersigned_by == officer
    actions = AuditEvent.objects.filter(action__startswith="validation.").order_by("sequence")
    assert [event.action for event in actions] == [
        f"validation.{what}" for what in ("begun", "written", "signed", "countersigned")
    ]
    with pytest.raises(WrongStatus):
        validation.write(made.pk, sections=SAID, findings="x", conclusion="rejected", by=validator, now=NOW)
    with pytest.raises(WrongStatus):
        validation.countersign(made.pk, by=make_user(roles.COMPLIANCE, "third"), now=NOW)


def test_nothing_half_written_or_unmeasured_is_signed(name: str, validator: User) -> None:
    made = validation.begin(name, validator=validator, now=NOW)
    with pytest.raises(NoReason, match="conceptual soundness"):
        validation.sign(made.pk, by=validator, now=NOW)
    validation.write(made.pk, sections=SAID, findings="", conclusion="conditions", by=validator, now=NOW)
    with pytest.raises(NoReason, match="name the conditions"):
        validation.sign(made.pk, by=validator, now=NOW)
    validation.write(made.pk, sections=SAID, findings="Watch it.", conclusion="conditions", by=validator, now=NOW)
    with pytest.raises(validation.NotMeasured):
        validation.sign(made.pk, by=validator, now=NOW)


def test_only_an_independent_model_risk_manager_validates(name: str, validator: User) -> None:
    with pytest.raises(roles.NotAllowed):
        validation.begin(name, validator=make_user(roles.COMPLIANCE, "officer"), now=NOW)
    made = validation.begin(name, validator=validator, now=NOW)
    with pytest.raises(validation.AlreadyOpen):
        validation.begin(name, validator=make_user(roles.MODEL_RISK, "other"), now=NOW)
    with pytest.raises(SelfApproval, match="validator writes this"):
        validation.sign(made.pk, by=make_user(roles.MODEL_RISK, "other"), now=NOW)
    author = make_user(roles.RISK_AUTHOR, "documenter")
    developer = make_user(roles.MODEL_RISK, "developer")
    inventory.revise(name, Statement({}, "He trained it.", developer=developer), author=author, now=NOW)
    with pytest.raises(validation.Developed):
        validation.begin(name, validator=developer, now=NOW)


def test_the_validator_does_not_countersign(name: str, validator: User) -> None:
    measured(name)
    made = validation.sign(written(name, validator).pk, by=validator, now=NOW)
    with pytest.raises(SelfApproval):
        validation.countersign(made.pk, by=validator, now=NOW)


def champion(name: str, tier: int = 2) -> ModelVersion:
    ModelVersion.objects.filter(name=name).update(status="champion", report={"auc": 0.75})
    if tier != 2:
        author = make_user(roles.RISK_AUTHOR, "documenter")
        inventory.revise(name, Statement({}, "x", tier=tier, rationale="The board."), author=author, now=NOW)
    return ModelVersion.objects.get(name=name)


def test_a_lower_auc_calls_for_a_review_once(name: str) -> None:
    champion(name)
    measured(name)
    due = reviews.look(NOW)
    assert [(row.on, row.because) for row in due] == [(NOW.date(), reviews.KINDS["auc"])]
    reviews.look(NOW + timedelta(hours=1))
    assert ReviewTrigger.objects.get().detail == {"reported": 0.75, "measured": 0.7}
    assert Finding.objects.get(kind="model").times_seen == 2


def test_a_smaller_loss_does_not(name: str) -> None:
    champion(name)
    measured(name, overall={"auc": 0.7201})
    assert reviews.look(NOW) == []
    assert not ReviewTrigger.objects.exists()


def test_a_validation_answers_what_called_for_it(name: str, validator: User) -> None:
    champion(name)
    measured(name)
    reviews.look(NOW)
    made = validation.sign(written(name, validator).pk, by=validator, now=NOW)
    assert ReviewTrigger.objects.get().settled_by == made
    assert [row.on for row in reviews.look(NOW)] == [made.valid_until]
    assert not ReviewTrigger.objects.filter(settled_by=None).exists()


def test_a_rejected_model_is_still_to_be_reviewed(name: str, validator: User) -> None:
    champion(name)
    measured(name)
    reviews.look(NOW)
    validation.sign(written(name, validator, "rejected").pk, by=validator, now=NOW)
    assert ReviewTrigger.objects.get().settled_by is None


@pytest.mark.parametrize(("tier", "days", "stopped"), [(1, 31, True), (1, 30, False), (2, 400, False)])
def test_tier_one_is_stopped_after_its_grace(
    monkeypatch: pytest.MonkeyPatch, name: str, tier: int, days: int, stopped: bool
) -> None:
    made: list[str] = []
    monkeypatch.setattr(stopping, "stop_by_policy", lambda **told: made.append(told["target"]))
    row = champion(name, tier)
    ReviewTrigger.objects.create(model=row, kind="auc", detail={}, seen_at=NOW - timedelta(days=days))
    due = reviews.look(NOW)
    assert [one.overdue for one in due] == [days]
    assert made == [name] * stopped


def test_a_stop_by_the_calendar_is_one_that_a_person_resumes() -> None:
    bank = living_bank.make(150, 60)
    now = datetime.now(UTC)
    model = make_model("grown", "spend_share_travel")
    author = bank.people[roles.RISK_AUTHOR]
    inventory.revise(model.name, Statement(CONFIRMED, "x", tier=1, rationale="The board."), author=author, now=now)
    validate(model.name)
    approve_content([Item("model", model.name, {"title": "Grown", "sha256": model.sha256})], now=now)
    runtime.forget()
    ReviewTrigger.objects.create(model_id=model.name, kind="auc", detail={}, seen_at=now - timedelta(days=31))
    reviews.look(now)
    stop = Stop.objects.get(scope="model", target=model.name)
    assert stop.stopped_by is None
    with transaction.atomic():
        stopping.resume(scope="model", target=model.name, officer=bank.people[roles.COMPLIANCE], now=now)
    reviews.look(now)
    assert Stop.objects.count() == 1  # who resumed it has decided


def test_the_interval_of_the_area_is_delongs() -> None:
    """By hand: half of who accepted stand above all others, half tie with them, so that the placements of the former
    vary between 1 and a half and those of the latter do not vary at all."""
    scores = np.r_[np.full(50, 1.0), np.full(50, 0.0), np.full(100, 0.0)]
    found = measurement.measured(scores, np.r_[np.ones(100, bool), np.zeros(100, bool)])
    assert found.auc == 0.75
    assert found.low is not None
    variance = 0.25**2 * 100 / 99 / 100
    assert found.auc - found.low == pytest.approx(1.959964 * variance**0.5)


def test_too_few_answers_say_nothing_of_a_ranking() -> None:
    found = measurement.measured(np.linspace(0, 1, 30), np.r_[np.ones(19, bool), np.zeros(11, bool)])
    assert (found.accepted, found.auc) == (19, None)


def test_a_model_is_trained_again_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    living_bank.make(400, 400)
    monkeypatch.setattr("decisioning.propensity.training.MINIMUM_POSITIVES", 5)
    name = retraining.retrain(datetime.now(UTC))
    told = measurement.measure(name, datetime.now(UTC), again=True).content
    assert told["replication"]["same_data"] is True
    assert told["replication"]["identical"] is True
    assert told["overall"]["rows"] > 0
    assert all(row["rows"] >= small_groups.FLOOR for row in told["groups"])
    assert "logistic" in told["rivals"]
