"""What the fairness home shows: the worst comparison of each offer and attribute in a month, what fails, and what is
new; read from the audit of record, nothing is judged here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from console.templatetags.console import words
from fairness import thresholds
from fairness.cube.drift import MONTHS
from fairness.cube.rollup import ANY, BOTH, FAMILY
from fairness.cube.stages import AUDITED, STAGES
from fairness.models import CubeComparison, CubeOffer, FairnessAudit
from fairness.thresholds import Bands, Verdict
from offers.models import Offer

ANY_OFFER: Final = "any"
"""Any offer in an address, which cannot be empty."""
PAIRS: Final = "pairs"
SHOWN: Final = 20  # offers on a page
LISTED: Final = 8  # of what fails, and of what is new
SAYS: Final[Mapping[str, tuple[str, str]]] = {
    "fail": ("✕", "fails"), "watch": ("◆", "watch"), "pass": ("●", "passes"),
    "too_little_data": ("○", "too little data"), "undefined": ("–", "not defined"),
}  # fmt: skip
"""Each verdict as a mark and a word, so that colour is never the only difference."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The worst comparison of an offer under an attribute; `trend` are (month's place, ratio) of the same group."""

    row: CubeComparison
    href: str
    few: bool  # so few people that no figure of theirs is shown
    trend: tuple[tuple[int, float], ...]

    @property
    def mark(self) -> str:
        return SAYS[self.row.verdict][0]

    @property
    def word(self) -> str:
        return SAYS[self.row.verdict][1]

    @property
    def path(self) -> str:
        """The trend as a polyline in 60 x 18: the scale ends at a ratio of 0.5 and of 1.5."""
        return " ".join(
            f"{place * 60 / (MONTHS - 1):.1f},{18 - (min(1.5, max(0.5, ratio)) - 0.5) * 18:.1f}"
            for place, ratio in self.trend
        )

    @property
    def last(self) -> tuple[float, float]:
        """Where the line ends."""
        x, y = self.path.rsplit(" ", 1)[-1].split(",")
        return float(x), float(y)


def months() -> list[date]:
    """The audited months, the newest first."""
    starts = FairnessAudit.objects.filter(source="decisions").order_by("-period_from")
    return [start.date() for start in starts.values_list("period_from", flat=True).distinct()[:MONTHS]]


def heads(month: date) -> dict[str, FairnessAudit]:
    """The last audit of each stage of a month, in the order of the stages."""
    found = FairnessAudit.objects.filter(source="decisions", period_from__date=month).defer("comparisons")
    newest = {head.stage: head for head in found.order_by("stage", "-id").distinct("stage")}
    return {stage: newest[stage] for stage in AUDITED if stage in newest}


def worst_stage(found: Mapping[str, FairnessAudit]) -> str:
    """The first stage with the worst verdict: where a reader begins."""
    verdict = thresholds.worst(Verdict(head.verdict) for head in found.values())
    return next((stage for stage, head in found.items() if head.verdict == verdict), AUDITED[0])


def subjects(after: str) -> tuple[list[str], str | None]:
    """The subjects of a page in order of key, any offer and the families first, and the key to go on from."""
    offers = CubeOffer.objects.filter(key__gt=after).order_by("key")
    keys = list(offers.values_list("key", flat=True)[: SHOWN + 1])
    more = keys[SHOWN - 1] if len(keys) > SHOWN else None
    families = CubeOffer.objects.exclude(family="").order_by("family").values_list("family", flat=True).distinct()
    first = [] if after else [ANY, *(FAMILY + family for family in families)]
    return [*first, *keys[:SHOWN]], more


def names(keys: Iterable[str]) -> dict[str, str]:
    """Subjects in words."""
    wanted = set(keys)
    titles = dict(Offer.objects.filter(key__in=wanted).values_list("key", "title"))
    return {key: subject_name(key, titles) for key in wanted}


def subject_name(key: str, titles: Mapping[str, str]) -> str:
    if key == ANY:
        return "Any offer"
    if key.startswith(FAMILY):
        return f"Family {words(key.removeprefix(FAMILY))}"
    return titles.get(key, words(key))


def rows_of(month: date, stage: str, keys: Sequence[str], bands: Bands, shown: Sequence[date]) -> list[dict[str, Any]]:
    """A row for each subject: its name and a tile for each column, None where nothing was compared."""
    found: dict[tuple[str, str], list[CubeComparison]] = defaultdict(list)
    for row in CubeComparison.objects.filter(month=month, stage=stage, offer__in=keys).defer("methods", "aif360"):
        found[row.offer, column_of(row.attribute)].append(row)
    worst = {key: _worst(held) for key, held in found.items()}
    trends = _trends(list(worst.values()), shown)
    titles, wanted = names(keys), columns(attribute for _, attribute in found)
    return [
        {
            "key": key,
            "name": titles[key],
            "tiles": [
                (column_name(column), _tile(worst.get((key, column)), stage, bands, trends)) for column in wanted
            ],
        }
        for key in keys
        if any((key, column) in worst for column in wanted)
    ]


