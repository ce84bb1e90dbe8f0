"""Proposals: the inbox, one page with everything an approver must see, and the steps of maker and checker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import differences
from console.access import SignedInRequest, allowed
from console.evidence_view import computing, shown
from console.forms import ApprovalForm, JustificationForm, ReasonForm
from console.paging import paged
from console.proposing import ask_for_evidence
from console.studio import studio
from console.templatetags.console import local_time
from console.waiting import changes_waiting_for
from fairness import gate
from fairness.evidence import candidate_content
from fairness.governance import readiness
from fairness.thresholds import DEFAULT, Verdict
from offers import approvals, golden, roles, snapshot
from offers.catalog import requirement
from offers.models import ChangeRequest, Evidence, Release

SCALE = (0.4, 1.4)  # of impact ratios
Status = ChangeRequest.Status
# What the domain refuses although the person may act at all: said on the page, not as a 403.
_REFUSALS = (
    gate.NoEvidence, gate.NotBroken, gate.FairnessFailed, gate.TooLittleData, gate.NoAlternatives, readiness.NotReady,
    ValueError, LookupError,
)  # fmt: skip


@allowed("see:reviews")
def inbox(request: SignedInRequest) -> HttpResponse:
    chosen = request.GET.get("state", "waiting")
    lists: dict[str, tuple[str, QuerySet[ChangeRequest]]] = {
        "waiting": ("Waiting for me", changes_waiting_for(request.user)),
        "submitted": ("In review", ChangeRequest.objects.filter(status=Status.SUBMITTED)),
        "mine": ("Mine", ChangeRequest.objects.filter(author=request.user)),
        "settled": ("Settled", ChangeRequest.objects.exclude(status__in=[Status.DRAFT, Status.SUBMITTED])),
    }
    chosen = chosen if chosen in lists else "waiting"
    verdicts = Evidence.objects.filter(change=OuterRef("pk"), content_hash=OuterRef("content_hash")).order_by("-id")
    rows = lists[chosen][1].select_related("author").defer("items")
    page = paged(rows.annotate(verdict=Subquery(verdicts.values("verdict")[:1])), request)
    return render(
        request,
        "reviews/inbox.html",
        {
            "tabs": [
                {"label": label, "href": f"?state={name}", "current": name == chosen}
                for name, (label, _) in lists.items()
            ],
            "changes": page.rows,
            "page": page,
        },
    )


@allowed("see:reviews")
def detail(request: SignedInRequest, change_id: int) -> HttpResponse:
    change = get_object_or_404(ChangeRequest.objects.select_related("author", "checker", "justified_by"), pk=change_id)
    release = Release.objects.filter(change=change).values_list("number", flat=True).first()
    live = Release.objects.order_by("-number").values_list("number", flat=True).first() or 0
    evidence = _evidence(change)
    return render(
        request,
        "reviews/detail.html",
        {
            "change": change,
            "release": release,
            "next_release": live + 1,
            "items": [
                {"difference": item, "href": _href(item.kind, item.key)} for item in differences.of_change(change)
            ],
            **evidence,
            "may": _may(change, request.user, evidence["evidence"]),
            "why_not": _why_not(change, request.user, evidence),
            "approvers": _approvers(change),
            "golden": _golden(change),
            "discussion": change.discussion.select_related("author"),
            "scheduled": approvals.is_scheduled(change),
            "held_because": gate.held_because(change),
            "edit_href": _edit_href(change),
        },
    )


def _approvers(change: ChangeRequest) -> list[tuple[str, list[str]]]:
    """For each kind in the change, the roles that may approve it."""
    return [
        (kind, [roles.ROLES[role] for role in roles.ROLES if role in roles.PERMISSIONS[f"approve:{kind}"]])
        for kind in sorted(approvals.kinds_to_check(change))
    ]


def _golden(change: ChangeRequest) -> list[dict[str, Any]]:
    """The golden tests of the rules in this change, run again; and what the change takes out of the live ones."""
    live = snapshot.live_row()
    before = live.content["rule"] if live else {}
    return [_tests_of(item, before.get(item["key"], {})) for item in change.items if item["kind"] == "rule"]


def _tests_of(item: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    content = item["content"] or {}
    tests, known = content.get("tests", []), before.get("tests", [])
    return {
        "rule": item["key"],
        "findings": studio.findings_of(item["key"], content) if content else [],
        "tests": [studio.tested_row(test) for test in golden.run(requirement(content), tests)] if tests else [],
        "dropped": [test["name"] for test in known if test not in tests] if item["content"] else [],
    }


def _edit_href(change: ChangeRequest) -> str:
    """Where its author edits the content again."""
    page = {"rule": "rule_edit", "boost": "boost_edit", "contact_policy": "contact_policy_edit"}.get(change.kind)
    if page is None or len(change.items) != 1 or change.items[0]["content"] is None:
        return ""
    return f"{reverse(page, args=[change.key])}?change={change.pk}"


def _href(kind: str, key: str) -> str:
    """The page of an item that has one."""
    if kind == "offer":
        return reverse("offer", args=[key])
    if kind == "rule":
        return reverse("rule", args=[key])
    return reverse("offer", args=[key.partition("/")[0]]) if kind in ("arm", "creative") else ""


def _evidence(change: ChangeRequest) -> dict[str, Any]:
    """The newest evidence on this content; while it is in review, whether it still covers what approval would make."""
    rows = Evidence.objects.filter(change=change, content_hash=change.content_hash)
    row = rows.exclude(verdict=Verdict.NOT_COMPUTED).first()
    in_review = change.status == Status.SUBMITTED
    stale = bool(row and in_review and not _covers(row, change))
    return {
        "evidence": shown(row) if row else None,
        "unclear": gate.unclear(row) if row else 0,
        "evidence_id": row.pk if row else None,
        "stale": stale,
        "computing": in_review and row is None,
        "job": computing(change),
        "scale": SCALE,
        "threshold": DEFAULT.fail_ratio,
    }


def _covers(row: Evidence, change: ChangeRequest) -> bool:
    """Whether the gate would take it now: on the live release, for the content that approval would make."""
    live = Release.objects.order_by("-number").values_list("number", flat=True).first()
    return row.base == live and row.candidate_hash == snapshot.content_hash(candidate_content(change))


def _may(change: ChangeRequest, person: User, evidence: dict[str, Any] | None) -> dict[str, bool]:
    """Which buttons stand on the page; the domain decides again when one is pressed."""
    own, status = change.author_id == person.pk, change.status
    submitted = status == Status.SUBMITTED
    checks = submitted and not own and approvals.may_check(change, person)
    failing = bool(evidence) and evidence is not None and Verdict(evidence["verdict"]).blocks
    broke = change.broken_by_id == person.pk
    breaks = submitted and not own and evidence is None and roles.may(person, "break_glass")
    return {
        "approve": checks and not broke and evidence is not None and (not failing or _signed(change, person)),
        "break_glass": breaks and change.broken_by_id is None,
        "break_through": breaks and checks and change.broken_by_id not in (None, person.pk),
        "reject": checks,
        "justify": status == Status.SUBMITTED and failing and not own and roles.may(person, "justify"),
        "compute": status == Status.SUBMITTED and (checks or own),
        "submit": own and status == Status.DRAFT,
        "reopen": own and submitted,
        "withdraw": own and (status in (Status.DRAFT, Status.SUBMITTED) or approvals.is_scheduled(change)),
        "cancel": not own and approvals.is_scheduled(change) and approvals.may_check(change, person),
        "discuss": roles.may(person, "discuss"),
    }


def _signed(change: ChangeRequest, person: User) -> bool:
    """Whether a third person has justified what fails; the gate looks closer."""
    return change.justified_by_id not in (None, person.pk) and change.justified_evidence_id is not None


def _why_not(change: ChangeRequest, person: User, seen: dict[str, Any]) -> str:
    """Why this person cannot approve a change in review now, "" if they can."""
    if change.status != Status.SUBMITTED:
        return ""
    if change.author_id == person.pk:
        return "You wrote it, so somebody else must check it."
    if not approvals.may_check(change, person):
        return "Your role does not approve changes of this kind."
    if seen["evidence"] is None:
        return "Its effect is not computed yet."
    if change.broken_by_id == person.pk:
        return "You broke the glass, so somebody else must approve it."
    if Verdict(seen["evidence"]["verdict"]).blocks and change.justified_by_id is None:
        return "Fair lending fails: the author edits it, or a compliance officer justifies it."
    return ""


@allowed("see:reviews")
def evidence(request: SignedInRequest, change_id: int) -> HttpResponse:
    """The evidence part alone, for a page that waits for it; a POST asks for it to be computed."""
    change = get_object_or_404(ChangeRequest, pk=change_id)
    if request.method == "POST":
        if not (change.author_id == request.user.pk or approvals.may_check(change, request.user)):
            raise PermissionError("only its author or its checker has the effect of a change computed")
        if ask_for_evidence(change.pk):
            messages.info(request, "The effect is being computed; it stands here in a moment.")
        else:
            messages.error(request, "The queue does not answer, so nothing is being computed. Try again in a moment.")
        return redirect("review", change_id=change_id)
    return render(request, "reviews/evidence.html", {"change": change, **_evidence(change)})


def _step(
    request: SignedInRequest, change_id: int, act: Callable[[], str], *, reason: str | None = None
) -> HttpResponse:
    """One step of maker or checker, with what came of it as a message on the proposal's page."""
    if reason == "":
        messages.error(request, "Say why, in words: nothing was changed.")
        return redirect("review", change_id=change_id)
    try:
        with transaction.atomic():
            done = act()
    except ChangeRequest.DoesNotExist:
        return redirect("reviews")
    except _REFUSALS as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
    else:
        messages.success(request, done)
    return redirect("review", change_id=change_id)


