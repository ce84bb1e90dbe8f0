"""Decisions: found, explained from their record, and replayed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.paging import paged
from console.trace import trace
from console.views import explanations
from console.whole_number import whole_number
from decisioning import activity, replay, runtime
from decisioning.explanation import asked, explain, overridden
from decisioning.models import Customer, Outcome
from decisioning.models import Decision as DecisionRow
from fairness.governance.examiner import scope
from offers import roles
from offers.models import Arm, EligibilityRule, Offer, Release
from offers.types import CHANNELS

REASONS = ("NO_CONSENT", "SUPPRESSED", "CAPPED", "NO_ELIGIBLE_OFFER", "STOPPED", "HOLDOUT", "NOT_NOW")
PROPOSED = 200  # offers that the filter proposes
LOOK_BACK = timedelta(days=31)  # how far a search without a customer goes back from its day


@allowed("see:decisions")
def index(request: SignedInRequest) -> HttpResponse:
    """The newest decisions that match; without a customer, of one month, so that no search reads the whole log."""
    filters = {
        name: request.GET.get(name, "").strip() for name in ("customer", "offer", "channel", "reason", "day", "release")
    }
    rows = DecisionRow.objects.defer("inputs", "result", "digest")
    for column in ("offer", "channel", "reason"):
        if filters[column]:
            rows = rows.filter(**{column: filters[column]})
    day = _day(filters["day"])
    if filters["day"] and day is None:
        rows = rows.none()
    if day:
        rows = rows.filter(id__lt=activity.first_id(_midnight(day + timedelta(days=1))))
    unknown = False
    if filters["customer"]:
        customer = Customer.objects.filter(external_id=filters["customer"]).values_list("id", flat=True).first()
        unknown = customer is None
        rows = rows.filter(customer_id=customer or 0)
    number = whole_number(filters["release"])
    if number is not None:
        rows = _under(rows, number)
    elif not filters["customer"]:
        rows = rows.filter(id__gte=activity.first_id(_midnight(day or timezone.now().date()) - LOOK_BACK))
    page = paged(rows, request)
    return render(
        request,
        "decisions/search.html",
        {
            "decisions": _listed(page.rows),
            "filters": filters,
            "unknown": unknown,
            "no_day": bool(filters["day"]) and day is None,
            "channels": CHANNELS,
            "reasons": REASONS,
            "offers": Offer.objects.order_by("key").values_list("key", "title")[:PROPOSED],
            "page": page,
        },
    )


def _under(rows: QuerySet[DecisionRow], number: int) -> QuerySet[DecisionRow]:
    """Those made under a release; its time bounds what is read, and a minute more, for what was on its way."""
    times = dict(Release.objects.filter(number__in=[number, number + 1]).values_list("number", "published_at"))
    if number not in times:
        return rows.none()
    rows = rows.filter(release=number, id__gte=activity.first_id(times[number] - timedelta(minutes=1)))
    until = times.get(number + 1)
    return rows.filter(id__lt=activity.first_id(until + timedelta(minutes=1))) if until else rows


def _day(text: str) -> date | None:
    """A day that decisions can have been made on; None for anything else."""
    try:
        found = parse_date(text)
    except ValueError:
        return None
    return found if found and scope.EARLIEST <= found <= scope.LATEST else None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _listed(rows: list[DecisionRow]) -> list[dict[str, Any]]:
    customers = dict(Customer.objects.filter(id__in={row.customer_id for row in rows}).values_list("id", "external_id"))
    offers = dict(Offer.objects.filter(key__in={row.offer for row in rows}).values_list("key", "title"))
    arms = dict(Arm.objects.filter(key__in={row.arm for row in rows}).values_list("key", "title"))
    return [
        {
            "href": reverse("decision", args=[row.id]),
            "customer": customers.get(row.customer_id) or "erased",
            "made_at": row.made_at,
            "channel": row.channel,
            "placement": row.placement,
            "offer": offers.get(row.offer, row.offer) if row.offer else None,
            "arm": arms.get(row.arm, row.arm) if row.arm else None,
            "action_probability": row.action_probability,
            "reason": row.reason,
            "degraded": row.degraded,
            "release": row.release,
            "took_us": row.took_us,
        }
        for row in rows
    ]


@allowed("see:decisions")
def detail(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    row = explanations.found(decision_id)
    customer = Customer.objects.filter(id=row.customer_id).values_list("external_id", flat=True).first()
    return render(
        request,
        "decisions/detail.html",
        {
            **_explained(row, customer),
            "tabs": explanations.tabs(row, "trace"),
            "may_replay": roles.may(request.user, "replay"),
            # Who opens a decision wants to know whether it is what was decided: no click for that.
            "replay": _replayed(row),
        },
    )


def _explained(row: DecisionRow, customer: str | None) -> dict[str, Any]:
    plan = runtime.plan(row.release)
    return {
        "decision": _decision(row, customer),
        "overridden": overridden(asked(row)),
        **trace(explain(row), customer or "an erased customer", plan.release.offers[row.offer] if row.offer else None),
        "why": plan.why(row.arm) if row.arm else "",
        "outcomes": _outcomes(row),
    }


@require_POST
@allowed("replay")
def run_replay(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """Decide again from the record and compare; the fragment for htmx, the whole page without JavaScript."""
    row = explanations.found(decision_id)
    result = _replayed(row)
    customer = Customer.objects.filter(id=row.customer_id).values_list("external_id", flat=True).first()
    if request.htmx:
        fragment = {"decision": _decision(row, customer), "replay": result}
        return render(request, "decisions/replay.html", fragment)
    page = {"tabs": explanations.tabs(row, "trace"), "may_replay": True, "replay": result}
    return render(request, "decisions/detail.html", {**_explained(row, customer), **page})


def _replayed(row: DecisionRow) -> dict[str, Any]:
    again = replay.replay(row)
    return {
        "identical": again.identical,
        "intact": again.intact,
        "at": timezone.now(),
        "machine": again.machine,
        "differences": [{"path": path, "recorded": old, "again": new} for path, old, new in again.differences],
    }


def _decision(row: DecisionRow, customer: str | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "customer": customer,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "channel": row.channel,
        "placement": row.placement,
        "reason": row.reason,
        "release": row.release,
        "model": row.model,
        "posterior": row.posterior,
        "took_us": row.took_us,
        "degraded": row.degraded,
        "digest": bytes(row.digest).hex(),
    }


def _outcomes(row: DecisionRow) -> list[dict[str, Any]]:
    rows = Outcome.objects.filter(customer_id=row.customer_id, decision_id=row.id).order_by("occurred_at")
    names = dict(Offer.objects.filter(key__in={outcome.offer for outcome in rows}).values_list("key", "title"))
    return [
        {"at": outcome.occurred_at, "type": outcome.type, "offer": names.get(outcome.offer, outcome.offer)}
        for outcome in rows
    ]


@allowed()
def search(request: SignedInRequest) -> HttpResponse:
    """Where the search box leads: a decision, an offer, a rule or a customer by its id, else the offers that match."""
    text = request.GET.get("q", "").strip()
    if roles.may(request.user, "see:decisions"):
        decision = _uuid(text)
        if decision:
            return redirect("decision", decision_id=decision)
    if roles.may(request.user, "see:customers") and text and Customer.objects.filter(external_id=text).exists():
        return redirect("customer", external_id=text)
    if Offer.objects.filter(key=text).exists():
        return redirect("offer", key=text)
    if EligibilityRule.objects.filter(key=text).exists():
        return redirect("rule", key=text)
    return redirect(f"{reverse('offers')}?{urlencode({'q': text})}")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
