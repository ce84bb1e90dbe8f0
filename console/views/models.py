"""The inventory of models: which there are, what stands of each, when it is due; and where people overrode the machine.
What may go live is decided in fairness.governance."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

import orjson
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.compliance.model_forms import RecordForm, initial
from console.paging import paged
from console.templatetags.console import sentence
from decisioning.models import Job, ModelVersion
from fairness.governance import card, inventory, readiness, reviews
from fairness.governance.examiner import tables
from fairness.governance.examiner.scope import Scope
from fairness.governance.overrides import by_group
from fairness.models import ModelRecord, ModelValidation
from fairness.tasks import measure_model, measurement_job
from offers import roles
from offers.approvals import NoReason

MOST: Final = 500  # overrides shown; an examiner pack holds all of them
_YEAR: Final = timedelta(days=365)


@allowed("see:models")
def index(request: SignedInRequest) -> HttpResponse:
    """The champion first in words, then every model, the newest first."""
    now = timezone.now()
    page = paged(ModelVersion.objects.defer("content"), request, size=25)
    names = [model.name for model in page.rows]
    records = {
        row.model_id: row
        for row in ModelRecord.objects.filter(model__name__in=names)
        .order_by("model_id", "-version")
        .distinct("model_id")
    }
    signed = ModelValidation.objects.filter(model__name__in=names, signed_at__isnull=False)
    validated = {row.model_id: row for row in signed.order_by("model_id", "-pk").distinct("model_id")}
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).defer("content").first()
    record = inventory.newest(champion.name) if champion else None
    rows = [
        {
            "model": model,
            "auc": model.report.get("auc"),
            "record": records.get(model.name),
            "validation": validated.get(model.name),
        }
        for model in page.rows
    ]
    return render(
        request,
        "models/list.html",
        {
            "rows": rows,
            "page": page,
            "champion": champion,
            "due": reviews.calendar(champion, record, now) if champion and record else None,
        },
    )


@allowed("see:models")
def detail(request: SignedInRequest, name: str) -> HttpResponse:
    now = timezone.now()
    job = Job.objects.filter(kind=measurement_job(_model(name).name)).first()
    versions = inventory.history(name)
    return render(
        request,
        "models/detail.html",
        {
            "card": card.build(name, now),
            "missing": readiness.missing(name, now),
            "log": [
                {"row": row, "changes": inventory.differences(row, before)}
                for row, before in zip(versions, [*versions[1:], None], strict=True)
                if before is not None
            ],
            "running": job is not None and job.status == Job.Status.RUNNING,
            "failed": job.message if job is not None and job.status == Job.Status.FAILED else "",
            "may_edit": roles.may(request.user, "document:models"),
            "may_measure": _may_measure(request),
        },
    )


def _may_measure(request: SignedInRequest) -> bool:
    return roles.may(request.user, "document:models") or roles.may(request.user, "validate:models")


def _model(name: str) -> ModelVersion:
    found = ModelVersion.objects.filter(name=name).defer("content").first()
    if found is None:
        raise Http404(f"There is no model {name}.")
    return found


@allowed("document:models")
def edit(request: SignedInRequest, name: str) -> HttpResponse:
    now = timezone.now()
    row = inventory.keep(_model(name).name, now)
    form = RecordForm(request.POST or None, initial=initial(row))
    if request.method == "POST" and form.is_valid():
        try:
            inventory.revise(name, form.statement, author=request.user, now=now)
            messages.success(request, "It stands in the inventory; the version before it is kept.")
            return redirect("model", name)
        except (NoReason, inventory.NoRationale, inventory.UnknownField, inventory.Validated) as fault:
            form.add_error(None, sentence(fault))
    status = 422 if form.is_bound else 200
    return render(request, "models/edit.html", {"name": name, "form": form}, status=status)


@require_POST
@allowed("document:models")
def measure(request: SignedInRequest, name: str) -> HttpResponse:
    """`again` has it trained once more as well."""
    try:
        measure_model.delay(_model(name).name, again="again" in request.POST)
        messages.info(request, "It is being measured; the page shows it in a moment.")
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being measured. Try again in a moment.")
    return redirect("validation" if "again" in request.POST else "model", name)


@allowed("see:models")
def card_pdf(request: SignedInRequest, name: str) -> HttpResponse:
    content = card.pdf(card.build(_model(name).name, timezone.now()))
    headers = {"Content-Disposition": f'attachment; filename="model-card-{name}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


@allowed("see:models")
def card_json(request: SignedInRequest, name: str) -> HttpResponse:
    content = orjson.dumps(card.build(_model(name).name, timezone.now()), option=orjson.OPT_INDENT_2)
    return HttpResponse(content, content_type="application/json")


@allowed("see:models")
def overrides(request: SignedInRequest) -> HttpResponse:
    """Every place where a person set aside what the machine would have done, with the reason, over twelve months."""
    now = timezone.now()
    found = sorted(islice(tables.overrides(Scope(now - _YEAR, now)), MOST), key=lambda row: row[0], reverse=True)
    rows = [_override(*row) for row in found]
    return render(
        request,
        "models/overrides.html",
        {
            "rows": rows,
            "by_person": Counter(row["who"] for row in rows).most_common(),
            "by_kind": Counter(row["kind"] for row in rows).most_common(),
            "by_group": by_group(now - _YEAR, now),
            "most": MOST,
        },
    )


def _override(at: datetime, kind: str, subject: str, who: str, reason: str) -> dict[str, Any]:
    return {"at": at, "kind": kind, "subject": subject, "who": who, "reason": reason}
