"""What the content of a policy pack must look like, and what its parts must agree on; never what a law says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from offers import packs
from offers.conditions.grammar import Fault
from offers.register import ATTRIBUTES, STATES
from offers.roles import ROLES
from offers.types import Bands

METRICS: Final = tuple(f"M{number}" for number in range(1, 19))
RECORDS: Final = ("decision", "application", "firm_offer", "complaint", "self_test", "request", "log")
"""The kinds of record that a pack may give a retention in months; decisioning/partitions.py obeys it."""
PROXIES: Final = ("race", "gender")
_USES: Final = ("rule", "model", "arm", "boost")

_WORDS = {"type": "string", "minLength": 1, "maxLength": 2000}
_TITLE = {"type": "string", "minLength": 1, "maxLength": 200}
_URL = {"type": "string", "pattern": r"^https://\S+\Z", "maxLength": 300}
_NAME = {"type": "string", "pattern": r"^[a-z][a-z0-9_]{1,59}\Z"}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"}
_MONTHS = {"type": "integer", "minimum": 1, "maximum": 600}


def _closed(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object", "properties": {**required, **(optional or {})}, "required": sorted(required),
        "additionalProperties": False,
    }  # fmt: skip


def _list(items: Mapping[str, Any], most: int = 100) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True, "maxItems": most}


def _line(name: str, default: object) -> dict[str, Any]:
    if isinstance(default, int):
        return {"type": "integer", "minimum": 1, "maximum": 1_000_000}
    if name == "reverse_ratio":
        return {"type": "number", "minimum": 1, "maximum": 10}
    return {"type": "number", "exclusiveMinimum": 0, "maximum": 10 if name.startswith("smd") else 1}


_LINES = {one.name: _line(one.name, one.default) for one in fields(Bands) if one.name in packs.LINES}
_AGE_BAND = _closed({"name": _TITLE, "lower": {"type": "integer", "minimum": 0, "maximum": 150}, "basis": _TITLE},
                    {"upper": {"type": "integer", "minimum": 1, "maximum": 150}})  # fmt: skip

REQUIRED: Final[dict[str, Any]] = {
    "title": _TITLE,
    "summary": _WORDS,
    "effective_from": _DAY,
    "verified_on": _DAY,
    "metrics": {**_list({"enum": list(METRICS)}), "minItems": 1},
    "mitigations": _closed(
        {packs.REWEIGHING: {"enum": list(packs.PERMISSIONS)}, packs.GROUP_AWARE: {"enum": list(packs.PERMISSIONS)}}
    ),
    "lda": {"enum": list(packs.LDA)},
    "retention": {"type": "object", "propertyNames": {"enum": list(RECORDS)}, "additionalProperties": _MONTHS},
    "monitors": _closed({
        "red_periods": {"type": "integer", "minimum": 1, "maximum": 12}, "owner": {"enum": sorted(ROLES)},
        "days_to_settle": {"type": "integer", "minimum": 1, "maximum": 365}, "pause": {"enum": list(packs.PAUSES)},
    }),
    "citations": {**_list(_closed({"text": _TITLE, "url": _URL})), "minItems": 1},
}  # fmt: skip
OPTIONAL: Final[dict[str, Any]] = {
    "effective_until": {"anyOf": [_DAY, {"type": "null"}]},
    "place": _closed({}, {"countries": _list({"type": "string", "pattern": r"^[A-Z]{2}\Z"}, 250),
                          "states": _list({"enum": list(STATES)})}),
    "bands": _closed({}, {
        **_LINES, "references": {"type": "object", "propertyNames": _NAME, "additionalProperties": _TITLE},
        "age_bands": {**_list(_AGE_BAND, 20), "minItems": 2},
    }),
    "notices": _list(_closed({"template": _NAME, "version": _TITLE, "text": _WORDS, "citation": _TITLE, "url": _URL})),
    "proxies": _list({"enum": list(PROXIES)}),
    "prescreening": _closed({
        "under_21": {"enum": [packs.EXCLUDED, packs.ALLOWED]},
        "honour_days": {"type": "integer", "minimum": 1, "maximum": 366}, "citation": _TITLE, "url": _URL,
    }),
    "rulings": _list(_closed(
        {"attributes": {**_list({"enum": sorted(ATTRIBUTES)}, 200), "minItems": 1},
         "ruling": {"enum": list(packs.RULINGS)}, "reason": _WORDS, "citation": _TITLE, "url": _URL},
        {"uses": _list({"enum": list(_USES)})},
    )),
}  # fmt: skip


def faults(content: Mapping[str, Any], root: str) -> Iterator[Fault]:
    """What a content that follows the schema says against itself, with paths under `root`."""
    until = content.get("effective_until")
    if until and until <= content["effective_from"]:
        yield Fault(f"{root}/effective_until", "empty_range", "it ends before it starts")
    place = content.get("place", {})
    if place.get("states") and place.get("countries", ["US"]) != ["US"]:
        yield Fault(f"{root}/place/states", "misplaced", "states are those of the US")
    yield from _unordered(content.get("bands", {}), f"{root}/bands")
    if content["mitigations"][packs.GROUP_AWARE] != "forbidden" and _is_american(place):
        message = "a method that looks at the group when it decides is disparate treatment under ECOA 15 USC 1691(a)"
        yield Fault(f"{root}/mitigations/{packs.GROUP_AWARE}", "unlawful", message)
    named = [notice["template"] for notice in content.get("notices", ())]
    for index, name in enumerate(named):
        if name in named[:index]:
            yield Fault(f"{root}/notices/{index}/template", "second", f"there is already a notice {name}")


def _is_american(place: Mapping[str, Any]) -> bool:
    """Whether it covers anybody in the US, as a pack for everywhere does."""
    return "US" in place.get("countries", ["US"]) or bool(place.get("states"))


def _unordered(bands: Mapping[str, Any], root: str) -> Iterator[Fault]:
    """A watch line beyond its failing line, and age bands that overlap or leave an age out."""
    lines = packs.bands(bands)
    for name in packs.LINES:
        stem = name.removesuffix("_fail").removeprefix("fail_")
        watch = f"watch_{stem}" if name.startswith("fail_") else f"{stem}_watch"
        if stem != name and getattr(lines, watch) != getattr(lines, name):
            above = getattr(lines, watch) > getattr(lines, name)
            if above != (name in packs.STRICTER_ABOVE):
                yield Fault(f"{root}/{name}", "unordered", f"{watch} is reached after {name}")
    if lines.proxy_notable > lines.proxy_strong:
        yield Fault(f"{root}/proxy_strong", "unordered", "proxy_notable is reached after proxy_strong")
    edges = [(band.lower, band.upper) for band in lines.age_bands]
    for index, (lower, _) in enumerate(edges):
        if lower != (edges[index - 1][1] if index else 0):
            yield Fault(f"{root}/age_bands/{index}/lower", "gap", "each band begins where the one before ends, at 0")
    if edges[-1][1] is not None:
        yield Fault(f"{root}/age_bands/{len(edges) - 1}/upper", "gap", "the last band has no upper end")
