"""Proposals: the inbox, one page with everything an approver must see, and the steps of maker and checker."""

from __future__ import annotations

from collections.abc import Callable
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
from console.evidence_view import shown
from console.forms import ReasonForm
from console.paging import paged
from console.proposing import ask_for_evidence
from console.waiting import changes_waiting_for
from fairness import gate
from fairness.evidence import candidate_content
from fairness.thresholds import FOUR_FIFTHS, Verdict
from offers import approvals, roles, snapshot
from offers.models import ChangeRequest, Evidence, Release

SCALE = (0.4, 1.4)  # of impact ratios
Status = ChangeRequest.Status
# What the domain refuses although the person may act at all: said on the page, not as a 403.
_REFUSALS = (gate.NoEvidence, gate.FairnessFailed, ValueError, LookupError)


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
        },
    )


def _href(kind: str, key: str) -> str:
    """The page of an item that has one."""
    if kind == "offer":
        return reverse("offer", args=[key])
    if kind == "rule":
        return reverse("rule", args=[key])
    return reverse("offer", args=[key.partition("/")[0]]) if kind in ("arm", "creative") else ""


def _evidence(change: ChangeRequest) -> dict[str, Any]:
    """The newest evidence on this content; while it is in review, whether it still covers what approval would make."""
    row = Evidence.objects.filter(change=change, content_hash=change.content_hash).first()
    in_review = change.status == Status.SUBMITTED
    stale = bool(row and in_review and row.candidate_hash != snapshot.content_hash(candidate_content(change)))
    return {
        "evidence": shown(row) if row else None,
        "stale": stale,
        "computing": in_review and row is None,
        "scale": SCALE,
        "threshold": FOUR_FIFTHS,
    }


def _may(change: ChangeRequest, person: User, evidence: dict[str, Any] | None) -> dict[str, bool]:
    """Which buttons stand on the page; the domain decides again when one is pressed."""
    own, status = change.author_id == person.pk, change.status
    checks = status == Status.SUBMITTED and not own and _may_check(change, person)
    failing = bool(evidence) and evidence is not None and Verdict(evidence["verdict"]).blocks
    return {
        "approve": checks and evidence is not None and (not failing or change.justified_by_id not in (None, person.pk)),
        "reject": checks,
        "justify": status == Status.SUBMITTED and failing and not own and roles.may(person, "justify"),
        "compute": status == Status.SUBMITTED and (checks or own),
        "submit": own and status == Status.DRAFT,
        "withdraw": own and status in (Status.DRAFT, Status.SUBMITTED),
    }


def _may_check(change: ChangeRequest, person: User) -> bool:
    return all(roles.may(person, f"approve:{kind}") for kind in {change.kind, *(item["kind"] for item in change.items)})


def _why_not(change: ChangeRequest, person: User, seen: dict[str, Any]) -> str:
    """Why this person cannot approve a change in review now, "" if they can."""
    if change.status != Status.SUBMITTED:
        return ""
    if change.author_id == person.pk:
        return "You wrote it, so somebody else must check it."
    if not _may_check(change, person):
        return "Your role does not approve changes of this kind."
    if seen["evidence"] is None:
        return "Its effect is not computed yet."
    if Verdict(seen["evidence"]["verdict"]).blocks and change.justified_by_id is None:
        return "Fair lending fails: the author edits it, or a compliance officer justifies it."
    return ""


@allowed("see:reviews")
def evidence(request: SignedInRequest, change_id: int) -> HttpResponse:
    """The evidence part alone, for a page that waits for it; a POST asks for it to be computed."""
    change = get_object_or_404(ChangeRequest, pk=change_id)
    if request.method == "POST":
        if not (change.author_id == request.user.pk or _may_check(change, request.user)):
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
        messages.error(request, "Say why, so that the author can act on it.")
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
    def act() -> str:
        release = gate.approve(
            change_id,
            checker=request.user,
            content_hash=request.POST.get("content_hash", ""),
            now=timezone.now(),
            comment=request.POST.get("comment", ""),
        )
        return f"Approved: live as release {release.number}."

    return _step(request, change_id, act)


@require_POST
@allowed("see:reviews")
def reject(request: SignedInRequest, change_id: int) -> HttpResponse:
    reason = _reason(request)

    def act() -> str:
        approvals.reject(change_id, checker=request.user, reason=reason, now=timezone.now())
        return "Rejected. The author sees why."

    return _step(request, change_id, act, reason=reason)


@require_POST
@allowed("see:reviews")
def send_back(request: SignedInRequest, change_id: int) -> HttpResponse:
    reason = _reason(request)

    def act() -> str:
        approvals.request_changes(change_id, checker=request.user, reason=reason, now=timezone.now())
        return "Sent back to its author."

    return _step(request, change_id, act, reason=reason)


@require_POST
@allowed("justify")
def justify(request: SignedInRequest, change_id: int) -> HttpResponse:
    reason = _reason(request)

    def act() -> str:
        approvals.justify(change_id, officer=request.user, justification=reason, now=timezone.now())
        return "Recorded. A risk officer can approve it now."

    return _step(request, change_id, act, reason=reason)


@require_POST
@allowed("see:reviews")
def submit(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act() -> str:
        approvals.submit(change_id, author=request.user, now=timezone.now())
        transaction.on_commit(lambda: ask_for_evidence(change_id))
        return "Submitted. Somebody else must approve it before it is live."

    return _step(request, change_id, act)


@require_POST
@allowed("see:reviews")
def withdraw(request: SignedInRequest, change_id: int) -> HttpResponse:
    def act() -> str:
        approvals.withdraw(change_id, author=request.user, now=timezone.now())
        return "Withdrawn."

    return _step(request, change_id, act)
