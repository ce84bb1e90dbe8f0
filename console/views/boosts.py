"""Boosts: what multiplies the propensity of which offers, for whom, and how far all of them may go together."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.paging import paged
from console.views.rules import names_of, open_changes
from decisioning import rule_reach
from decisioning.sample import Sample, sample
from offers import roles
from offers.conditions.describe import sentence
from offers.conditions.grammar import parse
from offers.models import BoostRule


@allowed("see:rules")
def index(request: SignedInRequest) -> HttpResponse:
    page = paged(BoostRule.objects.filter(live=True), request, "key", descending=False)
    names, changes = names_of(page.rows), open_changes("boost", [boost.key for boost in page.rows])
    live, among = engine(), sample(timezone.now())
    return render(
        request,
        "boosts/list.html",
        {
            "boosts": [
                {**_row(boost, among), "target": names.get((boost.scope, boost.target), boost.target),
                 "open_change": changes.get(boost.key)}
                for boost in page.rows
            ],
            "page": page,
            "cap": live.plan.release.ranking.boost_cap if live else None,
            "may_propose": roles.may(request.user, "propose:boost"),
        },
    )  # fmt: skip


def _row(boost: BoostRule, among: Sample) -> dict[str, Any]:
    when = parse(boost.content["when"], use="boost")
    return {
        "title": boost.title,
        "href": reverse("boost_edit", args=[boost.key]),
        "words": sentence(when),
        "scope": boost.scope,
        "factor": boost.content["factor"],
        "starts_at": boost.content.get("starts_at"),
        "ends_at": boost.content.get("ends_at"),
        "share": rule_reach.reach(when, among).eligible / among.size if among.size else None,
    }
