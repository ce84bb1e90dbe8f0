"""Which data a release may use for which offer: a consumer report serves a firm offer of credit or the review of an
account that exists, and no invitation (15 USC 1681b(a)(3)(A), 1681b(c)(1)(B)); no customer comes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offers.catalog import InvalidContent
from offers.conditions.grammar import Fault
from offers.prescreening import REPORT, reports
from offers.register import attribute
from offers.snapshot import Content, read
from offers.types import Release

LAWFUL: Final = frozenset({"firm_offer", "account_review"})
CITATION: Final = "15 USC 1681b(a)(3)(A), 1681b(c)(1)(B)"


@dataclass(frozen=True, slots=True)
class Misuse:
    """One attribute from a consumer report that a rule, a boost or the ranking reads for an offer that it may not
    serve; `part` is the field of it that does."""

    kind: str
    key: str
    offer: str
    attribute: str
    part: str = "when"

    @property
    def fault(self) -> Fault:
        meaning, name = attribute(self.attribute).meaning, self.offer
        return Fault(
            "/".join(["", self.kind, *([self.key] if self.key else []), self.part]),
            "purpose",
            f"{meaning} ({self.attribute}) comes from a consumer report, and {name} is neither a firm offer nor an"
            f" account review: {CITATION}",
        )


def misuses(release: Release) -> Iterator[Misuse]:
    """Every misuse in the release, by rule, boost and what the bandit learns in, then offer."""
    invited = [offer for offer in release.offers.values() if offer.legal_basis not in LAWFUL]
    for kind, conditions in (("rule", release.rules), ("boost", release.boosts)):
        for one in conditions.values():
            reported = reports(one.when)
            for offer in invited if reported else ():
                if release.covers(one, offer.key):
                    yield from (Misuse(kind, one.key, offer.key, name) for name in reported)
    learned_in = {term.attribute for term in release.ranking.context}
    reported = sorted(name for name in learned_in if attribute(name).purpose == REPORT)
    ranked = competing(release) if reported else frozenset()
    for offer in invited:
        if offer.key in ranked:
            yield from (Misuse("ranking", "", offer.key, name, "context") for name in reported)


def competing(release: Release) -> frozenset[str]:
    """The offers with an arm that is ranked: neither paused nor a placement's fallback."""
    fallbacks = {placement.fallback for placement in release.placements.values()}
    return frozenset(arm.offer for key, arm in release.arms.items() if key not in fallbacks and not arm.paused)


def checked(number: int, content: Content) -> Release:
    """The release that this content makes. Raises InvalidContent where it cannot run or misuses data, naming each."""
    release = read(number, content)
    faults = [misuse.fault for misuse in misuses(release)]
    if faults:
        raise InvalidContent(faults)
    return release
