"""Group fairness of what was decided: the last audit of each stage, with its figure; nothing is computed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console import file_report
from console.access import SignedInRequest, allowed
from console.forms import FileAuditForm
from console.templatetags.console import words
from fairness import figures, file_audit, tasks, thresholds
from fairness.audit import ANY, DECISIONS
from fairness.audit_worker import AuditFailed
from fairness.cube.stages import WORDS as STAGES
from fairness.file_audit import Columns, UnreadableFile
from fairness.models import FairnessAudit
from fairness.thresholds import Verdict
from offers.models import Arm, Offer

SCALE = (0.4, 1.4)  # of impact ratios
FINDINGS_SHOWN = 12


@allowed("see:fairness")
def overview(request: SignedInRequest) -> HttpResponse:
    sources = list(FairnessAudit.objects.order_by("source").values_list("source", flat=True).distinct())
    source = request.GET.get("source", "")
    if source not in sources:
        source = DECISIONS if DECISIONS in sources or not sources else sources[0]
    latest = last_audits(source)
    audit = latest.get(request.GET.get("stage", "")) or next(iter(latest.values()), None)
    rows = _named(audit.comparisons) if audit else []
    subjects = list(dict.fromkeys((row["subject"], row["name"]) for row in rows))
    subject = request.GET.get("subject", "")
    subject = subject if subject in dict(subjects) else subjects[0][0] if subjects else ""
    shown = [row for row in rows if row["subject"] == subject]
    return render(
        request,
        "fairness/overview.html",
        {
            "stages": _tabs(latest, audit, source),
            "sources": [{"key": name, "current": name == source} for name in sources],
            "source": source,
            "audit": audit,
            "counted": STAGES.get(audit.stage, "") if audit else "",
            "largest_difference": f"{audit.largest_difference:.0e}" if audit and audit.largest_difference else "0",
            "subjects": subjects,
            "subject": subject,
            "comparisons": shown,
            "worst": _worst(shown),
            "findings": _findings(rows, subject, source, audit),
            "scale": SCALE,
            "thresholds": {"ratio": thresholds.DEFAULT.fail_ratio, "shortfall": thresholds.DEFAULT.material_shortfall},
            "figure": figures.ratios(shown) if shown else None,
        },
    )


@require_POST
@allowed("see:fairness")
def audit_now(request: SignedInRequest) -> HttpResponse:
    """Ask for an audit of the bank's own decisions; it runs in a process of its own."""
    try:
        tasks.audit_decisions.delay()
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being audited. Try again in a moment.")
    else:
        messages.info(request, "The audit is running; its results replace the ones below when it is through.")
    return redirect("fairness")


@allowed("see:fairness")
def file(request: SignedInRequest) -> HttpResponse:
    """Audit a file that is sent along; nothing of it is kept."""
    form = FileAuditForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        groups = [line.strip() for line in given["groups"].splitlines() if line.strip()]
        columns = Columns(groups, given["decision"], given["outcome"], given["score"], given["weight"])
        try:
            found = file_audit.audit(given["file"], columns)
        except (UnreadableFile, AuditFailed) as fault:
            form.add_error(None, f"{fault}.")
        else:
            context |= file_report.context(found, given["file"].name, columns)
    return render(request, "fairness/file.html", context)


def last_audits(source: str) -> dict[str, FairnessAudit]:
    """The newest audit of each stage of one source, in the order of the stages."""
    newest = FairnessAudit.objects.filter(source=source).order_by("stage", "-id").distinct("stage")
    order = list(STAGES)
    return {
        audit.stage: audit
        for audit in sorted(newest, key=lambda audit: order.index(audit.stage) if audit.stage in order else len(order))
    }


def worst_of_the_last_audits() -> dict[str, Any] | None:
    """The comparison that a summary must show: the worst verdict, and among those the lowest ratio."""
    found = [(audit, row) for audit in last_audits(DECISIONS).values() for row in map(_read, audit.comparisons)]
    worst = _worst([row for _, row in found])
    if worst is None:
        return None
    audit = next(audit for audit, row in found if row is worst)
    named = _named([worst])[0]
    return {
        "verdict": worst["verdict"],
        "counts": sorted(Counter(row["verdict"] for _, row in found).items()),
        "stage": audit.stage,
        "comparison": f"{worst['group']} to {worst['reference']}",
        "subject": "" if worst["subject"] == ANY else named["name"],
        "interval": worst["interval"],
        "computed_at": audit.computed_at,
        "href": f"{reverse('fairness')}?{urlencode({'stage': audit.stage, 'subject': worst['subject']})}",
    }


def _worst(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    measured = [row for row in rows if row["interval"]]
    if not measured:
        return None
    verdict = thresholds.worst(Verdict(row["verdict"]) for row in measured)
    return min((row for row in measured if row["verdict"] == verdict), key=lambda row: row["interval"][1])


def _tabs(latest: Mapping[str, FairnessAudit], shown: FairnessAudit | None, source: str) -> list[dict[str, Any]]:
    return [
        {
            "label": stage.replace("_", " "),
            "href": f"?{urlencode({'source': source, 'stage': stage})}",
            "current": audit is shown,
            "verdict": audit.verdict,
        }
        for stage, audit in latest.items()
    ]


def _findings(
    rows: Iterable[Mapping[str, Any]], subject: str, source: str, audit: FairnessAudit | None
) -> list[dict[str, Any]]:
    """What fails under another subject of this stage than the one on the page, the lowest ratio first."""
    if audit is None:
        return []
    failing = [row for row in rows if row["verdict"] == Verdict.FAIL and row["subject"] != subject]
    failing.sort(key=lambda row: 1.0 if row["ratio"] is None else row["ratio"])
    return [
        {
            **row,
            "href": f"?{urlencode({'source': source, 'stage': audit.stage, 'subject': row['subject']})}",
        }
        for row in failing[:FINDINGS_SHOWN]
    ]


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
    return {**stored, "interval": interval, "why": _why(stored, interval)}


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
