"""Evidence as the review page shows it: the answer in a line, then who gains and loses, the worst comparison first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from console.templatetags.console import amount, listed, percent
from decisioning.models import Job
from fairness import small_groups
from fairness.cube import lines
from fairness.evidence import ANY_OFFER, SCORE, SHOWN, WORST
from fairness.stage_effects import SHOWN_FIRST, STAGES, STEERING
from fairness.tasks import evidence_job
from fairness.thresholds import DEFAULT, Bands, Verdict
from offers.models import ChangeRequest, Evidence

_SUBJECTS: Final[Mapping[str, str]] = {
    ANY_OFFER: "any offer", SCORE: "top half by propensity", SHOWN: "being shown an offer",
    STEERING: "the best card of a family, of those who could have two or more",
}  # fmt: skip
_VERDICTS: Final[Mapping[str, str]] = {
    Verdict.PASS: "fair lending passes",
    Verdict.WATCH: "fair lending is to be watched",
    Verdict.FAIL: "fair lending fails",
    Verdict.TOO_LITTLE_DATA: "too little is known to judge fair lending",
}
_COUNTED: Final = (
    (Verdict.FAIL, "fails", "fail"), (Verdict.WATCH, "is to be watched", "are to be watched"),
    (Verdict.UNDEFINED, "is not defined", "are not defined"),
    (Verdict.TOO_LITTLE_DATA, "has too few people to say", "have too few people to say"),
    (Verdict.PASS, "passes", "pass"),
)  # fmt: skip
_FOLDED: Final = (Verdict.TOO_LITTLE_DATA, Verdict.PASS)  # stand below, one click away
VISIBLE: Final = 0.0005  # of a logarithm: less is nothing to a reader
PER: Final = 1_000  # customers, to whom expected responses and value are given


def shown(row: Evidence) -> dict[str, Any]:
    """The context of reviews/evidence.html. Evidence of before decisions were part of it has none."""
    content = row.content
    bands = lines.in_force(row.computed_at.date())
    names = {offer["offer"]: offer["name"] for offer in content["reach"]}
    comparisons = sorted((comparison(one, names, bands) for one in content["parity"]), key=_order)
    moved = [offer for offer in content["reach"] if offer["gain"] or offer["lose"] or offer["before"] is None]
    decisions = content.get("decisions")
    return {
        "verdict": row.verdict,
        "population": row.population,
        "computed_at": row.computed_at,
        "seconds": content["seconds"],
        "headline": _headline(row, decisions),
        "any_offer": content["any_offer"],
        "moved": moved,
        "unmoved": len(content["reach"]) - len(moved),
        "bands": _moved_segments(content["segments"].get("credit_score_band", [])),
        "states": _moved_segments(content["segments"].get("state", [])),
        "decisions": _decisions(decisions) if decisions else None,
        "agreement": content.get("agreement"),
        "later": [_at_moment(one, names, bands) for one in content.get("later", [])],
        "waterfall": waterfall(content.get("waterfall", [])),
        "shown_parity": [comparison(one, names, bands) for one in content.get("shown_parity", [])],
        "judged": _judged(comparisons),
        "notable": [one for one in comparisons if one["verdict"] not in _FOLDED],
        "unclear": [one for one in comparisons if one["verdict"] == Verdict.TOO_LITTLE_DATA],
        "passing": [one for one in comparisons if one["verdict"] == Verdict.PASS],
        "session_rules": content["session_rules"],
        "methods": content["methods"],
    }


def _at_moment(stored: Mapping[str, Any], names: Mapping[str, str], bands: Bands) -> dict[str, Any]:
    """What starts or ends at a moment to come, who gains and loses by then, and the comparisons that fail."""
    return {
        **stored,
        "at": datetime.fromisoformat(stored["at"]),
        "fails": sorted((comparison(one, names, bands) for one in stored["fails"]), key=_order),
    }


def computing(change: ChangeRequest) -> dict[str, Any] | None:
    """How far the last computation of a change's evidence is, and why it ended where it failed; None if there is none.

    `of` counts customers and is 0 before the first of them.
    """
    job = Job.objects.filter(kind=evidence_job(change.pk)).first()
    if job is None:
        return None
    failed = job.message.partition(": ")[2] if job.status == Job.Status.FAILED else ""
    share = job.done / job.total if job.total else 0.0
    return {"number": job.pk, "running": job.status == Job.Status.RUNNING, "done": job.done, "of": job.total,
            "share": share, "failed": failed}  # fmt: skip


def _headline(row: Evidence, decisions: Mapping[str, Any] | None) -> str:
    """Who gains, who loses, what it brings, whether it is fair: one sentence."""
    verdict = verdict_words(row.verdict)
    if not decisions or decisions["change"] is None:
        totals = row.content["any_offer"]
        return f"{amount(totals['after'])} of {amount(row.population)} customers qualify for an offer; {verdict}."
    about = "in the sample " if decisions["sampled"] else ""
    gain, lose, moved = decisions["gain"], decisions["lose"], decisions["moved"]
    who = (
        f"{amount(gain)} customers {about}gain an offer, {amount(lose)} lose it and {amount(moved)} are shown another"
        if gain or lose or moved
        else "Nobody is shown anything else than today"
    )
    before, change = decisions["before"]["value"]["mean"], decisions["change"]["value"]["mean"]
    worth = "" if abs(change) < 1e-12 else (
        f"; expected value {'rises' if change > 0 else 'falls'}"
        f"{f' by {percent(abs(change) / before)}' if before else ''}"
    )  # fmt: skip
    return f"{who}{worth}; {verdict}."


def verdict_words(verdict: str) -> str:
    return _VERDICTS.get(verdict, "fair lending is not judged")


def _decisions(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Counts by offer with bars on one scale, what is expected of PER customers, and the segments that move."""
    offers = [
        {**row, "change": (row["after"] or 0) - (row["before"] or 0)}
        for row in stored["offers"]
        if row["before"] or row["after"]
    ]
    offers.sort(key=lambda row: (-abs(row["change"]), row["name"]))
    return {
        **stored,
        "moved_offers": [row for row in offers if row["change"]],
        "still_offers": [row for row in offers if not row["change"]],
        "scale": max((abs(row["change"]) for row in offers), default=0),
        "expected": expected_rows(stored),
        "ended": _ended(stored),
        "bands": _valued(stored["segments"].get("credit_score_band", [])),
        "states": _valued(stored["segments"].get("state", [])),
        "per": PER,
    }


