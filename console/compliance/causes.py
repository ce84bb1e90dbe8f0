"""What the pages of causes show, read from what the last night kept: rules, inputs, exposure, steering; nothing is
computed for a reader but words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Final

from console.compliance import heat
from console.templatetags.console import percent
from console.wording import attribute_name
from decisioning.models import Job
from fairness import tasks
from fairness.causes import figures, waterfall
from fairness.causes.kept import Kind
from fairness.cube.rollup import ANY, FAMILY
from fairness.cube.stages import WORDS
from fairness.models import Cause, CubeCount
from fairness.thresholds import Bands, Verdict
from offers.models import Arm, EligibilityRule, Offer

LISTED: Final = 12  # inputs of a model
PROXIES: Final = 8


@dataclass(frozen=True, slots=True)
class Ranked:
    """One rule of an offer as a row; `part` is its share of all that lowers the ratio."""

    title: str
    key: str
    row: Mapping[str, Any]
    part: float | None
    clauses: Sequence[Mapping[str, Any]]

    @property
    def times(self) -> float:
        return exp(self.row["shapley"])


def of_offer(offer: str, attribute: str) -> list[Cause]:
    """The groups of one offer whose rules were attributed, the lowest ratio first."""
    rows = Cause.objects.filter(kind=Kind.RULES, subject=offer, attribute=attribute)
    return sorted(rows, key=lambda row: (row.content["ratio"], row.group))


def rules_of(cause: Cause) -> list[Ranked]:
    content = cause.content
    keys = [row["name"] for row in content["rules"]]
    titles = dict(EligibilityRule.objects.filter(key__in=keys).values_list("key", "title"))
    lowered = sum(min(0.0, row["shapley"]) for row in content["rules"])
    return [
        Ranked(
            titles.get(row["name"], row["name"]), row["name"], row,
            row["shapley"] / lowered if lowered and row["shapley"] < 0 else None,
            content["clauses"].get(row["name"], ()),
        )
        for row in content["rules"]
    ]  # fmt: skip


def figure_of(rules: Sequence[Ranked]) -> dict[str, Any] | None:
    moving = [(rule.title, rule.row["shapley"]) for rule in rules if rule.row["shapley"]]
    return figures.shares(moving) if moving else None


def drivers_of(cause: Cause) -> dict[str, Any] | None:
    """The inputs of the model behind the gap in score of the same offer and group, each with what it tells of it."""
    found = Cause.objects.filter(
        kind=Kind.DRIVERS, subject=cause.subject, attribute=cause.attribute, group=cause.group
    ).first()
    if found is None:
        return None
    content = found.content
    leak = Cause.objects.filter(
        kind=Kind.LEAK, subject=content["model"], attribute=cause.attribute, group=cause.group
    ).first()
    tells: dict[str, float] = dict(leak.content["inputs"]) if leak else {}
    rows = [
        {**row, "gap": row["mean"] - row["reference_mean"], "tells": tells.get(row["name"])}
        for row in content["inputs"]
    ]
    shown = [row for row in rows if row["gap"]][:LISTED]
    return {
        "content": content,
        "rows": shown,
        "rest": content["gap"] - sum(row["gap"] for row in shown),
        "scale": max((abs(row["gap"]) for row in shown), default=0.0),
        "families": content["families"],
        "leak": leak.content if leak else None,
        "proxies": [(attribute_name(name), auc) for name, auc in leak.content["inputs"][:PROXIES]] if leak else [],
    }


def waterfall_of(cause: Cause) -> dict[str, Any] | None:
    """Where on the way the same group fell behind in the newest month that was counted."""
    month = CubeCount.objects.order_by("-month").values_list("month", flat=True).first()
    found = waterfall.of_month(month, cause.subject, cause.attribute, cause.group, cause.reference) if month else None
    if month is None or found is None or found.until is None:
        return None
    return {
        "found": found,
        "steps": [{"step": step, "words": WORDS[step.stage]} for step in found.steps],
        "href": heat.drill_href(cause.subject, cause.attribute, month=month, stage="eligible", group=cause.group),
    }


def widest(attribute: str, offer: str) -> list[dict[str, Any]]:
    """The offers under "any offer", or of a family, by their lowest ratio under one attribute."""
    rows = Cause.objects.filter(kind=Kind.RULES, attribute=attribute).order_by("content__ratio")
    if offer.startswith(FAMILY):
        keys = Offer.objects.filter(content__family=offer.removeprefix(FAMILY)).values_list("key", flat=True)
        rows = rows.filter(subject__in=list(keys))
    found: dict[str, Cause] = {}
    for row in rows[:200]:
        found.setdefault(row.subject, row)
    titles = offer_names(found)
    return [{"cause": row, "title": titles[row.subject]} for row in list(found.values())[:LISTED]]


def offer_names(keys: Iterable[str]) -> dict[str, str]:
    """Titles by key; a key that is gone stands for itself."""
    wanted = list(keys)
    return {key: key for key in wanted} | dict(Offer.objects.filter(key__in=wanted).values_list("key", "title"))


def arm_names(keys: Iterable[str]) -> dict[str, str]:
    wanted = list(keys)
    return {key: key for key in wanted} | dict(Arm.objects.filter(key__in=wanted).values_list("key", "title"))


def is_any(offer: str) -> bool:
    return offer in (ANY, heat.ANY_OFFER) or offer.startswith(FAMILY)


def attributes_of(kind: Kind) -> list[str]:
    return sorted(set(Cause.objects.filter(kind=kind).order_by().values_list("attribute", flat=True).distinct()))


def judged(kind: Kind) -> bool:
    """Whether anything could be judged; "nobody" may be said only then."""
    return Cause.objects.filter(kind=kind).exclude(content__level=Verdict.TOO_LITTLE_DATA).exists()


def running() -> bool:
    """Whether somebody's question, or the night, is being worked on."""
    return Job.objects.filter(kind=tasks.CAUSES, status=Job.Status.RUNNING).exists()


def headline(cause: Cause, rules: Sequence[Ranked], bands: Bands) -> str:
    """Which rule the gap is of, in one sentence."""
    ratio = cause.content["ratio"]
    said = f"{cause.group} meet the rules {ratio:.2f} times as often as {cause.reference}"
    first = rules[0] if rules else None
    if first is None or first.part is None or ratio >= bands.watch_ratio:
        return f"{said}: the rules are not what sets them apart."
    return f"{said}; “{first.title}” accounts for {percent(first.part, 0)} of what is lost."
