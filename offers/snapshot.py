"""The approved catalogue as one content-hashed value: apply a change, read it as a Release; no approval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from offers import canonical, mandates, packs, prescreening
from offers.catalog import InvalidContent, Item, requirement
from offers.conditions.grammar import Fault, parse
from offers.models import KINDS
from offers.models import Release as ReleaseRow
from offers.register import attribute
from offers.types import (
    Arm,
    Boost,
    ContactPolicy,
    ContextTerm,
    Creative,
    Mandate,
    Offer,
    Placement,
    Ranking,
    Release,
    Rule,
    Text,
)

Content = dict[str, dict[str, Any]]
EMPTY: Content = {kind: {} for kind in KINDS if kind != "pack"}
LAW = "law"  # beside the kinds in a content, where the packs add something; nobody proposes it
_ROUNDING = 1e-9
LOCK = 0x72656C65617365  # "release", also in candor_lock_release of the database


def content_hash(content: Content) -> str:
    return canonical.digest(content)


def lock() -> None:
    """Until the end of the transaction, no other one publishes or rests on what is live."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def live_row() -> ReleaseRow | None:
    """The release in force: the one with the highest number."""
    return ReleaseRow.objects.order_by("-number").first()


def items_of(raw: Iterable[Mapping[str, Any]]) -> list[Item]:
    return [Item(item["kind"], item["key"], item["content"]) for item in raw]


def apply(content: Content, items: Iterable[Item]) -> Content:
    """A new content with the items replaced, added or retired; the old one is left as it was."""
    result: Content = {kind: dict(content.get(kind, {})) for kind in KINDS}
    for item in items:
        if item.content is None:
            result[item.kind].pop(item.key, None)
        elif item.kind == "model":
            result["model"] = {item.key: dict(item.content)}  # there is one champion
        else:
            result[item.kind][item.key] = dict(item.content)
    # Releases from before there were packs keep their hash, also where one goes back to them.
    return under_law(result if result["pack"] else {kind: items for kind, items in result.items() if kind != "pack"})


def under_law(content: Content) -> Content:
    """The content with what the packs add to it today (`law`, see offers/prescreening.py), in place of what they added
    before. It is published and hashed with the rest, so that no later law moves a decision of the past."""
    approved = {kind: items for kind, items in content.items() if kind != LAW}
    law = prescreening.law(approved)
    return approved | {LAW: law} if law else approved


def between(content: Content, wanted: Content) -> list[Item]:
    """The items that turn one content into another: replaced, added or retired, in the order of kinds and keys."""
    items = []
    for kind in KINDS:
        old, new = content.get(kind, {}), wanted.get(kind, {})
        items += [Item(kind, key, new[key]) for key in sorted(new) if old.get(key) != new[key]]
        # There is one champion: the one that is wanted replaces the other.
        items += [Item(kind, key, None) for key in sorted(set(old) - set(new)) if kind != "model" or not new]
    return items


def live_at(moment: datetime) -> ReleaseRow | None:
    """The release that was in force at a moment."""
    return ReleaseRow.objects.filter(published_at__lte=moment).order_by("-number").first()


def read(number: int, content: Content) -> Release:
    """The frozen value that the engine runs on. Raises InvalidContent where something named is not there."""
    faults = list(_dangling(content))
    if faults:
        raise InvalidContent(faults)
    model = next(((key, value["sha256"]) for key, value in content["model"].items()), None)
    offers = {key: _offer(key, value) for key, value in sorted(content["offer"].items())}
    law = content.get(LAW, {})
    rules = [*sorted(content["rule"].items()), *sorted(law.get("rules", {}).items())]
    return Release(
        number=number,
        content_hash=content_hash(content),
        offers=offers,
        creatives={key: _creative(key, value) for key, value in sorted(content["creative"].items())},
        arms={key: _arm(key, value) for key, value in sorted(content["arm"].items())},
        rules={key: _rule(key, value) for key, value in rules},
        boosts={key: _boost(key, value) for key, value in sorted(content["boost"].items())},
        placements={
            key: Placement(key, value["title"], value["fallback"])
            for key, value in sorted(content["placement"].items())
        },
        contact_policy=_contact_policy(content["contact_policy"]),
        ranking=_ranking(content["ranking"]),
        model=model,
        packs={key: packs.read(key, value) for key, value in sorted(content.get("pack", {}).items())},
        prescreened=frozenset(law.get("offers", ())),
    )


