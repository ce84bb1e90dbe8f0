"""The validation of a model: begin, have it trained again, write, sign, countersign. Who may is decided in
fairness.governance.validation and in the database."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import SignedInRequest, allowed
from console.compliance.model_forms import ReportForm
from console.templatetags.console import sentence
from decisioning.models import Job, ModelVersion
from fairness.governance import card, fields, measurement, validation
from fairness.models import ModelValidation
from fairness.tasks import measurement_job
from offers import roles
from offers.approvals import NoReason, WrongStatus


@allowed("see:models")
def index(request: SignedInRequest, name: str) -> HttpResponse:
    if not ModelVersion.objects.filter(name=name).exists():
        raise Http404(f"There is no model {name}.")
    rows = card.validations(name)
    opened = next((row for row in rows if row.signed_at is None), None)
    own = opened is not None and opened.validator_id == request.user.pk
    job = Job.objects.filter(kind=measurement_job(name)).first()
    measured = measurement.newest(name)
    given = {**opened.sections, "findings": opened.findings, "conclusion": opened.conclusion} if opened else {}
    return render(
        request,
        "models/validation.html",
        {
            "name": name,
            "open": opened,
            "form": ReportForm(initial=given) if own else None,
            "sections": list(fields.SECTIONS.items()),
            "signed": [_shown(row, request) for row in rows if row.signed_at is not None],
            "measured": measured,
            "running": job is not None and job.status == Job.Status.RUNNING,
            "failed": job.message if job is not None and job.status == Job.Status.FAILED else "",
            "may_begin": roles.may(request.user, "validate:models") and opened is None,
            "developed": validation.developed(name, request.user),
            "may_measure": roles.may(request.user, "document:models"),
        },
    )


def _shown(row: ModelValidation, request: SignedInRequest) -> dict[str, object]:
    waits = row.countersigned_by is None and row.validator_id != request.user.pk
    return {
        "row": row,
        "texts": [(label, row.sections.get(name, "")) for name, label in fields.SECTIONS.items()],
        "may_countersign": waits and roles.may(request.user, "approve:model"),
    }


@require_POST
@allowed("validate:models")
def begin(request: SignedInRequest, name: str) -> HttpResponse:
    try:
        validation.begin(name, validator=request.user, now=timezone.now())
    except ModelVersion.DoesNotExist:
        raise Http404(f"There is no model {name}.") from None
    except validation.AlreadyOpen as fault:
        messages.error(request, sentence(fault))
    return redirect("validation", name)


@require_POST
@allowed("validate:models")
def write(request: SignedInRequest, name: str, validation_id: int) -> HttpResponse:
    form = ReportForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A section is longer than 5,000 characters, or the conclusion is none.")
        return redirect("validation", name)
    try:
        validation.write(
            validation_id, sections=form.sections, findings=form.cleaned_data["findings"],
            conclusion=form.cleaned_data["conclusion"], by=request.user, now=timezone.now(),
        )  # fmt: skip
        if "sign" in request.POST:
            validation.sign(validation_id, by=request.user, now=timezone.now())
        messages.success(request, "Signed." if "sign" in request.POST else "Saved.")
    except (NoReason, WrongStatus, validation.NotMeasured) as fault:
        messages.error(request, sentence(fault))
    except ModelValidation.DoesNotExist:
        raise Http404("There is no such validation.") from None
    return redirect("validation", name)


@require_POST
@allowed("approve:model")
def countersign(request: SignedInRequest, name: str, validation_id: int) -> HttpResponse:
    try:
        validation.countersign(validation_id, by=request.user, now=timezone.now())
        messages.success(request, "Countersigned.")
    except WrongStatus as fault:
        messages.error(request, sentence(fault))
    except ModelValidation.DoesNotExist:
        raise Http404("There is no such validation.") from None
    return redirect("validation", name)
