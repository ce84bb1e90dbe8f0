"""What the content of each kind of catalogue item must look like, and drafting a change to it; never going live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from jsonschema import Draft202012Validator, FormatChecker

from offers import audit, canonical, channels, golden, pack_schema, roles, storable, terms
from offers.conditions.grammar import Clause, Combination, Condition, Fault, InvalidCondition, parse
from offers.models import KINDS, WHOLE_KINDS, ChangeRequest, Release
from offers.register import OFFER_FACTS, STATES
from offers.types import CHANNELS

_KEY = {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,58}\Z"}
_ARM_KEY = {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,58}/[a-z0-9][a-z0-9-]{0,58}\Z"}
_WORDS = {"type": "string", "minLength": 1, "maxLength": 600}
_LONGEST = 200  # characters of a title
_TITLE = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
_DATE_TIME = {
    "type": ["string", "null"],
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$",
    "format": "date-time",
}
_FACTS = {
    "type": "object",
    "propertyNames": {"enum": sorted(OFFER_FACTS)},
    "additionalProperties": {"type": ["number", "string", "null"]},
}
_SCOPE = {"enum": ["all", "product", "offer"]}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 1000}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


_FORMATS = FormatChecker(formats=["date"])


@_FORMATS.checks("date-time", raises=(ValueError, OverflowError))
def _is_moment(value: object) -> bool:
    """A moment that the calendar has, in UTC too, as every page shows it."""
    return not isinstance(value, str) or datetime.fromisoformat(value).astimezone(UTC) is not None


def _schema(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Draft202012Validator:
    return Draft202012Validator(
        {
            "type": "object",
            "properties": {**required, **(optional or {})},
            "required": sorted(required),
            "additionalProperties": False,
        },
        format_checker=_FORMATS,
    )


_TEXT = {
    "type": "object",
    "properties": {
        "format": {"type": "string", "minLength": 1, "maxLength": 30},
        "headline": {"type": "string", "minLength": 1, "maxLength": 120},
        "body": _WORDS,
        "call_to_action": {"type": "string", "minLength": 1, "maxLength": 60},
        "disclosure": _WORDS,
    },
    "required": ["format", "headline", "body", "call_to_action", "disclosure"],
    "additionalProperties": False,
}

_MANDATE = {
    "type": ["object", "null"],
    "properties": {
        "min_share": _SHARE,
        "max_share": _SHARE,
        "learning_budget": {"type": ["integer", "null"], "minimum": 0, "maximum": 10_000_000},
        "ends_at": _DATE_TIME,
        "never_explore": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "additionalProperties": False,
}
# Whom a rule concerns: residents of one country, or of some of its states. Everybody else it does not concern.
_JURISDICTION = {
    "type": ["object", "null"],
    "properties": {
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "states": {"type": "array", "items": {"enum": list(STATES)}, "uniqueItems": True, "minItems": 1},
    },
    "minProperties": 1,
    "additionalProperties": False,
}
# A customer, what the rule must say of her, and why that matters; it must hold before anybody can approve the rule.
_GOLDEN_TEST = {
    "type": "object",
    "properties": {
        "name": _TITLE,
        "customer": {"type": "object", "additionalProperties": True},
        "expect": {"enum": ["eligible", "refused", "data_missing"]},
    },
    "required": ["name", "customer", "expect"],
    "additionalProperties": False,
}

SCHEMAS: dict[str, Draft202012Validator] = {
    "product": _schema({"title": _TITLE}),
    "offer": _schema(
        {
            "title": _TITLE,
            "product": _KEY,
            "family": _KEY,
            "facts": _FACTS,
            "value": {"type": "number", "minimum": 0, "maximum": 100000},
            "benefit_rank": {"type": "integer", "minimum": 1, "maximum": 100},
            "base_rate": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "channels": {"type": "array", "items": {"enum": list(CHANNELS)}, "uniqueItems": True, "minItems": 1},
            "placements": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
            "legal_basis": {"enum": ["invitation", "firm_offer", "account_review"]},
        },
        {"starts_at": _DATE_TIME, "ends_at": _DATE_TIME},
    ),
    "creative": _schema(
        {
            "title": _TITLE,
            "offer": _KEY,
            "texts": {
                "type": "object",
                "propertyNames": {"enum": list(CHANNELS)},
                "additionalProperties": _TEXT,
                "minProperties": 1,
            },
        },
        {"facts": _FACTS},
    ),
    "arm": _schema(
        {
            "title": _TITLE,
            "offer": _KEY,
            "creative": {"type": "string"},
            "prior_mean": _SHARE,
            "prior_strength": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6},
        },
        {"paused": {"type": "boolean"}, "mandate": _MANDATE},
    ),
    "rule": _schema(
        {
            "title": _TITLE,
            "scope": _SCOPE,
            "target": {"type": "string", "maxLength": 60},
            "when": {"type": "object"},
            "reason_code": {"type": "string", "pattern": r"^[A-Z][A-Z0-9_]{2,39}$"},
            "basis": _TITLE,
        },
        {
            "next_review": {"type": "string", "format": "date"},
            "starts_at": _DATE_TIME,
            "ends_at": _DATE_TIME,
            "jurisdiction": _JURISDICTION,
            "tests": {"type": "array", "items": _GOLDEN_TEST, "maxItems": 100},
        },
    ),
    "boost": _schema(
        {
            "title": _TITLE,
            "scope": _SCOPE,
            "target": {"type": "string", "maxLength": 60},
            "when": {"type": "object"},
            "factor": {"type": "number", "exclusiveMinimum": 0, "maximum": 10},
        },
        {"starts_at": _DATE_TIME, "ends_at": _DATE_TIME},
    ),
    "contact_policy": _schema(
        {
            "title": _TITLE,
            "decisions_per_day": _COUNT,
            "decisions_per_week": _COUNT,
            "same_offer_per_week": _COUNT,
        },
        {"holdout_share": _SHARE},
    ),
    "ranking": _schema(
        {
            "title": _TITLE,
            "propensity_weight": _SHARE,
            "bandit_weight": _SHARE,
            "reward_weights": {
                "type": "object",
                "propertyNames": {"enum": ["click", "application", "activation"]},
                "additionalProperties": _SHARE,
            },
        },
        {
            "shift_trials": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "value_exponent": {"type": "number", "minimum": 0, "maximum": 2},
            "boost_cap": {"type": ["number", "null"], "minimum": 1, "maximum": 10},
            "noise_variance": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "attribution_days": {"type": "integer", "minimum": 1, "maximum": 365},
            "lease_minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
            "context": {
                "type": "array",
                "maxItems": 15,
                "items": {
                    "type": "object",
                    "properties": {
                        "attribute": {"type": "string"},
                        "equals": {"type": ["string", "null"]},
                        "centre": {"type": "number"},
                        "scale": {"type": "number", "exclusiveMinimum": 0},
                    },
                    "required": ["attribute"],
                    "additionalProperties": False,
                },
            },
        },
    ),
    "placement": _schema({"title": _TITLE, "fallback": {"type": ["string", "null"]}}),
    "pack": _schema(pack_schema.REQUIRED, pack_schema.OPTIONAL),
    "model": _schema({"title": _TITLE, "sha256": {"type": "string", "pattern": r"^[0-9a-f]{64}$"}}),
}


class InvalidContent(ValueError):
    """The content of a change is refused; `faults` names every field with its path."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Item:
    """One replaced, added or (content None) retired catalogue item of a change."""

    kind: str
    key: str
    content: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "key": self.key, "content": self.content}


