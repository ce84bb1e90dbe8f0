"""The population run decides as the engine does: the same eligible sets and choices whatever decides beside the rules,
and its check says so when it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from decisioning import impact, jobs, runtime, scoring, suppression
from decisioning.bandit.posterior import ArmPrior, Posterior, RewardRow
from decisioning.features import population
from decisioning.impact import Simulation, propensities, simulation, stages
from decisioning.impact.kept import forget as forget_people
from decisioning.models import CapLedger, Consent, Customer, FeatureRow, Job, Signal
from fairness import evidence, tasks
from offers import roles, snapshot
from offers.catalog import Item
from offers.models import Evidence, Stop
from tests.factories import (
    approve_content,
    author_of_anything,
    clause,
    make_bank,
    make_model,
    make_user,
    offer,
    propose,
    rule,
    small_catalogue,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()
    forget_people()


def _boost(key: str, factor: float, when: dict[str, Any]) -> Item:
    return Item(
        "boost", key, {"title": key, "scope": "offer", "target": "student", "when": when, "factor": factor}
    )  # fmt: skip


def _ranking(**changed: Any) -> Item:
    content = next(item.content for item in small_catalogue() if item.kind == "ranking")
    assert content is not None
    return Item("ranking", "standard", {**content, **changed})


def _bank(now: datetime, *items: Item, size: int = 240) -> list[int]:
    """Customers of many kinds, with a live model and nightly scores of most of them."""
    ids = make_bank(size, now=now, missing=0.1)
    Consent.objects.filter(customer_id__in=ids[:20], purpose="marketing").delete()
    Customer.objects.filter(pk__in=ids[20:30]).update(suppressed=True)
    Consent.objects.filter(customer_id__in=ids[30:50], purpose="personalisation").delete()
    today = now.date().isoformat()
    CapLedger.objects.bulk_create(
        [CapLedger(customer_id=pk, sequence=1, contacts={today: {"*": 9}}) for pk in ids[50:60]]
        + [CapLedger(customer_id=pk, sequence=1, contacts={today: {"*": 1, "student": 12}}) for pk in ids[60:80]]
        + [CapLedger(customer_id=pk, sequence=1, contacts={"2020-01-01": {"*": 99}}) for pk in ids[80:90]]
    )
    FeatureRow.objects.bulk_create(
        FeatureRow(
            customer_id=pk, group="lifecycle", version=1, occurred_at=now, known_at=now,
            values={"tenure_months": 7 + pk % 90, "lifecycle_stage": "mature" if pk % 3 else "new"},
        )
        for pk in ids
    )  # fmt: skip
    Signal.objects.bulk_create(
        Signal(
            customer_id=pk, event_id=f"e{pk}", type="balance", occurred_at=now - timedelta(minutes=1), known_at=now,
            payload={"balance": -5.0},
        )
        for pk in ids[90:110]
    )  # fmt: skip
    model = make_model("travellers", "spend_share_travel")
    approve_content(
        [
            *small_catalogue(),
            Item("model", model.name, {"title": "Travellers", "sha256": model.sha256}),
            _boost("loyal", 3.0, clause("tenure_months", ">", 40)),
            _boost("overdrawn", 0.5, clause("balance", "<", 0)),
            _ranking(
                boost_cap=2.0, value_exponent=0.5, shift_trials=200,
                context=[{"attribute": "lifecycle_stage", "equals": "mature"},
                         {"attribute": "spend_share_travel", "centre": 0.5, "scale": 0.1}],
            ),
            *items,
        ],
        now=now,
    )  # fmt: skip
    scoring.score_population(now)
    return ids


def _live() -> dict[str, dict[str, Any]]:
    row = snapshot.live_row()
    assert row is not None
    content: dict[str, dict[str, Any]] = row.content
    return content


def _run(now: datetime, *items: Item, seed: int = 5) -> Simulation:
    content = _live()
    plans = [impact.plan_of(one) for one in (content, snapshot.apply(content, items))]
    return impact.simulate(plans, now, seed=seed)


def _agrees(found: Simulation, now: datetime) -> impact.Agreement:
    agreed = impact.agreement(found, now, size=1000)
    assert agreed.examples == ()
    assert agreed.decisions == len(found.decided) * len(found.decided[0].offer)
    assert agreed.largest_difference <= 1e-12
    return agreed


# --- The same as the engine ----------------------------------------------------------------------------------------


def test_every_decision_is_the_engine_s_whatever_decides_beside_the_rules() -> None:
    now = timezone.now()
    ids = _bank(now, Item("placement", "home", {"title": "Home", "fallback": "first-card/plain"}))
    found = _run(now, rule("solvent", clause("debt_to_income", "<=", 0.3)))
    assert found.customers.tolist() == ids
    _agrees(found, now)
    before = found.decided[0].ended()
    assert before["NO_CONSENT"] == 20
    assert before["SUPPRESSED"] == 10
    assert before["CAPPED"] >= 10
    assert found.decided[1].ended()["NO_ELIGIBLE_OFFER"] > before.get("NO_ELIGIBLE_OFFER", 0)
    assert len(set(found.decided[0].offer.tolist())) == 5  # each offer to somebody, and none to some


def _with_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A posterior whose covariances are no multiples of the identity."""
    random = np.random.default_rng(3)
    posterior = Posterior.empty({"student/bold": ArmPrior(0.05, 20)}, 3)
    rows = [
        RewardRow(
            position, str(random.choice(["student/bold", "first-card/plain", "gone/arm"])),
            np.array([1.0, float(random.integers(2)), float(random.normal())]), trial=True,
            reward=float(random.random() < 0.3),
        )
        for position in range(1, 400)
    ]  # fmt: skip
    monkeypatch.setattr(runtime, "learned", lambda: posterior.fold(rows))


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="nothing"),
        pytest.param(offer("brand-new", value=300), id="a new offer"),
        pytest.param([Item("arm", "student/bold", None)], id="a retired arm"),
        pytest.param([_ranking(propensity_weight=1.0, bandit_weight=0.0)], id="no bandit, another context"),
        pytest.param(
            [Item("contact_policy", "standard", {"title": "Caps", "decisions_per_day": 1, "decisions_per_week": 20,
                                                 "same_offer_per_week": 0})],
            id="caps of nothing",
        ),
        pytest.param(
            [Item("contact_policy", "standard", {"title": "Caps", "decisions_per_day": 5, "decisions_per_week": 20,
                                                 "same_offer_per_week": 10, "holdout_share": 0.3})],
            id="a holdout",
        ),
        pytest.param([_boost("loyal", 9.0, clause("tenure_months", ">", 5))], id="a boost"),
    ],
)  # fmt: skip
def test_a_candidate_too_decides_as_the_engine_would(monkeypatch: pytest.MonkeyPatch, items: list[Item]) -> None:
    now = timezone.now()
    _bank(now, size=150)
    _with_learning(monkeypatch)
    _agrees(_run(now, *items), now)


