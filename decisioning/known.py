"""From what was read to the Known of one decision: consent decides what is withheld, age decides what is still true."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from decisioning.features.ledger import Ledger, readable_groups
from decisioning.features.levels import allowed
from decisioning.features.online import Profile, Read
from decisioning.runtime import Engine
from decisioning.stops import KEPT
from decisioning.types import Known
from offers.register import ATTRIBUTES, GROUPS, SESSION_GROUP, Attribute, Group

Serving = Literal["values", "default", "missing"]


@dataclass(frozen=True, slots=True)
class Held:
    """What may be used of a customer's groups. `ages` are of the groups that are known; `stale` are those past their
    limit, `withheld` those that lack consent."""

    attributes: dict[str, Any]
    ages: dict[str, float]
    withheld: tuple[str, ...]
    stale: tuple[str, ...]


def serving(group: Group, age: float | None) -> Serving:
    """What is served of a group that became true so many seconds ago; None: it was never known of this customer."""
    if age is None:
        return "default" if group.when_missing == "default" else "missing"
    if age <= group.freshness_seconds or group.when_stale == "last":
        return "values"
    return "default" if group.when_stale == "default" else "missing"


def default(declared: Attribute) -> Any:
    """An attribute's default as a value of its type, as JSON has it; None where nothing may be assumed."""
    if isinstance(declared.default, frozenset):
        return sorted(declared.default)
    return float(declared.default) if declared.type == "number" and declared.default is not None else declared.default


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    group: {
        declared.name: default(declared)
        for declared in ATTRIBUTES.values()
        if declared.group == group and declared.default is not None
    }
    for group in GROUPS
}


_VERSIONS: Mapping[str, int] = {name: group.version for name, group in GROUPS.items() if group.version != 1}


def held(groups: Mapping[str, tuple[float, Mapping[str, Any]]], consents: Collection[str], moment: float) -> Held:
    """Consent and age applied to feature groups (name to since and values); times in epoch seconds."""
    readable = readable_groups(consents)
    attributes: dict[str, Any] = {}
    ages: dict[str, float] = {}
    stale = []
    for name, group in GROUPS.items():
        if name not in readable:
            continue
        since, values = groups.get(name, (None, {}))
        age = None if since is None else max(0.0, moment - since)
        if age is not None:
            ages[name] = round(age, 3)
            if age > group.freshness_seconds:
                stale.append(name)
        served = serving(group, age)
        attributes.update(values if served == "values" else DEFAULTS[name] if served == "default" else {})
    return Held(allowed(attributes, consents), ages, tuple(sorted(groups.keys() - readable)), tuple(sorted(stale)))


def known(
    read: Read, engine: Engine, context: Mapping[str, Any], now: datetime, *, before: Mapping[str, Any] | None = None
) -> Known:
    """What the engine may use of this customer in this request. `before` is the context that the same session came with
    earlier, as far as nothing newer is known."""
    profile = read.profile
    found = usable(profile.groups, read.ledger.consents, context, now, before=before)
    return Known(
        attributes=found.attributes,
        ages=found.ages,
        consents=read.ledger.granted,
        suppressed=read.ledger.suppressed,
        contacts=read.ledger.contacts,
        stops=_stops(read.ledger, engine),
        precomputed=_scores(profile, engine),
        withheld=found.withheld,
        degraded=(*read.degraded, *(f"stale_{name}" for name in found.stale)),
        vector_at=profile.vector_at,
        versions=_VERSIONS,
        spent=_spent(read, engine),
    )


def _stops(ledger: Ledger, engine: Engine) -> frozenset[tuple[str, str]]:
    """What is stopped for everybody, and what an override keeps from this customer."""
    kept = ledger.kept_from
    return engine.stops | {(KEPT, offer) for offer in kept} if kept else engine.stops


def _spent(read: Read, engine: Engine) -> Mapping[str, int]:
    """What was learned today on the arms with a budget; nothing where the count is not known."""
    if read.spent is None:
        return {}
    return {arm: read.spent.get(arm, 0) for arm in engine.plan.budgets}


def usable(
    groups: Mapping[str, tuple[float, Mapping[str, Any]]],
    consents: Collection[str],
    context: Mapping[str, Any],
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
) -> Held:
    """What a request may use of a customer's groups and of what it says itself of the session."""
    return held(_with_session(groups, context, before or {}, now), consents, now.timestamp())


def _with_session(
    groups: Mapping[str, tuple[float, Mapping[str, Any]]],
    context: Mapping[str, Any],
    before: Mapping[str, Any],
    now: datetime,
) -> Mapping[str, tuple[float, Mapping[str, Any]]]:
    """The groups with what the request says of the session, which is newer than what its signals said."""
    if not (context or before):
        return groups
    since, signalled = groups.get(SESSION_GROUP, (now.timestamp(), {}))
    values = {**session_values(before), **signalled, **session_values(context)}
    return {**groups, SESSION_GROUP: (now.timestamp() if context else since, values)}


def without(ledger: Ledger, offers: Iterable[str], day: str) -> dict[str, dict[str, int]]:
    """The contacts before a decision of this day that showed these offers: a repeat is not held against itself."""
    contacts = {key: dict(counts) for key, counts in ledger.contacts.items()}
    for key in ("*", *offers):
        if contacts.get(day, {}).get(key, 0) > 0:
            contacts[day][key] -= 1
    return contacts


def session_values(context: Mapping[str, Any]) -> dict[str, Any]:
    """The request's context as session attributes."""
    values = {name: context[name] for name in ("entry_point", "device_type", "seconds_on_cards_page",
                                               "session_risk_score") if name in context}  # fmt: skip
    if "cards_viewed" in context:
        values["cards_viewed"] = sorted(context["cards_viewed"])
        values["cards_viewed_count"] = len(context["cards_viewed"])
    transaction = context.get("transaction") or {}
    for name in ("amount", "mcc", "channel"):
        if name in transaction:
            values[f"transaction_{name}"] = transaction[name]
    return values


def _scores(profile: Profile, engine: Engine) -> Mapping[str, float]:
    """The nightly scores, if the champion made them: another model's are not this model's opinion."""
    model = engine.plan.release.model
    if profile.scores and (model is None or profile.scores.model == model[0]):
        return profile.scores.by
    return {}
