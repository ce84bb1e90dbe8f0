"""The firm offer of credit on its offer's page: by what a list was pulled and until when that stands; and the pull."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.wording import facts
from offers import firm_offers, packs, prescreening, roles
from offers.conditions.describe import sentence
from offers.conditions.grammar import parse
from offers.models import FirmOffer, Offer
from offers.types import PRESCREENED, Release

_EARLIER = 5


@require_POST
@allowed(firm_offers.PULL)
def pull(request: SignedInRequest, key: str) -> HttpResponse:
    get_object_or_404(Offer, key=key)
    campaign = request.POST.get("campaign", "").strip()[:120]
    if not campaign:
        messages.error(request, "Name the campaign that the list is for.")
        return redirect("offer", key=key)
    try:
        with transaction.atomic():
            made = firm_offers.pull(key, campaign, by=request.user, now=timezone.now())
        messages.success(request, f"On record. Its criteria and terms stand until {made.honoured_until:%-d %B %Y}.")
    except firm_offers.NoFirmOffer as refused:
        messages.error(request, f"{refused}.")
    return redirect("offer", key=key)


def panel(offer: Offer, live: Release | None, person: User, now: datetime) -> dict[str, Any] | None:
    """What the second line sees of a firm offer; None for others, and for an offer that is none."""
    if offer.content["legal_basis"] != prescreening.FIRM_OFFER or not roles.may(person, "see:fairness"):
        return None
    lists = list(FirmOffer.objects.filter(offer=offer.key).select_related("made_by")[: _EARLIER + 1])
    standing = [made for made in lists if made.honoured_until > now]
    law = packs.strictest(packs.in_force(live, now.date()) if live else [packs.strict_default()]).prescreening
    return {
        "standing": _shown(standing[0]) if standing else None,
        "earlier": [made for made in lists if made not in standing],
        "prescreened": bool(live and offer.key in live.prescreened),
        "law": law,
        "may_pull": offer.live and roles.may(person, firm_offers.PULL),
    }


def _shown(made: FirmOffer) -> dict[str, Any]:
    rules: Mapping[str, Mapping[str, Any]] = made.criteria["rules"]
    return {
        "made": made,
        "terms": facts(made.criteria["terms"]),
        "criteria": [
            {"key": key, "words": sentence(parse(rule["when"])), "reason_code": rule["reason_code"]}
            for key, rule in rules.items()
        ],
    }


def laws(offer: str, live: Release | None, now: datetime) -> list[dict[str, Any]]:
    """The rules that packs in force add to an offer, as rows beside those that people wrote."""
    if live is None or offer not in live.prescreened:
        return []
    return [
        {"title": rule.title, "href": reverse("rule", args=[rule.key]), "words": sentence(rule.when),
         "scope": "firm offers from a report", "reason_code": rule.reason_code, "basis": rule.basis}
        for rule in live.rules.values() if rule.scope == PRESCREENED and rule.in_force(now)
    ]  # fmt: skip
