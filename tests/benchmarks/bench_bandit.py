"""Median cost of each step of the bandit on one core; run as `python -m tests.benchmarks.bench_bandit`.

The floor is one np.dot of two vectors of 8 numbers: what merely entering numpy costs on this machine.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import perf_counter

import numpy as np

from decisioning.bandit.action_probability import first_probabilities, prefix_probabilities
from decisioning.bandit.posterior import ArmPrior, Posterior, RewardRow
from decisioning.bandit.ranking import RankingWeights, blend, rank
from decisioning.draws import arm_counter, normals

ARM_COUNTS = (24, 50, 72, 150)
MANDATES = 3
DIMENSION, ARMS_PER_OFFER, LIMIT, TRIALS_PER_ARM = 8, 2, 3, 100
KEY = 0x5EED_0F_C0FFEE


def microseconds(step: Callable[[], object], repeats: int = 2000) -> float:
    for _ in range(repeats // 10):
        step()
    durations = []
    for _ in range(repeats):
        start = perf_counter()
        step()
        durations.append(perf_counter() - start)
    return median(durations) * 1e6


def learned(arm_count: int) -> Posterior:
    """Arms with 1 to 2 x TRIALS_PER_ARM trials, so that their widths differ as they do in service."""
    rng = np.random.default_rng(arm_count)
    arms = [f"offer-{number // ARMS_PER_OFFER}:creative-{number}" for number in range(arm_count)]
    favour = rng.random(arm_count)
    chosen = rng.choice(arm_count, size=arm_count * TRIALS_PER_ARM, p=favour / favour.sum())
    contexts = np.column_stack([np.ones(len(chosen)), rng.uniform(-1, 1, size=(len(chosen), DIMENSION - 1))])
    rows = [
        RewardRow(position, arms[arm], context, True, float(rng.random() < 0.05 + 0.1 * favour[arm]))
        for position, (arm, context) in enumerate(zip(chosen, contexts, strict=True), start=1)
    ]
    return Posterior.empty({arm: ArmPrior(0.05, 5.0) for arm in arms}, DIMENSION).fold(rows)


def steps(arm_count: int) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(1)
    posterior, weights = learned(arm_count), RankingWeights(shift_trials=200.0)
    context = np.concatenate([[1.0], rng.uniform(-1, 1, size=DIMENSION - 1)])
    indices, offers = posterior.indices(posterior.arms), np.arange(arm_count) // ARMS_PER_OFFER
    counters = np.array([arm_counter(arm) for arm in posterior.arms])
    propensity, boost = rng.uniform(0.02, 0.4, size=arm_count), rng.uniform(1.0, 1.3, size=arm_count)
    mean, width = posterior.predict(context, indices)
    noise, trials = normals(KEY, counters), posterior.effective_trials(width)

    def blend_and_rank() -> object:
        blended = blend(weights, propensity=propensity, boost=boost, mean=mean, width=width, effective_trials=trials)
        return rank(blended.score(noise), offers, LIMIT)

    location, scale = blend(
        weights, propensity=propensity, boost=boost, mean=mean, width=width, effective_trials=trials
    )
    ranked = rank(location + scale * noise, offers, LIMIT)
    return {
        "predict": lambda: posterior.predict(context, indices),
        "draw": lambda: normals(KEY, counters),
        "blend + rank": blend_and_rank,
        f"prefix_probabilities, limit {LIMIT}": lambda: prefix_probabilities(location, scale, offers, ranked),
        "prefix_probabilities, limit 1": lambda: prefix_probabilities(location, scale, offers, ranked[:1]),
        "first_probabilities": lambda: first_probabilities(location, scale),
    }


def whole_decisions(arm_count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """A whole decision without a mandate, and the same with MANDATES of them; nobody is refused anything."""
    from decisioning.decide import decide
    from decisioning.plan import compile_release
    from decisioning.types import DecisionRequest, Known
    from tests import catalogue

    content = catalogue.content(offers=arm_count // ARMS_PER_OFFER, creatives=ARMS_PER_OFFER)
    plain = compile_release(catalogue.release(content), None)
    for arm in sorted(content["arm"])[-MANDATES:]:
        content["arm"][arm]["mandate"] = {"min_share": 0.1, "max_share": 0.3, "never_explore": ["payment_hardship"]}
    mandated = compile_release(catalogue.release(content), None)
    posterior = Posterior.empty(plain.priors, plain.dimension)
    known = Known({"payment_hardship": False}, {}, frozenset({"marketing:web"}), False, {}, frozenset())
    request = DecisionRequest(1, "s", "web", "home_banner", 1, datetime.now(UTC))
    return (
        lambda: decide(request, known, plain, posterior, KEY),
        lambda: decide(request, known, mandated, posterior, KEY),
    )


def main() -> None:
    vector = np.linspace(0.0, 1.0, DIMENSION)
    floor = microseconds(lambda: np.dot(vector, vector))
    rows = [
        f"floor: np.dot of {DIMENSION} numbers, {floor:.2f} us",
        f"{'arms':>5}  {'step':32} {'us':>8} {'x floor':>8}",
    ]
    for arm_count in ARM_COUNTS:
        for name, step in steps(arm_count).items():
            cost = microseconds(step)
            rows.append(f"{arm_count:5}  {name:32} {cost:8.1f} {cost / floor:8.0f}")
        without, mandated = (microseconds(step) for step in whole_decisions(arm_count))
        rows.append(
            f"{arm_count:5}  decide(), no mandate: {without:.0f} us; {MANDATES} mandates: {mandated:.0f} us, "
            f"{mandated / without:.2f} times as long"
        )
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    django.setup()
    main()
