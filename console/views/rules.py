"""Eligibility rules: all of them as sentences, one in full, and proposing a new one, a change or its retirement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django_htmx.http import HttpResponseClientRedirect

from console import condition_form
from console.access import SignedInRequest, allowed
from console.condition_form import Tree
from console.forms import RuleForm
from console.paging import paged
from console.proposing import propose
from console.templatetags.console import ago
from console.wording import ORIGINS, PURPOSES, WARNINGS
from offers import roles
from offers.catalog import InvalidContent, Item
from offers.conditions.describe import clause_lines, sentence
from offers.conditions.grammar import Condition, InvalidCondition, attributes_of, parse
from offers.models import ChangeRequest, EligibilityRule, Offer, Product
from offers.register import GROUPS, Attribute, attribute

SCOPES = ("all", "product", "offer")


@allowed("see:rules")
def index(request: SignedInRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "scope")}
    page = paged(_filtered(filters), request, "key", descending=False)
    names = _names(page.rows)
    changes = _open_changes([rule.key for rule in page.rows])
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
            "version": rule.version,
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


def _names(rules: list[EligibilityRule]) -> dict[tuple[str, str], str]:
    """The names of the products and offers that these rules cover."""
    found: dict[tuple[str, str], str] = {}
    for scope, table in (("product", Product), ("offer", Offer)):
        keys = {rule.target for rule in rules if rule.scope == scope}
        rows = table._default_manager.filter(key__in=keys).values_list("key", "title")
        found |= {(scope, key): title for key, title in rows}
    return found


def _open_changes(keys: list[str]) -> dict[str, str]:
    rows = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, kind="rule", key__in=keys)
    return {key: reverse("review", args=[pk]) for key, pk in rows.order_by("id").values_list("key", "id")}


@allowed("see:rules")
def detail(request: SignedInRequest, key: str) -> HttpResponse:
    rule = get_object_or_404(EligibilityRule, key=key)
    when = parse(rule.content["when"])
    changes = ChangeRequest.objects.filter(kind="rule", key=key).select_related("author").order_by("-id")[:10]
    return render(
        request,
        "rules/detail.html",
        {
            "rule": rule,
            "target": _names([rule]).get((rule.scope, rule.target), rule.target),
            "sentence": sentence(when),
            "lines": clause_lines(when),
            "used": _used(when),
            "changes": changes,
            "may_propose": rule.live and roles.may(request.user, "propose:rule"),
        },
    )


def _used(when: Condition) -> list[dict[str, str]]:
    """What the condition reads, and what one should know of it."""
    return [_about(attribute(name)) for name in sorted(attributes_of(when))]


def _about(declared: Attribute) -> dict[str, str]:
    return {
        "label": declared.meaning,
        "source": ORIGINS[declared.source],
        "freshness": f"good for {ago(GROUPS[declared.group].freshness_seconds)}",
        "purpose": PURPOSES[declared.purpose],
        "warning": WARNINGS.get(declared.basis_class, ""),
    }


@allowed("propose:rule")
def edit(request: SignedInRequest, key: str | None = None) -> HttpResponse:
    """Propose a new rule (no key) or a change of one; each press of a button comes back with the edited condition."""
    rule = get_object_or_404(EligibilityRule, key=key, live=True) if key else None
    if request.method == "POST":
        tree = condition_form.as_group(condition_form.read(request.POST))
        tree = condition_form.edited(tree, request.POST.get("edit", ""))
        pressed = "submit" if "submit" in request.POST else "retire" if "retire" in request.POST else ""
        form = RuleForm(request.POST) if pressed == "submit" else RuleForm(initial=request.POST.dict())
        if pressed:
            change = _retire(request, rule) if pressed == "retire" and rule else _propose(request, rule, form, tree)
            if change:
                messages.success(request, "Submitted. Somebody else must approve it before it is live.")
                address = reverse("review", args=[change.pk])
                return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
    else:
        tree = condition_form.as_group(rule.content["when"] if rule else dict(condition_form.START))
        form = RuleForm(initial=_initial(rule))
    context = {"rule": rule, "form": form, **_editor(tree)}
    return render(request, "rules/editor.html" if request.htmx else "rules/edit.html", context)


def _initial(rule: EligibilityRule | None) -> dict[str, Any]:
    return {**rule.content, "change_title": f"{rule.title}: "} if rule else {"scope": "all"}


def _editor(tree: Tree) -> dict[str, Any]:
    """The condition as the editor shows it: its nodes, its faults, and what it says in words."""
    context: dict[str, Any] = {
        "joiners": condition_form.JOINERS,
        "attributes": condition_form.attribute_choices(),
    }
    try:
        when = parse(tree)
    except InvalidCondition as refused:
        faults = refused.faults
        return {**context, "tree": condition_form.node(tree, faults), "faults": [fault.message for fault in faults]}
    return {**context, "tree": condition_form.node(tree), "sentence": sentence(when), "used": _used(when)}


def _propose(
    request: SignedInRequest, rule: EligibilityRule | None, form: RuleForm, tree: Tree
) -> ChangeRequest | None:
    """The submitted proposal; None where the form is not right yet, which then says so."""
    if not form.is_valid():
        return None
    key = rule.key if rule else slugify(form.cleaned_data["title"])[:59]
    if rule is None and EligibilityRule.objects.filter(key=key).exists():
        form.add_error("title", "There is a rule of this name.")
        return None
    content = form.content(tree, rule.content if rule else None)
    try:
        return propose(
            kind="rule",
            key=key,
            title=form.cleaned_data["change_title"],
            rationale=form.cleaned_data["rationale"],
            items=[Item("rule", key, content)],
            author=request.user,
            now=timezone.now(),
        )
    except InvalidContent as refused:
        for fault in refused.faults:
            form.add_error(None, fault.message)
        return None


def _retire(request: SignedInRequest, rule: EligibilityRule) -> ChangeRequest:
    return propose(
        kind="rule",
        key=rule.key,
        title=f"Retire {rule.title}",
        rationale=request.POST.get("rationale", ""),
        items=[Item("rule", rule.key, None)],
        author=request.user,
        now=timezone.now(),
    )