def test_stops_and_mandates_hold_for_everybody_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _bank(now, size=150)
    officer = make_user(roles.COMPLIANCE, "stopper")
    for scope, target in (("offer", "everyday-cash"), ("arm", "student/plain")):
        Stop.objects.create(scope=scope, target=target, reason="A test.", stopped_by=officer, stopped_at=now)
    _with_learning(monkeypatch)
    arms = _live()["arm"]
    mandates = {
        "travel-plus/bold": {"min_share": 0.4},
        "first-card/plain": {"max_share": 0.1, "learning_budget": 0},
        "student/bold": {"never_explore": ["complaint_30d"], "min_share": 0.1},
    }
    found = _run(now, *(Item("arm", key, {**arms[key], "mandate": asked}) for key, asked in mandates.items()))
    _agrees(found, now)
    assert found.decided[0].counts()["everyday-cash"] == 0
    shares = [decided.counts()["travel-plus"] for decided in found.decided]
    assert shares[1] > shares[0]


def _keep(customers: list[int], offer: str, now: datetime) -> None:
    author = make_user(roles.RISK_AUTHOR, f"keeps {offer or 'all'}")
    for customer in customers:
        suppression.suppress(
            customer=customer, offer=offer, reason_code="hardship", note="A test.", until=None, by=author, now=now
        )  # fmt: skip


