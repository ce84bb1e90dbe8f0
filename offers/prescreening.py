"""Firm offers of credit that rest on a consumer report (FCRA prescreening): which offers those are, and the rule that
the packs add to them; no customer comes in, and what the law says is the packs'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any, Final

from offers import packs
from offers.conditions.grammar import Clause, Combination, Condition, attributes_of, to_json
from offers.register import ATTRIBUTES, attribute
from offers.types import PRESCREENED, Pack

REPORT: Final = "prescreen_firm_offer"  # the purpose, in the register, of what a consumer report says
FIRM_OFFER: Final = "firm_offer"
UNDER_21: Final = "UNDER_21_PRESCREEN"
_UNDER_21: Final = "_under-21-"  # begins a key as none that people give does
_OF_AGE: Final = Clause("is_21_or_over", "is", True)
_LAWFUL_IN: Final = ATTRIBUTES["is_21_or_over"].jurisdictions  # elsewhere nobody's age is asked


def reports(when: Condition) -> list[str]:
    """The attributes from a consumer report that a condition reads."""
    return sorted(name for name in attributes_of(when) if attribute(name).purpose == REPORT)


def law(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the packs add to a content, as it is published with it: `offers`, the firm offers that rest on a consumer
    report, and `rules`, those for these offers, by key; empty where no offer does."""
    offers = sorted(_prescreened(content))
    return {"offers": offers, "rules": dict(_rules(content))} if offers else {}


def firm(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The firm offers of a content, by key."""
    return {key: one for key, one in content.get("offer", {}).items() if one.get("legal_basis") == FIRM_OFFER}


def _prescreened(content: Mapping[str, Any]) -> Iterator[str]:
    """The firm offers for which a rule or a boost reads a consumer report. What ranks alone, the model and the bandit's
    context, chooses among people who are on the list already: it is not counted."""
    offers = firm(content)
    if not offers:
        return
    reading = [one for kind in ("rule", "boost") for one in content.get(kind, {}).values() if reads_report(one["when"])]
    read_for = {("all", "") if one["scope"] == "all" else (one["scope"], one["target"]) for one in reading}
    for key, offer in offers.items():
        if read_for & {("all", ""), ("product", offer["product"]), ("offer", key)}:
            yield key


def reads_report(tree: Any) -> bool:
    """Whether anything in a condition or a context, as it is written, names an attribute from a consumer report."""
    if isinstance(tree, list):
        return any(map(reads_report, tree))
    if not isinstance(tree, dict):
        return False
    declared = ATTRIBUTES.get(tree.get("attribute", ""))
    return bool(declared and declared.purpose == REPORT) or any(map(reads_report, tree.values()))


@dataclass(frozen=True, slots=True)
class _Applied:
    """A pack with the days on which it is in force, `until` not included any more."""

    pack: Pack
    key: str
    since: date | None
    until: date | None


def _rules(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A rule for each pack that leaves out whoever is under 21, or is not known to be older, where and when the pack
    applies; by key, and written as a rule's content is."""
    for one in _applied(content):
        said, countries = one.pack.prescreening, one.pack.countries
        if said.under_21 == packs.EXCLUDED and (not countries or countries & _LAWFUL_IN):
            yield f"{_UNDER_21}{one.key}", {
                "title": f"{one.pack.title}: no prescreened offer under 21", "scope": PRESCREENED, "target": "",
                "when": to_json(_where(one.pack)), "reason_code": UNDER_21, "basis": said.citation.text,
                "starts_at": _midnight(one.since), "ends_at": _midnight(one.until),
            }  # fmt: skip


def _applied(source: packs.Source) -> Iterator[_Applied]:
    """Every pack of the release, and the strict default on the days on which none of them covers the whole of HOME."""
    own, strict = packs.approved(source), packs.strict_default()
    for pack in own:
        yield _Applied(pack, pack.key, pack.effective_from, pack.effective_until)
    turns = {day for pack in own for day in (pack.effective_from, pack.effective_until) if day}
    days = [strict.effective_from, *sorted(day for day in turns if day > strict.effective_from), None]
    for first, last in pairwise(days):
        if first and strict in packs.in_force(source, first):
            since = None if first == strict.effective_from else first
            yield _Applied(strict, f"{strict.key}-{since}" if since else strict.key, since, last)


def _where(pack: Pack) -> Condition:
    """21 or over, or resident elsewhere; of whoever's residence is not known, the age is asked."""
    states, countries = sorted(pack.states), sorted(_LAWFUL_IN & pack.countries if pack.countries else _LAWFUL_IN)
    within = Clause("state", "in", tuple(states)) if states else Clause("country", "in", tuple(countries))
    return Combination("any", (Combination("none", (within,)), _OF_AGE))


def _midnight(day: date | None) -> str | None:
    return datetime.combine(day, time(), UTC).isoformat() if day else None


def pack_of(rule: str) -> str | None:
    """The key of the pack that adds this rule; None for a rule that people wrote."""
    if not rule.startswith(_UNDER_21):
        return None
    key = rule.removeprefix(_UNDER_21)
    return packs.STRICT if key.startswith(packs.STRICT) else key
