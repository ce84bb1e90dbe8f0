"""Writing an eligibility rule or a boost: a new one, a change, a draft that came back, or its retirement. Each press of
a button comes back with the edited condition, so that it works without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django_htmx.http import HttpResponseClientRedirect

from console.access import SignedInRequest, allowed
from console.proposing import propose, show_faults
from console.studio import condition_form, studio
from console.studio.condition_form import Tree
from console.studio.rule_forms import BoostForm, RuleForm, initial, tests_of
from console.whole_number import whole_number
from offers import catalog, golden, roles
from offers.catalog import InvalidContent, Item, requirement
from offers.conditions.describe import difference
from offers.conditions.grammar import InvalidCondition, parse
from offers.models import BoostRule, CatalogueItem, ChangeRequest, EligibilityRule
from offers.register import Use

Form = RuleForm | BoostForm


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the two things that are written here."""

    use: Use
    noun: str
    table: type[EligibilityRule] | type[BoostRule]
    form: type[RuleForm] | type[BoostForm]
    list_page: str


RULE = Kind("rule", "rule", EligibilityRule, RuleForm, "rules")
BOOST = Kind("boost", "boost", BoostRule, BoostForm, "boosts")


@dataclass(slots=True)
class Writing:
    """One request's state: what is live (or None), the draft that is edited again (or None), and what is typed."""

    kind: Kind
    live: CatalogueItem | None
    draft: ChangeRequest | None
    tree: Tree
    tests: list[dict[str, Any]]
    form: Form

    @property
    def key(self) -> str:
        return self.draft.key if self.draft else self.live.key if self.live else ""

    @property
    def before(self) -> Mapping[str, Any]:
        return self.live.content if self.live else {}


@allowed("propose:rule")
def rule(request: SignedInRequest, key: str | None = None) -> HttpResponse:
    return _edit(request, RULE, key)


@allowed("propose:boost")
def boost(request: SignedInRequest, key: str | None = None) -> HttpResponse:
    return _edit(request, BOOST, key)


def _edit(request: SignedInRequest, kind: Kind, key: str | None) -> HttpResponse:
    draft = _draft(request, kind, key)
    live = _live(kind, key, draft)
    pressed = request.POST.get("edit", "")
    if request.method == "POST":
        writing = _written(request, kind, live, draft, pressed)
        change = _settled(request, writing)
        if change:
            address = reverse("review", args=[change.pk])
            return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
    else:
        content = _start(request, kind, live, draft)
        writing = Writing(
            kind, live, draft, condition_form.as_group(content["when"]), content.get("tests", []),
            kind.form(initial=initial(content)),
        )  # fmt: skip
    template = "rules/editor.html" if request.htmx else "rules/edit.html"
    return render(request, template, _context(request, writing, pressed))


def _draft(request: SignedInRequest, kind: Kind, key: str | None) -> ChangeRequest | None:
    """One's own draft that is edited again, as `?change=` names it."""
    number = whole_number(request.GET.get("change", ""))
    if number is None:
        return None
    return get_object_or_404(
        ChangeRequest, pk=number, kind=kind.use, key=key, author=request.user,
        status=ChangeRequest.Status.DRAFT,
    )  # fmt: skip


def _live(kind: Kind, key: str | None, draft: ChangeRequest | None) -> CatalogueItem | None:
    """The rule that is changed. A draft of a new one has none. Raises Http404."""
    found = kind.table._default_manager.filter(key=key, live=True).first() if key else None
    if key and found is None and draft is None:
        raise Http404(f"There is no {kind.noun} {key}.")
    return found


def _start(
    request: SignedInRequest, kind: Kind, live: CatalogueItem | None, draft: ChangeRequest | None
) -> Mapping[str, Any]:
    """The content that the form opens with; a new rule may start as a copy of another (`?like=`)."""
    if draft:
        return {**draft.items[0]["content"], "change_title": draft.title, "rationale": draft.rationale}
    if live:
        return dict(live.content)
    like = kind.table._default_manager.filter(key=request.GET.get("like", "")).first()
    if like:
        return {**like.content, "title": f"{like.title} (copy)"}
    return {"scope": "all", "when": dict(condition_form.START if kind is RULE else condition_form.START_OF_BOOST)}


def _written(
    request: SignedInRequest, kind: Kind, live: CatalogueItem | None, draft: ChangeRequest | None, pressed: str
) -> Writing:
    tree = condition_form.as_group(condition_form.read(request.POST))
    tree = condition_form.edited(tree, pressed)
    tests = _edited_tests(tests_of(request.POST), tree, pressed)
    sent = "submit" in request.POST or "retire" in request.POST
    form = kind.form(request.POST) if sent else kind.form(initial=request.POST.dict())
    return Writing(kind, live, draft, tree, tests, form)