def _reason(request: SignedInRequest) -> str:
    form = ReasonForm(request.POST)
    return str(form.cleaned_data["comment"]) if form.is_valid() else ""


@require_POST
@allowed("see:reviews")
def approve(request: SignedInRequest, change_id: int) -> HttpResponse:
    """Approve now, or for the moment that was given."""
    form = ApprovalForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was changed: the time to go live is no date and time.")
        return redirect("review", change_id=change_id)
    given = form.cleaned_data

    def act() -> str:
        signed: dict[str, Any] = {
            "checker": request.user, "content_hash": given["content_hash"], "now": timezone.now(),
            "comment": given["comment"], "seen": given["evidence"],
            "little_data_because": given["little_data_because"],
        }  # fmt: skip
        if given["go_live_at"]:
            gate.schedule(change_id, go_live_at=given["go_live_at"], **signed)
            return f"Approved: it goes live {local_time(given['go_live_at'])}, if its evidence still allows it then."
        return f"Approved: live as release {gate.approve(change_id, **signed).number}."

    return _step(request, change_id, act)


def _said(request: SignedInRequest, change_id: int, act: Callable[[str, datetime], object], done: str) -> HttpResponse:
    """A step that takes a reason: `act` gets it and the moment."""
    reason = _reason(request)

    def step() -> str:
        act(reason, timezone.now())
        return done

    return _step(request, change_id, step, reason=reason)


