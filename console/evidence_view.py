"""Evidence as the review page shows it: the worst comparison first, and only the offers whose reach moves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fairness.evidence import ANY_OFFER, SCORE
from fairness.thresholds import Verdict
from offers.models import Evidence

_WORST_FIRST: Final = (Verdict.FAIL, Verdict.WATCH, Verdict.TOO_LITTLE_DATA, Verdict.UNDEFINED, Verdict.PASS)
_SUBJECTS: Final[Mapping[str, str]] = {ANY_OFFER: "any offer", SCORE: "top half by propensity"}


def shown(row: Evidence) -> dict[str, Any]:
    """The context of reviews/evidence.html."""
    content = row.content
    names = {offer["offer"]: offer["name"] for offer in content["reach"]}
    comparisons = sorted((_comparison(one, names) for one in content["parity"]), key=_order)
    moved = [offer for offer in content["reach"] if offer["gain"] or offer["lose"] or offer["before"] is None]
    return {
        "verdict": row.verdict,
        "population": row.population,
        "computed_at": row.computed_at,
        "seconds": content["seconds"],
        "any_offer": content["any_offer"],
        "moved": moved,
        "unmoved": len(content["reach"]) - len(moved),
        "bands": _moved_segments(content["segments"].get("credit_score_band", [])),
        "states": _moved_segments(content["segments"].get("state", [])),
        "notable": [one for one in comparisons if one["verdict"] != Verdict.PASS],
        "passing": [one for one in comparisons if one["verdict"] == Verdict.PASS],
        "session_rules": content["session_rules"],
        "methods": content["methods"],
    }


def _comparison(stored: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    after, before = stored["after"], stored["before"]
    ends = after["ratio_interval"]
    return {
        "subject": _SUBJECTS.get(stored["subject"]) or names.get(stored["subject"], stored["subject"]),
        "overall": stored["subject"] == ANY_OFFER,
        "attribute": stored["attribute"],
        "group": stored["group"],
        "reference": stored["reference"],
        "before": before["ratio"] if before else None,
        "after": after["ratio"],
        "low": ends[0] if ends else None,
        "high": ends[1] if ends else None,
        "shortfall": after["shortfall"],
        "verdict": stored["verdict"],
        "note": stored["note"],
    }


def _order(one: Mapping[str, Any]) -> tuple[int, bool, float]:
    """Worst verdict first, then the comparison over all offers, then the lowest ratio."""
    ratio = one["after"]
    return _WORST_FIRST.index(Verdict(one["verdict"])), not one["overall"], 1.0 if ratio is None else ratio


def _moved_segments(segments: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        # "580_669" is a band from one number to the other.
        {**row, "name": re.sub(r"(?<=\d)_(?=\d)", " to ", row["name"]), "change": row["after"] - row["before"]}
        for row in segments
        if row["after"] != row["before"]
    ]
