"""One customer's profile, for risk and compliance officers: what is known and since when, what is withheld and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.attributes import how
from console.wording import WARNINGS, attribute_value
from decisioning import profile
from decisioning.features.derived import risk
from decisioning.models import Consent, Customer, Signal
from decisioning.models import Decision as DecisionRow
from decisioning.profile import KnownGroup, KnownValue, Profile
from offers.models import Offer
from offers.register import ATTRIBUTES, GROUPS, SESSION_GROUP, attributes

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
        },
    )


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
