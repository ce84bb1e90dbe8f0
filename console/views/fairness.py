"""Whether anything is unfair this month, and where: the audit of record as a map of offers by attributes, with what
changed; and a file of anybody's decisions. Nothing is judged here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from django.contrib import messages
from django.db.models import F, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console import file_report
from console.access import SignedInRequest, allowed
from console.compliance import heat, scores
from console.forms import FileAuditForm
from fairness import file_audit, tasks
from fairness.audit_worker import AuditFailed
from fairness.cube import lines, read, subjects
from fairness.cube.rollup import ANY, BOTH
from fairness.cube.stages import STAGES, WORDS
from fairness.file_audit import Columns, UnreadableFile
from fairness.models import CubeComparison
from fairness.thresholds import Verdict
from offers import packs

SUMMED: Final = 2_000  # comparisons that a summary looks through


@allowed("see:fairness")
def overview(request: SignedInRequest) -> HttpResponse:
    """The newest audited month unless another is asked for, at the stage that is worst."""
    audits, histories = heat.audited()
    context: dict[str, Any] = {"histories": histories, "month": None}
    if audits:
        month = month_of(request.GET.get("month", ""), list(audits))
        heads, stage = audits[month], request.GET.get("stage", "")
        stage = stage if stage in heads else heat.worst_stage(heads)
        bands = lines.in_force(lines.last_day(month))
        context |= heat.shown(month, stage, request.GET.get("after", ""), list(audits), bands)
        context |= {
            "month": month,
            "months": [{"month": one, "current": one == month} for one in sorted(audits)],
            "stage": stage,
            "counted": f"Counted are those who {WORDS[stage]}, of those who {WORDS[STAGES[STAGES.index(stage) - 1]]}.",
            "stages": [{"key": key, "head": head, "current": key == stage} for key, head in heads.items()],
            "head": heads[stage],
            "largest_difference": _bits(max(head.largest_difference for head in heads.values())),
            "bands": bands,
        }
    return render(request, "fairness/overview.html", context)


@allowed("see:fairness")
def beyond(request: SignedInRequest) -> HttpResponse:
    """Groups that nobody named and groups that are estimated: what the home asks for once it stands, or a page."""
    shown = read.months()
    context: dict[str, Any] = {"month": None}
    if shown:
        month = month_of(request.GET.get("month", ""), shown)
        allowed_proxies = frozenset.union(*(pack.proxies for pack in packs.live(month)))
        bands = lines.in_force(lines.last_day(month))
        context = {"month": month, "beyond": scores.beyond(month, bands, allowed_proxies)}
    return render(request, "fairness/beyond.html" if request.htmx else "fairness/beyond_page.html", context)


def month_of(text: str, shown: Sequence[date]) -> date:
    """The audited month that an address names, else the newest."""
    return next((month for month in shown if f"{month:%Y-%m}" == text), shown[0])


def _bits(difference: float) -> str:
    return f"{difference:.0e}" if difference else "0"


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


def worst_of_the_last_audits() -> dict[str, Any] | None:
    """The comparison that a summary must show: what fails for most people, else the worst with any offer."""
    newest = CubeComparison.objects.order_by("-month").values("month")[:1]
    wanted = CubeComparison.objects.filter(Q(offer=ANY) | Q(verdict=Verdict.FAIL), month=Subquery(newest))
    rows = (
        wanted.exclude(attribute__contains=BOTH)
        .select_related("audit")
        .defer("aif360", "audit__comparisons", "audit__methods")
    )
    found = list(rows.order_by(F("shortfall").desc(nulls_last=True))[:SUMMED])
    overall = [row for row in found if row.offer == ANY]
    worst = next((row for row in found if row.verdict == Verdict.FAIL), None) or _lowest(overall)
    if worst is None:
        return None
    return {
        "verdict": worst.verdict,
        "counts": sorted(Counter(row.verdict for row in overall).items()),
        "stage": worst.stage,
        "comparison": f"{worst.group} to {worst.reference}",
        "subject": "" if worst.offer == ANY else subjects.names([worst.offer])[worst.offer],
        "interval": (worst.ratio_low, worst.ratio, worst.ratio_high),
        "computed_at": worst.audit.computed_at,
        "href": heat.drill_href(worst.offer, worst.attribute, month=worst.month, stage=worst.stage, group=worst.group),
    }


def _lowest(rows: list[CubeComparison]) -> CubeComparison | None:
    order = [Verdict.WATCH, Verdict.TOO_LITTLE_DATA, Verdict.PASS]
    measured = [row for row in rows if row.ratio is not None and row.verdict in order]
    return min(measured, key=lambda row: (order.index(Verdict(row.verdict)), row.ratio or 0.0), default=None)
