"""Requests of customers for an explanation, a correction or a person: the queue, one request, and its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.compliance.request_forms import AnswerForm, RefusalForm, RequestForm, ReviewForm
from console.paging import paged
from decisioning.decision_log import UnknownDecision
from decisioning.models import Customer
from decisioning.models import Decision as DecisionRow
from fairness.explanations import requests
from fairness.explanations.requests import CLOSED, Kind
from fairness.models import CustomerRequest
from offers import roles
from offers.approvals import NoReason, WrongStatus

_REFUSALS = (NoReason, WrongStatus, requests.OtherCustomer, UnknownDecision)
_FIRST = 100  # waiting requests on the page; who has more needs people, not a longer page


@allowed("see:requests")
def index(request: SignedInRequest) -> HttpResponse:
    """What waits, the overdue first; or what is closed, the newest first."""
    now = timezone.now()
    closed = request.GET.get("state") == "closed"
    page = paged(CustomerRequest.objects.filter(state__in=CLOSED), request) if closed else None
    rows = page.rows if page else list(requests.waiting().select_related("assignee")[:_FIRST])
    return render(
        request,
        "requests/list.html",
        {
            "tabs": [
                {"label": "Waiting", "href": "?", "current": not closed},
                {"label": "Closed", "href": "?state=closed", "current": closed},
            ],
            "requests": _rows(rows, now),
            "page": page,
            "waiting": requests.waiting().count(),
            "overdue": requests.overdue(now).count(),
            "may_open": roles.may(request.user, "work:requests"),
        },
    )


def _rows(rows: Sequence[CustomerRequest], now: datetime) -> list[dict[str, Any]]:
    names = dict(Customer.objects.filter(pk__in={row.customer_id for row in rows}).values_list("pk", "external_id"))
    return [_row(row, names.get(row.customer_id), now) for row in rows]


def _row(row: CustomerRequest, customer: str | None, now: datetime) -> dict[str, Any]:
    late = (row.answered_at or now) > row.due_at
    return {"item": row, "customer": customer, "late": late, "closed": row.state in CLOSED}


@allowed("see:requests")
def detail(request: SignedInRequest, request_id: int) -> HttpResponse:
    return _page(request, _found(request_id), {})


def _found(request_id: int) -> CustomerRequest:
    return get_object_or_404(
        CustomerRequest.objects.select_related("opened_by", "assignee", "answered_by"), pk=request_id
    )


def _page(request: SignedInRequest, row: CustomerRequest, forms: dict[str, Form], status: int = 200) -> HttpResponse:
    customer = Customer.objects.filter(pk=row.customer_id).values_list("external_id", flat=True).first()
    ending = ReviewForm if row.kind == Kind.HUMAN_REVIEW else AnswerForm
    context = {
        **_row(row, customer, timezone.now()),
        "may_work": roles.may(request.user, "work:requests") and row.state not in CLOSED,
        "mine": row.assignee_id == request.user.pk,
        "end": forms.get("end") or ending(auto_id="end_%s"),
        "refusal": forms.get("refusal") or RefusalForm(auto_id="refusal_%s"),
    }
    return render(request, "requests/detail.html", context, status=status)


@allowed("work:requests")
def new(request: SignedInRequest) -> HttpResponse:
    """Record a request, also from a decision, whose customer is filled in."""
    form = RequestForm(request.POST if request.method == "POST" else None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        made = _open(request, form)
        if made:
            messages.success(request, f"Recorded. It is due on {timezone.localtime(made.due_at):%-d %B %Y}.")
            return redirect("request", request_id=made.pk)
    return render(request, "requests/new.html", {"form": form}, status=400 if form.errors else 200)


def _initial(request: SignedInRequest) -> dict[str, Any]:
    given = {"decision": request.GET.get("decision", ""), "customer": request.GET.get("customer", "")}
    form = RequestForm({**given, "kind": Kind.EXPLANATION, "question": "-"})
    form.is_valid()
    decision = form.cleaned_data.get("decision")
    if decision and not given["customer"]:
        key = DecisionRow.objects.filter(id=decision).values_list("customer_id", flat=True).first() or 0
        given["customer"] = Customer.objects.filter(pk=key).values_list("external_id", flat=True).first() or ""
    return given


def _open(request: SignedInRequest, form: RequestForm) -> CustomerRequest | None:
    """None where it was refused, with the reason in the form."""
    given, now = form.cleaned_data, timezone.now()
    customer = Customer.objects.filter(external_id=given["customer"]).values_list("pk", flat=True).first()
    if customer is None:
        form.add_error("customer", "No customer has this id.")
        return None
    day = given["received_on"]
    received = datetime.combine(day, time(), UTC) if day and day != now.date() else now
    try:
        return requests.open_request(
            kind=given["kind"], customer=customer, question=given["question"], by=request.user, now=now,
            decision=given["decision"], received_at=received,
        )  # fmt: skip
    except UnknownDecision:
        form.add_error("decision", "No decision has this id.")
    except (requests.OtherCustomer, NoReason, WrongStatus) as refusal:
        form.add_error(None, f"{str(refusal).capitalize()}.")
    return None


@require_POST
@allowed("work:requests")
def take(request: SignedInRequest, request_id: int) -> HttpResponse:
    return _step(request, request_id, lambda now: requests.take(request_id, by=request.user, now=now), "It is yours.")


@require_POST
@allowed("work:requests")
def close(request: SignedInRequest, request_id: int) -> HttpResponse:
    """Answer it; of a human review, with whether the decision was wrong."""
    row = _found(request_id)
    is_review = row.kind == Kind.HUMAN_REVIEW
    form = (ReviewForm if is_review else AnswerForm)(request.POST, auto_id="end_%s")
    if not form.is_valid():
        return _page(request, row, {"end": form}, 400)
    given = form.cleaned_data

    def act(now: datetime) -> object:
        if is_review:
            return requests.review(
                request_id, wrong=given["wrong"], text=given["answer"], remedy=given["remedy"], by=request.user, now=now
            )
        return requests.answer(request_id, text=given["answer"], by=request.user, now=now)

    return _step(request, request_id, act, "Closed. What the customer is told stands on this page.")


@require_POST
@allowed("work:requests")
def refuse(request: SignedInRequest, request_id: int) -> HttpResponse:
    form = RefusalForm(request.POST, auto_id="refusal_%s")
    if not form.is_valid():
        return _page(request, _found(request_id), {"refusal": form}, 400)
    reason = form.cleaned_data["reason"]

    def act(now: datetime) -> object:
        return requests.refuse(request_id, reason=reason, by=request.user, now=now)

    return _step(request, request_id, act, "Refused, with the reason.")


def _step(request: SignedInRequest, request_id: int, act: Callable[[datetime], object], done: str) -> HttpResponse:
    _found(request_id)
    try:
        act(timezone.now())
    except _REFUSALS as refusal:
        messages.error(request, f"{str(refusal).capitalize()}.")
    else:
        messages.success(request, done)
    return redirect("request", request_id=request_id)
