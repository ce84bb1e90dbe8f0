"""What a proposal changes, item by item: fields before and after, and conditions clause by clause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Q

from console.catalogue.surfaces import Surface, surface
from console.compliance import pack_words
from console.wording import Row, side_by_side
from decisioning.models import ModelVersion
from offers import mandates, snapshot
from offers.conditions.describe import DiffLine, clause_lines, difference
from offers.conditions.grammar import Condition, InvalidCondition, parse
from offers.models import ChangeRequest, Release
from offers.types import CHANNELS

Action = Literal["add", "change", "retire"]


@dataclass(frozen=True, slots=True)
class ItemDifference:
    """One item of a proposal against the release that it would change, or has changed."""

    kind: str
    key: str
    action: Action
    rows: list[Row]
    clauses: list[DiffLine]
    surfaces: list[Surface]  # the proposed words of a creative, on the channels where they are new

    @property
    def changed(self) -> list[Row]:
        return [row for row in self.rows if row.changed]

    @property
    def same(self) -> list[Row]:
        return [row for row in self.rows if not row.changed]


def of_change(change: ChangeRequest) -> list[ItemDifference]:
    """Against the live release or, for a change that made a release, against the one before it."""
    before = _content_before(change)
    return [_of_item(item, before.get(item["kind"], {}).get(item["key"])) for item in change.items]


def between(old: snapshot.Content, new: snapshot.Content) -> list[ItemDifference]:
    """Of any two contents."""
    return [_of_item(item.to_json(), old.get(item.kind, {}).get(item.key)) for item in snapshot.between(old, new)]


def _content_before(change: ChangeRequest) -> snapshot.Content:
    made = Release.objects.filter(change=change).values_list("number", flat=True).first()
    row = snapshot.live_row() if made is None else Release.objects.filter(number=made - 1).first()
    return row.content if row else snapshot.EMPTY


def _of_item(item: Mapping[str, Any], before: Mapping[str, Any] | None) -> ItemDifference:
    after = item["content"]
    action: Action = "retire" if after is None else "add" if before is None else "change"
    rows, clauses, surfaces = side_by_side(before, after), _clauses(before, after), _surfaces(before, after)
    if item["kind"] == "arm":
        rows = _arm(before, after)
    if item["kind"] == "pack":
        rows = side_by_side(pack_words.flat(before), pack_words.flat(after))
    if item["kind"] == "model" and after is not None:
        rows += _report(item["key"])
    return ItemDifference(item["kind"], item["key"], action, rows, clauses, surfaces)


def _arm(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Row]:
    """The fields of an arm, its mandate as a sentence."""
    contents = [content and {**content, "mandate": _mandate(content)} for content in (before, after)]
    return side_by_side(*contents)


def _mandate(content: Mapping[str, Any]) -> str:
    return mandates.sentence(snapshot.mandate(content.get("mandate")))


def _surfaces(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Surface]:
    old, new = ((content or {}).get("texts", {}) for content in (before, after))
    return [
        surface(channel, new[channel]) for channel in CHANNELS if channel in new and new[channel] != old.get(channel)
    ]


def _report(model: str) -> list[Row]:
    """What training measured of a model, beside the champion's."""
    found = ModelVersion.objects.filter(Q(name=model) | Q(status=ModelVersion.Status.CHAMPION))
    reports = {row.name if row.name == model else "champion": row.report for row in found.only("name", "report")}
    return side_by_side(reports.get("champion"), reports.get(model))


def _clauses(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[DiffLine]:
    old, new = _condition(before), _condition(after)
    if new is not None:
        return difference(old, new)
    if old is None:
        return []
    return [DiffLine("removed", line.joiner, line.depth, line.text, None) for line in clause_lines(old)]


def _condition(content: Mapping[str, Any] | None) -> Condition | None:
    """The condition of a rule or boost; None where there is none, or where it was written for an older register."""
    if content is None or "when" not in content:
        return None
    try:
        return parse(content["when"], use="boost" if "factor" in content else "rule")
    except InvalidCondition:
        return None
