"""Whether what a proposal brings may read what it reads, by the register's row of each attribute and by the packs in
force; no customer comes in, and a proposal answers for its own items alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from offers import packs, purposes
from offers.catalog import Item
from offers.conditions.grammar import Condition, Fault, attributes_of, clauses, parse
from offers.models import ChangeRequest
from offers.register import ATTRIBUTES, ProtectedAttribute, UnknownAttribute, Use, attribute
from offers.snapshot import items_of
from offers.types import Pack, Release, Ruling

GEOGRAPHY: Final = frozenset({"state", "country", "commute_zone"})
"""Attributes that leave people out by where they live. Language, immigration status and benefits income are not in the
register at all: a rule on them is refused before it comes here."""
PRECEDENT: Final = (
    "consent order 2014-CFPB-0007 (GE Capital Retail Bank): card offers were withheld from addresses in a territory and"
    " from speakers of a language"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One attribute that an item reads, at `path`, for `use`: of whom it decides (no countries and states: everybody),
    and for which offers."""

    attribute: str
    use: Use
    path: str
    countries: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()


def against(change: ChangeRequest, release: Release, on: date) -> Iterator[Fault]:
    """Everything that speaks against the items of a change in the release that they make."""
    changed = [item for item in items_of(change.items) if item.content is not None]
    yield from faults((one for item in changed for one in readings(item, release)), release, on)
    if change.kind != "rollback":  # what it brings back gave its reason when it was approved
        yield from (fault for item in changed for fault in _left_out(item, change.rationale))


def readings(item: Item, release: Release) -> Iterator[Reading]:
    """What one item reads. What a model reads is in its file, and so in fairness.model_inputs."""
    assert item.content is not None
    root = f"/{item.kind}/{item.key}"
    if item.kind == "rule" and item.key in release.rules:
        where: Mapping[str, Any] = item.content.get("jurisdiction") or {}
        covered = _covered(release, release.rules[item.key])
        country = {where["country"]} if "country" in where else {"US"} if where.get("states") else set()
        for name in sorted(attributes_of(parse(item.content["when"]))):
            yield Reading(name, "rule", f"{root}/when", frozenset(country), frozenset(where.get("states", ())), covered)
    elif item.kind == "boost" and item.key in release.boosts:
        covered = _covered(release, release.boosts[item.key])
        for name in sorted(attributes_of(release.boosts[item.key].when)):
            yield Reading(name, "boost", f"{root}/when", offers=covered)
    elif item.kind == "ranking":
        for place, term in enumerate(item.content.get("context", ())):
            path = f"{root}/context/{place}/attribute"
            yield Reading(term["attribute"], "arm", path, offers=purposes.competing(release))


def _covered(release: Release, one: Any) -> frozenset[str]:
    return frozenset(offer for offer in release.offers if release.covers(one, offer))


def faults(read_by: Iterable[Reading], release: Release, on: date) -> Iterator[Fault]:
    """What the register and the packs in force say against each of these readings."""
    in_force = packs.in_force(release, on)
    for reading in read_by:
        try:
            declared = attribute(reading.attribute)
        except (ProtectedAttribute, UnknownAttribute) as refused:
            yield Fault(reading.path, "not_usable", str(refused))
            continue
        if reading.use not in declared.uses:
            message = f"{declared.meaning} may be used by {', '.join(sorted(declared.uses))}, and not by {reading.use}s"
            yield Fault(reading.path, "not_usable", message)
        outside = reading.countries - declared.jurisdictions if declared.jurisdictions else frozenset()
        if outside:
            message = f"{declared.meaning} may be used in {', '.join(sorted(declared.jurisdictions))} alone"
            yield Fault(reading.path, "jurisdiction", message)
        for pack in in_force:
            if _concerns(pack, reading):
                yield from _against(pack, reading, release)


def _concerns(pack: Pack, reading: Reading) -> bool:
    """Whether the pack covers anybody of whom the reading decides."""
    countries = not pack.countries or not reading.countries or bool(pack.countries & reading.countries)
    return countries and (not pack.states or not reading.states or bool(pack.states & reading.states))


def _against(pack: Pack, reading: Reading, release: Release) -> Iterator[Fault]:
    for ruling in packs.rulings_on(pack, reading.attribute):
        said = _said(ruling, reading, release)
        if said:
            meaning = ATTRIBUTES[reading.attribute].meaning
            message = f"{meaning} ({reading.attribute}) {said}: {pack.title}, {ruling.citation.text}"
            yield Fault(reading.path, "ruled_out", message)


def _said(ruling: Ruling, reading: Reading, release: Release) -> str:
    """What a ruling says against a reading, "" for nothing. A ruling of a kind that is not known says no."""
    if ruling.ruling not in ("allowed", "firm_offer"):
        return "may not be used"
    if ruling.uses and reading.use not in ruling.uses:
        return f"may be used by {', '.join(ruling.uses)} alone"
    if ruling.ruling == "firm_offer":
        invited = [key for key in sorted(reading.offers) if release.offers[key].legal_basis not in purposes.LAWFUL]
        return f"may serve a firm offer or an account review alone, and not {invited[0]}" if invited else ""
    return ""


def geography(when: Condition) -> list[str]:
    """The paths of the clauses that leave people out by where they live."""
    return [path for path, clause in clauses(when) if clause.attribute in GEOGRAPHY]


def _left_out(item: Item, rationale: str) -> Iterator[Fault]:
    """A rule on geography takes the business need in words, which stand in the change for good."""
    if item.kind != "rule" or item.content is None or rationale.strip():
        return
    for path in geography(parse(item.content["when"])):
        message = f"it leaves people out by where they live: give the business need as the reason; see {PRECEDENT}"
        yield Fault(f"/rule/{item.key}/when{path}", "geography", message)
