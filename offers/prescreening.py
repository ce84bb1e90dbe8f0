"""Firm offers of credit that rest on a consumer report (FCRA prescreening): which offers those are, and the rule that
the packs add to them; no customer comes in, and what the law says is the packs'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Final

from offers import packs
from offers.conditions.grammar import Clause, Combination, Condition, attributes_of
from offers.register import ATTRIBUTES, attribute
from offers.types import PRESCREENED, Boost, Offer, Pack, Ranking, Rule

REPORT: Final = "prescreen_firm_offer"  # the purpose, in the register, of what a consumer report says
FIRM_OFFER: Final = "firm_offer"
UNDER_21: Final = "UNDER_21_PRESCREEN"
_UNDER_21: Final = "_under-21-"  # begins a key as none that people give does
_OF_AGE: Final = Clause("is_21_or_over", "is", True)
_LAWFUL_IN: Final = ATTRIBUTES["is_21_or_over"].jurisdictions  # elsewhere nobody's age is asked


def reports(when: Condition) -> list[str]:
    """The attributes from a consumer report that a condition reads."""
    return sorted(name for name in attributes_of(when) if attribute(name).purpose == REPORT)


def prescreened(
    offers: Iterable[Offer], rules: Iterable[Rule], boosts: Iterable[Boost], ranking: Ranking
) -> frozenset[str]:
    """The firm offers for which a rule, a boost or the bandit's context reads a consumer report. What the model reads
    is not in a release."""
    conditions: list[Rule | Boost] = [*rules, *boosts]
    reading = (one for one in conditions if reports(one.when))
    read_for = {("all", "") if one.scope == "all" else (one.scope, one.target) for one in reading}
    if any(attribute(term.attribute).purpose == REPORT for term in ranking.context):
        read_for.add(("all", ""))
    firm = (offer for offer in offers if offer.legal_basis == FIRM_OFFER)
    return frozenset(
        offer.key for offer in firm if read_for & {("all", ""), ("product", offer.product), ("offer", offer.key)}
    )


@dataclass(frozen=True, slots=True)
class _Applied:
    """A pack with the days on which it is in force, `until` not included any more."""

    pack: Pack
    key: str
    since: date | None
    until: date | None


def rules(source: packs.Source) -> Iterator[Rule]:
    """What the packs add to prescreened offers: a rule for each that leaves out whoever is under 21, or is not known to
    be older, where and when the pack applies."""
    for one in _applied(source):
        law, countries = one.pack.prescreening, one.pack.countries
        if law.under_21 == packs.EXCLUDED and (not countries or countries & _LAWFUL_IN):
            yield Rule(
                f"{_UNDER_21}{one.key}", f"{one.pack.title}: no prescreened offer under 21", PRESCREENED, "",
                _where(one.pack), UNDER_21, law.citation.text, _midnight(one.since), _midnight(one.until),
            )  # fmt: skip


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


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def pack_of(rule: str) -> str | None:
    """The key of the pack that adds this rule; None for a rule that people wrote."""
    if not rule.startswith(_UNDER_21):
        return None
    key = rule.removeprefix(_UNDER_21)
    return packs.STRICT if key.startswith(packs.STRICT) else key
