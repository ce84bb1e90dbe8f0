"""A model knows what its feature groups meant when it was trained; where one means something else, it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone

from decisioning import decision_log, learn, replay, runtime, scoring, serve
from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.models import Customer, Decision, FeatureRow, ModelVersion
from decisioning.propensity import dataset, promotion
from decisioning.propensity import scoring as models
from decisioning.propensity.scoring import OtherGroupVersion, PropensityModel
from fairness import evidence
from offers.catalog import InvalidContent, Item
from offers.register import GROUPS
from tests import bank, catalogue, factories

GROUP = "spend_behaviour"


@pytest.fixture
def model(db: None) -> Iterator[PropensityModel]:
    bank.customers(2)
    model = factories.make_model("champion", "spend_share_travel")
    content = catalogue.content()
    content["model"] = {model.name: {"title": "Champion", "sha256": model.sha256}}
    bank.publish(content)
    learn.forget()
    learn.run(timezone.now())
    bank.warm()
    yield model
    runtime.forget()


def raise_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "GROUPS", {**GROUPS, GROUP: changed(GROUPS[GROUP], version=GROUPS[GROUP].version + 1)})
    runtime.forget()  # a release starts new processes


def ask(session: str) -> Decision:
    answer = serve.ask(serve.Ask("C-1", session, "web", "home_banner", 1, {"device_type": "app"}), timezone.now())
    assert answer.decision_id
    return decision_log.get(answer.decision_id)


def propensities(row: Decision) -> set[float]:
    return {scored.propensity for scored in decision_log.result(row).scored}


def test_a_model_names_the_version_of_every_group_that_it_reads(model: PropensityModel) -> None:
    assert model.report["group_versions"] == {GROUP: 1}
    assert PropensityModel.from_bytes(model.to_bytes()).group_versions == {GROUP: 1}


def test_a_model_without_names_was_trained_on_the_first_version(
    model: PropensityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = changed(model, report={})
    older.require_current()
    raise_version(monkeypatch)
    with pytest.raises(OtherGroupVersion, match=f"champion was trained on version 1 of {GROUP}, which is at version 2"):
        older.require_current()


def test_decisions_go_on_without_a_refused_model_and_every_one_replays(
    model: PropensityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask("before")
    raise_version(monkeypatch)
    after = ask("after")
    assert not set(before.degraded) & {"propensity_base_rate"}
    assert propensities(before) != {0.03}
    assert (propensities(after), "propensity_base_rate" in after.degraded) == ({0.03}, True)
    for row in (before, after):
        assert replay.replay(row).identical
    monkeypatch.undo()
    runtime.forget()
    assert replay.replay(after).identical
    assert propensities(ask("again")) == propensities(before)


def test_a_refused_model_scores_nobody(model: PropensityModel, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_version(monkeypatch)
    with pytest.raises(OtherGroupVersion):
        scoring.score_population(timezone.now())


def test_a_refused_model_passes_neither_evidence_nor_the_gate(
    model: PropensityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = factories.make_model("challenger", "spend_share_travel", seed=1)
    item = Item("model", challenger.name, {"title": "Challenger", "sha256": challenger.sha256})
    change = factories.propose([item], author=factories.author_of_anything())
    raise_version(monkeypatch)
    with pytest.raises(InvalidContent, match="was trained on version 1"):
        evidence.compute(change, timezone.now())
    with pytest.raises(OtherGroupVersion), transaction.atomic():
        promotion.promote(challenger.name, challenger.sha256)
    assert not ModelVersion.objects.filter(name=challenger.name, status="champion").exists()


def test_what_was_told_or_recorded_under_another_version_trains_nothing(
    model: PropensityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that meant something else cannot come back under today's version."""
    customer = Customer.objects.get(external_id="C-1").pk
    spine = history.spine(np.array([customer]), np.datetime64("now") + np.timedelta64(1, "h"))
    assert history.as_of(Postgres(), spine)["credit_score"][0].is_valid
    FeatureRow.objects.filter(group="credit_risk").update(version=2)
    assert not history.as_of(Postgres(), spine)["credit_score"][0].is_valid

    _, known = decision_log.inputs(ask("recorded"))
    assert dataset.of_today(known.attributes, known.versions) == dict(known.attributes)
    raised = {**GROUPS, GROUP: changed(GROUPS[GROUP], version=2)}
    monkeypatch.setattr(dataset, "GROUPS", raised)
    left = dataset.of_today({"spend_90d": 1.0, "tenure_months": 3}, known.versions)
    assert left == {"tenure_months": 3}
    assert dataset.of_today({"spend_90d": 1.0}, {GROUP: 2}) == {"spend_90d": 1.0}
