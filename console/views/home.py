"""The first page: what waits for this person, then what is live and how it does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.views.fairness import worst_of_the_last_audits
from console.views.offers import scale_of
from console.waiting import changes_waiting_for
from decisioning import activity
from fairness import findings
from fairness.counts import GroupCounts
from fairness.intervals import wilson_interval
from offers import roles
from offers.models import ChangeRequest, Release, Stop

WAITING_SHOWN = 20
Status = ChangeRequest.Status


@allowed()
def home(request: SignedInRequest) -> HttpResponse:
    today = _today(timezone.now().replace(hour=0, minute=0, second=0, microsecond=0))
    releases = list(
        Release.objects.select_related("change__checker").defer("content", "change__items").order_by("-number")[:5]
    )
    sees_fairness = roles.may(request.user, "see:fairness")
    return render(
        request,
        "home/home.html",
        {
            "waiting": _waiting(request.user),
            "mine": _mine(request.user),
            "stops": Stop.objects.filter(resumed_at__isnull=True).select_related("stopped_by"),
            "today": today,
            "rate_scale": scale_of([today["rate"]]),
            "release": releases[0] if releases else None,
            "changes": [
                {
                    "number": row.number,
                    "at": row.published_at,
                    "title": row.change.title,
                    "href": reverse("review", args=[row.change_id]),
                }
                for row in releases
            ],
            "sees_fairness": sees_fairness,
            "sees_decisions": roles.may(request.user, "see:decisions"),
            "fairness": worst_of_the_last_audits() if sees_fairness else None,
        },
    )


def _waiting(person: User) -> list[dict[str, Any]]:
    """Findings to answer for, the first due first; one's own proposals that were sent back; what others proposed."""
    returned = ChangeRequest.objects.filter(author=person, status=Status.DRAFT).exclude(comment="")
    rows = changes_waiting_for(person).select_related("author").order_by("submitted_at")[:WAITING_SHOWN]
    back = [
        {
            "title": f"Sent back: {row.title}",
            "href": reverse("review", args=[row.pk]),
            "kind": row.kind,
            "by": "",
            "at": row.submitted_at,
            "note": row.comment,
        }
        for row in returned[:WAITING_SHOWN]
    ]
    found = [
        {
            "title": row.title,
            "href": reverse("finding", args=[row.pk]),
            "kind": "finding",
            "by": "",
            "at": row.opened_at,
            "note": f"{row.get_status_display().capitalize()}, due {row.due_on:%-d %B %Y}",
        }
        for row in findings.waiting_for(person)[:WAITING_SHOWN]
    ]
    return (
        found
        + back
        + [
            {
                "title": row.title,
                "href": reverse("review", args=[row.pk]),
                "kind": row.kind,
                "by": row.author.get_username(),
                "at": row.submitted_at,
                "note": row.rationale.partition("\n")[0],
            }
            for row in rows
        ]
    )


def _mine(person: User) -> list[dict[str, Any]]:
    """Own proposals that are not closed; one that was sent back is a draft again."""
    rows = ChangeRequest.objects.filter(author=person, status__in=[Status.DRAFT, Status.SUBMITTED])[:WAITING_SHOWN]
    return [
        {
            "title": row.title,
            "href": reverse("review", args=[row.pk]),
            "status": row.status,
            "at": row.submitted_at or row.created_at,
        }
        for row in rows
    ]


def _today(midnight: datetime) -> dict[str, Any]:
    recent, rewards = activity.newest(midnight), activity.newest_rewards(midnight)
    rate = None
    if rewards.trials:
        rewarded = min(rewards.rewarded, float(rewards.trials))
        low, high = wilson_interval(GroupCounts("trials", rewards.trials, rewarded))
        rate = (low, rewarded / rewards.trials, high)
    return {
        "decisions": activity.count_since(midnight),
        "sample": recent.decisions,
        "with_offer": recent.with_offer,
        "trials": rewards.trials,
        "rate": rate,
        "degraded": recent.degraded,
        "steps": sorted(recent.steps.items()),
        "p50_us": recent.p50_us,
        "p99_us": recent.p99_us,
    }
