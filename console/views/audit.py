"""The audit trail: the state of its chain first, then its events."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import orjson
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.paging import paged
from console.templatetags.console import amount
from fairness.governance import anchoring
from fairness.models import Anchor
from offers.models import AuditEvent

_ANCHORS = 5  # shown
_LATE = timedelta(hours=36)
_PAGES = {
    "change": "review", "customer": "customer_by_key", "finding": "finding", "search": "alternatives_search",
    "release": "release", "pair": "individuals_pair",
}  # fmt: skip


@allowed("see:audit")
def index(request: SignedInRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("actor", "action", "subject")}
    rows = AuditEvent.objects.filter(**{name: value for name, value in filters.items() if value})
    page = paged(rows, request, "sequence")
    actions = AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct()
    events = [
        {
            "sequence": event.sequence,
            "at": event.at,
            "actor": event.actor or "the system",
            "action": event.action,
            "subject": event.subject,
            "subject_href": _href(event.subject),
            "detail": _detail(event.detail),
            "hash": event.hash,
        }
        for event in page.rows
    ]
    return render(
        request,
        "audit/list.html",
        {"chain": _chain(), "events": events, "filters": filters, "actions": list(actions), "page": page},
    )


def _chain() -> dict[str, Any]:
    """Whether it was found whole, when and by whom, and where its head was published."""
    last = AuditEvent.objects.filter(action=anchoring.VERIFIED).first()
    found = orjson.loads(last.detail) if last else {}
    broken = found.get("broken_at")
    anchors = list(Anchor.objects.all()[:_ANCHORS])
    return {
        "head": AuditEvent.objects.first(),
        "verified": last,
        "events": found.get("events"),
        "broken_at": broken,
        "verdict": "fail" if broken else "pass" if last else "not checked yet",
        "anchors": anchors,
        "late": not anchors or timezone.now() - anchors[0].made_at > _LATE,
    }


@require_POST
@allowed("see:audit")
def verify(request: SignedInRequest) -> HttpResponse:
    """Recompute the whole chain now and hold it against its anchors."""
    found = anchoring.check(timezone.now(), by=request.user.get_username())
    if found.broken_at is None:
        messages.success(request, f"The chain is intact: {amount(found.events)} events, head {found.head[:12]}….")
    else:
        messages.error(
            request, f"The chain does not fit from event {found.broken_at} on: {amount(found.events)} before it do."
        )
    return redirect("audit")


def _detail(text: str) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in orjson.loads(text).items() if value not in ("", None)]


def _href(subject: str) -> str:
    named = re.fullmatch(rf"({'|'.join(_PAGES)}) (\d+)", subject)
    return reverse(_PAGES[named[1]], args=[named[2]]) if named else ""