def faults_of(item: Item) -> list[Fault]:
    """Everything wrong with one item by itself, with paths such as `/rule/age-21/when/all/0`."""
    root = f"/{item.kind}/{storable.escaped(item.key)}"
    if item.kind not in KINDS:
        return [Fault(root, "unknown_kind", f"there is no kind {item.kind}; kinds are {', '.join(KINDS)}")]
    key_schema = (
        _ARM_KEY if item.kind in ("arm", "creative") else {"type": "string", "pattern": r"^[a-z0-9][a-z0-9_-]{0,58}\Z"}
    )
    faults = [
        Fault(root, "invalid_key", error.message) for error in Draft202012Validator(key_schema).iter_errors(item.key)
    ]
    if item.content is None:
        return faults
    unheld = list(storable.faults(item.content, root))
    if unheld:
        return faults + unheld
    for error in SCHEMAS[item.kind].iter_errors(item.content):
        path = "".join(f"/{part}" for part in error.absolute_path)
        faults.append(Fault(root + path, str(error.validator), error.message))
    if not faults and item.kind in ("rule", "boost"):
        faults += _condition_faults(item, root)
    if not faults and item.kind == "creative":
        faults += channels.all_faults(item.content["texts"], f"{root}/texts")
    if not faults and item.kind == "pack":
        faults += pack_schema.faults(item.content, root)
    return faults


