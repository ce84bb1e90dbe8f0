"""Nightly scores and retraining: what is stored, who uses it, and that a challenger stays one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.utils import timezone

from decisioning import (
    customer_signals,
    decision_log,
    learn,
    outcomes,
    retraining,
    runtime,
    scoring,
    serve,
    signal_shapes,
    store,
)
from decisioning.features import materialise, scores, statistics
from decisioning.models import Consent, Decision, FeatureRow, Job, ModelVersion, PrecomputedScore
from decisioning.propensity import dataset
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.training import Example, TooFewExamples, train
from tests import bank, catalogue, factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def product() -> Iterator[None]:
    bank.customers(30)
    model = factories.make_model("champion", "spend_share_travel")
    content = catalogue.content()
    content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    bank.publish(content)
    learn.forget()
    learn.run(timezone.now())
    bank.warm()
    yield
    runtime.forget()


def ask(number: int, context: dict[str, object]) -> Decision:
    answer = serve.ask(serve.Ask(f"C-{number}", "s", "web", "home_banner", 1, context), timezone.now())
    return Decision.objects.get(id=str(answer.decision_id))


def propensities(row: Decision) -> set[float]:
    return {scored.propensity for scored in decision_log.result(row).scored}


def everybody_scored(value: float) -> None:
    """Overwrite the nightly scores with one that no model gives."""
    layout = scores.Layout("champion", tuple(runtime.plan(1).offers))
    (content,) = scores.encode(np.full((1, len(layout.keys)), value), layout, timezone.now())
    assert PrecomputedScore.objects.update(content=content) == 30


def test_a_decision_without_a_session_uses_the_nightly_score_which_is_the_models_own() -> None:
    by_model = propensities(ask(1, {}))
    assert scoring.score_population(timezone.now()) == 30
    assert propensities(ask(2, {})) == by_model


def test_the_nightly_score_is_really_what_serves_and_a_session_is_scored_anew() -> None:
    scoring.score_population(timezone.now())
    everybody_scored(0.4375)
    store.client().flushdb()
    bank.warm()
    assert propensities(ask(1, {})) == {0.4375}
    assert propensities(ask(2, {"device_type": "app"})) != {0.4375}


def test_a_session_that_only_signals_know_is_scored_anew() -> None:
    scoring.score_population(timezone.now())
    everybody_scored(0.4375)
    now = timezone.now()
    event = signal_shapes.Event("e", "C-1", "login", now, {"device_type": "app"})
    customer_signals.refresh(customer_signals.take([(0, event)], now))
    store.client().flushdb()
    bank.warm()
    assert propensities(ask(1, {})) != {0.4375}


def test_a_score_uses_no_group_that_consent_withholds() -> None:
    Consent.objects.filter(purpose="personalisation").delete()
    scoring.score_population(timezone.now())
    bank.warm()
    row = ask(1, {"device_type": "app"})
    stored = scores.decode(bytes(PrecomputedScore.objects.get(customer_id=row.customer_id).content)).by
    assert propensities(row) <= set(stored.values())
    assert "spend_share_travel" not in decision_log.inputs(row)[1].attributes


def test_one_job_of_a_kind_at_a_time_and_a_dead_one_is_marked() -> None:
    Job.objects.create(kind="score", started_at=timezone.now())
    scoring.score_population(timezone.now())
    assert list(Job.objects.order_by("id").values_list("status", flat=True)) == ["failed", "done"]


def test_too_few_outcomes_train_nothing_and_the_job_says_why() -> None:
    with pytest.raises(TooFewExamples):
        retraining.retrain(timezone.now())
    assert Job.objects.get(kind="retrain").status == "failed"
    assert ModelVersion.objects.count() == 1


def test_nothing_that_varies_is_a_clear_error() -> None:
    row = OfferRow("any", "any", "cashback", {})
    same = [Example(n, {"spend_share_travel": 0.5}, row, n % 3 == 0, 1.0) for n in range(300)]
    with pytest.raises(TooFewExamples, match="varies enough"):
        train("m", same, per_arm=False, seed=1)


def test_a_challenger_is_trained_on_impressions_only_and_is_not_champion() -> None:
    for row in FeatureRow.objects.filter(group="spend_behaviour"):
        FeatureRow.objects.filter(customer_id=row.customer_id, group="spend_behaviour").update(
            values={"spend_share_travel": row.customer_id % 30 / 30}
        )
    materialise.population(timezone.now())
    store.client().flushdb()
    bank.warm()
    for number in range(30):
        for session in range(8):
            answer = serve.ask(
                serve.Ask(f"C-{number + 1}", f"s{session}", "web", "home_banner", 1, {"device_type": "app"}),
                timezone.now(),
            )
            assert answer.decision_id
            offer = answer.presented.shown[0].choice.offer
            kinds = ["impression"] * (session < 6) + ["click"] * (session % 3 == 0)
            for kind in kinds:
                event = outcomes.Event(
                    f"{answer.decision_id}{kind}", answer.decision_id, offer, kind, timezone.now(), None
                )
                outcomes.take([(0, event)], timezone.now())
    examples = dataset.from_decisions(per_arm=False)
    assert len(examples) == 180
    assert sum(example.accepted for example in examples) == 60
    assert all("spend_share_travel" in example.attributes for example in examples)
    name = retraining.retrain(timezone.now())
    made = ModelVersion.objects.get(name=name)
    assert made.status == "challenger"
    assert made.report["rows"] == 180
    learned = statistics.training(name)
    assert learned is not None
    assert learned.rows == 180
    assert learned.attributes["device_type"].counts == (180,)
    live = runtime.plan(1).release.model
    assert live is not None
    assert live[0] == "champion"
    Consent.objects.filter(purpose="personalisation").delete()
    withdrawn = dataset.from_decisions(per_arm=False)
    assert {"spend_share_travel", "credit_score"} & withdrawn[0].attributes.keys() == {"credit_score"}
