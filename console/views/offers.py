"""The catalogue as it is live, one offer with everything that decides about it, and what is done to several at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.catalogue import offer_list, offer_status
from console.catalogue.offer_status import STATUSES
from console.catalogue.surfaces import surface
from console.engine import engine
from console.paging import paged
from console.proposing import newest_changes, propose, submitted
from console.reach import Reached, reached
from console.views import firm_offers
from console.wording import channels, facts, terms
from decisioning import activity, runtime
from decisioning.activity import Activity, Belief
from fairness.counts import GroupCounts
from fairness.intervals import wilson_interval
from offers import roles
from offers.catalog import InvalidContent, Item
from offers.conditions.describe import sentence
from offers.conditions.grammar import parse
from offers.models import Arm, ChangeRequest, Creative, EligibilityRule, Offer, Product
from offers.types import CHANNELS

STARVED_BELOW: Final = 100  # trials under which an arm's interval says little
MOST_CHOSEN: Final = 200  # offers that one proposal pauses: more nobody would review
Rate = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Results:
    """Trials and reward of some arms together; `rate` is (low, mean, high) of the reward of a trial."""

    trials: int
    rate: Rate | None


def results(standings: Iterable[Belief]) -> Results:
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


def arm_state(standing: Belief) -> str:
    return "learning" if standing.trials >= STARVED_BELOW else "starved"


@allowed("see:offers")
def index(request: SignedInRequest) -> HttpResponse:
    """All offers, by key."""
    now, filters, live, recent = timezone.now(), offer_list.read(request), engine(), activity.newest()
    stops = live.stops if live else frozenset()
    page = paged(offer_list.found(filters, stops, recent.offers, now), request, "key", descending=False)
    rows = _rows(page.rows, live, recent, reached(), now)
    return render(
        request,
        "offers/list.html",
        {
            "offers": rows,
            "page": page,
            "filters": filters,
            "statuses": STATUSES,
            "channels": CHANNELS,
            "products": Product.objects.filter(live=True).values_list("key", "title"),
            "placements": [(row.key, row.name) for row in live.plan.release.placements.values()] if live else [],
            "total": len(live.plan.release.offers) if live else 0,
            "sample": recent.decisions,
            "rate_scale": scale_of(row["rate"] for row in rows),
            "may_propose": roles.may(request.user, "propose:offer"),
            "may_pause": roles.may(request.user, "propose:arm"),
        },
    )


def _rows(
    offers: list[Offer], live: runtime.Engine | None, recent: Activity, reach: Reached, now: datetime
) -> list[dict[str, Any]]:
    keys = [offer.key for offer in offers]
    arms = _arms_of(keys)
    beliefs = _beliefs(live, [arm for found in arms.values() for arm in found])
    changes = _open_changes(keys)
    stops = live.stops if live else frozenset()
    return [
        {
            **_row(offer, results(beliefs.get(offer.key, [])), recent),
            "status": offer_status.status_of(
                offer, stops, paused=offer_status.is_paused(arms.get(offer.key, {}).values()), now=now
            ),
            "reach": reach.of(offer.key),
            "reach_share": reach.share_of(offer.key),
            "open_change": changes.get(offer.key),
        }
        for offer in offers
    ]


def _arms_of(keys: list[str]) -> dict[str, dict[str, bool]]:
    """The live arms of each offer: key, and whether it is paused."""
    found: dict[str, dict[str, bool]] = {}
    rows = Arm.objects.filter(offer__in=keys, live=True).values_list("offer", "key", "content__paused")
    for offer, key, paused in rows:
        found.setdefault(offer, {})[key] = bool(paused)
    return found


def _beliefs(live: runtime.Engine | None, arms: Iterable[str]) -> dict[str, list[Belief]]:
    """What the bandit believes of these arms, by offer; a release that came between two queries may not have them."""
    found: dict[str, list[Belief]] = {}
    if live is None:
        return found
    known = [arm for arm in arms if arm in live.plan.release.arms]
    for belief in activity.beliefs(live.plan, live.posterior, known):
        found.setdefault(belief.offer, []).append(belief)
    return found


def _open_changes(keys: list[str]) -> dict[str, str]:
    """For each offer with a proposal in review, the address of the newest."""
    rows = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, key__in=keys).order_by("id")
    return {key: reverse("review", args=[pk]) for key, pk in rows.values_list("key", "id")}


def _row(offer: Offer, earned: Results, recent: Activity) -> dict[str, Any]:
    return {
        "key": offer.key,
        "name": offer.title,
        "href": reverse("offer", args=[offer.key]),
        "funnel": funnel_of(offer.key),
        "facts": terms(offer.content),
        "channels": channels(offer.content["channels"]),
        "share": recent.offers.get(offer.key, 0) / recent.with_offer if recent.with_offer else None,
        "rate": earned.rate,
        "trials": earned.trials,
        "value": offer.content["value"],
        "starts_at": offer.starts_at,
        "ends_at": offer.ends_at,
    }


def funnel_of(key: str) -> str:
    """Where it is told why an offer gets the traffic that it gets; empty on a site without that page."""
    try:
        return reverse("offer_funnel", args=[key])
    except NoReverseMatch:
        return ""


@require_POST
@allowed("see:offers")
def chosen(request: SignedInRequest) -> HttpResponse:
    """The ticked offers of the list: compare two, or propose that all arms of them pause or run again."""
    keys = sorted(set(request.POST.getlist("offer")))
    if "compare" in request.POST:
        if len(keys) != 2:
            messages.error(request, "Tick two offers to compare them.")
            return redirect("offers")
        query = QueryDict(mutable=True)
        query.setlist("offer", keys)
        return redirect(f"{reverse('offer_compare')}?{query.urlencode()}")
    roles.require(request.user, "propose:arm")
    paused = "pause" in request.POST
    found = Offer.objects.filter(key__in=keys[:MOST_CHOSEN], live=True)
    try:
        change = _pause(request, list(found), paused) if keys else None
    except InvalidContent as refused:
        messages.error(request, f"Nothing was proposed: {refused}.")
        return redirect("offers")
    if change is None:
        nothing = "No arm of these is " + ("running." if paused else "paused.")
        messages.error(request, nothing if keys else "Tick the offers first.")
        return redirect("offers")
    return submitted(request, change)


def _pause(request: SignedInRequest, found: list[Offer], paused: bool) -> ChangeRequest | None:
    """One change of all arms that it concerns; None where there is none. A paused arm keeps what it has learned. Raises
    InvalidContent."""
    keys = [offer.key for offer in found]
    arms = [arm for arm in Arm.objects.filter(offer__in=keys, live=True) if _is_paused(arm) != paused]
    if not arms:
        return None
    concerned = [offer for offer in found if offer.key in {arm.offer for arm in arms}]
    what = concerned[0].title if len(concerned) == 1 else f"{len(concerned)} offers"
    return propose(
        kind="arm",
        key=concerned[0].key if len(concerned) == 1 else "several-offers",
        title=f"{'Pause' if paused else 'Resume'} {what}",
        rationale=", ".join(offer.title for offer in concerned),
        items=[Item("arm", arm.key, {**arm.content, "paused": paused}) for arm in arms],
        author=request.user,
        now=timezone.now(),
    )


@allowed("see:offers")
def detail(request: SignedInRequest, key: str) -> HttpResponse:
    offer = get_object_or_404(Offer, key=key)
    now, live, recent, reach = timezone.now(), engine(), activity.newest(), reached()
    release = live.plan.release if live else None
    found = {arm.key: arm for arm in Arm.objects.filter(offer=key, live=True)}
    arms = sorted(_beliefs(live, found).get(key, []), key=lambda row: -row.mean)
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
                "status": offer_status.status_of(
                    offer,
                    live.stops if live else frozenset(),
                    paused=offer_status.is_paused([_is_paused(arm) for arm in found.values()]),
                    now=now,
                ),
                "release": offer.release_id,
                "updated_at": offer.updated_at,
                "starts_at": offer.starts_at,
                "ends_at": offer.ends_at,
                "funnel": funnel_of(key),
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
            "rules": [rule_row(rule) for rule in rules_on(offer)] + firm_offers.laws(key, release, now),
            "firm": firm_offers.panel(offer, release, request.user, now),
            "arms": _arms(found, arms, recent),
            "rate_scale": scale_of([(row.low, row.mean, row.high) for row in arms]),
            **_creatives(key, offer.content["channels"], request.GET.get("creative", "")),
            "changes": newest_changes(key, "offer", "arm"),
            "may_propose": offer.live and roles.may(request.user, "propose:offer"),
            "may_set_terms": offer.live and roles.may(request.user, "propose:terms"),
        },
    )


def rules_on(offer: Offer) -> list[EligibilityRule]:
    """The live rules that decide on this offer, by key."""
    in_scope = Q(scope="all") | Q(scope="product", target=offer.product) | Q(scope="offer", target=offer.key)
    return list(EligibilityRule.objects.filter(in_scope, live=True))


def rule_row(rule: EligibilityRule) -> dict[str, Any]:
    return {
        "title": rule.title,
        "href": reverse("rule", args=[rule.key]),
        "words": sentence(parse(rule.content["when"])),
        "scope": rule.scope,
        "reason_code": rule.content["reason_code"],
        "basis": rule.content["basis"],
    }


def _is_paused(arm: Arm) -> bool:
    return bool(arm.content.get("paused"))


def _arms(found: Mapping[str, Arm], beliefs: list[Belief], recent: Activity) -> list[dict[str, Any]]:
    return [
        {
            "name": found[row.arm].title,
            "share": recent.share_of(row.arm),
            "trials": row.trials,
            "interval": (row.low, row.mean, row.high),
            "state": "paused" if _is_paused(found[row.arm]) else arm_state(row),
        }
        for row in beliefs
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
