"""One customer as the bank knows him now, for a person to read: every value with its source and age, what is withheld,
stale or contested; nothing is decided here and no protected attribute comes in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.db import transaction

from decisioning.features import online
from decisioning.features.levels import allowed
from decisioning.ingest import precedence
from decisioning.ingest.precedence import Resolved, Statement
from decisioning.known import Held, held
from decisioning.models import Consent, Customer, FeatureRow, Signal
from decisioning.models import Decision as DecisionRow
from offers import audit
from offers.register import ATTRIBUTES, GROUPS, LEVELS, RESOLUTION, Attribute, Group, attributes

State = Literal["fresh", "stale", "withheld", "not known"]
DECISIONS: Final = 10  # the newest that are shown
SIGNALS: Final = 20


class UnknownCustomer(LookupError):
    """No customer has this id, or the one who had it was erased: the id is forgotten with the customer."""


@dataclass(frozen=True, slots=True)
class KnownValue:
    """One attribute. `served` is what a decision made now reads, None for nothing; `known` is the newest value whatever
    its age. `source` and `since` are of the statement that told it, empty and None where Candor computes it. `others`
    are the sources that say something else and are not believed."""

    name: str
    known: Any
    served: Any
    source: str
    since: datetime | None
    others: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """One group: `age` in seconds since it was true, None where it is not known or was not read. A withheld group has
    no values, because it is not read."""

    group: Group
    state: State
    age: float | None
    values: tuple[KnownValue, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """`level` is the personalisation that the customer granted; `degraded` are steps that the read had to take."""

    customer: Customer
    level: str
    groups: tuple[KnownGroup, ...]
    served: Mapping[str, Any]
    consents: tuple[Consent, ...]
    decisions: tuple[DecisionRow, ...]
    signals: tuple[Signal, ...]
    degraded: tuple[str, ...]


def find(external_id: str) -> Customer:
    """The customer with this id of the bank. Raises UnknownCustomer."""
    found = Customer.objects.filter(external_id=external_id).first()
    if found is None:
        raise UnknownCustomer(external_id)
    return found


def read(customer: Customer, *, reader: str, now: datetime) -> Profile:
    """The profile through the read of a decision, so that it shows what one uses. That `reader` read it is an event of
    the audit trail, under the customer's surrogate key, which erasure severs. Raises UnknownCustomer for the erased."""
    if customer.external_id is None or customer.token is None:
        raise UnknownCustomer(f"erased customer {customer.pk}")
    with transaction.atomic():
        audit.record(actor=reader, action="profile.read", subject=f"customer {customer.pk}", detail={}, now=now)
    seen = online.read(customer.external_id, customer.token, "", now)
    usable = held(seen.profile.groups, seen.ledger.consents, now.timestamp())
    level = _level(seen.ledger.consents)
    told = _told(customer.pk, [name for name, group in GROUPS.items() if _granted(group, level)], now)
    return Profile(
        customer=customer,
        level=level,
        groups=tuple(
            _group(group, level, usable, seen.profile.groups.get(name), told.get(name, {}))
            for name, group in GROUPS.items()
        ),
        served=usable.attributes,
        consents=tuple(Consent.objects.filter(customer_id=customer.pk).order_by("purpose", "channel")),
        decisions=tuple(
            DecisionRow.objects.filter(customer_id=customer.pk)
            .defer("inputs", "result", "digest")
            .order_by("-id")[:DECISIONS]
        ),
        signals=tuple(Signal.objects.filter(customer_id=customer.pk).order_by("-occurred_at")[:SIGNALS]),
        degraded=seen.degraded,
    )


def _level(consents: frozenset[str]) -> str:
    """The highest level granted; the contract covers the lowest."""
    return next((level for level in reversed(LEVELS) if f"personalisation:{level}" in consents), LEVELS[0])


def _granted(group: Group, level: str) -> bool:
    return LEVELS.index(group.level) <= LEVELS.index(level)


def _told(customer: int, groups: list[str], now: datetime) -> dict[str, dict[str, Resolved]]:
    """What sources say of these groups, and who is believed: group to attribute."""
    rows = FeatureRow.objects.filter(customer_id=customer, group__in=groups, known_at__lte=now)
    statements: dict[str, list[Statement]] = defaultdict(list)
    for group, *statement in rows.values_list("group", "source", "occurred_at", "known_at", "values"):
        statements[group].append(Statement(*statement))
    return {group: precedence.resolve(group, told, now) for group, told in statements.items()}


def _group(
    group: Group,
    level: str,
    usable: Held,
    stored: tuple[float, Mapping[str, Any]] | None,
    told: Mapping[str, Resolved],
) -> KnownGroup:
    if not _granted(group, level):
        return KnownGroup(group, "withheld", None, ())
    known = allowed(stored[1] if stored else {}, {f"personalisation:{level}"})
    values = tuple(
        _value(declared.name, known.get(declared.name), usable.attributes.get(declared.name), told.get(declared.name))
        for declared in attributes(group=group.name)
        if declared.name in known or declared.name in usable.attributes or declared.name in told
    )
    state: State = "not known" if stored is None else "stale" if group.name in usable.stale else "fresh"
    return KnownGroup(group, state, usable.ages.get(group.name), values)


def _value(name: str, known: Any, served: Any, told: Resolved | None) -> KnownValue:
    if told is None:
        return KnownValue(name, known, served, "", None, {})
    # What signals or a computation say since is not the source's statement any more.
    source, since = (told.source, told.occurred_at) if _same(ATTRIBUTES[name], told.value, known) else ("", None)
    return KnownValue(name, known, served, source, since, told.others)


def _same(declared: Attribute, told: Any, known: Any) -> bool:
    """Whether what a source told is the value that is known, which is kept at the register's resolution."""
    if declared.type == "set" and told is not None and known is not None:
        return set(told) == set(known)
    if declared.type in ("number", "integer") and told is not None and known is not None:
        return bool(abs(float(told) - float(known)) <= RESOLUTION.get(declared.unit, 0.0))
    return bool(told == known)
