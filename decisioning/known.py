"""From what was read to the Known of one decision: consent decides what is withheld, age decides what is still true."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from decisioning.features.online import Ledger, Profile, Read
from decisioning.runtime import Engine
from decisioning.types import Known
from offers.register import ATTRIBUTES, GROUPS, LEVELS, SESSION_GROUP

_DEFAULTS = {
    group: {name: declared.default for name, declared in ATTRIBUTES.items() if declared.group == group}
    for group in GROUPS
}


@dataclass(frozen=True, slots=True)
class Held:
    """What may be used of a customer's groups. `stale` are groups past their limit, `withheld` lack consent."""

    attributes: dict[str, Any]
    ages: dict[str, float]
    withheld: tuple[str, ...]
    stale: tuple[str, ...]


def held(groups: Mapping[str, tuple[float, Mapping[str, Any]]], consents: Collection[str], moment: float) -> Held:
    """Consent and age applied to feature groups (name to since and values); times in epoch seconds."""
    allowed = _granted_level(consents)
    attributes: dict[str, Any] = {}
    ages: dict[str, float] = {}
    withheld, stale = [], []
    for name, (since, values) in groups.items():
        if LEVELS.index(GROUPS[name].level) > allowed:
            withheld.append(name)
            continue
        age = max(0.0, moment - since)
        ages[name] = round(age, 3)
        if age <= GROUPS[name].freshness_seconds:
            attributes.update(values)
        else:
            stale.append(name)
            attributes.update(_past_its_limit(name, values))
    return Held(attributes, ages, tuple(sorted(withheld)), tuple(sorted(stale)))


def known(read: Read, engine: Engine, context: Mapping[str, Any], now: datetime) -> Known:
    """What the engine may use of this customer in this request."""
    profile = read.profile
    usable = held(profile.groups, read.ledger.consents, now.timestamp())
    if context:
        usable.attributes.update(session_values(context))
        usable.ages[SESSION_GROUP] = 0.0
    return Known(
        attributes=usable.attributes,
        ages=usable.ages,
        consents=read.ledger.consents,
        suppressed=read.ledger.suppressed,
        contacts=read.ledger.contacts,
        stops=engine.stops,
        precomputed=_scores(profile, engine),
        withheld=usable.withheld,
        degraded=(*read.degraded, *(f"stale_{name}" for name in usable.stale)),
    )


def without(ledger: Ledger, offers: Iterable[str], day: str) -> dict[str, dict[str, int]]:
    """The contacts before a decision of this day that showed these offers: a repeat is not held against itself."""
    contacts = {key: dict(counts) for key, counts in ledger.contacts.items()}
    for key in ("*", *offers):
        if contacts.get(day, {}).get(key, 0) > 0:
            contacts[day][key] -= 1
    return contacts


def _granted_level(consents: Collection[str]) -> int:
    """The highest level granted; nothing granted is `basic`, which the contract with the bank covers."""
    granted = [LEVELS.index(level) for level in LEVELS if f"personalisation:{level}" in consents]
    return max(granted, default=0)


def _past_its_limit(group: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    served = GROUPS[group].when_stale
    if served == "last":
        return values
    if served == "default":
        return {name: default for name, default in _DEFAULTS[group].items() if default is not None}
    return {}


def session_values(context: Mapping[str, Any]) -> dict[str, Any]:
    """The request's context as session attributes."""
    values = {name: context[name] for name in ("entry_point", "device_type", "seconds_on_cards_page",
                                               "session_risk_score") if name in context}  # fmt: skip
    if "cards_viewed" in context:
        values["cards_viewed"] = sorted(context["cards_viewed"])
        values["cards_viewed_count"] = len(context["cards_viewed"])
    transaction = context.get("transaction") or {}
    if "amount" in transaction:
        values["transaction_amount"] = transaction["amount"]
    if "mcc" in transaction:
        values["transaction_mcc"] = transaction["mcc"]
    return values


def _scores(profile: Profile, engine: Engine) -> Mapping[str, float]:
    """The nightly scores, if the champion made them: another model's are not this model's opinion."""
    model = engine.plan.release.model
    if profile.scores and (model is None or profile.scores[0] == model[0]):
        return profile.scores[1]
    return {}
