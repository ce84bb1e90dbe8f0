"""Why one customer is not offered one card now, for whoever may see customers; the answer is fairness.explanations'."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from console.access import SignedInRequest, allowed
from decisioning.features.online import UnknownCustomer
from decisioning.models import Customer
from decisioning.runtime import NoRelease
from decisioning.serve import UnknownPlacement
from fairness.explanations.why_not import UnknownOffer, why_not
from offers import audit
from offers.models import Offer
from offers.register import GROUPS
from offers.types import CHANNELS

PROPOSED = 200  # offers that the field proposes


@allowed("see:customers")
def index(request: SignedInRequest, external_id: str) -> HttpResponse:
    """The question, and with an offer its answer; that it was asked is in the audit trail: it reads the profile."""
    customer = Customer.objects.filter(external_id=external_id).values_list("pk", flat=True).first()
    if customer is None:
        raise Http404(f"There is no customer {external_id}.")
    offer, channel = request.GET.get("offer", "").strip(), request.GET.get("channel", "")
    channel = channel if channel in CHANNELS else CHANNELS[0]
    answer, refusal = _asked(request, external_id, customer, _key(offer), channel) if offer else (None, "")
    return render(
        request,
        "customers/why_not.html",
        {
            "customer": external_id,
            "offer": offer,
            "channel": channel,
            "channels": CHANNELS,
            "offers": Offer.objects.filter(live=True).order_by("key").values_list("key", "title")[:PROPOSED],
            "answer": answer,
            "withheld": [GROUPS[name].meaning for name in answer["withheld"]] if answer else [],
            "refusal": refusal,
        },
    )


def _key(text: str) -> str:
    """Of the card that is meant: somebody on the telephone knows its name, not its key."""
    return Offer.objects.filter(live=True, title__iexact=text).values_list("key", flat=True).first() or text


def _asked(
    request: SignedInRequest, external_id: str, customer: int, offer: str, channel: str
) -> tuple[dict[str, Any] | None, str]:
    now = timezone.now()
    with transaction.atomic():
        audit.record(
            actor=request.user.get_username(), action="profile.asked_why_not", subject=f"customer {customer}",
            detail={"offer": offer, "channel": channel}, now=now,
        )  # fmt: skip
    try:
        return why_not(external_id, offer, channel=channel, now=now), ""
    except UnknownOffer:
        return None, f"No live offer is called {offer}."
    except UnknownPlacement:
        return None, f"{offer} stands on no placement."
    except UnknownCustomer:
        return None, "The customer has been erased meanwhile."
    except NoRelease:
        return None, "Nothing is live yet, so nothing can be offered."
