"""Block 5: the score of the offer that was shown and the reasons for and against it, in families; a close proxy among
them is told and never left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from decisioning.propensity.encoding import Column, offer_row
from decisioning.propensity.reasons import BY_NAME
from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record

_INPUTS: Final = 2  # of a family, told
_NOTHING: Final = (
    "No single fact about you stood out. The card was shown on what is expected of everybody who may have it."
)
_NO_MODEL: Final = "No score was computed from facts about you."


def score(record: Record, audience: Audience) -> Block:
    """Block 5."""
    given = record.chosen["contributions"] if record.chosen else None
    title = "What counted for it, and what against it" if audience == "customer" else "Score and reasons"
    if record.chosen is None or given is None:
        text = _NO_MODEL if audience == "customer" else "No model scored the offer shown."
        return Block(5, "score", title, sentences=(text,), data={"reasons": None})
    told = [(reason, True) for reason in given["reasons"]["raising"]]
    told += [(reason, False) for reason in given["reasons"]["lowering"]]
    if audience == "customer":
        return _plainly(record, title, told)
    rows = tuple(
        (
            wording.code(reason["family"]), "for" if raises else "against", f"× {math.exp(reason['log_odds']):.2f}",
            _inputs(reason, record) or "",
        )
        for reason, raises in told
    )  # fmt: skip
    arm = record.chosen["arms"][0]
    return Block(
        5, "score", title,
        sentences=() if rows else ("No family of inputs moved the odds by a sixth or more.",),
        facts=_figures(record, arm, given) if audience == "examiner"
              else (("Expected response", wording.percent(arm["propensity"])),),
        table=Table(("Reason", "Direction", "Odds", "Strongest inputs"), rows) if rows else None,
        data={"base": given["base"], "raw_score": given["raw_score"], **given["reasons"]},
    )  # fmt: skip


def _figures(record: Record, arm: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The score and its parts, which add up, to whoever checks them."""
    rest = given["reasons"]["rest"]
    parts = {
        "mean": given["base"], "score": given["raw_score"],
        "listed reasons": given["raw_score"] - given["base"] - rest, "rest": rest,
    }  # fmt: skip
    told = ", ".join(f"{name} {value:+.3f}" for name, value in parts.items())
    return (
        ("Propensity", f"{wording.percent(arm['propensity'])} by {record.row.model}, {_origin(record, arm)}"),
        ("Log-odds", f"{told}; counted from {_baseline(given['reasons']['baseline'])}"),
    )


def _plainly(record: Record, title: str, told: list[tuple[Mapping[str, Any], bool]]) -> Block:
    sentences = []
    for reason, raises in told:
        about, side = BY_NAME[reason["family"]].meaning, "for" if raises else "against"
        facts = _inputs(reason, record, plain=True)
        who = wording.capital(about) if facts is not None else f"What we do not know about {about}"
        sentences.append(f"{who} counted {side} this card" + (f" ({facts})." if facts else "."))
    return Block(
        5, "score", title, sentences=tuple(sentences) or (_NOTHING,),
        data={"reasons": [{"family": reason["family"], "for": raises} for reason, raises in told]},
    )  # fmt: skip


def _inputs(reason: Mapping[str, Any], record: Record, *, plain: bool = False) -> str | None:
    """The inputs of a family that moved the score in its direction, with their values, the strongest first; None to a
    customer of whom the bank has none of them."""
    typical = _typical(record)
    same = [one["column"] for one in reason["inputs"] if (one["log_odds"] > 0) == (reason["log_odds"] > 0)]
    values = [(name, _value(name, record)) for name in same[:_INPUTS]]
    if plain and all(value is None for _, value in values):
        return None
    facts = [
        wording.fact(name, value, typical.get(name), plain=plain)
        for name, value in values
        if value is not None or not plain
    ]
    return "; ".join(fact for fact in facts if fact)


def _value(name: str, record: Record) -> Any:
    """What the model read: a fact of the card or of its message, or a value that was known of the customer."""
    assert record.offer is not None
    assert record.first is not None
    release = record.of.plan.release
    of_card = dict(offer_row(record.offer).offer_facts) | dict(
        release.creatives[release.arms[record.first.arm].creative].facts
    )
    known = record.of.known.attributes
    if name in of_card:
        return of_card[name]
    if name == "creative":
        return release.arms[record.first.arm].creative
    if name == "affinity_of_family":
        return known.get(f"affinity_{record.offer.family.replace('-', '_')}")
    if name == "viewed_this_offer":
        return None if known.get("cards_viewed") is None else record.offer.key in known["cards_viewed"]
    value = known.get(name)
    return len(value) if isinstance(value, list | set | frozenset) else value


def _typical(record: Record) -> dict[str, Any]:
    """What most had when the model was trained, as its report has it; nothing where it has not."""
    model = record.of.plan.model
    if model is None:
        return {}
    held = model.report.get("typical", {})
    return {column.name: _decoded(column, held[column.name]) for column in model.encoder.columns if column.name in held}


def _decoded(column: Column, value: float) -> Any:
    if column.kind == "category":
        return column.vocabulary[int(value)]
    return bool(value) if column.kind == "flag" or column.name == "viewed_this_offer" else value


def _origin(record: Record, arm: Mapping[str, Any]) -> str:
    """Whether the model gives the recorded number again from the recorded inputs."""
    plan = record.of.plan
    if plan.model is None or plan.prepared is None:
        return "the base rate of the offer"
    rows = plan.row_of_arm[[plan.arms.index(arm["arm"])]]
    again = plan.model.score(record.of.known.attributes, plan.prepared, np.asarray(rows))[0]
    return "computed again to the same bits" if again == arm["propensity"] else f"last night's; now {again:.4f}"


def _baseline(name: str) -> str:
    return {"all": "the mean of all that it was trained on"}.get(name, name)
