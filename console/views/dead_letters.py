"""Events that could not be taken in: found by reason and origin, read safely, sent again or given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.paging import paged
from console.templatetags.console import amount, listed
from decisioning import dead_letters
from decisioning.models import DeadLetter
from offers import roles
from offers.register import ProtectedAttribute, UnknownAttribute, attribute

STATES: Final = ("waiting", "settled", "all")
REASONS_SAID: Final = 3
LONGEST_ID: Final = 18  # digits: what a bigint surely holds
LONGEST: Final = 4_000  # characters of a body that are shown
HIDDEN: Final = "not shown: a protected characteristic"


@allowed("see:dead_letters")
def index(request: SignedInRequest) -> HttpResponse:
    return render(request, "dead_letters/list.html", _page(request))


@require_POST
@allowed("replay:dead_letters")
def settle(request: SignedInRequest) -> HttpResponse:
    """Send letters again or give them up: the chosen ones, or all that the page showed. For htmx the letters that are
    left come back with what became of these; the same request twice changes nothing."""
    field = "shown" if "all" in request.POST else "letter"
    ids = [int(text) for text in request.POST.getlist(field) if text.isdecimal() and len(text) <= LONGEST_ID]
    step = dead_letters.discard if request.POST.get("step") == "discard" else dead_letters.replay
    results = step(ids, by=request.user.get_username(), now=timezone.now()) if ids else {}
    level, said = _outcome(results)
    if request.htmx:
        return render(request, "dead_letters/letters.html", {**_page(request), "tone": level, "outcome": said})
    messages.add_message(request, messages.SUCCESS if level == "good" else messages.WARNING, said)
    return redirect(f"{reverse('dead_letters')}?{request.GET.urlencode()}")


def _page(request: SignedInRequest) -> dict[str, Any]:
    filters = {name: request.GET.get(name, "").strip() for name in ("code", "origin", "state")}
    page = paged(_filtered(filters), request)
    counts = dead_letters.counts()
    return {
        "letters": [_letter(row) for row in page.rows],
        "page": page,
        "filters": filters,
        "states": STATES,
        "counts": counts.items(),
        "waiting": sum(counts.values()),
        "origins": DeadLetter.objects.order_by("origin").values_list("origin", flat=True).distinct(),
        "codes": DeadLetter.objects.order_by("code").values_list("code", flat=True).distinct(),
        "may_replay": roles.may(request.user, "replay:dead_letters"),
    }


def _filtered(filters: Mapping[str, str]) -> QuerySet[DeadLetter]:
    rows = dead_letters.waiting()
    if filters["state"] == "all":
        rows = DeadLetter.objects.all()
    elif filters["state"] == "settled":
        rows = DeadLetter.objects.filter(result__in=dead_letters.SETTLED)
    return rows.filter(**{name: filters[name] for name in ("code", "origin") if filters[name]})


def _letter(row: DeadLetter) -> dict[str, Any]:
    text, length = _shown(bytes(row.body))
    return {
        "id": row.pk,
        "code": row.code,
        "reason": row.reason,
        "origin": row.origin,
        "position": row.position,
        "arrived_at": row.arrived_at,
        "result": row.result,
        "settled": row.result in dead_letters.SETTLED,
        "replayed_at": row.replayed_at,
        "replayed_by": row.replayed_by,
        "body": text,
        "cut": max(0, length - LONGEST),
    }


def _shown(body: bytes) -> tuple[str, int]:
    """A body for a person to read, at most LONGEST characters of it, and how many it has: JSON indented, other text as
    it is, and what is neither as hexadecimal digits."""
    try:
        text = orjson.dumps(_masked(orjson.loads(body)), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = body.hex(" ")
    return text[:LONGEST], len(text)


def _masked(value: Any) -> Any:
    """JSON without the values of fields that are named as a protected characteristic: a source that sends them where
    they do not belong is no reason to read them."""
    if isinstance(value, list):
        return [_masked(part) for part in value]
    if isinstance(value, dict):
        return {name: HIDDEN if _is_protected(name) else _masked(part) for name, part in value.items()}
    return value


def _is_protected(name: str) -> bool:
    try:
        attribute(name)
    except ProtectedAttribute:
        return True
    except UnknownAttribute:
        pass
    return False


def _outcome(results: Mapping[int, str]) -> tuple[str, str]:
    """What became of the letters: "good" or "warn", and a sentence with the first reasons why some go on waiting."""
    if not results:
        return "warn", "No letter was chosen."
    settled = Counter(result for result in results.values() if result in dead_letters.SETTLED)
    again = [result for result in results.values() if result not in dead_letters.SETTLED]
    parts = [f"{amount(count)} {result}" for result, count in settled.most_common()]
    if not again:
        return "good", f"{listed(parts)}."
    reasons = "; ".join(list(dict.fromkeys(again))[:REASONS_SAID])
    return "warn", f"{listed([*parts, f'{amount(len(again))} could not be taken in and must wait'])}: {reasons}."
