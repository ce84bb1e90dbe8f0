"""The catalogue: the list, and one offer with its reach, rules, arms and messages; proposals are in views.proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.paging import paged
from console.reach import reached
from console.surfaces import surface
from console.wording import channels, facts, terms
from decisioning import activity
from decisioning.activity import Activity, Standing
from fairness.counts import GroupCounts
from fairness.intervals import wilson_interval
from offers import roles
from offers.conditions.describe import sentence
from offers.conditions.grammar import parse
from offers.models import Arm, ChangeRequest, Creative, EligibilityRule, Offer, Product
from offers.types import CHANNELS

STARVED_BELOW = 100  # trials under which an arm's interval says little
STATUSES = ("live", "stopped", "retired")
Rate = tuple[float, float, float]
Stops = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Results:
    """Trials and reward of some arms together; `rate` is (low, mean, high) of the reward of a trial."""

    trials: int
    rate: Rate | None


def results(standings: Iterable[Standing]) -> Results:
    """What these arms have earned, with Wilson's interval: rewards lie in 0 to 1, so it is not too narrow."""
    rows = list(standings)
    trials, rewarded = sum(row.trials for row in rows), sum(row.rewarded for row in rows)
    if not trials:
        return Results(0, None)
    rewarded = min(rewarded, float(trials))
    low, high = wilson_interval(GroupCounts("trials", trials, rewarded))
    return Results(trials, (low, rewarded / trials, high))


def scale_of(rates: Iterable[Rate | None]) -> tuple[float, float]:
    """A scale from zero on which all of these intervals fit."""
    return 0.0, max((rate[2] for rate in rates if rate), default=0.1) * 1.1 or 0.1


def arm_state(standing: Standing) -> str:
    return "learning" if standing.trials >= STARVED_BELOW else "starved"


@allowed("see:offers")
def index(request: SignedInRequest) -> HttpResponse:
    """All offers, by key."""
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "status", "channel")}
    live, recent, reach = engine(), activity.newest(), reached()
    stops = live.stops if live else frozenset()
    page = paged(_filtered(filters, stops), request, "key", descending=False)
    by_offer = _by_offer(activity.standings(live.plan, live.posterior) if live else [])
    keys = [offer.key for offer in page.rows]
    changes = _open_changes(keys)
    rows = [
        {
            **_row(offer, stops, results(by_offer.get(offer.key, [])), recent),
            "reach": reach.of(offer.key),
            "reach_share": reach.share_of(offer.key),
            "open_change": changes.get(offer.key),
        }
        for offer in page.rows
    ]
    return render(
        request,
        "offers/list.html",
        {
            "offers": rows,
            "page": page,
            "filters": filters,
            "statuses": STATUSES,
            "channels": CHANNELS,
            "total": Offer.objects.filter(live=True).count(),
            "sample": recent.decisions,
            "rate_scale": scale_of(row["rate"] for row in rows),
            "may_propose": roles.may(request.user, "propose:offer"),
        },
    )


def _filtered(filters: Mapping[str, str], stops: Stops) -> QuerySet[Offer]:
    rows = Offer.objects.all()
    if filters["q"]:
        rows = rows.filter(Q(title__icontains=filters["q"]) | Q(key__icontains=filters["q"]))
    if filters["channel"] in CHANNELS:
        rows = rows.filter(content__channels__contains=[filters["channel"]])
    if filters["status"] == "retired":
        return rows.filter(live=False)
    stopped = Q(key__in=_targets(stops, "offer")) | Q(product__in=_targets(stops, "product"))
    everything = ("all", "") in stops
    if filters["status"] == "stopped":
        return rows.filter(live=True) if everything else rows.filter(stopped, live=True)
    if filters["status"] == "live":
        return rows.none() if everything else rows.filter(live=True).exclude(stopped)
    return rows


def _targets(stops: Stops, scope: str) -> list[str]:
    return [target for kind, target in stops if kind == scope]


def _status(offer: Offer, stops: Stops) -> str:
    if not offer.live:
        return "retired"
    halted = {("all", ""), ("product", offer.product), ("offer", offer.key)} & stops
    return "stopped" if halted else "live"


def _by_offer(standings: Iterable[Standing]) -> dict[str, list[Standing]]:
    grouped: dict[str, list[Standing]] = {}
    for row in standings:
        grouped.setdefault(row.offer, []).append(row)
    return grouped


