"""The feature catalogue: how every group fares now, what each attribute is, whether it may be used and what uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from django.contrib.auth.models import User as Person
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.attributes import how
from console.engine import engine
from console.templatetags.console import NOT_KNOWN
from console.wording import (
    ORIGINS,
    PURPOSES,
    WARNINGS,
    attribute_name,
    attribute_value,
    spelt,
    value_range,
)
from decisioning.features import freshness, skew, statistics, usage
from decisioning.features.distribution import Bin, Distribution, Drift
from decisioning.features.freshness import GroupFreshness
from decisioning.features.statistics import Statistics
from decisioning.features.usage import User
from decisioning.models import SkewCheck
from fairness import proxies, thresholds
from fairness.thresholds import Bands
from offers import roles
from offers.models import ChangeRequest
from offers.register import ATTRIBUTES, GROUPS, Attribute, Use, attributes

USES: Final[Mapping[Use, str]] = {
    "rule": "rules", "model": "models", "boost": "boosts", "arm": "arms", "shield": "sparing people from trials",
}  # fmt: skip
CHECKS_SHOWN = 8
_YES_NO: Final = {"true": "yes", "false": "no"}
Used = Mapping[str, tuple[User, ...]]


@allowed("see:features")
def index(request: SignedInRequest) -> HttpResponse:
    """Groups; with a filter, the attributes that match it."""
    now = timezone.now()
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "use")}
    used, (model, drifts) = usage.used_by(), _drift()
    groups = [_group(row, used, drifts) for row in freshness.now(now)]
    return render(
        request,
        "features/list.html",
        {
            "groups": groups,
            "stale": [row for row in groups if row["state"] in ("stale", "late")],
            "drifting": [_drifting(drift) for drift in drifts.values() if drift.reading in ("watch", "shifted")],
            "compared": len(drifts),
            "model": model,
            "used": sum(bool(users) for users in used.values()),
            "attributes": len(ATTRIBUTES),
            "found": _found(filters, used, drifts) if any(filters.values()) else None,
            "filters": filters,
            "uses": USES.items(),
            "skew": _skew(request.user, now),
        },
    )


@allowed("see:features")
def group(request: SignedInRequest, name: str) -> HttpResponse:
    """One group with all its attributes."""
    if name not in GROUPS:
        raise Http404(f"There is no feature group {name}.")
    used, (model, drifts), strengths = usage.used_by(), _drift(), proxies.strongest(_bands())
    row = next(row for row in freshness.now(timezone.now()) if row.group.name == name)
    measured, declared = statistics.population(), attributes(group=name)
    hrefs = _hrefs(user for attribute in declared for user in used[attribute.name])
    return render(
        request,
        "features/group.html",
        {
            "group": GROUPS[name],
            "row": _group(row, used, drifts),
            "model": model,
            "statistics": measured,
            "attributes": [
                {**_attribute(one, used, drifts.get(one.name), measured, row, hrefs), "proxy": strengths.get(one.name)}
                for one in declared
            ],
        },
    )


def _bands() -> Bands:
    """The lines by which an attribute is a notable or a strong proxy."""
    live = engine()
    return thresholds.bands_in_force(live.plan.release if live else {}, timezone.localdate())


def _drift() -> tuple[str, Mapping[str, Drift]]:
    """The live model's name and how far its inputs have moved since its training; empty without a model."""
    live = engine()
    if live is None or live.plan.release.model is None:
        return "", {}
    name = live.plan.release.model[0]
    return name, statistics.drift(name)


def _group(row: GroupFreshness, used: Used, drifts: Mapping[str, Drift]) -> dict[str, Any]:
    names = [declared.name for declared in attributes(group=row.group.name)]
    ages = row.customers or row.served
    readings = [drifts[name].reading for name in names if name in drifts]
    return {
        "key": row.group.name,
        "href": reverse("feature_group", args=[row.group.name]),
        "meaning": row.group.meaning,
        "owner": row.group.owner,
        "tier": row.group.tier,
        "level": row.group.level,
        "promise": row.promise_seconds,
        "limit": row.limit_seconds,
        "lag": row.lag_seconds,
        "ages": ages,
        "of_decisions": row.customers is None,
        "state": row.state,
        "coverage": row.coverage,
        "reading": next((one for one in ("shifted", "watch", "stable", "not enough") if one in readings), ""),
        "moved": sum(reading in ("watch", "shifted") for reading in readings),
        "attributes": len(names),
        "uses": len({(user.kind, user.key) for name in names for user in used[name]}),
    }


def _drifting(drift: Drift) -> dict[str, Any]:
    return {
        "meaning": attribute_name(drift.attribute),
        "href": _anchor(drift.attribute),
        "index": drift.index,
        "reading": drift.reading,
    }


