"""One customer's profile, for risk and compliance officers: what is known and since when, what is withheld and why, and
what a person keeps from her."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from console.access import SignedInRequest, allowed
from console.attributes import how
from console.compliance.suppression_form import SuppressionForm
from console.wording import WARNINGS, attribute_value
from decisioning import profile, suppression
from decisioning.features import stored
from decisioning.features.derived import risk
from decisioning.models import Consent, Customer, Signal, Suppression
from decisioning.models import Decision as DecisionRow
from decisioning.profile import KnownGroup, KnownValue, Profile
from decisioning.suppression import AlreadySuppressed, NoLaterDay, NotSuppressed
from offers import roles
from offers.approvals import NoReason, SelfApproval
from offers.models import Offer
from offers.register import ATTRIBUTES, GROUPS, SESSION_GROUP, attributes
from offers.stopping import UnknownTarget

# What is served of a group that is past its limit, and of one that was never known.
NEVER: Final[Mapping[str, str]] = {
    "default": "defaults are served",
    "missing": "nothing is served, so no rule on it passes",
}
INSTEAD: Final[Mapping[str, str]] = {
    "last": "the last values are served, and the decision is marked",
    "default": "defaults are served instead, and the decision is marked",
    "missing": "nothing is served, so no rule on it passes",
}
# Where a value that no source told comes from; one that sources tell was changed by a signal since.
COMPUTED: Final[Mapping[str, str]] = {
    "given": "a signal",
    "momentary": "a signal",
    "aggregated": "counted from history",
    "derived": "computed from other values",
}
GONE = 410
KEEPABLE = 200  # offers that the field proposes
SUPPRESSIONS = 20  # shown; the rest is in the audit trail


@allowed("see:customers")
def index(request: SignedInRequest) -> HttpResponse:
    """The search by the bank's own id; nobody is listed, because nobody needs a list of customers."""
    wanted = request.GET.get("customer", "").strip()
    if not wanted:
        return render(request, "customers/search.html", {"wanted": "", "unknown": False})
    return redirect("customer", external_id=wanted)


@allowed("see:customers")
def detail(request: SignedInRequest, external_id: str) -> HttpResponse:
    """The profile; that it was read is in the audit trail."""
    return _profile(request, external_id, SuppressionForm())


def _profile(request: SignedInRequest, external_id: str, form: SuppressionForm) -> HttpResponse:
    """The page; after an override that was refused, with what was typed."""
    try:
        customer = profile.find(external_id)
    except profile.UnknownCustomer:
        return render(request, "customers/search.html", {"wanted": external_id, "unknown": True}, status=404)
    seen = profile.read(customer, reader=request.user.get_username(), now=timezone.now())
    groups = {row.group.name: row for row in seen.groups}
    return render(
        request,
        "customers/profile.html",
        {
            "customer": customer,
            "level": seen.level,
            "marketing": [row.channel for row in seen.consents if row.purpose == "marketing" and row.granted],
            "degraded": seen.degraded,
            "figures": _figures(seen),
            "unusual": seen.served.get("unusual_activity") is True,
            "risk": _risk(seen),
            "groups": [_group(row, seen.level) for name, row in groups.items() if name != SESSION_GROUP],
            "session": _group(groups[SESSION_GROUP], seen.level),
            "consents": _consents(seen.consents),
            "decisions": _decisions(seen.decisions),
            "signals": [_signal(row) for row in seen.signals],
            "suppressions": _suppressions(request, customer),
            "may_suppress": roles.may(request.user, "suppress:customer"),
            "suppression_form": form,
            "keepable": Offer.objects.filter(live=True).order_by("key").values_list("key", "title")[:KEEPABLE],
        },
    )


def _suppressions(request: SignedInRequest, customer: Customer) -> list[dict[str, Any]]:
    """What people keep from this customer, what is in force first."""
    rows = Suppression.objects.filter(customer_id=customer.pk).select_related("made_by", "ended_by")
    may = roles.may(request.user, "lift:suppression")
    return [
        {"row": row, "own": row.made_by_id == request.user.pk,
         "may_lift": may and row.ended_at is None and row.made_by_id != request.user.pk}
        for row in rows.order_by(F("ended_at").desc(nulls_first=True), "-id")[:SUPPRESSIONS]
    ]  # fmt: skip


@require_POST
@allowed("suppress:customer")
def suppress(request: SignedInRequest, external_id: str) -> HttpResponse:
    """Keep an offer, or every offer, from this customer."""
    customer, form = get_object_or_404(Customer, external_id=external_id), SuppressionForm(request.POST)
    if not form.is_valid():
        return _profile(request, external_id, form)
    try:
        with transaction.atomic():
            suppression.suppress(customer=customer.pk, by=request.user, now=timezone.now(), **form.cleaned_data)
            transaction.on_commit(lambda: _tell(customer))
    except (NoReason, UnknownTarget, NoLaterDay, AlreadySuppressed) as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
        return _profile(request, external_id, form)
    messages.success(request, f"Kept from this customer: {form.cleaned_data['offer'] or 'every offer'}.")
    return redirect("customer", external_id=external_id)


