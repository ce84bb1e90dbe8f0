"""Proposing a new arm, or a change, a pause or the end of one; nothing here goes live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models.fields.json import KeyTextTransform
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render

from console.access import SignedInRequest, allowed
from console.catalogue.arm_forms import ArmForm, NewArmForm
from console.engine import engine
from console.forms import ProposalForm
from console.proposing import propose_from, submitted
from offers import mandates
from offers.catalog import Item
from offers.models import Arm, Creative, Offer
from offers.snapshot import mandate as read_mandate

MOST_LISTED: Final = 500  # messages without an arm; a link from an offer lists its own only


@dataclass(frozen=True, slots=True)
class Action:
    """One of the three short proposals: what it is called and what it means."""

    label: str
    means: str


ACTIONS: Final = {
    "pause": Action("Pause", "It no longer competes, keeps what it has learned, and can be resumed."),
    "resume": Action("Resume", "It competes again, from what it had learned."),
    "retire": Action("Retire", "It leaves the catalogue. What it has learned stays on record."),
}


@allowed("propose:arm")
def change(request: SignedInRequest, offer: str, name: str) -> HttpResponse:
    """The share, the learning and the prior of an arm."""
    arm = get_object_or_404(Arm, key=f"{offer}/{name}", live=True)
    named = _named(arm)
    form = ArmForm(request.POST or None, content=arm.content, name=", ".join(named.values()))
    if request.method == "POST" and form.is_valid():
        content = form.content()
        if content == arm.content:
            form.add_error(None, "This is what is live already.")
        elif proposal := propose_from(request, form, kind="arm", key=arm.key, items=[Item("arm", arm.key, content)]):
            return submitted(request, proposal)
    live = engine()
    return render(
        request,
        "arms/change.html",
        {
            "arm": arm,
            "parts": arm.key.split("/"),
            "named": named,
            "form": form,
            "sentence": mandates.sentence(read_mandate(arm.content.get("mandate"))),
            "trials": _trials(arm.key) if live else 0,
            "promised": _promised(arm.key),
        },
    )


@allowed("propose:arm")
def act(request: SignedInRequest, offer: str, name: str, action: str) -> HttpResponse:
    """Pause, resume or retire an arm."""
    arm = get_object_or_404(Arm, key=f"{offer}/{name}", live=True)
    paused = arm.content.get("paused", False)
    if action not in ACTIONS or action == ("pause" if paused else "resume"):
        raise Http404(f"There is nothing to {action} here.")
    named, wanted = _named(arm), ACTIONS[action]
    title = f"{wanted.label} {', '.join(named.values())}"[:200]
    form = ProposalForm(request.POST or None, initial={"change_title": title})
    if request.method == "POST" and form.is_valid():
        content = None if action == "retire" else {**arm.content, "paused": action == "pause"}
        if proposal := propose_from(request, form, kind="arm", key=arm.key, items=[Item("arm", arm.key, content)]):
            return submitted(request, proposal)
    return render(
        request,
        "arms/act.html",
        {
            "arm": arm,
            "parts": arm.key.split("/"),
            "named": named,
            "action": wanted,
            "form": form,
            "last": action != "resume" and not _others(arm),
        },
    )


@allowed("propose:arm")
def new(request: SignedInRequest) -> HttpResponse:
    """An arm for a message that has none."""
    offer = request.GET.get("offer", "")
    creatives = _without_arm(offer)
    form = NewArmForm(
        request.POST or None,
        creatives=[(creative.key, label) for creative, label in creatives],
        initial={"change_title": "A new arm", "creative": creatives[0][0].key if offer and creatives else ""},
    )
    if request.method == "POST" and form.is_valid():
        creative = next(found for found, _ in creatives if found.key == form.cleaned_data["creative"])
        content = {
            "title": creative.title, "offer": creative.offer, "creative": creative.key, **form.prior_content()
        }  # fmt: skip
        items = [Item("arm", creative.key, content)]
        if proposal := propose_from(request, form, kind="arm", key=creative.key, items=items):
            return submitted(request, proposal)
    return render(request, "arms/new.html", {"form": form, "any": bool(creatives)})


def _named(arm: Arm) -> dict[str, str]:
    """The offer and the message of an arm, as people call them."""
    offer = Offer.objects.filter(key=arm.offer).values_list("title", flat=True).first()
    creative = Creative.objects.filter(key=arm.content["creative"]).values_list("title", flat=True).first()
    return {"offer": offer or arm.offer, "creative": creative or arm.title}


def _others(arm: Arm) -> bool:
    """Whether the offer has another arm that competes."""
    # Not a query on the content: Postgres tells nothing of arms whose content does not say whether they are paused.
    others = Arm.objects.filter(offer=arm.offer, live=True).exclude(key=arm.key)
    return any(not row.content.get("paused", False) for row in others)


def _trials(key: str) -> int:
    live = engine()
    if live is None or key not in live.posterior.index:
        return 0
    return int(live.posterior.trials[live.posterior.index[key]])


def _promised(key: str) -> float:
    """The sum of the other arms' minimums: past 100 % together all give way."""
    rows = Arm.objects.filter(live=True, content__mandate__min_share__gt=0).exclude(key=key)
    return float(sum(row.content["mandate"]["min_share"] for row in rows))


def _without_arm(offer: str) -> list[tuple[Creative, str]]:
    """Live messages of live offers that no arm shows, with their label."""
    used = Arm.objects.filter(live=True).values_list(KeyTextTransform("creative", "content"))
    rows: Any = Creative.objects.filter(live=True).exclude(key__in=used).order_by("key")
    if offer:
        rows = rows.filter(offer=offer)
    found = list(rows[:MOST_LISTED])
    titles = dict(Offer.objects.filter(key__in={row.offer for row in found}, live=True).values_list("key", "title"))
    return [(row, f"{titles[row.offer]}: {row.title}") for row in found if row.offer in titles]