def _edited_tests(tests: list[dict[str, Any]], tree: Tree, pressed: str) -> list[dict[str, Any]]:
    """The tests after one command: add an empty one, suggest some at the limits, or take one out."""
    verb, _, place = pressed.partition(":")
    if verb == "add-test":
        return [*tests, {"name": "", "customer": {}, "expect": "eligible"}]
    if verb == "drop-test":
        return [test for at, test in enumerate(tests) if at != whole_number(place)]
    if verb == "suggest-tests":
        try:
            suggested = golden.suggest(parse(tree))
        except InvalidCondition:
            return tests
        held = [test["customer"] for test in tests]
        return [*tests, *(test for test in suggested if test["customer"] not in held)]
    return tests


def _settled(request: SignedInRequest, writing: Writing) -> ChangeRequest | None:
    """The proposal, where a button asked for one and nothing is in its way."""
    change = None
    if "retire" in request.POST and writing.live:
        change = _retire(request, writing, writing.live)
    elif "submit" in request.POST:
        change = _propose(request, writing)
    if change is None:
        return None
    if change.status == ChangeRequest.Status.DRAFT:
        messages.success(request, "Saved. Submit it when it is ready.")
    else:
        messages.success(request, "Submitted. Somebody else must approve it before it is live.")
    return change


def _propose(request: SignedInRequest, writing: Writing) -> ChangeRequest | None:
    """The proposal; None where the form is not right yet, which then says so."""
    kind, form = writing.kind, writing.form
    if not form.is_valid():
        return None
    key = writing.key or slugify(form.cleaned_data["title"])[:59]
    if not writing.key and kind.table._default_manager.filter(key=key).exists():
        form.add_error("title", f"There is a {kind.noun} of this name.")
        return None
    content = form.content(writing.tree, writing.tests, writing.before)
    if content == writing.before:
        form.add_error(None, "This is what is live already.")
        return None
    title = form.cleaned_data["change_title"] or _title(writing.before, content)
    try:
        return _drafted(request, writing, key, title, content)
    except InvalidContent as refused:
        show_faults(form, refused)
        return None


def _drafted(
    request: SignedInRequest, writing: Writing, key: str, title: str, content: Mapping[str, Any]
) -> ChangeRequest:
    """A draft that came back keeps its discussion; anything else is a proposal of its own."""
    item, rationale = Item(writing.kind.use, key, content), writing.form.cleaned_data["rationale"]
    if writing.draft is None:
        return propose(
            kind=writing.kind.use, key=key, title=title, rationale=rationale, items=[item], author=request.user,
            now=timezone.now(),
        )  # fmt: skip
    with transaction.atomic():
        return catalog.revise(
            writing.draft, items=[item], author=request.user, now=timezone.now(), title=title, rationale=rationale
        )


def _title(before: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """What changes, in a line: the one clause that does, or the name."""
    name = str(content["title"])
    if not before:
        return f"New: {name}"[:200]
    changed = _changed_clause(before, content)
    return f"{name}: {changed}"[:200] if changed else f"{name}: change"[:200]


def _changed_clause(before: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    use: Use = "boost" if "factor" in content else "rule"
    try:
        lines = difference(parse(before["when"], use=use), parse(content["when"], use=use))
    except InvalidCondition:
        return ""
    moved = [line for line in lines if line.kind == "changed"]
    return f"{moved[0].old_text} becomes {moved[0].new_text}" if len(moved) == 1 else ""


def _retire(request: SignedInRequest, writing: Writing, live: CatalogueItem) -> ChangeRequest | None:
    """The proposal to retire it; None where the catalogue refuses, as where a list of firm offers rests on it."""
    kind, form = writing.kind.use, writing.form
    try:
        return propose(
            kind=kind, key=live.key, title=f"Retire {live.title}", items=[Item(kind, live.key, None)],
            rationale=request.POST.get("rationale", ""), author=request.user, now=timezone.now(),
        )  # fmt: skip
    except InvalidContent as refused:
        form.full_clean()
        show_faults(form, refused)
        return None


def _context(request: SignedInRequest, writing: Writing, pressed: str) -> dict[str, Any]:
    now = timezone.now()
    context = {
        "rule": writing.live, "draft": writing.draft, "form": writing.form, "noun": writing.kind.noun,
        "list_page": writing.kind.list_page, "may_try": roles.may(request.user, "see:customers"),
        "customer": request.POST.get("customer", ""),
        **studio.shown(
            writing.kind.use, writing.tree, writing.tests, writing.form, key=writing.key, before=writing.before, now=now
        ),
    }  # fmt: skip
    if pressed == "try" and context["may_try"] and context["customer"] and "sentence" in context:
        when = requirement({**studio.typed(writing.form), "when": writing.tree}) if writing.kind is RULE else None
        context["tried"] = studio.tried(
            context["customer"], when or parse(writing.tree, use="boost"), reader=request.user.get_username(), now=now
        )
    return context
