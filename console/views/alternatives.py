"""The laboratory of less discriminatory alternatives: searches, a new protocol, what one found and what was decided on
it; nothing is searched or decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.compliance.alternatives_forms import MemoForm, ProtocolForm, SignatureForm, WaiverForm
from console.paging import paged
from console.templatetags.console import percent, sentence
from console.wording import attribute_name
from decisioning.models import Job, ModelVersion
from decisioning.propensity.dataset import NothingLogged
from decisioning.runtime import NoRelease
from fairness import tasks
from fairness.alternatives import figure, memo, pdf, performance, protocol, record, report
from fairness.alternatives.search import floor
from fairness.models import Candidate, DecisionMemo, Search, SearchRun, SearchSignature
from fairness.thresholds import Verdict
from offers import packs, roles
from offers.catalog import InvalidContent
from offers.types import Bands, Pack

GROUPS_SHOWN = 8
KEEP = "keep"


@allowed("see:fairness")
def index(request: SignedInRequest) -> HttpResponse:
    now = timezone.now()
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).values_list("name", flat=True).first()
    in_force = _packs()
    rows = Search.objects.select_related("author", "run", "run__memo").prefetch_related("signatures")
    page = paged(rows, request)
    jobs = {job.kind: job for job in Job.objects.filter(kind__in=[tasks.search_job(row.pk) for row in page.rows])}
    return render(
        request,
        "alternatives/list.html",
        {
            "searches": [{"row": row, "state": _state(row, jobs.get(tasks.search_job(row.pk)))} for row in page.rows],
            "page": page,
            "champion": champion,
            "missing": record.missing(champion, in_force, now) if champion else "",
            "record": record.newest(champion) if champion else None,
            "waiver": record.waived(champion, now) if champion else None,
            "may_search": roles.may(request.user, "search:alternatives"),
            "may_waive": roles.may(request.user, "sign:alternatives") and not record.required(in_force),
            "waiver_form": WaiverForm(initial={"model": champion}),
            "packs": [pack.title for pack in in_force],
        },
    )


def _packs() -> tuple[Pack, ...]:
    return packs.live(timezone.now().date())


def _state(search: Search, job: Job | None) -> str:
    run: SearchRun | None = getattr(search, "run", None)
    if run is not None:
        made: DecisionMemo | None = getattr(run, "memo", None)
        signed = any(one.purpose == SearchSignature.Purpose.MEMO for one in search.signatures.all())
        return "signed" if signed else "waits for a signature" if made else "waits for a decision"
    if job is not None and job.status != Job.Status.DONE:
        return str(job.status)
    return "not run"


@allowed("search:alternatives")
def new(request: SignedInRequest) -> HttpResponse:
    form = ProtocolForm(request.POST or None, initial={"subject": request.GET.get("subject", "")})
    if request.method == "POST" and form.is_valid():
        kind, _, name = form.cleaned_data["subject"].partition(":")
        freeze = protocol.freeze_model_search if kind == "model" else protocol.freeze_rule_search
        try:
            frozen = freeze(name, form.settings(), author=request.user, now=timezone.now())
        except (protocol.InvalidProtocol, NoRelease, NothingLogged) as fault:
            form.add_error(None, f"{fault}.")
        else:
            if not frozen.reweighing:
                _start(request, frozen)
            return redirect("alternatives_search", frozen.pk)
    return render(request, "alternatives/new.html", {"form": form}, status=400 if form.errors else 200)


def _start(request: SignedInRequest, search: Search) -> None:
    try:
        tasks.search_alternatives.delay(search.pk)
    except OperationalError:
        messages.error(request, "The queue does not answer, so the search has not begun. Try again in a moment.")


@require_POST
@allowed("search:alternatives")
def run(request: SignedInRequest, pk: int) -> HttpResponse:
    """Begin what has not run yet: after its signature, or after a fault."""
    _start(request, get_object_or_404(Search, pk=pk))
    return redirect("alternatives_search", pk)


@allowed("see:fairness")
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(Search.objects.select_related("author"), pk=pk)
    found = SearchRun.objects.filter(search=search).first()
    signatures = list(search.signatures.select_related("person"))
    signed = any(one.purpose == SearchSignature.Purpose.REWEIGHING for one in signatures)
    context: dict[str, Any] = {
        "search": search,
        "protocol": _protocol(search),
        "progress": _progress(search, found),
        "signatures": signatures,
        "intact": protocol.intact(search),
        "unsigned_reweighing": search.reweighing and not signed,
        "memo_signed": any(one.purpose == SearchSignature.Purpose.MEMO for one in signatures),
        "signature_form": SignatureForm(),
        **_may(request),
    }
    if found is not None:
        context |= _found(search, found, request.GET.get("candidate", ""))
    return render(request, "alternatives/detail.html", context)


@allowed("see:fairness")
def progress(request: SignedInRequest, pk: int) -> HttpResponse:
    """The fragment that replaces itself while the search runs; once it is through, the page is fetched anew."""
    search = get_object_or_404(Search, pk=pk)
    found = SearchRun.objects.filter(search=search).first()
    state = _progress(search, found)
    if found is not None or not (state["running"] or state["waiting"]):
        return HttpResponseClientRefresh()
    return render(request, "alternatives/progress.html", {"search": search, "progress": state})


def _progress(search: Search, found: SearchRun | None) -> dict[str, Any]:
    job = None if found else Job.objects.filter(kind=tasks.search_job(search.pk)).first()
    return {
        "running": job is not None and job.status == Job.Status.RUNNING,
        "waiting": found is None and job is None and not search.reweighing,
        "failed": job.message.partition(": ")[2] if job is not None and job.status == Job.Status.FAILED else "",
        "done": job.done if job else 0, "of": job.total if job else 0,
        "share": job.done / job.total if job and job.total else 0.0,
    }  # fmt: skip


def _may(request: SignedInRequest) -> dict[str, bool]:
    return {
        "may_search": roles.may(request.user, "search:alternatives"),
        "may_sign": roles.may(request.user, "sign:alternatives"),
        "may_propose": roles.may(request.user, "propose:rule"),
    }


def _protocol(search: Search) -> list[tuple[str, str]]:
    """What was fixed beforehand, in words."""
    asked, space = search.protocol, search.protocol["space"]
    lost = (
        f"{asked['tolerance']} points of AUC"
        if asked["metric"] == "auc"
        else f"{percent(asked['tolerance'])} of the value"
    )
    shown = [("Performance", performance.METHODS[asked["metric"]]), ("May be lost", lost)]
    if search.kind == Search.Kind.RULE:
        return [*shown, ("Thresholds", ", ".join(f"{value:,}" for value in space["thresholds"]))]
    return [
        *shown,
        ("Offered to", f"{percent(asked['offer_rate'], 0)} of the people, those with the highest scores"),
        ("Smallest group that counts", f"{asked['groups']['smallest_group']} people"),
        ("Candidates", f"{space['trials']}, seed {space['seed']}"),
        ("May be left out", ", ".join(map(attribute_name, space["droppable"])) or "nothing"),
        ("Targets", ", ".join(space["targets"])),
        ("Groups in training", f"reweighing at {space['reweighing']}" if space["reweighing"] else "never"),
    ]


def _found(search: Search, found: SearchRun, picked: str) -> dict[str, Any]:
    candidates = list(found.candidates.defer("content"))
    rows, today = report.in_order(candidates), candidates[0]
    pack = packs.strictest(_packs())
    groups = list(report.by_group(today, pack.bands))[:GROUPS_SHOWN]
    one = next((row for row in candidates if str(row.number) == picked), today)
    made = DecisionMemo.objects.filter(run=found).select_related("author", "candidate").first()
    return {
        "run": found,
        "candidates": [_row(row, groups, search.protocol["metric"], pack.bands) for row in rows[: report.TOP + 1]],
        "others": max(0, len(rows) - report.TOP - 1),
        "groups": groups,
        "metric": search.protocol["metric"],
        "answer": _answer(candidates),
        "figure": figure.front(
            candidates, search.protocol["metric"], floor(today.performance, search.protocol), pack.bands.fail_ratio
        ),
        "one": one,
        "comparisons": report.comparisons(one, pack.bands),
        "one_made": report.made(one),
        "memo": made,
        "disappointments": memo.disappointments(made) if made else [],
        "memo_form": _memo_form(rows),
        "refused": [row for row in candidates if row.refused],
    }


def _row(one: Candidate, groups: Sequence[tuple[str, str]], metric: str, bands: Bands) -> dict[str, Any]:
    compared = report.by_group(one, bands)
    return {
        "candidate": one,
        "performance": one.figures.get(metric),
        "within": one.figures.get("within", False),
        "ratios": [compared.get(key) for key in groups],
        "remarks": report.remarks(one, bands),
    }


def _answer(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """What the page's user came for: is there one that is good enough and fairer?"""
    today, others = candidates[0], [one for one in candidates[1:] if one.pareto and one.figures.get("within")]
    better = [one for one in others if (one.worst_ratio or 0) > (today.worst_ratio or 0)]
    best = max(better, key=lambda one: one.worst_ratio or 0, default=None)
    compared = best.figures["comparisons"] if best else ()
    unsure = all(row["verdict"] == Verdict.TOO_LITTLE_DATA for row in compared)
    return {"best": best, "today": today, "count": len(better), "unsure": unsure}