def _done(request: SignedInRequest, change_id: int, act: Callable[[datetime], object], done: str) -> HttpResponse:
    """A step that takes none."""

    def step() -> str:
        act(timezone.now())
        return done

    return _step(request, change_id, step)


@require_POST
@allowed("discuss")
def discuss(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(text: str, now: datetime) -> object:
        return approvals.discuss(change_id, author=request.user, text=text, now=now)

    return _said(request, change_id, act, "Said.")


@require_POST
@allowed("break_glass")
def break_glass(request: SignedInRequest, change_id: int) -> HttpResponse:
    """The first of two says what cannot wait; the second puts it live."""
    reason, second = _reason(request), "content_hash" in request.POST

    def first() -> str:
        approvals.break_glass(change_id, officer=request.user, reason=reason, now=timezone.now())
        return "The glass is broken. Somebody else who may do so puts it live now."

    def through() -> str:
        release = gate.break_glass(
            change_id, checker=request.user, content_hash=request.POST["content_hash"], now=timezone.now(),
            comment=reason,
        )  # fmt: skip
        transaction.on_commit(lambda: ask_for_evidence(change_id))
        return f"Live as release {release.number}, without evidence, which is computed now. The audit trail shouts it."

    return _step(request, change_id, through if second else first, reason=reason)


@require_POST
@allowed("see:reviews")
def cancel(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(reason: str, now: datetime) -> object:
        return approvals.cancel(change_id, checker=request.user, reason=reason, now=now)

    return _said(request, change_id, act, "Cancelled: it does not go live.")


@require_POST
@allowed("see:reviews")
def reject(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(reason: str, now: datetime) -> object:
        return approvals.reject(change_id, checker=request.user, reason=reason, now=now)

    return _said(request, change_id, act, "Rejected. The author sees why.")


@require_POST
@allowed("see:reviews")
def send_back(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(reason: str, now: datetime) -> object:
        return approvals.request_changes(change_id, checker=request.user, reason=reason, now=now)

    return _said(request, change_id, act, "Sent back to its author.")


@require_POST
@allowed("justify")
def justify(request: SignedInRequest, change_id: int) -> HttpResponse:
    form = JustificationForm(request.POST)
    alternatives = str(form.cleaned_data["alternatives"]) if form.is_valid() else ""

    def act(reason: str, now: datetime) -> object:
        return approvals.justify(
            change_id, officer=request.user, justification=reason, alternatives=alternatives, now=now
        )

    return _said(request, change_id, act, "Recorded. Whoever may approve it can do so now.")


@require_POST
@allowed("see:reviews")
def reopen(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(now: datetime) -> object:
        return approvals.reopen(change_id, author=request.user, now=now)

    return _done(request, change_id, act, "It is a draft again. What was signed so far has lapsed.")


@require_POST
@allowed("see:reviews")
def submit(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(now: datetime) -> object:
        transaction.on_commit(lambda: ask_for_evidence(change_id))
        return approvals.submit(change_id, author=request.user, now=now)

    return _done(request, change_id, act, "Submitted. Somebody else must approve it before it is live.")


@require_POST
@allowed("see:reviews")
def withdraw(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act(now: datetime) -> object:
        return approvals.withdraw(change_id, author=request.user, now=now)

    return _done(request, change_id, act, "Withdrawn.")