@pytest.mark.parametrize("stopped", [[], ["everyday-cash"], "all but one", "all"])
def test_overrides_of_one_offer_and_of_every_offer_hold_for_everybody_as_for_one(stopped: list[str] | str) -> None:
    now = timezone.now()
    ids = _bank(now, Item("placement", "home", {"title": "Home", "fallback": "first-card/plain"}), size=150)
    offers = list(_live()["offer"])
    officer = make_user(roles.COMPLIANCE, "stopper")
    for target in {"all": offers, "all but one": [key for key in offers if key != "student"]}.get(
        str(stopped), stopped
    ):
        Stop.objects.create(scope="offer", target=target, reason="A test.", stopped_by=officer, stopped_at=now)
    _keep(ids[:100], "student", now)
    _keep(ids[15:25] + ids[110:120], "", now)
    found = _run(now, rule("solvent", clause("debt_to_income", "<=", 0.3)))
    _agrees(found, now)
    for decided, reach in zip(found.decided, found.reaches, strict=True):
        assert not (decided.offer[:100] == decided.offers.index("student")).any()
        assert not reach.of("student")[:100].any()
        assert not reach.any_offer[110:120].any()
        assert {stages.REASONS[code] for code in decided.reason[110:120].tolist()} == {"SUPPRESSED"}


def test_maximums_hold_for_everybody_but_whom_an_arm_spares() -> None:
    now = timezone.now()
    _bank(now, size=150)
    arms = _live()["arm"]
    mandates = {
        "travel-plus/bold": {"max_share": 0.05}, "travel-plus/plain": {"max_share": 0.05},
        "student/bold": {"never_explore": ["complaint_30d"]},
    }  # fmt: skip
    asked = [Item("arm", key, {**arms[key], "mandate": mandate}) for key, mandate in mandates.items()]
    _agrees(_run(now, *asked), now)


def test_more_customers_than_are_ranked_at_a_time_are_decided_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _bank(now, size=100)
    monkeypatch.setattr(stages, "_BLOCK", 7)
    _agrees(_run(now), now)
    arm = _live()["arm"]["student/bold"]
    asked = {"max_share": 0.1, "never_explore": ["complaint_30d"]}
    _agrees(_run(now, Item("arm", "student/bold", {**arm, "mandate": asked})), now)


def test_a_fallback_that_is_paused_is_shown_to_nobody() -> None:
    now = timezone.now()
    _bank(now, Item("placement", "home", {"title": "Home", "fallback": "first-card/plain"}), size=150)
    nobody = [
        rule(f"closed-{key}", clause("debt_to_income", "<", 0), key)
        for key in ("student", "travel-plus", "everyday-cash")
    ]
    arms = {
        key: Item("arm", key, {**_live()["arm"][key], "paused": True})
        for key in ("first-card/plain", "first-card/bold")
    }
    found = _run(now, *nobody, *arms.values())
    _agrees(found, now)
    assert not found.decided[1].shown.any()


def test_everything_stopped_or_no_model_is_decided_alike() -> None:
    now = timezone.now()
    make_bank(60, now=now)
    approve_content(now=now)
    _agrees(_run(now), now)
    officer = make_user(roles.COMPLIANCE, "stopper")
    Stop.objects.create(scope="all", target="", reason="A test.", stopped_by=officer, stopped_at=now)
    found = _run(now)
    _agrees(found, now)
    assert found.decided[0].ended() == {"STOPPED": 60}


def test_a_new_model_is_looked_at_on_a_sample_and_the_rules_on_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _bank(now)
    other = make_model("spenders", "spend_share_travel", seed=9)
    monkeypatch.setattr(simulation, "AT_MOST", 400)
    found = _run(now, Item("model", other.name, {"title": "Spenders", "sha256": other.sha256}))
    assert len(found.customers) == 240
    assert 0 < len(found.sample) < 240
    assert found.share < 1
    chosen = found.customers[found.sample]
    assert population.in_sample(chosen, found.share).all()
    _agrees(found, now)
    response, _ = found.expected(1)
    assert response.low < response.mean < response.high


# --- Caught when it is not -----------------------------------------------------------------------------------------