def columns(attributes: Iterable[str]) -> list[str]:
    """Single attributes by name, then all pairs of them as one."""
    return sorted(set(attributes), key=lambda name: (name == PAIRS, name))


def column_of(attribute: str) -> str:
    return PAIRS if BOTH in attribute else attribute


def column_name(column: str) -> str:
    return "two together" if column == PAIRS else words(column)


def _worst(rows: Sequence[CubeComparison]) -> CubeComparison:
    verdict = thresholds.worst(Verdict(row.verdict) for row in rows)
    return min((row for row in rows if row.verdict == verdict), key=lambda row: 9.0 if row.ratio is None else row.ratio)


def _tile(row: CubeComparison | None, stage: str, bands: Bands, trends: Mapping[Any, Any]) -> Tile | None:
    if row is None:
        return None
    few = min(row.total, row.reference_total) < bands.smallest_shown
    href = drill_href(row.offer, row.attribute, month=row.month, stage=stage, group=row.group)
    return Tile(row, href, few, () if few else tuple(trends.get(_series(row), ())))


def drill_href(offer: str, attribute: str, *, month: date, stage: str, group: str = "") -> str:
    address = reverse("fairness_drill", args=[offer or ANY_OFFER, attribute])
    query = {"month": f"{month:%Y-%m}", "stage": stage, **({"group": group} if group else {})}
    return f"{address}?{urlencode(query)}"


def _series(row: CubeComparison) -> tuple[str, str, str]:
    return row.offer, row.attribute, row.group


def _trends(rows: Sequence[CubeComparison], shown: Sequence[date]) -> dict[Any, list[tuple[int, float]]]:
    """The ratios of the months shown, of the very comparisons on the page."""
    if not rows:
        return {}
    place = {month: MONTHS - 1 - back for back, month in enumerate(shown)}
    held = CubeComparison.objects.filter(
        month__in=list(place), stage=rows[0].stage, offer__in={row.offer for row in rows},
        attribute__in={row.attribute for row in rows}, group__in={row.group for row in rows}, ratio__isnull=False,
    ).order_by("month")  # fmt: skip
    found: dict[Any, list[tuple[int, float]]] = defaultdict(list)
    for offer, attribute, group, month, ratio in held.values_list("offer", "attribute", "group", "month", "ratio"):
        found[offer, attribute, group].append((place[month], float(ratio or 0.0)))
    return found


# --- What fails, and what is new -----------------------------------------------------------------------------------


def failing(month: date) -> list[dict[str, Any]]:
    """What fails anywhere in the month, the most people first; pairs of attributes only where neither fails alone."""
    rows = CubeComparison.objects.filter(month=month, verdict=Verdict.FAIL).defer("methods", "aif360")
    held = list(rows.exclude(attribute__contains=BOTH).order_by("-shortfall")[: LISTED + 1])
    held = held or list(rows.order_by("-shortfall")[:LISTED])
    titles = names(row.offer for row in held)
    return [_listed(row, titles) for row in held[:LISTED]]


def _listed(row: CubeComparison, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "row": row,
        "name": titles[row.offer],
        "of": words(STAGES[STAGES.index(row.stage) - 1]),
        "href": drill_href(row.offer, row.attribute, month=row.month, stage=row.stage, group=row.group),
    }


def changed(month: date, before: date | None) -> dict[str, Any] | None:
    """What fails and did not the month before, and what does no longer; None without a month before."""
    if before is None:
        return None
    now, then = _failing_keys(month), _failing_keys(before)
    rows = {key: now[key] for key in sorted(now.keys() - then.keys())[:LISTED]}
    gone = {key: then[key] for key in sorted(then.keys() - now.keys())[:LISTED]}
    titles = names(row.offer for row in (*rows.values(), *gone.values()))
    return {
        "new": [_listed(row, titles) for row in rows.values()],
        "gone": [_listed(row, titles) for row in gone.values()],
        "before": before,
    }


def _failing_keys(month: date) -> dict[tuple[str, ...], CubeComparison]:
    rows = CubeComparison.objects.filter(month=month, verdict=Verdict.FAIL).exclude(attribute__contains=BOTH)
    held = rows.defer("methods", "aif360")[: 50 * LISTED]
    return {(row.stage, row.offer, row.attribute, row.group): row for row in held}
