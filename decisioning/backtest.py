"""What the cascade would have earned on a bank's own logged campaign, beside a plain model; touches no table.

The test rows go through `decide()` with a release, model and posterior made of the train rows alone. The live policy is
Thompson sampling, so its value is that of a stochastic policy, weighted with its exact action probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.action_probability import first_probabilities_many
from decisioning.bandit.off_policy import snips
from decisioning.bandit.posterior import Posterior, RewardRow
from decisioning.bandit.ranking import blend
from decisioning.decide import decide
from decisioning.draws import arm_counter
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.mapping import InvalidMapping
from decisioning.ingest.reading import read_export
from decisioning.ingest.records import DecisionRecord
from decisioning.plan import Plan, compile_release, complete
from decisioning.propensity.encoding import OfferRow, arm_row
from decisioning.propensity.plain import fit_plain, plain_scores
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, quality, train
from decisioning.types import DecisionRequest, Known
from offers import snapshot
from offers.types import Release

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

SEED = 0
UNDATED = datetime(2000, 1, 1, tzinfo=UTC)  # stands for the day of a campaign that does not tell it: always the same


@dataclass(frozen=True, slots=True)
class Logged:
    """One logged decision with what was known of its customer."""

    attributes: Mapping[str, Any]
    decision: DecisionRecord


@dataclass(frozen=True, slots=True)
class Campaign:
    rows: list[Logged]
    rejected: int


@dataclass(frozen=True, slots=True)
class Policy:
    """`probability` (N, k) of each arm for each test row, and `expected` (N,), the reward that the policy expects."""

    probability: Floats
    expected: Floats


def read_campaign(mapping: BankMapping, folder: Path) -> Campaign:
    """The logged decisions of an export, in file order. Raises UnreadableSource, or InvalidMapping without any."""
    if mapping.decisions is None:
        raise InvalidMapping(f"{mapping.name} maps no logged decisions, so there is nothing to test on")
    attributes: dict[str, Mapping[str, Any]] = {}
    decisions: list[DecisionRecord] = []
    rejected = 0
    for batch in read_export(mapping, folder, mapping.as_of or UNDATED):
        attributes |= {customer.key: customer.attributes for customer in batch.customers}
        decisions += batch.decisions
        rejected += len(batch.rejects)
    known = [decision for decision in decisions if decision.customer in attributes]
    rejected += len(decisions) - len(known)
    return Campaign([Logged(attributes[decision.customer], decision) for decision in known], rejected)


def split(mapping: BankMapping, campaign: Campaign) -> tuple[list[Logged], list[Logged]]:
    """Train and test rows by the mapping's declared key. Raises InvalidMapping if it declares none."""
    if not mapping.split_column:
        raise InvalidMapping(f"{mapping.name} declares no split; name a second campaign with --test")
    rows = campaign.rows
    return [row for row in rows if row.decision.trains], [row for row in rows if not row.decision.trains]


def backtest(mapping: BankMapping, train_rows: Sequence[Logged], test_rows: Sequence[Logged]) -> dict[str, Any]:
    """Train on one part, judge on the other; the result is plain JSON and the same at every run.

    Raises TooFewExamples, InvalidContent (the mapping's catalogue), NoOverlap.
    """
    release = snapshot.read(1, {**snapshot.EMPTY, **{kind: dict(of) for kind, of in mapping.catalogue.items()}})
    offer_rows = _offer_rows(release)
    model = train(f"backtest-{mapping.name}", _examples(train_rows, offer_rows), per_arm=True, seed=SEED)
    plan = compile_release(release, model)
    posterior = learn(plan, train_rows)
    place = {arm: at for at, arm in enumerate(plan.arms)}
    logged = _LoggedColumns(
        arm=np.array([place[row.decision.arm] for row in test_rows], dtype=np.intp),
        probability=np.array([row.decision.probability for row in test_rows]),
        reward=np.array([row.decision.reward for row in test_rows]),
    )
    cascade = cascade_policy(plan, posterior, test_rows)
    plain = _plain_scores(model, offer_rows, train_rows, test_rows)
    best = plain.argmax(axis=1)
    rows = np.arange(len(test_rows))
    policies = {
        "cascade": cascade,
        "plain": Policy(np.eye(len(plan.arms))[best], plain[rows, best]),
    }
    accepted = (logged.reward > 0).astype(np.float64)
    propensity = model.score_matrix(_matrix(model, test_rows, offer_rows))
    return {
        "mapping": mapping.name,
        "train_rows": len(train_rows),
        "rows": len(test_rows),
        "positives": int(accepted.sum()),
        **quality(propensity, accepted),
        "policies": _values(policies, plan.arms, logged),
        "plain": quality(plain[rows, logged.arm], accepted),
        "expected": {name: float(policy.expected.mean()) for name, policy in policies.items()},
        "model": model.report,
    }


