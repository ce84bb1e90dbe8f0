"""Findings: what is open and overdue first, one with its evidence and history, and the steps until it is signed off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.compliance import finding_words
from console.compliance.finding_forms import AssignForm, RemedyForm
from console.forms import ReasonForm
from console.paging import paged
from fairness import findings
from fairness.findings import KINDS, Status
from fairness.models import Finding
from offers import roles
from offers.approvals import NoReason, SelfApproval, WrongStatus

_REFUSALS = (NoReason, SelfApproval, WrongStatus, roles.NotAllowed)


@allowed("see:findings")
def index(request: SignedInRequest) -> HttpResponse:
    today = timezone.now().date()
    unsettled = Finding.objects.exclude(status=Status.CLOSED)
    lists: dict[str, tuple[str, QuerySet[Finding]]] = {
        "open": ("Open", Finding.objects.filter(status=Status.OPEN)),
        "overdue": ("Overdue", unsettled.filter(due_on__lt=today)),
        "mine": ("Mine", unsettled.filter(owner=request.user)),
        "remedied": ("Wait for sign-off", Finding.objects.filter(status=Status.REMEDIED)),
        "closed": ("Closed", Finding.objects.filter(status=Status.CLOSED)),
    }
    chosen = request.GET.get("state", "open")
    chosen = chosen if chosen in lists else "open"
    page = paged(lists[chosen][1].select_related("owner"), request)
    return render(
        request,
        "findings/list.html",
        {
            "tabs": [
                {"label": label, "href": f"?state={name}", "current": name == chosen}
                for name, (label, _) in lists.items()
            ],
            "findings": [_row(finding, today) for finding in page.rows],
            "page": page,
            "open": unsettled.count(),
            "overdue": lists["overdue"][1].count(),
        },
    )


def _row(finding: Finding, today: Any) -> dict[str, Any]:
    late = finding.status != Status.CLOSED and finding.due_on < today
    kind = KINDS.get(finding.kind, finding.kind)
    return {"finding": finding, "kind": kind, "cause": finding_words.cause(finding), "late": late}


@allowed("see:findings")
def detail(request: SignedInRequest, finding_id: int) -> HttpResponse:
    finding = get_object_or_404(
        Finding.objects.select_related("owner", "remedied_by", "closed_by", "stop"), pk=finding_id
    )
    works = roles.may(request.user, "work:findings")
    remedied = finding.status == Status.REMEDIED
    return render(
        request,
        "findings/detail.html",
        {
            **_row(finding, timezone.now().date()),
            "evidence": finding_words.figures(finding.evidence),
            "pages": finding_words.pages(finding),
            "history": [
                {"event": event, "detail": finding_words.figures(event.detail)}
                for event in finding.history.order_by("-id")[:100]
            ],
            "assign": AssignForm(_workers(), initial={"owner": finding.owner_id, "due_on": finding.due_on}),
            "may": {
                "assign": works and finding.status != Status.CLOSED,
                "remedy": works and finding.status == Status.OPEN,
                "close": remedied and roles.may(request.user, "close:findings")
                and finding.remedied_by_id != request.user.pk,
            },
            "own_remedy": remedied and finding.remedied_by_id == request.user.pk,
        },
    )  # fmt: skip


def _workers() -> QuerySet[User]:
    """Who may work on findings at all."""
    holders = roles.PERMISSIONS["work:findings"]
    return User.objects.filter(is_active=True, groups__name__in=holders).distinct().order_by("username")


@require_POST
@allowed("work:findings")
def assign(request: SignedInRequest, finding_id: int) -> HttpResponse:
    form = AssignForm(_workers(), request.POST)
    if not form.is_valid():
        return _refused(request, finding_id, form.errors)
    given = form.cleaned_data

    def act(now: datetime) -> object:
        return findings.assign(finding_id, owner=given["owner"], due_on=given["due_on"], by=request.user, now=now)

    return _step(request, finding_id, act, f"{given['owner'].get_username()} answers for it now.")


@require_POST
@allowed("work:findings")
def remedy(request: SignedInRequest, finding_id: int) -> HttpResponse:
    form = RemedyForm(request.POST)
    if not form.is_valid():
        return _refused(request, finding_id, form.errors)

    def act(now: datetime) -> object:
        return findings.remedy(finding_id, by=request.user, now=now, **form.cleaned_data)

    return _step(request, finding_id, act, "Recorded. Somebody else in compliance signs it off.")


@require_POST
@allowed("close:findings")
def close(request: SignedInRequest, finding_id: int) -> HttpResponse:
    def act(reason: str, now: datetime) -> object:
        return findings.close(finding_id, note=reason, by=request.user, now=now)

    return _said(request, finding_id, act, "Signed off. It is closed.")


@require_POST
@allowed("close:findings")
def send_back(request: SignedInRequest, finding_id: int) -> HttpResponse:
    def act(reason: str, now: datetime) -> object:
        return findings.send_back(finding_id, reason=reason, by=request.user, now=now)

    return _said(request, finding_id, act, "Sent back: it is open again.")


def _said(request: SignedInRequest, finding_id: int, act: Callable[[str, datetime], object], done: str) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _refused(request, finding_id, form.errors)
    return _step(request, finding_id, lambda now: act(form.cleaned_data["comment"], now), done)


def _step(request: SignedInRequest, finding_id: int, act: Callable[[datetime], object], done: str) -> HttpResponse:
    try:
        act(timezone.now())
    except Finding.DoesNotExist:
        return redirect("findings")
    except _REFUSALS as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
    else:
        messages.success(request, done)
    return redirect("finding", finding_id=finding_id)


def _refused(request: SignedInRequest, finding_id: int, errors: Mapping[str, Any]) -> HttpResponse:
    named = "; ".join(f"{field.replace('_', ' ')}: {' '.join(found)}" for field, found in errors.items())
    messages.error(request, f"Nothing was changed. {named}")
    return redirect("finding", finding_id=finding_id)
