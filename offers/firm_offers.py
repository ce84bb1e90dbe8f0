"""The list of a firm offer of credit: its criteria and terms, put on record before anybody is chosen by them and frozen
for as long as the offer is honoured (FCRA prescreening); no customer comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db.models import QuerySet

from offers import audit, canonical, packs, roles, snapshot
from offers.catalog import InvalidContent
from offers.conditions.grammar import Fault
from offers.models import FirmOffer
from offers.prescreening import FIRM_OFFER, reads_report

PULL: Final = "pull:list"  # the action
TERMS: Final = ("facts", "legal_basis", "product", "channels", "placements", "starts_at", "ends_at")  # of an offer
CRITERIA: Final = ("when", "jurisdiction", "starts_at", "ends_at", "reason_code")  # of a rule
PREFERENCE: Final = ("when", "factor", "starts_at", "ends_at")  # of a boost that reads a consumer report
"""They stand once more in candor_firm_criteria, with which the database compares."""


class CriteriaFrozen(InvalidContent):
    """The change would move the criteria or the terms of a firm offer that has to be honoured as it was made."""


class NoFirmOffer(ValueError):
    """There is no live firm offer of this name."""


def criteria(content: snapshot.Content, offer: str) -> dict[str, Any]:
    """By what somebody is chosen for an offer, and what she is then offered: the offer's terms, its rules, and its
    boosts that read a consumer report."""
    own = content["offer"].get(offer, {})
    scopes = {("all", None), ("product", own.get("product")), ("offer", offer)}

    def covering(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, one in sorted(content[kind].items()):
            if (one["scope"], None if one["scope"] == "all" else one["target"]) in scopes:
                yield key, one

    return {
        "terms": {name: own.get(name) for name in TERMS},
        "rules": {key: {name: rule.get(name) for name in CRITERIA} for key, rule in covering("rule")},
        "boosts": {
            key: {name: boost.get(name) for name in PREFERENCE}
            for key, boost in covering("boost")
            if reads_report(boost["when"])
        },
    }


def pull(offer: str, campaign: str, *, by: User, now: datetime) -> FirmOffer:
    """Put on record by what a list is pulled, for as many days as the packs in force say. Raises NotAllowed, and
    NoFirmOffer where the live release has no such firm offer; call inside a transaction, before anybody is chosen."""
    roles.require(by, PULL)
    snapshot.lock()  # what is being published is waited for, and sees this list
    live = snapshot.live_row()
    if live is None or live.content["offer"].get(offer, {}).get("legal_basis") != FIRM_OFFER:
        raise NoFirmOffer(f"{offer} is no live firm offer of credit")
    law = packs.strictest(packs.in_force(live.content, now.date())).prescreening
    chosen_by = criteria(live.content, offer)
    made = FirmOffer.objects.create(
        offer=offer, campaign=campaign, criteria=chosen_by, sha256=canonical.digest(chosen_by), release=live,
        basis=law.citation.text, made_by=by, made_at=now, honoured_until=now + timedelta(days=law.honour_days),
    )  # fmt: skip
    audit.record(
        actor=by.get_username(), action="firm_offer.made", subject=f"offer {offer}",
        detail={"campaign": campaign, "sha256": made.sha256, "release": live.number,
                "honoured_until": made.honoured_until.isoformat()}, now=now,
    )  # fmt: skip
    return made


def standing(now: datetime) -> QuerySet[FirmOffer]:
    """Those that have to be honoured, the one that stands longest first. A list counts as soon as it is there: `now`
    may have been read before the lock was had, and the list pulled in between."""
    return FirmOffer.objects.filter(honoured_until__gt=now).order_by("-honoured_until", "-pk")


def require_kept(content: snapshot.Content, now: datetime) -> None:
    """Raises CriteriaFrozen where a content moves what a standing firm offer was made by, with each place."""
    faults = [fault for made in standing(now) for fault in _faults(made, criteria(content, made.offer))]
    if faults:
        raise CriteriaFrozen(list(dict.fromkeys(faults)))


def _faults(made: FirmOffer, found: Mapping[str, Any]) -> Iterator[Fault]:
    said = (
        f"{made.offer} was offered firmly to a list ({made.campaign}) and is honoured as it was until"
        f" {made.honoured_until:%-d %B %Y}; {made.basis}"
    )
    if found["terms"] != made.criteria["terms"]:
        yield Fault(f"/offer/{made.offer}", "frozen", said)
    for kind in ("rule", "boost"):
        before, after = made.criteria[f"{kind}s"], found[f"{kind}s"]
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield Fault(f"/{kind}/{key}", "frozen", said)