@require_POST
@allowed("lift:suppression")
def lift(request: SignedInRequest, external_id: str, key: int) -> HttpResponse:
    """End what somebody else keeps from this customer."""
    customer = get_object_or_404(Customer, external_id=external_id)
    get_object_or_404(Suppression, pk=key, customer_id=customer.pk)
    try:
        with transaction.atomic():
            suppression.lift(key, by=request.user, now=timezone.now())
            transaction.on_commit(lambda: _tell(customer))
    except (NotSuppressed, SelfApproval) as refusal:
        messages.error(request, f"Nothing was changed: {refusal}.")
    else:
        messages.success(request, "Ended: the customer's next decision may show it again.")
    return redirect("customer", external_id=external_id)


def _tell(customer: Customer) -> None:
    """Bring it to Redis; without Redis, no commit passes under what it held."""
    with contextlib.suppress(RedisError):
        stored.refresh_ledgers([customer.pk], timezone.now())


@allowed("see:customers")
def by_key(request: SignedInRequest, key: int) -> HttpResponse:
    """The customer behind a surrogate key, which is all that records keep of one who was erased."""
    customer = get_object_or_404(Customer, pk=key)
    if customer.external_id is None:
        return render(request, "customers/erased.html", {"customer": customer}, status=GONE)
    return redirect("customer", external_id=customer.external_id)


def _figures(seen: Profile) -> dict[str, Any]:
    states = [row.state for row in seen.groups if row.group.name != SESSION_GROUP]
    return {
        "stage": seen.served.get("lifecycle_stage"),
        "churn_risk": seen.served.get("churn_risk"),
        "risk_profile": seen.served.get("risk_profile"),
        "risk_points": seen.served.get("risk_points"),
        "groups": len(states),
        **{state.replace(" ", "_"): states.count(state) for state in ("fresh", "stale", "withheld", "not known")},
        "last": seen.decisions[0] if seen.decisions else None,
    }


def _risk(seen: Profile) -> dict[str, Any] | None:
    """The points table applied to this customer, for a person to add up again; None without a credit score."""
    lines = risk.explain({line.attribute: seen.served.get(line.attribute) for line in risk.TABLE})
    if not lines:
        return None
    return {
        "lines": [
            {
                "label": ATTRIBUTES[line.attribute].meaning,
                "value": attribute_value(line.attribute, line.value),
                "band": line.band,
                "points": line.points,
            }
            for line in lines
        ],
        "sum": sum(line.points for line in lines),
        "served": seen.served.get("risk_points"),
        "definition": how("risk_profile").definition,
    }


def _group(row: KnownGroup, level: str) -> dict[str, Any]:
    known = {value.name for value in row.values}
    return {
        "key": row.group.name,
        "meaning": row.group.meaning,
        "href": reverse("feature_group", args=[row.group.name]),
        "state": row.state,
        "age": row.age,
        "limit": row.group.freshness_seconds,
        "instead": INSTEAD[row.group.when_stale],
        "never": NEVER[row.group.when_missing],
        "wanted_level": row.group.level,
        "granted_level": level,
        "values": [_value(value) for value in row.values if value.known is not None],
        "defaults": [_value(value) for value in row.values if value.known is None],
        "contested": sum(bool(value.others) for value in row.values),
        "unknown": [one.meaning for one in attributes(group=row.group.name) if one.name not in known],
    }


def _value(value: KnownValue) -> dict[str, Any]:
    return {
        "label": ATTRIBUTES[value.name].meaning,
        "warning": WARNINGS.get(ATTRIBUTES[value.name].basis_class, ""),
        "known": attribute_value(value.name, value.known),
        "served": attribute_value(value.name, value.served) if value.served != value.known else "",
        "kind": COMPUTED[how(value.name).kind],
        "source": value.source,
        "since": value.since,
        "others": [(source, attribute_value(value.name, other)) for source, other in value.others.items()],
    }


def _consents(rows: Sequence[Consent]) -> list[dict[str, Any]]:
    """Channels that were agreed to at once, under one text, as a line. A consent to personalisation names its level in
    place of a channel, and says what that level opens."""
    lines: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        line = (row.purpose, row.granted, row.occurred_at, row.text_version)
        lines.setdefault(line, []).append(row.channel)
    return [
        {
            "purpose": purpose,
            "of": channels,
            "granted": granted,
            "since": since,
            "text_version": text,
            "opens": [group.meaning for group in GROUPS.values() if group.level in channels],
        }
        for (purpose, granted, since, text), channels in lines.items()
    ]


def _decisions(rows: Sequence[DecisionRow]) -> list[dict[str, Any]]:
    names = dict(Offer.objects.filter(key__in={row.offer for row in rows if row.offer}).values_list("key", "title"))
    return [
        {
            "href": reverse("decision", args=[row.id]),
            "made_at": row.made_at,
            "channel": row.channel,
            "offer": names.get(row.offer, row.offer) if row.offer else None,
            "reason": row.reason,
        }
        for row in rows
    ]


def _signal(row: Signal) -> dict[str, Any]:
    return {"type": row.type, "at": row.occurred_at, "known_at": row.known_at, "payload": list(row.payload.items())}
