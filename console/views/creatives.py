"""The messages of one offer as each channel shows them, and proposing a new one with its arm or other words."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from console.access import SignedInRequest, allowed
from console.catalogue import offer_defaults, offer_items
from console.catalogue.offer_forms import PRIOR_STRENGTH, ArmForm, CreativeForm, TextForm, key_of
from console.catalogue.surfaces import surface
from console.paging import paged
from console.proposing import propose_from, submitted
from offers import roles
from offers.catalog import Item
from offers.models import Arm, Creative, Offer
from offers.types import CHANNELS


@allowed("see:offers")
def index(request: SignedInRequest, key: str) -> HttpResponse:
    """All messages of an offer, by key, each channel with how long its words are."""
    offer = get_object_or_404(Offer, key=key)
    page = paged(Creative.objects.filter(offer=key, live=True), request, "key", descending=False)
    arms = dict(Arm.objects.filter(offer=key, live=True).values_list("content__creative", "content__paused"))
    rows = [
        {
            "key": row.key,
            "name": row.key.partition("/")[2],
            "title": row.title,
            "version": row.version,
            "updated_at": row.updated_at,
            "arm": "no arm" if row.key not in arms else "paused" if arms[row.key] else "live",
            "surfaces": [surface(channel, row.content["texts"][channel]) for channel in _channels(offer, row)],
        }
        for row in page.rows
    ]
    may = offer.live and roles.may(request.user, "propose:creative")
    return render(request, "creatives/list.html", {"offer": offer, "creatives": rows, "page": page, "may_propose": may})


def _channels(offer: Offer, creative: Creative) -> list[str]:
    used = set(offer.content["channels"]) & set(creative.content["texts"])
    return [channel for channel in CHANNELS if channel in used]


@allowed("propose:creative")
def edit(request: SignedInRequest, key: str, name: str | None = None) -> HttpResponse:
    """Other words for a message, or (without a name) a new one with its arm."""
    offer = get_object_or_404(Offer, key=key, live=True)
    found = get_object_or_404(Creative, key=f"{key}/{name}", live=True) if name else None
    posted = request.POST if request.method == "POST" else None
    form = CreativeForm(posted, offer=key, key=found.key if found else "", initial=_begun(offer, found))
    texts = [
        TextForm(posted, channel=channel, start=_start(offer, found, channel))
        for channel in CHANNELS
        if channel in offer.content["channels"]
    ]
    expected = {"arm-expected": round(offer.content["base_rate"] * 100, 4), "arm-strength": PRIOR_STRENGTH}
    arm = None if found else ArmForm(expected if posted is None else posted, prefix="arm")
    if posted is not None and _ready(form, texts, arm):
        items = _items(offer, found, form.cleaned_data["title"], texts, arm)
        if not items:
            form.add_error(None, "This is what is live already.")
        else:
            change = propose_from(request, form, kind="creative", key=items[0].key, items=items)
            if change:
                return submitted(request, change)
    wordings = [{"form": text, "surface": surface(text.channel, text.as_typed())} for text in texts]
    return render(
        request,
        "creatives/edit.html",
        {"offer": offer, "creative": found, "form": form, "arm": arm, "wordings": wordings},
    )


def _begun(offer: Offer, found: Creative | None) -> dict[str, str]:
    if found:
        return {"title": found.title, "change_title": f"{offer.title}: other words for {found.title}"[:200]}
    return {"change_title": f"{offer.title}: a new message"[:200]}


def _start(offer: Offer, found: Creative | None, channel: str) -> dict[str, Any] | None:
    """A new message starts from a plain statement of the facts; one that is live from its words."""
    if found:
        return dict(found.content["texts"].get(channel, {}))
    return offer_defaults.words(channel, offer.title, offer.content["facts"], None, "")


def _ready(form: CreativeForm, texts: list[TextForm], arm: ArmForm | None) -> bool:
    every = [form.is_valid(), arm is None or arm.is_valid(), *(text.is_valid() for text in texts)]
    return all(every)


def _items(offer: Offer, found: Creative | None, title: str, texts: list[TextForm], arm: ArmForm | None) -> list[Item]:
    if found is None:
        assert arm is not None
        words = {text.channel: text.content() for text in texts}
        return offer_items.message(offer.key, key_of(title), title, words, arm.content(), offer.title)
    before = found.content["texts"]
    words = {**before, **{text.channel: text.content(before.get(text.channel)) for text in texts}}
    content = {**found.content, "title": title, "texts": words}
    return [Item("creative", found.key, content)] if content != found.content else []
