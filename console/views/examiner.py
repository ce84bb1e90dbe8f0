"""The examiner pack: ask for one, see what was made, download it. What is in it is decided in fairness.governance."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.forms import DateInput
from console.paging import paged
from console.templatetags.console import sentence
from decisioning.models import Job
from fairness.governance.examiner import pack as packs
from fairness.governance.examiner import scope as scopes
from fairness.governance.examiner import tables
from fairness.models import ExaminerPack
from fairness.tasks import EXAMINER_PACK, make_examiner_pack
from offers import audit

YEAR = timedelta(days=365)
_TITLES = {table.name: table.title for table in tables.TABLES}


class PackForm(forms.Form):
    """A period, both days included, and one campaign or everything."""

    first = forms.DateField(label="From", widget=DateInput)
    last = forms.DateField(label="To, included", widget=DateInput)
    campaign = forms.CharField(
        label="An offer's key or a loaded history (empty: everything)", required=False, max_length=120
    )

    def clean(self) -> dict[str, Any]:
        """Dates in order, and a campaign that there is."""
        given = super().clean() or {}
        if "first" in given and "last" in given:
            try:
                self.scope = scopes.of(given["first"], given["last"], given.get("campaign", "").strip())
            except (scopes.NoPeriod, scopes.UnknownCampaign) as fault:
                raise forms.ValidationError(sentence(fault)) from fault
        return given


@allowed("export:evidence")
def index(request: SignedInRequest) -> HttpResponse:
    today = timezone.now().date()
    return _page(request, PackForm(initial={"first": today - YEAR, "last": today}))


@require_POST
@allowed("export:evidence")
def make(request: SignedInRequest) -> HttpResponse:
    form = PackForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    person, scope = request.user.get_username(), form.scope
    first, last = (str(form.cleaned_data[name]) for name in ("first", "last"))
    before = Job.objects.filter(kind=EXAMINER_PACK).values_list("pk", flat=True).first() or 0
    try:
        with transaction.atomic():
            audit.record(
                actor=person, action="pack.asked", subject="examiner pack",
                detail={"from": first, "to": last, "campaign": scope.campaign}, now=timezone.now(),
            )  # fmt: skip
            make_examiner_pack.delay(first, last, scope.campaign, person)
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being made. Try again in a moment.")
        return redirect("examiner")
    return redirect(f"{reverse('examiner')}?after_job={before}")


@allowed("export:evidence")
def download(request: SignedInRequest, pack_id: int) -> HttpResponse | StreamingHttpResponse:
    found = get_object_or_404(ExaminerPack, pk=pack_id)
    with transaction.atomic():
        audit.record(
            actor=request.user.get_username(), action="pack.downloaded", subject=f"pack {found.pk}",
            detail={"sha256": found.sha256}, now=timezone.now(),
        )  # fmt: skip
    name = f"examiner-pack-{found.period_from:%Y-%m-%d}-{_last(found):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(found.size)}
    return StreamingHttpResponse(packs.content(found), content_type="application/zip", headers=headers)


def _last(pack: ExaminerPack) -> date:
    return (pack.period_to - timedelta(microseconds=1)).date()


def _page(request: SignedInRequest, form: PackForm, status: int = 200) -> HttpResponse:
    job = Job.objects.filter(kind=EXAMINER_PACK).first()
    # Whoever asked comes with the job before theirs: until a worker takes it up, there is no newer one.
    waiting = request.GET.get("after_job", "") == str(job.pk if job else 0)
    page = paged(ExaminerPack.objects.all(), request, size=10)
    return render(
        request,
        "examiner/index.html",
        {
            "form": form,
            "waiting": waiting,
            "running": job if job and job.status == Job.Status.RUNNING else None,
            "failed": job.message if job and job.status == Job.Status.FAILED and not waiting else "",
            "packs": [
                {"pack": pack, "last": _last(pack), "tables": [(_TITLES.get(n, n), c) for n, c in pack.totals.items()]}
                for pack in page.rows
            ],
            "page": page,
        },
        status=status,
    )
