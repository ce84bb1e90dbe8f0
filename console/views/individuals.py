"""The checks of single people: whether a decision hangs on a protected attribute, and who is treated unlike somebody
alike; nothing is checked here, and whoever reads of two people is on record."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from console.access import SignedInRequest, allowed
from console.wording import attribute_name, attribute_value
from decisioning.models import Job
from fairness import tasks
from fairness.individual import flip
from fairness.models import ComparatorPair, IndividualCheck
from offers import audit, roles
from offers.models import Offer
from offers.register import ATTRIBUTES

Kind = IndividualCheck.Kind


@allowed("see:individuals")
def index(request: SignedInRequest) -> HttpResponse:
    newest = {row.kind: row for row in IndividualCheck.objects.order_by("kind", "-id").distinct("kind")}
    alike = newest.get(Kind.NEIGHBOURS)
    job = Job.objects.filter(kind=tasks.INDIVIDUALS).first()
    pairs = list(ComparatorPair.objects.filter(check_of=alike)) if alike else []
    return render(
        request,
        "individuals/index.html",
        {
            "flip": newest.get(Kind.FLIP),
            "mapping_tested": _mapping_tested(newest.get(Kind.FLIP)),
            "swap": newest.get(Kind.SWAP),
            "alike": alike,
            "pairs": [_line(pair) for pair in pairs],
            "trend": list(IndividualCheck.objects.filter(kind=Kind.FLIP)[:12]),
            "running": job is not None and job.status == Job.Status.RUNNING,
            "failed": job.message if job is not None and job.status == Job.Status.FAILED else "",
        },
    )


def _mapping_tested(check: IndividualCheck | None) -> bool:
    return check is not None and check.figures["source"] != flip.STORED


def _line(pair: ComparatorPair) -> dict[str, Any]:
    told = pair.figures
    return {
        "pair": pair, "distance": told["distance"], "first": len(told["first"]["eligible"]),
        "second": len(told["second"]["eligible"]),
    }  # fmt: skip


@require_POST
@allowed("see:individuals")
def check(request: SignedInRequest) -> HttpResponse:
    """Ask for the checks now; they run in a process of their own."""
    try:
        tasks.check_individuals.delay()
    except OperationalError:
        messages.error(request, "The queue does not answer, so nothing is being checked. Try again in a moment.")
    else:
        messages.info(request, "The checks are running; their results replace the ones below when they are through.")
    return redirect("individuals")


@allowed("see:individuals")
def pair(request: SignedInRequest, pk: int) -> HttpResponse:
    """Two people side by side, by surrogate key; that they were read is recorded."""
    found = get_object_or_404(ComparatorPair.objects.select_related("check_of"), pk=pk)
    with transaction.atomic():
        audit.record(
            actor=request.user.get_username(), action="individuals.pair_read", subject=f"pair {found.pk}",
            detail={"customers": [found.customer_id, found.other_id]}, now=timezone.now(),
        )  # fmt: skip
    told = found.figures
    sides = (told["first"], told["second"])
    keys = {key for side in sides for key in (*side["eligible"], side["shown"])}
    names = dict(Offer.objects.filter(key__in=keys).values_list("key", "title"))
    only = [sorted(set(side["eligible"]) - set(other["eligible"])) for side, other in (sides, sides[::-1])]
    return render(
        request,
        "individuals/pair.html",
        {
            "pair": found,
            "distance": told["distance"],
            "sides": [
                {"customer": customer, "eligible": len(side["eligible"]),
                 "shown": names.get(side["shown"], side["shown"]), "only": [names.get(key, key) for key in mine]}
                for customer, side, mine in zip((found.customer_id, found.other_id), sides, only, strict=True)
            ],
            "values": [
                (attribute_name(name), _value(name, row["first"]), _value(name, row["second"]))
                for row in told["values"]
                for name in [row["attribute"]]
            ],
            "may_see_customers": roles.may(request.user, "see:customers"),
        },
    )  # fmt: skip


def _value(name: str, value: Any) -> str:
    if ATTRIBUTES[name].type == "boolean" and value is not None:
        value = bool(value)
    return attribute_value(name, value)