def expected_rows(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is expected of PER customers, today and after, with the scale to draw it on."""
    return [_expected(label, name, stored) for label, name in (("Responses", "response"), ("Value", "value"))]


def _expected(label: str, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    sides = {side: stored[side][name] if stored[side] else None for side in ("before", "after", "change")}
    times = {side: {end: number * PER for end, number in one.items()} if one else None for side, one in sides.items()}
    ends = [one[end] for one in (times["before"], times["after"]) if one for end in ("low", "high")]
    margin = (max(ends) - min(ends)) * 0.2 or 1.0
    change = times["change"]
    return {
        "label": label,
        **times,
        "margin": round((change["high"] - change["low"]) / 2, 2) if change else None,
        "scale": (min(ends) - margin, max(ends) + margin),
    }


def _ended(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Customers without an offer, by reason."""
    before, after = (stored[side]["ended"] if stored[side] else {} for side in ("before", "after"))
    return [
        {"reason": reason, "before": before.get(reason, 0), "after": after.get(reason, 0)}
        for reason in sorted({*before, *after}, key=lambda one: -after.get(one, 0))
    ]


def _valued(segments: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The segments in which something changes."""
    rows = [
        {
            **row,
            "name": _band(row["name"]),
            "change": row["after"] - row["before"],
            "worth": round(row["value_after"] - row["value_before"], 2),
        }
        for row in segments
    ]
    return [row for row in rows if row["change"] or row["worth"]]


def _judged(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """How many comparisons came out how: "Of 91 comparisons 2 fail, 79 have too few people to say and 10 pass."."""
    counts = Counter(one["verdict"] for one in comparisons)
    said = [f"{counts[verdict]} {few if counts[verdict] == 1 else many}" for verdict, few, many in _COUNTED
            if counts[verdict]]  # fmt: skip
    return f"Of {len(comparisons)} comparison{'' if len(comparisons) == 1 else 's'} {listed(said)}."


def comparison(stored: Mapping[str, Any], names: Mapping[str, str], bands: Bands = DEFAULT) -> dict[str, Any]:
    """One row of reviews/parity.html; `few` where too few people are in it for its figures to be shown."""
    after, before = stored["after"], stored["before"]
    ends = after["ratio_interval"]
    return {
        "subject": _subject(stored["subject"], names),
        "overall": stored["subject"] == ANY_OFFER,
        "attribute": stored["attribute"],
        "group": stored["group"],
        "reference": stored["reference"],
        "before": before["ratio"] if before else None,
        "after": after["ratio"],
        "low": ends[0] if ends else None,
        "high": ends[1] if ends else None,
        "shortfall": after["shortfall"],
        "few": small_groups.few(after["total"], after["reference_total"], bands),
        "counts": [(after["favourable"], after["total"]), (after["reference_favourable"], after["reference_total"])],
        "verdict": stored["verdict"],
        "note": stored["note"],
    }


def _subject(name: str, names: Mapping[str, str]) -> str:
    if name.startswith(SHOWN_FIRST):
        offer = name.removeprefix(SHOWN_FIRST)
        return f"being shown {names.get(offer, offer)} first, of those eligible for it"
    return _SUBJECTS.get(name) or names.get(name, name)


def waterfall(stored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each group whose way to an offer the change alters: its ratio after at each stage of STAGES and the change of
    its logarithm there; the one that loses most first."""
    groups: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in stored:
        groups.setdefault((row["attribute"], row["group"]), {})[row["stage"]] = row
    rows = [
        {"attribute": attribute, "group": group, "stages": [stages[name] for name in STAGES if name in stages],
         "change": sum(stage["change"] or 0.0 for stage in stages.values())}
        for (attribute, group), stages in groups.items()
        if any(abs(stage["change"] or 0.0) >= VISIBLE for stage in stages.values())
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["change"])


def _order(one: Mapping[str, Any]) -> tuple[int, bool, float]:
    """Worst verdict first, then the comparison over all offers, then the lowest ratio."""
    ratio = one["after"]
    return WORST.index(Verdict(one["verdict"])), not one["overall"], 1.0 if ratio is None else ratio


def _moved_segments(segments: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**row, "name": _band(row["name"]), "change": row["after"] - row["before"]}
        for row in segments
        if row["after"] != row["before"]
    ]


def _band(name: str) -> str:
    """A band such as "580_669" goes from one number to the other."""
    return re.sub(r"(?<=\d)_(?=\d)", " to ", name)