def _anchor(name: str) -> str:
    return f"{reverse('feature_group', args=[ATTRIBUTES[name].group])}#{name}"


def _found(filters: Mapping[str, str], used: Used, drifts: Mapping[str, Drift]) -> list[dict[str, Any]]:
    """The attributes that match, each as a line; `q` is looked for in names and meanings."""
    text, use = filters["q"].lower(), filters["use"]
    return [
        {
            "name": declared.name,
            "meaning": declared.meaning,
            "href": _anchor(declared.name),
            "group": GROUPS[declared.group].meaning,
            "warning": WARNINGS.get(declared.basis_class, ""),
            "allowed": [label for one, label in USES.items() if one in declared.uses],
            "users": len(used[declared.name]),
            "drift": drifts.get(declared.name),
        }
        for declared in ATTRIBUTES.values()
        if (text in declared.name or text in declared.meaning.lower()) and (not use or use in declared.uses)
    ]


def _attribute(
    declared: Attribute,
    used: Used,
    drift: Drift | None,
    measured: Statistics | None,
    row: GroupFreshness,
    hrefs: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    now = drift.now if drift else measured.attributes.get(declared.name) if measured else None
    return {
        "name": declared.name,
        "meaning": declared.meaning,
        "range": value_range(declared),
        "how": how(declared.name),
        "origin": ORIGINS[declared.source],
        "from_report": declared.source in ("consumer_report", "prescreen"),
        "purpose": PURPOSES[declared.purpose],
        "warning": WARNINGS.get(declared.basis_class, ""),
        "basis": declared.basis_class,
        "consent": declared.consent,
        "jurisdictions": sorted(declared.jurisdictions),
        "uses": [(label, use in declared.uses) for use, label in USES.items()],
        "default": None if declared.default is None else attribute_value(declared.name, declared.default),
        "coverage": row.attribute_coverage.get(declared.name),
        "drift": drift,
        "bins": _bins(now),
        "before": _bins(drift.training) if drift else [],
        "users": [
            (USES[kind], [(user, hrefs.get((user.kind, user.key), "")) for user in users])
            for kind, users in groupby(used[declared.name], key=lambda user: user.kind)
        ],
    }


def _bins(distribution: Distribution | None) -> list[tuple[str, float]]:
    return [] if distribution is None else [(_label(found), found.share) for found in distribution.bins]


def _label(found: Bin) -> str:
    if not found.label:
        return "others" if found.label is None else NOT_KNOWN
    return _YES_NO.get(found.label) or spelt(found.label)


def _hrefs(users: Iterable[User]) -> dict[tuple[str, str], str]:
    """Where to read about each user: a rule's page, the arms, and the change that brought a boost or a model."""
    keys = {(user.kind, user.key) for user in users}
    hrefs: dict[tuple[str, str], str] = {}
    hrefs |= {(kind, key): reverse("rule", args=[key]) for kind, key in keys if kind == "rule"}
    hrefs |= {(kind, key): reverse("arms") for kind, key in keys if kind == "arm"}
    changes = ChangeRequest.objects.filter(
        kind__in=("boost", "model"), key__in={key for kind, key in keys if kind in ("boost", "model")}
    )
    for kind, key, change in changes.order_by("id").values_list("kind", "key", "id"):
        hrefs[kind, key] = reverse("review", args=[change])
    return hrefs


def _skew(person: Person, now: datetime) -> dict[str, Any]:
    """The newest check first; its examples are single customers' values."""
    checks = list(SkewCheck.objects.all()[:CHECKS_SHOWN])
    newest = checks[0] if checks else None
    found = skew.state_of(newest, now)
    return {
        "state": found.state,
        "detail": found.detail,
        "newest": newest,
        "wrong": sum(newest.mismatches.values()) if newest else 0,
        "mismatches": [
            {"meaning": attribute_name(name), "href": _anchor(name), "count": count}
            for name, count in sorted(newest.mismatches.items(), key=lambda item: -item[1])
        ]
        if newest
        else [],
        "examples": _examples(newest) if newest and roles.may(person, "see:decisions") else [],
        "may_see_examples": roles.may(person, "see:decisions"),
        "checks": [(check, sum(check.mismatches.values())) for check in checks],
    }


def _examples(check: SkewCheck) -> list[dict[str, Any]]:
    return [
        {
            "href": reverse("decision", args=[example["decision"]]),
            "attribute": attribute_name(example["attribute"]),
            "served": attribute_value(example["attribute"], example["served"]),
            "recomputed": attribute_value(example["attribute"], example["recomputed"]),
            "moment": datetime.fromisoformat(example["moment"]),
        }
        for example in check.examples
    ]
