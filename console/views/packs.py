"""Policy packs: what the law asks for where and since when, each with its sources, and the proposal to change one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from console.access import SignedInRequest, allowed
from console.compliance import pack_forms, pack_words
from console.compliance.pack_forms import PackForm
from console.compliance.pack_place import PlaceForm
from console.proposing import propose_from, submitted
from console.views.rules import open_changes
from fairness import coverage
from offers import packs, roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest
from offers.types import Pack

_MADE_ON: Final = {
    coverage.AUDIT: "fairness", coverage.SCORES: "fairness", coverage.SCAN: "fairness_beyond",
    coverage.NEIGHBOURS: "individuals", coverage.EXPOSURE: "exposure",
}  # fmt: skip
"""The page of each run's figures."""
_STATES = ("stale", "in force", "to come", "ended", "not approved")  # the order of the list


@allowed("see:fairness")
def index(request: SignedInRequest) -> HttpResponse:
    """What is in force where, stale first; and what applies to somebody who lives in one place on one day."""
    today, content = timezone.localdate(), _live()
    approved = packs.approved(content)
    form = PlaceForm(request.GET or None)
    asked = form.asked(content) if form.is_valid() else None
    waiting = open_changes("pack", [pack.key for pack in approved])
    rows = [_row(pack, _state(pack, today), waiting.get(pack.key)) for pack in approved]
    offered = [
        packs.read(key, one) for key, one in packs.shipped().items() if key not in {pack.key for pack in approved}
    ]
    rows += [_row(pack, "not approved", None) for pack in offered if pack.key != packs.STRICT]
    return render(
        request,
        "packs/list.html",
        {
            "rows": sorted(rows, key=lambda row: (_STATES.index(row["state"]), row["pack"].title)),
            "stale": [row["pack"] for row in rows if row["state"] == "stale"],
            "in_force": sum(row["state"] in ("in force", "stale") for row in rows),
            "strict": _row(packs.strict_default(), "elsewhere", None),
            "form": form,
            "asked": asked,
            "may_propose": roles.may(request.user, "propose:pack"),
            **_figures(content),
        },
    )


def _figures(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the packs of the newest audited month ask to be reported, and when it was made."""
    month, asking, rows = coverage.asked(content, timezone.localdate())
    rows.sort(key=lambda row: not row.owed)
    return {
        "figures": [
            {"row": row, "label": pack_words.METRICS[row.metric], "href": _MADE_ON[row.made_by]} for row in rows
        ],
        "figures_month": month,
        "packs_asking": len(asking),
        "owed": sum(row.owed for row in rows),
    }


def _live() -> snapshot.Content:
    live = snapshot.live_row()
    return live.content if live else {}


def _state(pack: Pack, today: date) -> str:
    if pack.in_force(today):
        return "stale" if pack.stale(today) else "in force"
    return "to come" if today < pack.effective_from else "ended"


def _row(pack: Pack, state: str, change: str | None) -> dict[str, Any]:
    return {
        "pack": pack,
        "state": state,
        "place": pack_words.place(pack),
        "lda": pack_words.LDA[pack.lda],
        "change": change,
        "href": reverse("pack", args=[pack.key]),
    }


def _content(key: str, live: snapshot.Content) -> Mapping[str, Any]:
    """What is approved under this key, else what Candor brings along. Raises Http404."""
    content: Mapping[str, Any] | None = live.get("pack", {}).get(key) or packs.shipped().get(key)
    if content is None:
        raise Http404(f"There is no policy pack {key}.")
    return content


@allowed("see:fairness")
def detail(request: SignedInRequest, key: str) -> HttpResponse:
    """Every line of one pack, beside the strict default where it differs."""
    today, live = timezone.localdate(), _live()
    pack = packs.read(key, _content(key, live))
    approved = key in live.get("pack", {})
    strict = {
        line.label: line.value for lines in pack_words.sections(packs.strict_default()).values() for line in lines
    }
    return render(
        request,
        "packs/detail.html",
        {
            "pack": pack,
            "place": pack_words.place(pack),
            "state": _state(pack, today) if approved else "elsewhere" if key == packs.STRICT else "not approved",
            "days": (today - pack.verified_on).days,
            "sections": [
                (title, [(line, _against(line.label, line.value, strict)) for line in lines])
                for title, lines in pack_words.sections(pack).items()
                if lines
            ],
            "compared": {"Lines of the audits", "Before anything goes live", "When a line is crossed",
                         "Months that records are kept"},
            "change": open_changes("pack", [key]).get(key),
            "made": ChangeRequest.objects.filter(
                items__contains=[{"kind": "pack", "key": key}], release__isnull=False
            ).select_related("author", "checker", "release").order_by("-pk")[:10],
            "may_propose": key != packs.STRICT and roles.may(request.user, "propose:pack"),
        },
    )  # fmt: skip


def _against(label: str, value: str, strict: Mapping[str, str]) -> str:
    """What the strict default says instead, "" where it says the same or nothing."""
    said = strict.get(label, "")
    return said if said != value else ""


@allowed("propose:pack")
def new(request: SignedInRequest) -> HttpResponse:
    return _edit(request, "", packs.shipped()[packs.STRICT])


@allowed("propose:pack")
def edit(request: SignedInRequest, key: str) -> HttpResponse:
    if key == packs.STRICT:
        raise Http404("The strict default is not a bank's to change.")
    return _edit(request, key, _content(key, _live()))


def _edit(request: SignedInRequest, key: str, content: Mapping[str, Any]) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    start = pack_forms.initial(packs.read(key, content)) if key else {**_blank(content)}
    form = PackForm(posted, initial=start)
    lists = pack_forms.lists(content if key else {}, posted)
    if posted is not None and all([form.is_valid(), *(one.is_valid() for one in lists.values())]):
        change = _propose(request, key, form, {**form.content(), **pack_forms.rows(lists)}, _live())
        if change:
            return submitted(request, change, "Another compliance officer")
    named = [(pack_forms.LIST_TITLES[name], formset) for name, formset in lists.items()]
    return render(
        request,
        "packs/edit.html",
        {"form": form, "lists": named, "key": key, "title": start.get("title", ""), "attributes": pack_words.METRICS},
    )


def _blank(strict: Mapping[str, Any]) -> dict[str, Any]:
    """A new pack starts as strict as can be, and with no words."""
    said = pack_forms.initial(packs.read("", strict))
    return {**said, "title": "", "summary": "", "effective_from": None, "verified_on": None}


def _propose(
    request: SignedInRequest, key: str, form: PackForm, content: dict[str, Any], live: snapshot.Content
) -> ChangeRequest | None:
    key = key or slugify(content["title"])[:59]
    if packs.read(key, content) == (packs.read(key, live["pack"][key]) if key in live.get("pack", {}) else None):
        form.add_error(None, "This is what is live already.")
        return None
    items = [Item("pack", key, content)]
    return propose_from(request, form, kind="pack", key=key, items=items, worded=pack_forms.worded)