@dataclass(frozen=True, slots=True)
class _LoggedColumns:
    """What the log says of each test row: the arm's place in the plan, its logged probability and its reward."""

    arm: Indices
    probability: Floats
    reward: Floats

    def value(self, name: str, target: Floats, chosen: Indices) -> dict[str, Any]:
        """SNIPS over the rows `chosen` of the policy whose probability of the logged arm is `target` (N,)."""
        estimate = snips(self.reward[chosen], self.probability[chosen], target[chosen])
        return {"name": name, **asdict(estimate), "interval": list(estimate.interval)}


def _values(policies: Mapping[str, Policy], arms: Sequence[str], logged: _LoggedColumns) -> list[dict[str, Any]]:
    every = np.arange(len(logged.arm))
    values = []
    for name, policy in policies.items():
        target = policy.probability[every, logged.arm]
        values.append(logged.value(name, target, every))
        values.append(logged.value(f"{name}_top_half", target, top_half(policy.expected)))
    values.append(logged.value("random", np.full(len(every), 1 / len(arms)), every))
    return values + [logged.value(arm, (logged.arm == at).astype(np.float64), every) for at, arm in enumerate(arms)]


def top_half(expected: Floats) -> Indices:
    """The half (rounded up) of the rows with the highest expectation; equals in the order of the rows."""
    return np.argsort(-expected, kind="stable")[: (len(expected) + 1) // 2]


def learn(plan: Plan, rows: Iterable[Logged]) -> Posterior:
    """The bandit's belief after the logged decisions: each is a trial of its arm, with the reward that it earned."""
    return complete(None, plan).fold(
        RewardRow(position, row.decision.arm, plan.context(row.attributes), trial=True, reward=row.decision.reward)
        for position, row in enumerate(rows, start=1)
    )


def cascade_policy(plan: Plan, posterior: Posterior, rows: Sequence[Logged]) -> Policy:
    """What `decide()` would do for each row: the probability of each arm to be shown first, and its expected reward.

    An arm that the cascade does not let through has probability 0.
    """
    place = {arm: at for at, arm in enumerate(plan.arms)}
    shape = (len(rows), len(plan.arms))
    location, scale = np.full(shape, -np.inf), np.zeros(shape)
    for at, row in enumerate(rows):
        scored = decide(_request(at, row, plan), _known(row), plan, posterior, arm_counter(row.decision.key)).scored
        arms = [place[arm.arm] for arm in scored]
        blended = blend(
            plan.weights,
            propensity=[arm.propensity for arm in scored],
            boost=[arm.boost for arm in scored],
            mean=[arm.mean for arm in scored],
            width=[arm.width for arm in scored],
            effective_trials=posterior.effective_trials([arm.width for arm in scored]),
            value=plan.values[arms],
        )
        location[at, arms], scale[at, arms] = blended.location, blended.scale
    probability = first_probabilities_many(location, scale)
    expected = np.where(probability > 0, probability * np.where(np.isfinite(location), location, 0.0), 0.0).sum(axis=1)
    return Policy(probability, expected)


def _request(customer: int, row: Logged, plan: Plan) -> DecisionRequest:
    decision = row.decision
    placement = next(iter(sorted(plan.release.placements)), "")
    return DecisionRequest(customer, decision.key, decision.channel, placement, 1, decision.occurred_at)


def _known(row: Logged) -> Known:
    """What the log tells, and that the customer could be contacted: the bank did."""
    return Known(
        attributes=row.attributes,
        ages={},
        consents=frozenset({f"marketing:{row.decision.channel}"}),
        suppressed=False,
        contacts={},
        stops=frozenset(),
    )


def _offer_rows(release: Release) -> dict[str, OfferRow]:
    """The model's row of each arm, in the plan's order."""
    return {
        key: arm_row(key, release.offers[arm.offer], release.creatives[arm.creative])
        for key, arm in sorted(release.arms.items())
    }


def _examples(rows: Iterable[Logged], offer_rows: Mapping[str, OfferRow]) -> list[Example]:
    return [
        Example(
            customer=row.decision.customer,
            attributes=row.attributes,
            row=offer_rows[row.decision.arm],
            accepted=row.decision.reward > 0,
            logged_probability=row.decision.probability,
            at=row.decision.occurred_at,
        )
        for row in rows
    ]


def _matrix(model: PropensityModel, rows: Sequence[Logged], offer_rows: Mapping[str, OfferRow]) -> Floats:
    return model.encoder.training_matrix(
        [row.attributes for row in rows], [offer_rows[row.decision.arm] for row in rows]
    )


def _plain_scores(
    model: PropensityModel,
    offer_rows: Mapping[str, OfferRow],
    train_rows: Sequence[Logged],
    test_rows: Sequence[Logged],
) -> Floats:
    """The baseline's P(accept) of every test row and arm, shape (N, k): the same columns, the same train rows."""
    accepted = np.array([float(row.decision.reward > 0) for row in train_rows])
    booster = fit_plain(model.encoder, _matrix(model, train_rows, offer_rows), accepted, seed=SEED)
    attributes = [row.attributes for row in test_rows]
    columns = [
        plain_scores(booster, model.encoder.training_matrix(attributes, [row] * len(attributes)))
        for row in offer_rows.values()
    ]
    return np.column_stack(columns)
