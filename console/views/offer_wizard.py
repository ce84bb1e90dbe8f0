"""A new offer in four steps; each is a plain form whose fields are kept in the session, and nothing here goes live."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from console.access import SignedInRequest, allowed
from console.catalogue import offer_items
from console.catalogue.offer_draft import CHECK, MOST_MESSAGES, PRODUCT, STEPS, WORDS, WORTH, Draft, Message, Wizard
from console.catalogue.offer_forms import key_of
from console.catalogue.surfaces import surface
from console.proposing import propose, submitted
from console.whole_number import whole_number
from console.wording import facts as fact_rows
from offers import roles, storable
from offers.catalog import InvalidContent
from offers.conditions.grammar import Fault
from offers.models import ChangeRequest

# Where the fields of a kind of item are filled in, for a fault that only the whole catalogue shows.
STEP_OF: Final[Mapping[str, str]] = {"product": PRODUCT, "offer": WORTH, "creative": WORDS, "arm": CHECK, "rule": CHECK}


@require_GET
@allowed("propose:offer")
def start(request: SignedInRequest) -> HttpResponse:
    """A fresh draft: of nothing, like an offer (`?from=`), or for a group of customers (`?when=`, a condition)."""
    draft = Draft(secrets.token_hex(4), start_from=request.GET.get("from", ""), when=request.GET.get("when", ""))
    if draft.when and _condition(draft) is None:
        messages.warning(request, "The condition of the group could not be read, so the offer starts without it.")
        draft.when = ""
    if draft.when or draft.start_from:
        draft.keep(request.session)
    return redirect("offer_step", draft=draft.key, step=PRODUCT)


@allowed("propose:offer")
def step(request: SignedInRequest, draft: str, step: str) -> HttpResponse:
    """One step. A button saves what was entered and leads on; the address answers the same after a reload or Back."""
    if step not in STEPS:
        raise Http404(f"There is no step {step}.")
    held = Draft.of(request.session, draft)
    if request.method == "POST":
        return _posted(request, held, step)
    return _page(request, held, step, ())


def _posted(request: SignedInRequest, draft: Draft, step: str) -> HttpResponse:
    pressed = request.POST
    draft.take(step, pressed, judged="refresh" not in pressed)
    if step == WORDS:
        _arrange(draft, pressed)
    if "submit" in pressed:
        draft.seen = list(STEPS)
        draft.keep(request.session)
        return _submit(request, draft)
    draft.keep(request.session)
    if "refresh" in pressed and request.htmx:
        return _page(request, draft, step, ())
    address = reverse("offer_step", args=[draft.key, _next(draft, step, pressed.get("go", ""))])
    shown = draft.messages if "add" in pressed else pressed.get("show", "")
    return redirect(f"{address}?message={shown}" if shown else address)


def _arrange(draft: Draft, pressed: Mapping[str, Any]) -> None:
    """One message more or less."""
    if "add" in pressed and draft.messages < MOST_MESSAGES:
        draft.messages += 1
    number = whole_number(str(pressed.get("drop", "")))
    if number is not None:
        draft.drop_message(number)


def _next(draft: Draft, step: str, wanted: str) -> str:
    """The step of the pressed button: the same one again while it is not right, or if it was only rearranged."""
    if wanted in STEPS:
        return wanted
    order = list(STEPS)
    return order[order.index(step) + 1] if wanted == "next" and Wizard(draft).fine(step) and step != CHECK else step


def _condition(draft: Draft) -> Mapping[str, Any] | None:
    try:
        told = json.loads(draft.when) if draft.when else None
    except (ValueError, RecursionError):
        return None
    return None if any(storable.faults(told, "")) else offer_items.readable(told)


def _submit(request: SignedInRequest, draft: Draft) -> HttpResponse:
    """The proposal, or the check once more with what is not right."""
    wizard = Wizard(draft)
    if not all(wizard.fine(name) for name in STEPS):
        return redirect("offer_step", draft=draft.key, step=CHECK)
    when = _condition(draft)
    try:
        change = _propose(request, wizard, when)
    except InvalidContent as refused:
        return _page(request, draft, CHECK, refused.faults)
    draft.forget(request.session)
    return submitted(request, change)


def _propose(request: SignedInRequest, wizard: Wizard, when: Mapping[str, Any] | None) -> ChangeRequest:
    given = wizard.proposal.cleaned_data
    rationale = given["rationale"]
    if when is not None and not roles.may(request.user, "propose:rule"):
        rationale = (
            f"{rationale}\nMade for this group, which takes a rule of risk's: {offer_items.condition_words(when)}"
        )
    return propose(
        kind="offer",
        key=key_of(wizard.title),
        title=given["change_title"],
        rationale=rationale.strip(),
        items=offer_items.of_wizard(wizard, when, request.user),
        author=request.user,
        now=timezone.now(),
    )


def _page(request: SignedInRequest, draft: Draft, step: str, refused: tuple[Fault, ...]) -> HttpResponse:
    wizard, when = Wizard(draft), _condition(draft)
    at_fault = {STEP_OF.get(fault.path.split("/")[1], CHECK) for fault in refused}
    fine = {name: name not in at_fault and wizard.fine(name) for name in STEPS}
    shown = [name for name in STEPS if name in draft.seen or step == CHECK]
    context: dict[str, Any] = {
        "draft": draft,
        "step": step,
        "steps": [
            {"key": name, "label": label, "number": number, "current": name == step,
             "state": "" if name not in shown else "done" if fine[name] else "fault"}
            for number, (name, label) in enumerate(STEPS.items(), start=1)
        ],
        "form": {PRODUCT: wizard.product, WORTH: wizard.worth}.get(step, wizard.proposal),
        "wizard": wizard,
        "refused": refused,
        "group": offer_items.condition_words(when) if when else "",
        "rules_too": roles.may(request.user, "propose:rule"),
    }  # fmt: skip
    if step == WORDS:
        context |= _words(wizard, request.GET.get("message", ""))
    if step == CHECK:
        context |= {"messages_": wizard.messages, "facts": fact_rows({"facts": wizard.facts}),
                    "unready": [entry for entry in context["steps"] if entry["state"] == "fault"]}  # fmt: skip
    return render(request, "offers/wizard_start.html" if request.htmx else "offers/wizard.html", context)


def _words(wizard: Wizard, wanted: str) -> dict[str, Any]:
    """The message that is shown, with a preview of each channel; the others are tabs."""
    number = whole_number(wanted) or 1
    shown: Message = wizard.messages[min(number, len(wizard.messages)) - 1]
    return {
        "messages_": wizard.messages,
        "shown": shown,
        "wordings": [{"form": text, "surface": surface(text.channel, text.as_typed())} for text in shown.texts],
        "may_add": len(wizard.messages) < MOST_MESSAGES,
    }
