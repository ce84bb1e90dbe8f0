"""The bandit's leaderboard: what each arm has earned, how sure that is, and how often it is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from console import paging
from console.access import SignedInRequest, allowed
from console.catalogue import arm_list
from console.catalogue.arm_list import STATES, Filters, state_of
from console.engine import engine
from console.templatetags.console import amount, percent
from console.views.offers import Results, results, scale_of
from decisioning import activity, arm_activity, runtime
from decisioning.activity import Activity, Standing
from decisioning.arm_activity import Day
from decisioning.models import Posterior as Checkpoint
from decisioning.models import RewardWork
from offers import mandates, roles
from offers.models import Arm, ChangeRequest
from offers.types import Release


@allowed("see:arms")
def leaderboard(request: SignedInRequest) -> HttpResponse:
    """Every arm of the live release, the highest expected reward first; or those that have been retired."""
    filters, live, recent = arm_list.read(request), engine(), activity.newest()
    standings = arm_list.standings(live.plan, live.posterior) if live else ()
    shown = {
        "filters": filters,
        "states": STATES,
        "figures": _figures(results(standings), standings, live.plan.release if live else None),
        "average": _average(standings),
        "sample": recent.with_offer,
        "ranking": live.plan.release.ranking if live else None,
        "posterior": _posterior(live),
        "may_propose": roles.may(request.user, "propose:arm"),
    }
    if filters.state == "retired":
        return render(request, "arms/leaderboard.html", {**shown, **_retired(request, filters)})
    page = arm_list.paged(arm_list.found(filters, standings, live) if live else [], request)
    days = arm_activity.by_day(timezone.now())
    changes = _open_changes([row.arm for row in page.rows])
    rows = [{**_row(row, live, recent, days), "open_change": changes.get(row.arm)} for row in page.rows if live]
    scale = scale_of([(row.low, row.mean, row.high) for row in page.rows])
    return render(request, "arms/leaderboard.html", {**shown, "arms": rows, "page": page, "scale": scale})


def _average(standings: Sequence[Standing]) -> float | None:
    """The mean of the expected rewards, each arm counted by its trials."""
    trials = sum(row.trials for row in standings)
    return sum(row.mean * row.trials for row in standings) / trials if trials else None


def arm_href(name: str, arm: str) -> str:
    """The address of one of an arm's pages."""
    return reverse(name, args=arm.split("/"))


def _row(standing: Standing, live: runtime.Engine, recent: Activity, days: Sequence[Day]) -> dict[str, Any]:
    release = live.plan.release
    mandate = release.arms[standing.arm].mandate
    return {
        "key": standing.arm,
        "offer": release.offers[standing.offer].name,
        "name": release.creatives[release.arms[standing.arm].creative].name,
        "href": arm_href("arm", standing.arm),
        "change_href": arm_href("arm_change", standing.arm),
        "share": recent.share_of(standing.arm),
        "days": [day.share_of(standing.arm) for day in days],
        "trials": standing.trials,
        "mean": standing.mean,
        "lo": standing.low,
        "hi": standing.high,
        "best": standing.best,
        "state": state_of(standing.arm, standing.trials, live),
        "mandate": mandates.sentence(mandate) if mandate else "",
    }


def _retired(request: SignedInRequest, filters: Filters) -> dict[str, Any]:
    rows = Arm.objects.filter(live=False)
    if filters.q:
        rows = rows.filter(Q(title__icontains=filters.q) | Q(key__icontains=filters.q))
    if filters.offer:
        rows = rows.filter(offer=filters.offer)
    page = paging.paged(rows, request, "key", descending=False)
    return {
        "retired": [
            {"key": arm.key, "name": arm.title, "at": arm.updated_at, "href": arm_href("arm", arm.key)}
            for arm in page.rows
        ],
        "page": page,
    }


def _open_changes(keys: list[str]) -> Mapping[str, str]:
    """For each arm with a proposal in review, the address of the newest."""
    rows = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, kind="arm", key__in=keys).order_by("id")
    return {key: reverse("review", args=[pk]) for key, pk in rows.values_list("key", "id")}


def _figures(everything: Results, standings: Sequence[Standing], release: Release | None) -> list[dict[str, str]]:
    rate = everything.rate
    figures = [
        {
            "value": percent(rate[1], 2) if rate else "–",
            "label": f"reward a trial so far, 95 % {percent(rate[0], 2)} to {percent(rate[2], 2)}"
            if rate
            else "no trial yet",
        },
        {"value": amount(everything.trials), "label": "trials that the arms have learned from"},
        {"value": amount(len(standings)), "label": "arms"},
    ]
    likeliest = max(standings, key=lambda row: row.best, default=None)
    if likeliest and release:
        name = release.creatives[release.arms[likeliest.arm].creative].name
        offer = release.offers[likeliest.offer].name
        figures.append({"value": percent(likeliest.best, 0), "label": f"chance of the likeliest best: {offer}, {name}"})
    return figures


def _posterior(live: runtime.Engine | None) -> dict[str, Any]:
    checkpoint = Checkpoint.objects.values("made_at").order_by("-position").first()
    return {
        "position": live.posterior_position if live else 0,
        "made_at": checkpoint["made_at"] if checkpoint else None,
        "waiting": RewardWork.objects.count(),
    }
