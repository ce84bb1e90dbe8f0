"""Proposing an offer with its words, or a change of both; nothing here goes live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.forms import OfferForm, TextForm
from console.proposing import propose
from console.surfaces import SURFACES, surface
from offers.catalog import InvalidContent, Item
from offers.models import ChangeRequest, Creative, Offer
from offers.types import CHANNELS

FIRST_CREATIVE = "main"
PRIOR_STRENGTH = 50.0  # trials that a new arm's expected acceptance counts for


@allowed("propose:offer")
def offer(request: SignedInRequest, key: str | None = None) -> HttpResponse:
    """A new offer (no key) with its first message and arm, or a change of an offer and of one of its messages."""
    found = get_object_or_404(Offer, key=key, live=True) if key else None
    creatives = list(Creative.objects.filter(offer=key, live=True)) if key else []
    creative = next((row for row in creatives if row.key == request.GET.get("creative")), None) or next(
        iter(creatives), None
    )
    posted = request.POST if request.method == "POST" else None
    form = OfferForm(posted, offer=found)
    channels = _channels(form)
    texts = [_text_form(posted, channel, creative) for channel in channels]
    if posted is not None and "submit" in posted:
        change = _propose(request, form, texts, creative)
        if change:
            messages.success(request, "Submitted. Somebody else must approve it before it is live.")
            return redirect("review", change_id=change.pk)
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


def _channels(form: OfferForm) -> list[str]:
    """The channels that are ticked now: each needs words."""
    ticked = form["channels"].value() or []
    return [channel for channel in CHANNELS if channel in ticked]


def _text_form(posted: Any, channel: str, creative: Creative | None) -> TextForm:
    """Bound to what was posted, unless this channel was only just ticked."""
    before = creative.content["texts"].get(channel) if creative else None
    given = posted if posted is not None and f"{channel}-headline" in posted else None
    return TextForm(given, channel=channel, initial=before)


def _propose(
    request: SignedInRequest, form: OfferForm, texts: Sequence[TextForm], creative: Creative | None
) -> ChangeRequest | None:
    """The submitted proposal; None where a form is not right yet, which then says so."""
    ready = [text.is_valid() for text in texts]
    if not form.is_valid() or not all(ready):
        for text in texts:
            if not text.is_bound:
                form.add_error(None, f"The words for {text.channel.replace('_', ' ')} are missing.")
        return None
    key = form.offer.key if form.offer else slugify(form.cleaned_data["title"])[:59]
    items = _items(key, form, texts, creative)
    if not items:
        form.add_error(None, "This is what is live already.")
        return None
    try:
        return propose(
            kind="offer",
            key=key,
            title=form.cleaned_data["change_title"],
            rationale=form.cleaned_data["rationale"],
            items=items,
            author=request.user,
            now=timezone.now(),
        )
    except InvalidContent as refused:
        for fault in refused.faults:
            form.add_error(None, f"{fault.path}: {fault.message}")
        return None


def _items(key: str, form: OfferForm, texts: Sequence[TextForm], creative: Creative | None) -> list[Item]:
    """What differs from the live catalogue; a new offer brings its first message and arm."""
    content = form.content()
    name = creative.key if creative else f"{key}/{FIRST_CREATIVE}"
    words = dict(creative.content["texts"]) if creative else {}
    words |= {text.channel: text.content(words.get(text.channel)) for text in texts}
    message = {**(creative.content if creative else {"title": content["title"], "offer": key}), "texts": words}
    items = [Item("offer", key, content), Item("creative", name, message)]
    if creative is None:
        prior = {"prior_mean": content["base_rate"], "prior_strength": PRIOR_STRENGTH}
        items.append(Item("arm", name, {"title": content["title"], "offer": key, "creative": name, **prior}))
    live = {
        ("offer", key): form.offer.content if form.offer else None,
        ("creative", name): creative and creative.content,
    }
    return [item for item in items if live.get((item.kind, item.key)) != item.content]


@require_POST
@allowed("propose:creative")
def preview(request: SignedInRequest, channel: str) -> HttpResponse:
    """One channel's surface with the words as they are typed."""
    if channel not in SURFACES:
        raise Http404(f"There is no channel {channel}.")
    text = TextForm(request.POST, channel=channel).as_typed()
    return render(request, "offers/surface.html", {"surface": surface(channel, text)})
