"""Eligibility rules: all of them as sentences, and one in full; writing one is in views.rule_editor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.paging import paged
from console.studio import studio
from decisioning import rule_reach
from decisioning.sample import sample
from offers import golden, prescreening, roles
from offers.catalog import requirement
from offers.conditions.describe import clause_lines, sentence
from offers.conditions.grammar import parse
from offers.models import BoostRule, ChangeRequest, EligibilityRule, Offer, Product

SCOPES = ("all", "product", "offer")


@allowed("see:rules")
def index(request: SignedInRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "scope")}
    page = paged(_filtered(filters), request, "key", descending=False)
    names, refuses = names_of(page.rows), _refuses([rule.key for rule in page.rows])
    changes = open_changes("rule", [rule.key for rule in page.rows])
    rows = [
        {
            "key": rule.key,
            "title": rule.title,
            "href": reverse("rule", args=[rule.key]),
            "words": sentence(parse(rule.content["when"])),
            "scope": rule.scope,
            "target": names.get((rule.scope, rule.target), rule.target),
            "reason_code": rule.content["reason_code"],
            "basis": rule.content["basis"],
            "next_review": rule.content.get("next_review"),
            "refuses": refuses.get(rule.key),
            "open_change": changes.get(rule.key),
        }
        for rule in page.rows
    ]
    return render(
        request,
        "rules/list.html",
        {
            "rules": rows,
            "page": page,
            "filters": filters,
            "scopes": SCOPES,
            "may_propose": roles.may(request.user, "propose:rule"),
        },
    )


def _filtered(filters: Mapping[str, str]) -> QuerySet[EligibilityRule]:
    rows = EligibilityRule.objects.filter(live=True)
    if filters["scope"] in SCOPES:
        rows = rows.filter(scope=filters["scope"])
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(
            Q(title__icontains=text)
            | Q(key__icontains=text)
            | Q(target__icontains=text)
            | Q(content__reason_code__icontains=text)
        )
    return rows


def names_of(rules: Sequence[EligibilityRule | BoostRule]) -> dict[tuple[str, str], str]:
    """The names of the products and offers that these rules cover."""
    found: dict[tuple[str, str], str] = {}
    for scope, table in (("product", Product), ("offer", Offer)):
        keys = {rule.target for rule in rules if rule.scope == scope}
        rows = table._default_manager.filter(key__in=keys).values_list("key", "title")
        found |= {(scope, key): title for key, title in rows}
    return found


def open_changes(kind: str, keys: Iterable[str]) -> dict[str, str]:
    """For each of these with a proposal in review, the address of the newest."""
    rows = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, kind=kind, key__in=list(keys))
    return {key: reverse("review", args=[pk]) for key, pk in rows.order_by("id").values_list("key", "id")}


def _refuses(keys: Iterable[str]) -> dict[str, float]:
    """The share of customers whom each of these live rules refuses."""
    live, among = engine(), sample(timezone.now())
    if live is None or not among.size:
        return {}
    counts = rule_reach.refusals(live.plan.release, keys, among)
    return {key: count / among.size for key, count in counts.items()}


@allowed("see:rules")
def detail(request: SignedInRequest, key: str) -> HttpResponse:
    law = prescreening.pack_of(key)
    if law:  # a rule that a pack adds is explained by the pack
        return redirect("pack", key=law)
    rule = get_object_or_404(EligibilityRule, key=key)
    when = parse(rule.content["when"])
    changes = ChangeRequest.objects.filter(kind="rule", key=key).select_related("author").order_by("-id")[:10]
    return render(
        request,
        "rules/detail.html",
        {
            "rule": rule,
            "target": names_of([rule]).get((rule.scope, rule.target), rule.target),
            "sentence": sentence(when),
            "lines": clause_lines(when),
            "used": studio.used(when),
            "tests": [
                studio.tested_row(test) for test in golden.run(requirement(rule.content), rule.content.get("tests", []))
            ],
            "changes": changes,
            "may_propose": rule.live and roles.may(request.user, "propose:rule"),
        },
    )
