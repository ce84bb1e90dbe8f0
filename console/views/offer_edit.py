"""Proposing a change of an offer: of its content with the words of one message, of its terms, or a copy of it under a
name of its own; nothing here goes live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.catalogue import offer_items
from console.catalogue.offer_forms import OfferForm, TermsForm, TextForm, key_of
from console.catalogue.surfaces import SURFACES, surface
from console.proposing import propose_from, submitted
from offers import roles
from offers.catalog import Item
from offers.models import ChangeRequest, Creative, Offer
from offers.types import CHANNELS


@allowed("propose:offer")
def edit(request: SignedInRequest, key: str) -> HttpResponse:
    """A change of an offer and of one of its messages."""
    found = get_object_or_404(Offer, key=key, live=True)
    creatives = list(Creative.objects.filter(offer=key, live=True))
    creative = next((row for row in creatives if row.key == request.GET.get("creative")), None) or next(
        iter(creatives), None
    )
    posted = request.POST if request.method == "POST" else None
    form = OfferForm(posted, offer=found, sets_terms=roles.may(request.user, "propose:terms"))
    texts = [_text_form(posted, channel, creative) for channel in _channels(form)] if creative else []
    if posted is not None and "submit" in posted:
        change = _change(request, form, texts, creative)
        if change:
            return submitted(request, change)
    return render(
        request,
        "offers/edit.html",
        {
            "offer": found,
            "form": form,
            "creative": creative,
            "creatives": [
                {"name": row.title, "href": f"?creative={row.key}", "current": row is creative} for row in creatives
            ],
            "wordings": [{"form": text, "surface": surface(text.channel, text.as_typed())} for text in texts],
        },
    )


@allowed("propose:offer")
def duplicate(request: SignedInRequest, key: str) -> HttpResponse:
    """A new offer like this one, with its messages and arms; what differs is changed on the way."""
    source = get_object_or_404(Offer, key=key, live=True)
    posted = request.POST if request.method == "POST" else None
    start = {"title": "", "change_title": f"A copy of {source.title}"[:200], "rationale": f"Made like {source.title}."}
    form = OfferForm(posted, like=source, initial=start)
    left_behind = offer_items.rules_left_behind(source)
    if posted is not None and form.is_valid():
        content = form.content()
        why = form.cleaned_data["rationale"]
        if left_behind:
            why = f"{why}\nRules on {source.title} alone, which do not cover the copy: {'; '.join(left_behind)}."
        change = propose_from(
            request, form, kind="offer", key=key_of(content["title"]), items=offer_items.copy(source, content), why=why
        )
        if change:
            return submitted(request, change)
    creatives = Creative.objects.filter(offer=key, live=True)
    return render(
        request,
        "offers/duplicate.html",
        {"offer": source, "form": form, "left_behind": left_behind, "creatives": [row.title for row in creatives]},
    )


@allowed("propose:terms")
def terms(request: SignedInRequest, key: str) -> HttpResponse:
    """What risk sets of an offer."""
    found = get_object_or_404(Offer, key=key, live=True)
    form = TermsForm(request.POST if request.method == "POST" else None, offer=found)
    if form.is_bound and form.is_valid():
        content = form.content()
        if content == found.content:
            form.add_error(None, "This is what is live already.")
        else:
            change = propose_from(request, form, kind="offer", key=key, items=[Item("offer", key, content)])
            if change:
                return submitted(request, change)
    return render(request, "offers/terms.html", {"offer": found, "form": form})


def _channels(form: OfferForm) -> list[str]:
    """The channels that are ticked now: each needs words."""
    ticked = form["channels"].value() or []
    return [channel for channel in CHANNELS if channel in ticked]


def _text_form(posted: Any, channel: str, creative: Creative | None) -> TextForm:
    """What was posted, or what is live; a channel that was only just ticked is empty."""
    before = creative.content["texts"].get(channel) if creative else None
    return TextForm(posted, channel=channel, start=before)


def _change(
    request: SignedInRequest, form: OfferForm, texts: Sequence[TextForm], creative: Creative | None
) -> ChangeRequest | None:
    """The submitted proposal; None where a form is not right yet, which then says so."""
    ready = [text.is_valid() for text in texts]
    if not form.is_valid() or not all(ready):
        for text, fine in zip(texts, ready, strict=True):
            if not fine and not any(text.as_typed().values()):
                form.add_error(None, f"The words for {text.channel.replace('_', ' ')} are missing.")
        return None
    assert form.offer is not None
    items = _items(form.offer, form.content(), texts, creative)
    if not items:
        form.add_error(None, "This is what is live already.")
        return None
    return propose_from(request, form, kind="offer", key=form.offer.key, items=items)


def _items(offer: Offer, content: dict[str, Any], texts: Sequence[TextForm], creative: Creative | None) -> list[Item]:
    """What differs from the live catalogue."""
    items = [Item("offer", offer.key, content)] if content != offer.content else []
    if creative is not None:
        words = dict(creative.content["texts"])
        words |= {text.channel: text.content(words.get(text.channel)) for text in texts}
        if words != creative.content["texts"]:
            items.append(Item("creative", creative.key, {**creative.content, "texts": words}))
    return items


@require_POST
@allowed("propose:creative")
def preview(request: SignedInRequest, channel: str) -> HttpResponse:
    """One channel's surface with the words as they are typed; `?prefix=` says how their fields are called."""
    if channel not in SURFACES:
        raise Http404(f"There is no channel {channel}.")
    text = TextForm(request.POST, channel=channel, prefix=request.GET.get("prefix", "")).as_typed()
    return render(request, "offers/surface.html", {"surface": surface(channel, text)})