def _no_boost(policy: Any, batch: Any, ranked: Any) -> Any:
    return np.ones((len(ranked), len(policy.plan.offers)))


def _no_consent_asked(*args: Any) -> Any:
    return np.zeros(len(args[1].people), dtype=np.int8)


@pytest.mark.parametrize(("stage", "planted"), [("_boosts", _no_boost), ("barred", _no_consent_asked)])
def test_a_planted_difference_is_caught_and_leaves_no_evidence(
    monkeypatch: pytest.MonkeyPatch, stage: str, planted: Callable[..., Any]
) -> None:
    now = timezone.now()
    _bank(now)
    change = propose([rule("solvent", clause("debt_to_income", "<=", 0.3))], author=author_of_anything(), now=now)
    monkeypatch.setattr(stages, stage, planted)
    before = Evidence.objects.count()
    tasks.compute_evidence(change.pk)
    assert Evidence.objects.count() == before
    job = Job.objects.get(kind=tasks.evidence_job(change.pk))
    assert job.status == Job.Status.FAILED
    assert "are not the engine's" in job.message


def test_a_number_that_was_read_wrong_is_caught_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _bank(now, size=80)
    unpack = propensities._nightly
    monkeypatch.setattr(propensities, "_nightly", lambda plan, people: unpack(plan, people) * (1 + 1e-9))
    agreed = impact.agreement(_run(now), now)
    assert agreed.mismatches > 0
    assert agreed.largest_difference > 1e-12


# --- What the evidence says ----------------------------------------------------------------------------------------


def test_gains_losses_and_value_are_those_of_the_decisions() -> None:
    now = timezone.now()
    ids = _bank(now)
    change = propose([rule("nobody", clause("credit_score", ">=", 849))], author=author_of_anything(), now=now)
    seen: list[tuple[int, int]] = []
    computed = evidence.compute(change, now, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(ids), len(ids))
    decisions = computed.content["decisions"]
    before, after = decisions["before"], decisions["after"]
    assert decisions["lose"] == before["shown"] - after["shown"]
    assert (decisions["gain"], decisions["moved"], decisions["sampled"]) == (0, 0, False)
    assert sum(row["before"] for row in decisions["offers"]) == before["shown"]
    assert sum(after["ended"].values()) + after["shown"] == len(ids)
    assert before["value"]["low"] < before["value"]["mean"] < before["value"]["high"]
    change_of_value = decisions["change"]["value"]["mean"]
    assert change_of_value == pytest.approx(after["value"]["mean"] - before["value"]["mean"])
    for rows in decisions["segments"].values():
        assert sum(row["customers"] for row in rows) == len(ids)
        assert sum(row["before"] for row in rows) == before["shown"]
        assert sum(row["value_before"] for row in rows) / len(ids) == pytest.approx(before["value"]["mean"])
    assert computed.content["agreement"]["mismatches"] == 0
    assert {row["subject"] for row in computed.content["shown_parity"]} == {evidence.SHOWN}


def test_a_change_of_nothing_moves_nobody_and_costs_nothing() -> None:
    now = timezone.now()
    _bank(now, size=80)
    found = _run(now, Item("product", "card", {"title": "Credit card"}))
    response, value = found.change()
    assert (response.mean, value.mean, value.low, value.high) == (0.0, 0.0, 0.0, 0.0)
    assert (found.decided[0].offer == found.decided[1].offer).all()


def test_a_bank_without_customers_has_numbers_of_nobody() -> None:
    change = propose(small_catalogue(), author=author_of_anything())
    computed = evidence.compute(change, timezone.now())
    assert computed.content["decisions"]["customers"] == 0
    assert computed.content["agreement"]["customers"] == 0
    assert computed.verdict == "undefined"


def test_a_job_s_progress_is_kept_in_its_row() -> None:
    with jobs.running("walk", {}, timezone.now()) as job:
        report = jobs.reporter(job)
        report(5, 10)
        assert Job.objects.values_list("done", "total").get(pk=job.pk) == (5, 10)
        report(10, 10)
    assert Job.objects.values_list("done", "total").get(pk=job.pk) == (10, 10)
