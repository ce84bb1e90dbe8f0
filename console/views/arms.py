"""The bandit's leaderboard: what each arm has earned, how sure that is, and how often it is chosen."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.templatetags.console import amount, percent
from console.views.offers import STARVED_BELOW, Results, arm_state, results, scale_of
from decisioning import activity, runtime
from decisioning.activity import Activity, Standing
from decisioning.models import Posterior as Checkpoint
from decisioning.models import RewardWork
from offers.types import Release


@allowed("see:arms")
def leaderboard(request: SignedInRequest) -> HttpResponse:
    live, recent = engine(), activity.newest()
    standings = activity.standings(live.plan, live.posterior) if live else []
    everything = results(standings)
    rows = [_row(standing, live, recent) for standing in standings if live]
    return render(
        request,
        "arms/leaderboard.html",
        {
            "arms": rows,
            "scale": scale_of([(row.low, row.mean, row.high) for row in standings]),
            "average": _average(standings),
            "figures": _figures(everything, standings, live.plan.release if live else None),
            "sample": recent.with_offer,
            "ranking": live.plan.release.ranking if live else None,
            "posterior": _posterior(live),
        },
    )


def _average(standings: list[Standing]) -> float | None:
    """The mean of the expected rewards, each arm counted by its trials."""
    trials = sum(row.trials for row in standings)
    return sum(row.mean * row.trials for row in standings) / trials if trials else None


def _row(standing: Standing, live: runtime.Engine, recent: Activity) -> dict[str, Any]:
    release = live.plan.release
    stopped = ("arm", standing.arm) in live.stops or ("offer", standing.offer) in live.stops
    return {
        "key": standing.arm,
        "offer": release.offers[standing.offer].name,
        "offer_href": reverse("offer", args=[standing.offer]),
        "name": release.creatives[release.arms[standing.arm].creative].name,
        "share": recent.share_of(standing.arm),
        "trials": standing.trials,
        "mean": standing.mean,
        "lo": standing.low,
        "hi": standing.high,
        "best": standing.best,
        "state": "stopped" if stopped else arm_state(standing),
        "why": f"under {STARVED_BELOW} trials" if standing.trials < STARVED_BELOW and not stopped else "",
    }


def _figures(everything: Results, standings: list[Standing], release: Release | None) -> list[dict[str, str]]:
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
