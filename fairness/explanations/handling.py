"""Blocks 7 and 8: under which consent and caps the offer was given, and which data were read, how old and for what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from decisioning import caps
from decisioning.models import Consent
from decisioning.plan import Plan
from decisioning.stops import KEPT
from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record
from offers import canonical
from offers.conditions.grammar import attributes_of
from offers.register import ATTRIBUTES, GROUPS, PROTECTED, ProtectedAttribute, attribute

_ORIGINS: Final = {"own_txn": "own records", "session": "this session"}
_PURPOSES: Final = {
    "account_servicing": "servicing the account", "marketing_own_data": "marketing with own data",
    "prescreen_firm_offer": "firm offer only", "legal_requirement": "required by law",
}  # fmt: skip


def delivery(record: Record, audience: Audience) -> Block:
    """Block 7."""
    consent = _consent(record)
    granted = f"marketing:{record.row.channel}" in record.of.known.consents
    said = (
        f"text {consent.text_version} of {wording.moment(consent.occurred_at)}"
        if consent
        else "the row of that moment has changed since"
    )
    scope = f"marketing on {wording.code(record.row.channel)}: {'given' if granted else 'not given'}"
    policy, before, after = record.of.plan.release.contact_policy, *_counts(record)
    return Block(
        7, "delivery", "Consent and contact",
        facts=(
            ("Consent used", f"{scope}; {said}"),
            ("Contacts", f"today {before[0]} before, {after[0]} after, of {policy.decisions_per_day}; "
                         f"in 7 days {before[1]} before, {after[1]} after, of {policy.decisions_per_week}"),
            ("Quiet hours", "none applied: the channel asked for it itself"),
            ("Suppression", _suppression(record)),
        ),
        data={
            "purpose": f"marketing:{record.row.channel}", "granted": granted,
            "text_version": consent.text_version if consent else None,
            "contacts": {"today": [before[0], after[0]], "week": [before[1], after[1]]},
        },
    )  # fmt: skip


def _suppression(record: Record) -> str:
    """The customer's own wish, and what people of the bank keep from her."""
    wish = "on the list" if record.of.known.suppressed else "not on the list"
    kept = sorted(offer for scope, offer in record.of.known.stops if scope == KEPT)
    if not kept:
        return wish
    return f"{wish}; kept by override: {'every offer' if '' in kept else wording.listed(kept)}"


def _consent(record: Record) -> Consent | None:
    """The row that was in force when the decision was made."""
    row = record.row
    rows = Consent.objects.filter(
        customer_id=row.customer_id, purpose="marketing", channel=row.channel, occurred_at__lte=row.made_at,
        known_at__lte=row.made_at,
    )  # fmt: skip
    return rows.order_by("-occurred_at", "-known_at").first()


def _counts(record: Record) -> tuple[tuple[int, int], tuple[int, int]]:
    """Contacts (today, in seven days) before the decision and after it."""
    known, now = record.of.known, record.request.now
    shown = tuple(choice.offer for choice in record.of.decision.choices[: record.request.limit])
    later = caps.counted(known.contacts, shown, now) if shown else known.contacts
    return _totals(known.contacts, record), _totals(later, record)


def _totals(contacts: caps.Contacts, record: Record) -> tuple[int, int]:
    days = [contacts.get(day, {}).get(caps.EVERYTHING, 0) for day in caps.last_days(record.request.now)]
    return days[0], sum(days)


def data(record: Record, audience: Audience) -> Block:
    """Block 8."""
    groups = _groups(record)
    rows = tuple(
        (
            GROUPS[name].meaning, wording.age(seconds),
            _named((one.source for one in _read(record, name)), _ORIGINS),
            _named((one.purpose for one in _read(record, name)), _PURPOSES),
        )
        for name, seconds in groups.items()
    )  # fmt: skip
    withheld = wording.listed([GROUPS[name].meaning for name in record.of.known.withheld])
    return Block(
        8, "data", "Data used",
        sentences=(statement(record), *([f"Not read, for lack of consent: {withheld}."] if withheld else [])),
        facts=(("Register", f"sha256 {register_hash()[:32]}… of {len(ATTRIBUTES)} attributes, as of this version"),),
        table=Table(("Group", "Age", "Source", "Purpose"), rows) if rows else None,
        data={
            "groups": groups,
            "protected_inputs": sorted(protected_inputs(record.of.plan)), "register_sha256": register_hash(),
            "proxy_inputs": proxy_inputs(record.of.plan),
        },
    )  # fmt: skip


def _groups(record: Record) -> dict[str, float]:
    """What was known and read, with its age in seconds."""
    return {name: seconds for name, seconds in sorted(record.of.known.ages.items()) if _read(record, name)}


def sources(record: Record) -> set[str]:
    """Where what was read came from, in codes of the register."""
    return {one.source for name in _groups(record) for one in _read(record, name)}


def _read(record: Record, group: str) -> list[Any]:
    """The attributes of a group that a rule, a boost, the model or the context of this release reads."""
    names = set().union(*inputs(record.of.plan).values())
    return [one for one in ATTRIBUTES.values() if one.group == group and one.name in names]


def _named(codes: Iterable[str], names: Mapping[str, str]) -> str:
    return ", ".join(dict.fromkeys(names.get(one, wording.code(one)) for one in codes))


def statement(record: Record) -> str:
    """What may be said of protected characteristics: checked on the inputs of this very release, not asserted."""
    plan = record.of.plan
    if protected_inputs(plan):
        return f"PROTECTED ATTRIBUTES WERE INPUTS: {wording.listed(sorted(protected_inputs(plan)))}."
    proxies = proxy_inputs(plan)
    if not proxies:
        return "No protected attribute or register-listed proxy was an input."
    named = [f"{wording.meaning(name)} ({', '.join(users)})" for name, users in proxies.items()]
    return (
        f"No protected attribute was an input. Of the proxies that the register lists, read: {wording.listed(named)}."
    )


@lru_cache(maxsize=2)
def inputs(plan: Plan) -> dict[str, frozenset[str]]:
    """The attributes that a release reads, by what reads them. A plan is one release compiled: it is walked once."""
    release = plan.release
    return {
        "rule": frozenset(name for rule in release.rules.values() for name in attributes_of(rule.when)),
        "boost": frozenset(name for boost in release.boosts.values() for name in attributes_of(boost.when)),
        "model": plan.model.encoder.attributes if plan.model else frozenset(),
        "context": frozenset(term.attribute for term in release.ranking.context),
    }


def protected_inputs(plan: Plan) -> frozenset[str]:
    """Names of inputs that stand for a protected characteristic: none, and asked of the register all the same."""
    found = set()
    for name in set().union(*inputs(plan).values()):
        try:
            attribute(name)
        except ProtectedAttribute:
            found.add(name)
    return frozenset(found)


def proxy_inputs(plan: Plan) -> dict[str, list[str]]:
    """Each input that the register lists as close to a protected characteristic, with what reads it."""
    return {
        name: [user for user, names in inputs(plan).items() if name in names]
        for name, declared in ATTRIBUTES.items()
        if declared.basis_class != "ok" and any(name in names for names in inputs(plan).values())
    }


@lru_cache(maxsize=1)
def register_hash() -> str:
    """SHA-256 of every declaration of the register, the refused ones included."""
    rows = [*(asdict(one) for one in ATTRIBUTES.values()), *(asdict(one) for one in PROTECTED)]
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return hashlib.sha256(canonical.dumps(plain)).hexdigest()


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