def _dangling(content: Content) -> Iterable[Fault]:
    """References between items, and what every live catalogue must have."""
    references = [
        ("offer", "product", "product"),
        ("creative", "offer", "offer"),
        ("arm", "offer", "offer"),
        ("arm", "creative", "creative"),
        ("placement", "fallback", "arm"),
    ]
    for kind, field, target in references:
        for key, value in content[kind].items():
            if value[field] is not None and value[field] not in content[target]:
                yield Fault(f"/{kind}/{key}/{field}", "dangling", f"there is no {target} {value[field]}")
    for key, value in content["arm"].items():
        if content["creative"].get(value["creative"], {}).get("offer", value["offer"]) != value["offer"]:
            yield Fault(f"/arm/{key}/creative", "dangling", f"{value['creative']} belongs to another offer")
    for key, value in content["creative"].items():
        needed = content["offer"].get(value["offer"], {}).get("channels", [])
        for channel in sorted(set(needed) - set(value["texts"])):
            yield Fault(f"/creative/{key}/texts/{channel}", "missing", f"{value['offer']} is offered on {channel}")
    for kind in ("rule", "boost"):
        for key, value in content[kind].items():
            if value["scope"] != "all" and value["target"] not in content[value["scope"]]:
                yield Fault(f"/{kind}/{key}/target", "dangling", f"there is no {value['scope']} {value['target']}")
    for key, value in content["offer"].items():
        for placement in value["placements"]:
            if placement not in content["placement"]:
                yield Fault(f"/offer/{key}/placements", "dangling", f"there is no placement {placement}")
    for kind in ("contact_policy", "ranking"):
        for key in sorted(content[kind])[1:]:
            # Which of two is in force would depend on the order of keys, and Postgres keeps another one.
            yield Fault(f"/{kind}/{key}", "second", f"there is already {sorted(content[kind])[0]}, and one is in force")
    yield from mandates.faults(content)
    for key, value in content["ranking"].items():
        if abs(value["propensity_weight"] + value["bandit_weight"] - 1.0) > _ROUNDING:
            yield Fault(f"/ranking/{key}/bandit_weight", "weights", "the two weights add up to 1")
        for index, term in enumerate(value.get("context", [])):
            message = _unusable(term)
            if message:
                yield Fault(f"/ranking/{key}/context/{index}/attribute", "not_usable", message)


def _unusable(term: Mapping[str, Any]) -> str | None:
    """What is wrong with a term of the bandit's context: one that cannot be read would fail every decision."""
    try:
        declared = attribute(term["attribute"])
    except LookupError as error:
        return str(error)
    if "arm" not in declared.uses:
        return f"{declared.name} may not be used by arms"
    if declared.type == "set":
        return f"{declared.name} is a set, and no single number"
    if declared.type == "category" and term.get("equals") is None:
        return f"{declared.name} is a category: name the value that counts"
    if declared.type != "category" and term.get("equals") is not None:
        return f"{declared.name} is a {declared.type}: it equals no text"
    return None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _offer(key: str, value: Mapping[str, Any]) -> Offer:
    return Offer(
        key=key,
        name=value["title"],
        product=value["product"],
        family=value["family"],
        facts=value["facts"],
        value=float(value["value"]),
        benefit_rank=value["benefit_rank"],
        base_rate=float(value["base_rate"]),
        channels=frozenset(value["channels"]),
        placements=frozenset(value["placements"]),
        legal_basis=value["legal_basis"],
        starts_at=_moment(value.get("starts_at")),
        ends_at=_moment(value.get("ends_at")),
    )


def _creative(key: str, value: Mapping[str, Any]) -> Creative:
    texts = {channel: Text(**text) for channel, text in sorted(value["texts"].items())}
    return Creative(key, value["offer"], value["title"], texts, value.get("facts", {}))


def _arm(key: str, value: Mapping[str, Any]) -> Arm:
    return Arm(
        key, value["offer"], value["creative"], float(value["prior_mean"]), float(value["prior_strength"]),
        value.get("paused", False), mandate(value.get("mandate")),
    )  # fmt: skip


def mandate(value: Mapping[str, Any] | None) -> Mandate | None:
    if not value:
        return None
    return Mandate(
        float(value.get("min_share", 0.0)),
        float(value.get("max_share", 1.0)),
        value.get("learning_budget"),
        _moment(value.get("ends_at")),
        tuple(sorted(value.get("never_explore", ()))),
    )


def _rule(key: str, value: Mapping[str, Any]) -> Rule:
    return Rule(
        key, value["title"], value["scope"], value["target"], requirement(value), value["reason_code"],
        value["basis"], _moment(value.get("starts_at")), _moment(value.get("ends_at")),
    )  # fmt: skip


def _boost(key: str, value: Mapping[str, Any]) -> Boost:
    return Boost(
        key, value["title"], value["scope"], value["target"], parse(value["when"], use="boost"), float(value["factor"]),
        _moment(value.get("starts_at")), _moment(value.get("ends_at")),
    )  # fmt: skip


def _contact_policy(items: Mapping[str, Mapping[str, Any]]) -> ContactPolicy:
    """Without an approved policy nobody is contacted: caps fail closed."""
    for value in items.values():
        return ContactPolicy(
            value["decisions_per_day"],
            value["decisions_per_week"],
            value["same_offer_per_week"],
            float(value.get("holdout_share", 0.0)),
        )
    return ContactPolicy(0, 0, 0)


def _ranking(items: Mapping[str, Mapping[str, Any]]) -> Ranking:
    for value in items.values():
        settings = {name: setting for name, setting in value.items() if name not in ("title", "context")}
        terms = tuple(ContextTerm(**term) for term in value.get("context", []))
        return Ranking(**settings, context=terms)
    return Ranking()