def _memo_form(rows: Sequence[Candidate], data: Mapping[str, Any] | None = None) -> MemoForm:
    adoptable = [
        (str(one.number), f"Adopt candidate {one.number}, {one.generator}: worst ratio {one.worst_ratio:.2f}")
        for one in rows
        if one.pareto and one.number and not one.uses_group_at_decision
    ]
    return MemoForm(data, choices=[(KEEP, "Keep what is in use"), *adoptable])


@require_POST
@allowed("search:alternatives")
def decide(request: SignedInRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(SearchRun.objects.select_related("search"), search=pk)
    form = _memo_form(list(found.candidates.all()), request.POST)
    if not form.is_valid():
        messages.error(request, "Choose what is decided, and say why.")
        return redirect("alternatives_search", pk)
    number = form.cleaned_data["candidate"]
    candidate = None if number == KEEP else found.candidates.get(number=int(number))
    try:
        made = memo.decide(found, candidate, form.cleaned_data["rationale"], author=request.user, now=timezone.now())
    except (memo.NotAdoptable, memo.NoReason, memo.AlreadyDecided) as fault:
        messages.error(request, sentence(fault))
    except IntegrityError:  # somebody was faster: a run has one memo
        messages.error(request, "This search has been decided on already.")
    else:
        challenger = f" {made.model_name} is a challenger now." if made.model_name else ""
        messages.success(request, f"Decided.{challenger} Somebody in compliance who wrote neither signs it.")
    return redirect("alternatives_search", pk)


@require_POST
@allowed("sign:alternatives")
def sign(request: SignedInRequest, pk: int) -> HttpResponse:
    search, form = get_object_or_404(Search, pk=pk), SignatureForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            memo.sign(search, given["purpose"], person=request.user, now=timezone.now(), comment=given["comment"])
        except memo.NothingToSign as fault:
            messages.error(request, f"{fault}.")
        else:
            messages.success(request, "Signed.")
    return redirect("alternatives_search", pk)


@require_POST
@allowed("propose:rule")
def propose(request: SignedInRequest, pk: int) -> HttpResponse:
    """Draft the rule with the adopted threshold; its author submits it."""
    made = get_object_or_404(DecisionMemo.objects.select_related("run__search", "candidate"), run__search=pk)
    try:
        with transaction.atomic():
            change = memo.propose_threshold(made, author=request.user, now=timezone.now())
    except (memo.NotAdoptable, InvalidContent) as fault:
        messages.error(request, f"{fault}.")
        return redirect("alternatives_search", pk)
    return redirect("review", change.pk)


@require_POST
@allowed("sign:alternatives")
def waive(request: SignedInRequest) -> HttpResponse:
    form = WaiverForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            memo.waive(given["model"], given["reason"], _packs(), person=request.user, now=timezone.now())
        except (memo.NoReason, memo.NothingToSign) as fault:
            messages.error(request, f"{fault}.")
        else:
            messages.success(request, f"{given['model']} may go live without a search.")
    else:
        messages.error(request, "A waiver names a model and says why.")
    return redirect("alternatives")


@allowed("see:fairness")
def table(request: SignedInRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(Search, pk=pk, run__isnull=False)
    return _file(report.table(search), "text/csv", f"search-{pk}.csv")


@allowed("see:fairness")
def paper(request: SignedInRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(Search.objects.select_related("author", "run"), pk=pk, run__isnull=False)
    return _file(pdf.paper(search, timezone.now()), "application/pdf", f"search-{pk}.pdf")


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
