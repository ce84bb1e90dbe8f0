"""Block 10: who made and who checked the version of each thing that decided, from the change that brought it; nothing
is approved here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record
from offers.models import Arm, ChangeRequest, ContactPolicy, Creative, EligibilityRule, Offer, RankingPolicy, Release

Item = tuple[str, str]  # kind and key

_TABLES: Final[Mapping[str, Any]] = {
    "offer": Offer, "creative": Creative, "arm": Arm, "rule": EligibilityRule, "ranking": RankingPolicy,
    "contact_policy": ContactPolicy,
}  # fmt: skip
_RULES: Final = 3  # of the offer, listed


@dataclass(frozen=True, slots=True)
class Agreed:
    """The release that brought a version, and the two people behind it; `checker` is "" where nobody is named."""

    kind: str
    key: str
    release: int
    maker: str
    checker: str
    checked_at: datetime | None


def approvals(record: Record, audience: Audience) -> Block:
    """Block 10."""
    release = record.of.plan.release
    agreed = _agreed(_decisive(record), release.number)
    rows = tuple(
        (f"{wording.code(one.kind)} {one.key}", str(one.release), one.maker, one.checker or "–", _day(one.checked_at))
        for one in agreed
    )
    return Block(
        10, "approvals", "Approvals",
        sentences=() if rows else ("No approved change names what decided.",),
        facts=(("Release", f"{release.number}, content sha256 {release.content_hash[:16]}…"),),
        table=Table(("Version of", "Release", "Made by", "Checked by", "On"), rows) if rows else None,
        data={"release": release.number, "content_hash": release.content_hash, "items": [
            {"kind": one.kind, "key": one.key, "release": one.release, "maker": one.maker, "checker": one.checker,
             "checked_at": one.checked_at.isoformat() if one.checked_at else None} for one in agreed]},
    )  # fmt: skip


def _day(at: datetime | None) -> str:
    return f"{at:%-d %b %Y}" if at else "–"


def _decisive(record: Record) -> list[Item]:
    """The offer, its words, its rules, the model and the policies."""
    plan = record.of.plan
    release = plan.release
    items = [("model", release.model[0])] if release.model else []
    if record.first:
        arm = release.arms[record.first.arm]
        rules = [plan.rules[at].key for at in record.of.rules_of.get(plan.position[arm.offer], ())]
        items += [("offer", arm.offer), ("creative", arm.creative), ("arm", arm.key)]
        items += [("rule", key) for key in rules[:_RULES]]
    policies = [
        (kind, key) for kind in ("ranking", "contact_policy") for key in _TABLES[kind].objects.values_list("key")
    ]
    return [*items, *((kind, key) for kind, (key,) in policies)]


def _agreed(items: Iterable[Item], release: int) -> list[Agreed]:
    """By the catalogue's own note of the release that brought an item; only what has changed since, and models, which
    have no such note, are searched for in the changes, whose content may be thousands of items."""
    wanted = list(items)
    brought: dict[Item, int] = {}
    keys: dict[str, list[str]] = defaultdict(list)
    for kind, key in wanted:
        keys[kind].append(key)
    for kind in keys.keys() & _TABLES.keys():
        rows = _TABLES[kind].objects.filter(key__in=keys[kind], release_id__lte=release)
        brought |= {(kind, key): number for key, number in rows.values_list("key", "release_id")}
    for item in wanted:
        number = brought.get(item) or _searched(item, release)
        if number:
            brought[item] = number
    people = {row[0]: row[1:] for row in _people(set(brought.values()))}
    return [
        Agreed(kind, key, brought[kind, key], *people[brought[kind, key]])
        for kind, key in wanted if brought.get((kind, key)) in people
    ]  # fmt: skip


def _searched(item: Item, release: int) -> int | None:
    changes = ChangeRequest.objects.filter(release__number__lte=release)
    own = changes.filter(kind=item[0], key=item[1])
    held = changes.filter(items__contains=[{"kind": item[0], "key": item[1]}])
    for found in (own, held) if item[0] == "model" else (held,):
        number = found.order_by("-release__number").values_list("release__number", flat=True).first()
        if number:
            return int(number)
    return None


def _people(releases: Iterable[int]) -> Iterable[tuple[int, str, str, datetime | None]]:
    rows = Release.objects.filter(number__in=list(releases)).values_list(
        "number", "change__author__username", "change__checker__username", "change__checked_at"
    )
    return [(number, maker, checker or "", at) for number, maker, checker, at in rows]
