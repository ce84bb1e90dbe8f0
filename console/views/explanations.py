"""The explanation of one decision for its three audiences: as a page, a PDF, JSON and a letter; nothing is explained
here, see fairness.explanations."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

import orjson
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from console.access import SignedInRequest, allowed
from decisioning import decision_log
from decisioning.models import Customer
from decisioning.models import Decision as DecisionRow
from fairness.explanations import letter, page, pdf
from fairness.explanations.block import SHOWN, Audience
from offers import roles

_WORDS: Final = {"customer": "Customer", "agent": "Agent", "examiner": "Examiner"}


def tabs(row: DecisionRow, current: str) -> list[dict[str, Any]]:
    """The trace of a decision and its three explanations, for the head of each."""
    links = [("trace", "Trace", reverse("decision", args=[row.id]))]
    links += [(name, _WORDS[name], reverse("decision_explanation", args=[row.id, name])) for name in SHOWN]
    return [{"label": label, "href": href, "current": name == current} for name, label, href in links]


def found(decision_id: UUID) -> DecisionRow:
    """Raises Http404."""
    try:
        return decision_log.get(decision_id)
    except decision_log.UnknownDecision as missing:
        raise Http404(f"There is no decision {decision_id}.") from missing


def _built(decision_id: UUID, audience: str) -> tuple[DecisionRow, dict[str, Any]]:
    if audience not in SHOWN:
        raise Http404(f"Nobody is called {audience}: an explanation is for {', '.join(SHOWN)}.")
    row = found(decision_id)
    return row, page.build(row, cast(Audience, audience), timezone.now())


@allowed("see:decisions")
def detail(request: SignedInRequest, decision_id: UUID, audience: str) -> HttpResponse:
    row, built = _built(decision_id, audience)
    return render(
        request,
        "decisions/explanation.html",
        {
            "page": {**built, "blocks": [_labelled(block) for block in built["blocks"]]},
            "decision_id": row.id,
            "made_at": parse_datetime(built["made_at"]),
            "audience": audience,
            "tabs": tabs(row, audience),
            "customer": Customer.objects.filter(id=row.customer_id).values_list("external_id", flat=True).first(),
            "may_ask": roles.may(request.user, "work:requests"),
        },
    )


def _labelled(block: dict[str, Any]) -> dict[str, Any]:
    """The block with each cell beside its heading, for screens that are too narrow for a table."""
    if not block["table"]:
        return block
    columns = block["table"]["columns"]
    rows = [list(zip(columns, row, strict=True)) for row in block["table"]["rows"]]
    return {**block, "table": {"columns": columns, "rows": rows}}


@allowed("see:decisions")
def as_pdf(request: SignedInRequest, decision_id: UUID, audience: str) -> HttpResponse:
    _, built = _built(decision_id, audience)
    return _file(pdf.render(built), "application/pdf", f"decision-{decision_id}-{audience}.pdf")


@allowed("see:decisions")
def as_json(request: SignedInRequest, decision_id: UUID, audience: str) -> HttpResponse:
    _, built = _built(decision_id, audience)
    return _file(orjson.dumps(built), "application/json", f"decision-{decision_id}-{audience}.json")


@allowed("see:decisions")
def as_letter(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """What a customer who asks is sent."""
    built = letter.build(found(decision_id), timezone.now())
    blocks = [_labelled(block) for block in built["blocks"]]
    return render(
        request, "decisions/letter.html", {"page": {**built, "blocks": blocks}, "decision_id": decision_id}
    )  # fmt: skip


@allowed("see:decisions")
def letter_pdf(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    built = letter.build(found(decision_id), timezone.now())
    return _file(pdf.render(built), "application/pdf", f"letter-{decision_id}.pdf")


def _file(content: bytes, content_type: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)