def _condition_faults(item: Item, root: str) -> list[Fault]:
    assert item.content is not None
    starts, ends = item.content.get("starts_at"), item.content.get("ends_at")
    faults = []
    if starts and ends and datetime.fromisoformat(ends) <= datetime.fromisoformat(starts):
        faults.append(Fault(f"{root}/ends_at", "empty_range", "it ends before it starts"))
    try:
        parse(item.content["when"], use="rule" if item.kind == "rule" else "boost")
    except InvalidCondition as error:
        return faults + [Fault(f"{root}/when{fault.path}", fault.code, fault.message) for fault in error.faults]
    if item.kind == "rule":
        faults += golden.faults_of(requirement(item.content), item.content.get("tests", []), f"{root}/tests")
    return faults


def requirement(content: Mapping[str, Any]) -> Condition:
    """What a rule's content asks of a customer: its condition, or that its jurisdiction is not hers.

    Of somebody whose residence is not known, the condition is asked. Raises InvalidCondition.
    """
    when, jurisdiction = parse(content["when"], use="rule"), content.get("jurisdiction")
    if not jurisdiction:
        return when
    within: list[Condition] = []
    if "country" in jurisdiction:
        within.append(Clause("country", "=", jurisdiction["country"]))
    if "states" in jurisdiction:
        within.append(Clause("state", "in", tuple(jurisdiction["states"])))
    return Combination("any", (Combination("none", (Combination("all", tuple(within)),)), when))


def draft(
    *, kind: str, key: str, title: str, items: Sequence[Item], author: User, now: datetime, rationale: str = ""
) -> ChangeRequest:
    """A new change request in draft; a title that names something long is cut. Raises NotAllowed or InvalidContent;
    call inside a transaction."""
    require_author(author, kind, items)
    faults = [fault for item in items for fault in faults_of(item)]
    if not items:
        faults.append(Fault("/items", "empty", "a change needs at least one item"))
    if kind == "rollback" and not faults:
        faults += _not_of_release(key, items)
    elif not faults:
        faults += terms.faults(items, author)
    if faults:
        raise InvalidContent(faults)
    content = [item.to_json() for item in items]
    change = ChangeRequest.objects.create(
        kind=kind, key=key, title=title[:_LONGEST], rationale=rationale, items=content,
        content_hash=canonical.digest(content), author=author, created_at=now,
    )  # fmt: skip
    audit.record(
        actor=author.get_username(), action="change.drafted", subject=f"change {change.pk}",
        detail={"kind": kind, "key": key, "hash": change.content_hash}, now=now,
    )  # fmt: skip
    return change


def require_author(author: User, kind: str, items: Sequence[Item]) -> None:
    """Raises NotAllowed unless a role of the person may propose the change's kind, and that of every item."""
    # What is rolled back to was proposed and approved before, item by item.
    for name in {kind} if kind == "rollback" else {item.kind for item in items} | {kind}:
        if name in (*KINDS, *WHOLE_KINDS):
            _require(author, name, items)


def _require(author: User, kind: str, items: Sequence[Item]) -> None:
    """Risk proposes no offers, and yet the terms of those that are live."""
    if kind != "offer" or not roles.may(author, terms.ACTION) or not terms.only(items):
        roles.require(author, f"propose:{kind}")


def _not_of_release(key: str, items: Sequence[Item]) -> list[Fault]:
    """A rollback brings nothing but what stood, or did not stand, in the release that it goes back to."""
    row = Release.objects.filter(number=int(key)).first() if key.isdecimal() else None
    if row is None:
        return [Fault("/key", "dangling", f"there is no release {key} to go back to")]
    return [
        Fault(f"/{item.kind}/{item.key}", "not_in_release", f"release {key} says otherwise")
        for item in items
        if row.content.get(item.kind, {}).get(item.key) != item.content
    ]


def revise(
    change: ChangeRequest,
    *,
    items: Sequence[Item],
    author: User,
    now: datetime,
    title: str = "",
    rationale: str | None = None,
) -> ChangeRequest:
    """Replace the items of one's own draft, and its words where they are given.

    Raises NotAllowed, InvalidContent, or WrongStatus by the trigger.
    """
    if author.pk != change.author_id:
        raise roles.NotAllowed(author.get_username(), f"propose:{change.kind}")
    if change.kind == "rollback":
        raise InvalidContent([Fault("/items", "fixed", "a rollback is what its release says; propose another one")])
    require_author(author, change.kind, items)
    faults = [fault for item in items for fault in faults_of(item)] or terms.faults(items, author)
    if faults:
        raise InvalidContent(faults)
    change.items = [item.to_json() for item in items]
    change.content_hash = canonical.digest(change.items)
    change.title = title or change.title
    change.rationale = change.rationale if rationale is None else rationale
    change.save(update_fields=["items", "content_hash", "title", "rationale"])
    audit.record(
        actor=author.get_username(), action="change.revised", subject=f"change {change.pk}",
        detail={"hash": change.content_hash}, now=now,
    )  # fmt: skip
    return change
