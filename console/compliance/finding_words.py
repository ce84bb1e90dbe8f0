"""A finding as a person reads it: its figures named and rounded, each comparison with its counts, and the pages that
show where it comes from. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.urls import reverse

from console.compliance import heat
from console.templatetags.console import NONE, amount, percent, probability, ratio, words
from console.wording import attribute_name
from fairness.cube.stages import AUDITED
from fairness.models import CubeComparison, Finding

# Figures of the machine's own notes, as a person calls them; what is not here is its name in words.
_LABELS: Final[Mapping[str, str]] = {
    "shortfall": "People who miss out", "missing": "People who miss out", "people": "People looked at",
    "all_inputs": "All inputs together (AUC)", "score": "The score (AUC)", "line": "Line of the policy pack (AUC)",
    "inputs": "AUC of", "index": "Stability index of", "gap": "Difference", "q": "Q", "average": "Moving average",
    "limit": "Control limit", "log_ratios": "Ln ratio, month by month", "broken_at": "First event that does not fit",
    "eligible": "Could have seen it", "rate": "Expected to see it", "due": "Was due", "total": "In all",
}  # fmt: skip
_SHARES: Final = frozenset({"gap", "rate", "most_rate", "share_variance"})
_PEOPLE: Final = frozenset({"shortfall", "missing", "eligible", "people", "total"})
_NOT_FOR_READERS: Final = frozenset({"comparisons", "ratios", "path", "max_rank"})
_ELSEWHERE: Final[Mapping[str, tuple[str, str, str]]] = {
    "steering": ("Steering", "steering", ""), "starvation": ("Exposure by arm", "exposure", "?show=arms"),
    "exposure": ("Exposure by offer", "exposure", ""), "exploration": ("Who learning falls on", "exposure",
    "?show=learning"), "policy": ("Policy packs", "packs", ""), "anchor": ("Audit trail", "audit", ""),
    "review": ("Requests", "requests", ""), "replay": ("Health", "health", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured; `href` leads to its counts."""

    label: str
    value: str
    href: str = ""


def figures(told: Mapping[str, Any]) -> list[Figure]:
    """What opened the finding or was noted of it, the comparisons first; the evidence of a note stands beside it."""
    inside = told.get("evidence")
    flat = {**told, **inside} if isinstance(inside, Mapping) else told
    return [*_compared(flat), *_named({name: value for name, value in flat.items() if name != "evidence"})]


def cause(finding: Finding) -> str:
    """Why it is, as far as it was measured."""
    if finding.cause in AUDITED:
        return f"Most of it is lost at “{words(finding.cause)}”"
    return words(finding.cause).capitalize() if "_" in finding.cause else finding.cause


def pages(finding: Finding) -> list[tuple[str, str]]:
    """(label, address) of where it can be looked into, the nearest first."""
    row = next(iter(_rows(finding.evidence)), None)
    if row is not None:
        seen = heat.drill_href(row.offer, row.attribute, month=row.month, stage=row.stage, group=row.group)
        why = reverse("causes", args=[row.offer or heat.ANY_OFFER, row.attribute])
        return [("Open the comparison", seen), ("Why: the causes", why)]
    if finding.kind in _ELSEWHERE:
        label, name, query = _ELSEWHERE[finding.kind]
        return [(label, reverse(name) + query)]
    model = _model(finding)
    return [(f"Model {model}", reverse("model", args=[model]))] if model else []


def _model(finding: Finding) -> str:
    """The model that a finding is about, "" if none: "model m: drift", "m/region/Islands"."""
    if finding.kind in ("model", "validation", "close_proxy"):
        return finding.subject.removeprefix("model ").partition(":")[0]
    return finding.subject.partition("/")[0] if finding.kind == "leak" and "/" in finding.subject else ""


def _rows(told: Mapping[str, Any]) -> list[CubeComparison]:
    """The comparisons that a breach named by their hashes, the most people first; none once they were judged anew."""
    hashes = told.get("comparisons")
    if not isinstance(hashes, Mapping):
        return []
    found = CubeComparison.objects.filter(query_hash__in=[str(one) for one in hashes.values()])
    return list(found.defer("aif360").order_by("-shortfall"))


def _compared(told: Mapping[str, Any]) -> Iterator[Figure]:
    known = {row.stage: row for row in _rows(told)}
    for stage, value in (told.get("ratios") or {}).items():
        row = known.get(stage)
        about = f" ({ratio(row.ratio_low)} to {ratio(row.ratio_high)}), {_of(row)}" if row else ""
        href = reverse("fairness_counts", args=[row.pk]) if row else ""
        yield Figure(f"Impact ratio at “{words(stage)}”", f"{ratio(value)}{about}", href)


def _of(row: CubeComparison) -> str:
    return f"{amount(row.favourable)} of {amount(row.total)} people, q {probability(row.q)}"


def _named(told: Mapping[str, Any], inside: str = "") -> Iterator[Figure]:
    """Each value with its name; what is nested bears the name of what holds it."""
    for name, value in told.items():
        if name in _NOT_FOR_READERS:
            continue
        label = f"{inside} {attribute_name(name)}" if inside else _LABELS.get(name, words(name).capitalize())
        if isinstance(value, Mapping):
            yield from _named(value, label)
        else:
            yield Figure(label, _said(name, value))


def _said(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_said(name, one) for one in value) or NONE
    if isinstance(value, Mapping):
        return "; ".join(f"{words(inner)} {_said(inner, one)}" for inner, one in value.items())
    if isinstance(value, float):
        return _number(name, value)
    return _text(name, value) if isinstance(value, str) else amount(value) if value is not None else NONE


def _number(name: str, value: float) -> str:
    if name in _PEOPLE:
        return f"{value:,.0f}"
    if name in _SHARES:
        return percent(value)
    return probability(value) if name in ("p", "q") else f"{value:,.3g}".replace("-", "−")


def _text(name: str, value: str) -> str:
    with suppress(ValueError):
        day = date.fromisoformat(value)
        return f"{day:%B %Y}" if name == "month" else f"{day.day} {day:%B %Y}"
    return value
