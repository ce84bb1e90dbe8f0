"""Block 6: how the bandit ranked the arms, with the chance of what was shown and how much of it is for learning."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record

ARMS: Final = 5


def ranking(record: Record, audience: Audience) -> Block:
    """Block 6. The chance is computed again from the posterior as it was, and compared with the recorded one."""
    case, choice = record.case, record.first
    if choice is None or not len(case.arms):
        return Block(6, "ranking", "Bandit", sentences=("No arm reached the ranking.",), data={"arms": []})
    names = [record.of.plan.arms[arm] for arm in case.arms.tolist()]
    if choice.arm not in names:
        return Block(6, "ranking", "Bandit", sentences=("Nothing competed: the fallback of the placement was shown.",))
    at = names.index(choice.arm)
    again = next((one.action_probability for one in case.choices if one.rank == 1), None)
    explored = bool((case.location > case.location[at]).any())
    share = record.learning_share or 0.0
    return Block(
        6, "ranking", "Bandit",
        sentences=(
            f"Chosen because the estimated response is {wording.percent(float(case.mean[at]))} "
            f"(±{case.width[at] * 100:.1f}); with probability {choice.action_probability:.2f} this was the "
            f"best-looking card for customers like this one; {wording.chance(share)} of such decisions are "
            "learning traffic.",
            "This one was made to learn: another arm had the better expected score."
            if explored else "This one followed what is known: no arm had a better expected score.",
        ),
        facts=(
            ("Chance", f"{choice.action_probability:.6f} recorded, {_again(again, choice.action_probability)}"),
            ("Policy", _policy(record)),
            ("Context", _context(record)),
        ),
        table=_table(record, names, at),
        data={
            "action_probability": choice.action_probability, "recomputed": again, "learning_share": share,
            "explored": explored, "posterior": record.row.posterior, "arms": _arms(record, names),
        },
    )  # fmt: skip


def _again(again: float | None, recorded: float) -> str:
    if again is None:
        return "cannot be computed again"
    return "computed again from the posterior: the same" if again == recorded else f"computed again: {again:.6f}"


def _policy(record: Record) -> str:
    weights = record.of.plan.weights
    shift = f", shifting to the bandit over {weights.shift_trials:g} trials" if weights.shift_trials else ""
    mandate = "; a mandate bounds the shares" if len(record.case.share) else ""
    return (
        f"Thompson sampling at position {record.row.posterior} of the reward log, {weights.propensity:g} propensity "
        f"and {weights.bandit:g} draw{shift}; draws are a function of the decision's id{mandate}"
    )


def _context(record: Record) -> str:
    terms = record.of.plan.release.ranking.context
    values = record.of.plan.context(record.of.known.attributes)[1:].tolist()
    named = [
        f"{wording.meaning(term.attribute)}{f' is {wording.code(term.equals)}' if term.equals else ''} {value:.2f}"
        for term, value in zip(terms, values, strict=True)
    ]
    return ", ".join(named) or "none: the same for every customer"


def _arms(record: Record, names: list[str]) -> list[dict[str, Any]]:
    """Every arm that competed, best score first, with the trials behind it."""
    case, beliefs = record.case, record.beliefs
    trials = beliefs.trials[beliefs.indices(names)]
    by_mean = np.argsort(np.argsort(-case.location, kind="stable"), kind="stable")
    columns = (case.mean, case.width, case.draw, case.score)
    return [
        {
            "arm": names[at], **{key: float(column[at]) for key, column in
                                 zip(("mean", "width", "draw", "score"), columns, strict=True)},
            "trials": int(trials[at]), "rank_by_expectation": int(by_mean[at]) + 1, "rank_by_score": place,
        }
        for place, at in enumerate(np.argsort(-case.score, kind="stable").tolist(), start=1)
    ]  # fmt: skip


def _table(record: Record, names: list[str], at: int) -> Table:
    arms = _arms(record, names)
    listed = arms[:ARMS] + [arm for arm in arms[ARMS:] if arm["arm"] == names[at]]
    return Table(
        ("Arm", "Mean ± sd", "Draw", "Score", "By score", "By mean", "Trials"),
        tuple(
            (arm["arm"], f"{arm['mean']:.3f} ± {arm['width']:.3f}", f"{arm['draw']:.3f}", f"{arm['score']:.3f}",
             str(arm["rank_by_score"]), str(arm["rank_by_expectation"]), f"{arm['trials']:,}")
            for arm in listed
        ),
    )  # fmt: skip
