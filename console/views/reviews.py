"""Proposals: the inbox, one page with everything an approver must see, and the steps of maker and checker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import review_page
from console.access import SignedInRequest, allowed
from console.evidence_view import computing
from console.forms import ApprovalForm, JustificationForm, ReasonForm
from console.paging import paged
from console.proposing import ask_for_evidence
from console.templatetags.console import local_time
from console.waiting import changes_waiting_for
from console.whole_number import whole_number
from fairness import gate
from fairness.governance import readiness
from offers import approvals
from offers.models import ChangeRequest, Evidence

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
    return _page(request, change_id)


def _page(request: SignedInRequest, change_id: int, *, refused: str = "") -> HttpResponse:
    """The proposal; after a `refused` step, the form of that step is open and holds what was typed."""
    change = get_object_or_404(ChangeRequest.objects.select_related("author", "checker", "justified_by"), pk=change_id)
    shown = review_page.context(change, request.user, _asked(request))
    typed = request.POST if refused else {}
    return render(request, "reviews/detail.html", {**shown, "opened": refused, "typed": typed})


def _asked(request: SignedInRequest) -> int | None:
    """The newest computation when one more was asked for, as the address tells."""
    return whole_number(request.GET.get("asked", ""))


@allowed("see:reviews")
def evidence(request: SignedInRequest, change_id: int) -> HttpResponse:
    """The evidence part alone, for a page that waits for it; a POST asks for it to be computed."""
    change = get_object_or_404(ChangeRequest, pk=change_id)
    if request.method == "POST":
        if not (change.author_id == request.user.pk or approvals.may_check(change, request.user)):
            raise PermissionError("only its author or its checker has the effect of a change computed")
        return _ask(request, change)
    shown = review_page.deciding(change, request.user, _asked(request))
    # Once it has come, the buttons and the reason why there are none come along, apart from the part that asked.
    return render(request, "reviews/evidence.html", {**shown, "apart": bool(request.htmx) and not shown["awaited"]})


def _ask(request: SignedInRequest, change: ChangeRequest) -> HttpResponse:
    """Have it computed, and come back to a page that waits until the worker has begun."""
    address, before = reverse("review", args=[change.pk]), computing(change)
    if before and before["running"]:
        return redirect(address)
    if not ask_for_evidence(change.pk):
        messages.error(request, "The queue does not answer, so nothing is being computed. Try again in a moment.")
        return redirect(address)
    return redirect(f"{address}?asked={before['number'] if before else 0}")


def _step(
    request: SignedInRequest, change_id: int, act: Callable[[], str], *, reason: str | None = None
) -> HttpResponse:
    """One step of maker or checker, with what came of it as a message on the proposal's page."""
    if reason == "":
        messages.error(request, "Say why, in words: nothing was changed.")
        return _page(request, change_id, refused=_named(request))
    try:
        with transaction.atomic():
            done = act()
    except ChangeRequest.DoesNotExist:
        return redirect("reviews")
    except _REFUSALS as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
        return _page(request, change_id, refused=_named(request))
    messages.success(request, done)
    return redirect("review", change_id=change_id)


def _named(request: SignedInRequest) -> str:
    """The step that was tried: "approve" at "review_approve"."""
    found = request.resolver_match
    return found.url_name.removeprefix("review_") if found and found.url_name else ""


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
        return _page(request, change_id, refused=_named(request))
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
