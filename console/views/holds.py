"""Legal holds: what is kept from every purge and why, placing one, and ending one that somebody else placed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.compliance.hold_forms import HoldForm
from console.forms import ReasonForm
from console.paging import paged
from decisioning import partitions
from decisioning.models import Customer
from fairness import holds
from fairness.models import LegalHold
from offers import roles


@allowed("see:audit")
def index(request: SignedInRequest) -> HttpResponse:
    """What is held now, or what was; and the form of those who may hold."""
    may = roles.may(request.user, holds.HOLD)
    form = HoldForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and _placed(request, form):
        return redirect("holds")
    ended = request.GET.get("state") == "ended"
    rows = LegalHold.objects.filter(end__isnull=not ended).select_related("placed_by", "end__ended_by")
    page = paged(rows, request)
    return render(
        request,
        "holds/list.html",
        {
            "tabs": [
                {"label": "In force", "href": "?", "current": not ended},
                {"label": "Ended", "href": "?state=ended", "current": ended},
            ],
            "rows": _rows(page.rows, request),
            "page": page,
            "ended": ended,
            "in_force": LegalHold.objects.filter(end__isnull=True).count(),
            "months": partitions.retention_months(timezone.now().date()),
            "form": form if may else None,
        },
    )


def _placed(request: SignedInRequest, form: HoldForm) -> bool:
    roles.require(request.user, holds.HOLD)
    if not form.is_valid():
        return False
    try:
        with transaction.atomic():
            holds.place(form.held(), form.cleaned_data["reason"], by=request.user, now=timezone.now())
    except (holds.NoReason, holds.NothingHeld) as refused:
        form.add_error(None, f"{refused}.".capitalize())
        return False
    messages.success(request, "Held. No purge takes these records until another officer ends the hold.")
    return True


def _rows(found: list[LegalHold], request: SignedInRequest) -> list[dict[str, Any]]:
    names: dict[int, str | None] = {}
    if roles.may(request.user, "see:customers"):
        keys = {hold.customer_id for hold in found if hold.customer_id}
        names = dict(Customer.objects.filter(pk__in=keys).values_list("pk", "external_id"))
    may = roles.may(request.user, holds.HOLD)
    return [
        {
            "hold": hold,
            "customer": names.get(hold.customer_id or 0),
            "own": hold.placed_by_id == request.user.pk,
            "may_end": may and hold.placed_by_id != request.user.pk,
        }
        for hold in found
    ]


@require_POST
@allowed(holds.HOLD)
def end(request: SignedInRequest, hold_id: int) -> HttpResponse:
    get_object_or_404(LegalHold, pk=hold_id)
    form = ReasonForm(request.POST)
    why = form.cleaned_data["comment"] if form.is_valid() else ""
    try:
        with transaction.atomic():
            holds.end(hold_id, why, by=request.user, now=timezone.now())
        messages.success(request, "Ended. The next purge takes what is past its months.")
    except (holds.NoReason, holds.AlreadyEnded) as refused:
        messages.error(request, f"{refused}.".capitalize())
    return redirect("holds")