def _open_changes(keys: list[str]) -> dict[str, str]:
    """For each offer with a proposal in review, the address of the newest."""
    rows = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, key__in=keys).order_by("id")
    return {key: reverse("review", args=[pk]) for key, pk in rows.values_list("key", "id")}


def _row(offer: Offer, stops: Stops, earned: Results, recent: Activity) -> dict[str, Any]:
    return {
        "key": offer.key,
        "name": offer.title,
        "href": reverse("offer", args=[offer.key]),
        "facts": terms(offer.content),
        "status": _status(offer, stops),
        "channels": channels(offer.content["channels"]),
        "share": recent.offers.get(offer.key, 0) / recent.with_offer if recent.with_offer else None,
        "rate": earned.rate,
        "trials": earned.trials,
        "value": offer.content["value"],
        "ends_at": _moment(offer.content.get("ends_at")),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@allowed("see:offers")
def detail(request: SignedInRequest, key: str) -> HttpResponse:
    offer = get_object_or_404(Offer.objects.select_related("release"), key=key)
    live, recent, reach = engine(), activity.newest(), reached()
    stops = live.stops if live else frozenset()
    arms = [row for row in activity.standings(live.plan, live.posterior) if row.offer == key] if live else []
    earned = results(arms)
    return render(
        request,
        "offers/detail.html",
        {
            "offer": {
                **offer.content,
                "channels": channels(offer.content["channels"]),
                "product": Product.objects.filter(key=offer.product).values_list("title", flat=True).first(),
                "key": key,
                "name": offer.title,
                "version": offer.version,
                "status": _status(offer, stops),
                "release": offer.release_id,
                "updated_at": offer.updated_at,
                "starts_at": _moment(offer.content.get("starts_at")),
                "ends_at": _moment(offer.content.get("ends_at")),
            },
            "facts": facts(offer.content),
            "reach": {
                "eligible": reach.of(key),
                "share": reach.share_of(key),
                "population": reach.population,
                "at": reach.at,
            },
            "figures": {
                "shown": recent.offers.get(key, 0),
                "sample": recent.decisions,
                "rate": earned.rate,
                "trials": earned.trials,
            },
            "rules": _rules(offer),
            "arms": _arms(key, arms, recent),
            "rate_scale": scale_of([(row.low, row.mean, row.high) for row in arms]),
            **_creatives(key, offer.content["channels"], request.GET.get("creative", "")),
            "changes": _changes(key),
            "may_propose": offer.live and roles.may(request.user, "propose:offer"),
        },
    )


def _rules(offer: Offer) -> list[dict[str, Any]]:
    in_scope = Q(scope="all") | Q(scope="product", target=offer.product) | Q(scope="offer", target=offer.key)
    return [
        {
            "title": rule.title,
            "href": reverse("rule", args=[rule.key]),
            "words": sentence(parse(rule.content["when"])),
            "scope": rule.scope,
            "reason_code": rule.content["reason_code"],
            "basis": rule.content["basis"],
        }
        for rule in EligibilityRule.objects.filter(in_scope, live=True)
    ]


def _arms(offer: str, standings: list[Standing], recent: Activity) -> list[dict[str, Any]]:
    names = dict(Arm.objects.filter(offer=offer, live=True).values_list("key", "title"))
    return [
        {
            "name": names.get(row.arm, row.arm),
            "share": recent.share_of(row.arm),
            "trials": row.trials,
            "interval": (row.low, row.mean, row.high),
            "state": arm_state(row),
        }
        for row in standings
    ]


def _creatives(offer: str, used: list[str], wanted: str) -> dict[str, Any]:
    """The tabs of an offer's messages, and the one that is shown."""
    rows = list(Creative.objects.filter(offer=offer, live=True))
    shown = next((row for row in rows if row.key == wanted), rows[0] if rows else None)
    tabs = [{"name": row.title, "href": f"?creative={row.key}", "current": row is shown} for row in rows]
    if shown is None:
        return {"creatives": tabs, "creative": None}
    texts = shown.content["texts"]
    surfaces = [surface(channel, texts[channel]) for channel in CHANNELS if channel in used and channel in texts]
    return {"creatives": tabs, "creative": {"name": shown.title, "surfaces": surfaces}}


def _changes(key: str) -> list[dict[str, Any]]:
    rows = ChangeRequest.objects.filter(key=key).select_related("author").order_by("-id")[:5]
    return [
        {
            "title": row.title,
            "href": reverse("review", args=[row.pk]),
            "status": row.status,
            "at": row.submitted_at or row.created_at,
            "author": row.author.get_username(),
        }
        for row in rows
    ]
