"""The population run: the same eligible offers as the engine finds one by one, and the same propensities."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from decisioning import eligibility, impact, runtime
from decisioning.case import Case
from decisioning.features import online, population
from decisioning.known import known
from decisioning.models import Consent, Customer, FeatureRow, Signal
from decisioning.propensity import stage as propensity
from decisioning.types import DecisionRequest
from offers import snapshot
from offers.catalog import Item
from tests.factories import NOW, approve_content, clause, make_bank, make_model, offer, rule, small_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _messy_bank(now: datetime) -> list[int]:
    """A bank in which a tenth each has old risk data, a newer row, no consent, recent signals, or nothing at all."""
    ids = make_bank(300, now=now, missing=0.1)
    for pk in ids[:30]:
        FeatureRow.objects.filter(customer_id=pk, group="credit_risk").update(occurred_at=now - timedelta(days=36))
        FeatureRow.objects.filter(customer_id=pk, group="spend_behaviour").update(occurred_at=now - timedelta(days=3))
    FeatureRow.objects.bulk_create(
        FeatureRow(
            customer_id=pk, group="credit_risk", version=1, occurred_at=now, known_at=now + timedelta(seconds=1),
            values={"credit_score": 800.0, "debt_to_income": 0.1},
        )
        for pk in ids[30:60]
    )  # fmt: skip
    Consent.objects.filter(customer_id__in=ids[60:90], purpose="personalisation").delete()
    Signal.objects.bulk_create(
        Signal(
            customer_id=pk, event_id=f"e{pk}", type=kind, occurred_at=now - timedelta(minutes=1), known_at=now,
            payload=payload,
        )
        for customers, kind, payload in (
            (ids[90:120], "balance", {"balance": -5.0}),
            (ids[120:150], "card_view", {"card": "student"}),
        )
        for pk in customers
    )  # fmt: skip
    FeatureRow.objects.filter(customer_id__in=ids[150:180]).delete()
    Customer.objects.filter(pk__in=ids[180:190]).update(external_id=None, token=None, erased_at=now)
    return ids[:180] + ids[190:]


def _rules() -> list[Item]:
    return [
        *(item for number in range(6) for item in offer(f"offer-{number}")),
        rule("states", clause("state", "in", ["CA", "NY"]), "offer-0"),
        rule("in-credit", clause("balance", ">=", 0), "offer-1"),
        rule(
            "traveller", {"any": [clause("spend_share_travel", ">", 0.5), clause("revolving", "is", True)]}, "offer-2"
        ),
        rule("not-risky", {"none": [clause("credit_score", "<", 600), clause("debt_to_income", ">", 0.6)]}, "offer-3"),
        rule("holder", clause("cards_held", "contains_any_of", ["student", "travel-plus"]), "offer-4"),
        rule("looked", clause("cards_viewed", "contains", "student"), "offer-5"),
        rule("no-score", {"any": [clause("credit_score", "is_missing"), clause("credit_score", ">", 790)]}, "student"),
    ]


def _alone(pk: int, now: datetime) -> Case:
    """What the engine makes of one customer without a session, after its eligibility stage."""
    external = Customer.objects.get(pk=pk).external_id
    assert external is not None
    read = online.read_committed(external, "s", now)
    profile = online.Profile(
        pk, {name: group for name, group in read.profile.groups.items() if name != "session_context"}, None
    )
    engine = runtime.engine(read.versions)
    facts = known(online.Read(read.versions, profile, read.ledger, None, ()), engine, {}, now)
    request = DecisionRequest(pk, "s", "mobile_app", "home", 1, now)
    case = Case(request, facts, engine.plan, engine.posterior, 1, live=[True] * len(engine.plan.offers))
    eligibility.apply(case)
    return case


def test_the_population_run_finds_what_the_engine_finds_one_by_one() -> None:
    now = timezone.now()
    ids = _messy_bank(now)
    approve_content([*small_catalogue(), *_rules()], now=now)
    live = snapshot.live_row()
    assert live is not None
    simulation = impact.simulate([impact.plan_of(live.content)], now)
    assert simulation.customers.tolist() == ids
    found = simulation.reaches[0].eligible
    for row, pk in zip(found.tolist(), ids, strict=True):
        assert row == _alone(pk, now).live
    counts = simulation.reaches[0].counts()
    assert counts["offer-5"] == 0  # it needs a session
    assert all(0 < count < len(ids) for key, count in counts.items() if key != "offer-5")
    assert impact.session_rules(impact.plan_of(live.content)) == ["looked"]


def test_the_best_propensity_is_the_engine_s() -> None:
    now = timezone.now()
    ids = _messy_bank(now)
    model = make_model("travellers", "spend_share_travel")
    approve_content(
        [*small_catalogue(), Item("model", model.name, {"title": "Travellers", "sha256": model.sha256})], now=now
    )
    live = snapshot.live_row()
    assert live is not None
    simulation = impact.simulate([impact.plan_of(live.content)], now)
    assert simulation.customers[simulation.sample].tolist() == ids
    for best, pk in zip(simulation.decided[0].best.tolist(), ids, strict=True):
        case = _alone(pk, now)
        propensity.apply(case)
        assert best == max(case.propensity, default=np.nan) or (np.isnan(best) and not len(case.propensity))
    assert len(np.unique(simulation.decided[0].best)) > 10


def test_an_offer_without_competing_arms_is_nobody_s_any_offer() -> None:
    make_bank(40)
    fallback = Item("placement", "home", {"title": "Home", "fallback": "first-card/plain"})
    content = snapshot.apply(snapshot.EMPTY, [*small_catalogue(), fallback])
    reach = impact.reach(content, NOW)
    assert reach.competing.all()  # its other arm competes
    alone = snapshot.apply(content, [Item("arm", "first-card/bold", None)])
    reach = impact.reach(alone, NOW)
    assert reach.competing[reach.offers.index("first-card")] == np.False_
    assert reach.any_offer.sum() < reach.of("first-card").sum()
    assert not reach.of("no-such-offer").any()


def test_a_pass_over_many_chunks_is_one_population(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = make_bank(45)
    content = snapshot.apply(snapshot.EMPTY, small_catalogue())
    whole = impact.simulate([impact.plan_of(content)], NOW)
    monkeypatch.setattr(population, "CHUNK", 10)
    parts = impact.simulate([impact.plan_of(content)], NOW)
    assert parts.customers.tolist() == ids
    assert (parts.reaches[0].eligible == whole.reaches[0].eligible).all()
    for name, labels in whole.segments.items():
        assert (parts.segments[name].codes == labels.codes).all()


def test_a_sample_is_always_the_same_and_spread_evenly() -> None:
    ids = np.arange(1, 200_001, dtype=np.int64)
    tenth, fifth = population.in_sample(ids, 0.1), population.in_sample(ids, 0.2)
    assert tenth.mean() == pytest.approx(0.1, abs=0.002)
    assert (fifth | ~tenth).all()
    assert tenth[::2].mean() == pytest.approx(0.1, abs=0.004)  # a loader may number two groups in turn
    assert population.in_sample(ids, 1.0).all()


def test_the_band_comes_from_the_score_and_else_from_the_bank() -> None:
    values: list[dict[str, float | str]] = [
        {"credit_score": 579.0},
        {"credit_score": 580.0},
        {"credit_score": 800.0, "credit_score_band": "580_669"},
        {"credit_score_band": "740_799"},
        {},
    ]
    for index, known_values in enumerate(values):
        row = Customer.objects.create(external_id=f"B{index}", token=f"b{index}", known_at=NOW)
        FeatureRow.objects.create(customer_id=row.pk, group="credit_risk", version=1, occurred_at=NOW, known_at=NOW,
                                  values=known_values)  # fmt: skip
    labels = impact.simulate([impact.plan_of(snapshot.apply(snapshot.EMPTY, small_catalogue()))], NOW).segments[
        "credit_score_band"
    ]
    named = [labels.names[code] if code >= 0 else None for code in labels.codes]
    assert named == ["below_580", "580_669", "800_up", "740_799", None]
