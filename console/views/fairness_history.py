"""The audit of a history that a bank loaded: every comparison of one arm, with its figure; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render

from console.access import SignedInRequest, allowed
from console.templatetags.console import words
from fairness import figures, small_groups, thresholds
from fairness.audit import ACCEPTED, ANY, DECISIONS
from fairness.models import FairnessAudit
from fairness.thresholds import Verdict
from offers.models import Arm, Offer

SCALE: Final = (0.4, 1.4)  # of impact ratios
FINDINGS_SHOWN: Final = 12


@allowed("see:fairness")
def history(request: SignedInRequest, source: str) -> HttpResponse:
    """The newest audit of one mapping's decisions, over all arms or for the one that is asked for."""
    audit = FairnessAudit.objects.filter(source=source, stage=ACCEPTED).order_by("-id").first()
    if source == DECISIONS or audit is None:
        raise Http404
    rows = _named(audit.comparisons)
    subjects = list(dict.fromkeys((row["subject"], row["name"]) for row in rows))
    subject = request.GET.get("subject", "")
    subject = subject if subject in dict(subjects) else subjects[0][0] if subjects else ""
    shown = [row for row in rows if row["subject"] == subject]
    large = [row for row in shown if not row["few"]]
    return render(
        request,
        "fairness/history.html",
        {
            "source": source,
            "audit": audit,
            "counted": "accepted, of those who were sent the arm",
            "largest_difference": f"{audit.largest_difference:.0e}" if audit.largest_difference else "0",
            "subjects": subjects,
            "subject": subject,
            "comparisons": shown,
            "smallest": small_groups.smallest(thresholds.DEFAULT),
            "worst": _worst(large),
            "findings": _findings(rows, subject),
            "scale": SCALE,
            "thresholds": {
                "ratio": thresholds.DEFAULT.fail_ratio, "shortfall": thresholds.DEFAULT.material_shortfall,
            },
            "figure": figures.ratios(large) if large else None,
        },
    )  # fmt: skip


def _worst(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    measured = [row for row in rows if row["interval"]]
    if not measured:
        return None
    verdict = thresholds.worst(Verdict(row["verdict"]) for row in measured)
    return min((row for row in measured if row["verdict"] == verdict), key=lambda row: row["interval"][1])


def _findings(rows: Iterable[Mapping[str, Any]], subject: str) -> list[dict[str, Any]]:
    """What fails under another arm than the one on the page, the lowest ratio first."""
    failing = [row for row in rows if row["verdict"] == Verdict.FAIL and row["subject"] != subject and not row["few"]]
    failing.sort(key=lambda row: 1.0 if row["ratio"] is None else row["ratio"])
    return [{**row, "href": f"?{urlencode({'subject': row['subject']})}"} for row in failing[:FINDINGS_SHOWN]]


def _named(stored: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stored comparisons with the names of the offers or arms that they are about."""
    rows = [_read(row) for row in stored]
    keys = {row["subject"] for row in rows} - {ANY}
    names = dict(Offer.objects.filter(key__in=keys).values_list("key", "title")) if keys else {}
    if keys - names.keys():
        names |= dict(Arm.objects.filter(key__in=keys).values_list("key", "title"))
    return [
        {**row, "name": "any offer" if row["subject"] == ANY else names.get(row["subject"], words(row["subject"]))}
        for row in rows
    ]


def _read(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored comparison with its interval as (low, ratio, high), and its verdict in a sentence."""
    ends = stored["ratio_interval"]
    interval = (ends[0], stored["ratio"], ends[1]) if ends and stored["ratio"] is not None else None
    few = small_groups.few(stored["total"], stored["reference_total"], thresholds.DEFAULT)
    return {**stored, "interval": interval, "why": _why(stored, interval), "few": few}


def _why(stored: Mapping[str, Any], interval: tuple[float, float, float] | None) -> str:
    if interval is None:
        return "No ratio is defined: the reference group has no favourable outcome, or a group is empty."
    said = f"The impact ratio is {interval[1]:.2f}, 95 % interval {interval[0]:.2f} to {interval[2]:.2f}"
    shortfall, needed = stored["shortfall"], stored["needed_n"]
    if stored["verdict"] == Verdict.FAIL:
        return f"{said}; {shortfall:,.0f} more people of this group would have been favoured at the reference's rate."
    if stored["verdict"] == Verdict.TOO_LITTLE_DATA and needed:
        return f"{said}; {needed:,} people of this group are needed to tell, there are {stored['total']:,.0f}."
    return f"{said}."
