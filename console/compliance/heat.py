"""What the fairness home shows: the worst comparison of each offer and attribute in a month, what fails, and what is
new; read from the audit of record, nothing is judged here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from console.templatetags.console import words
from fairness import small_groups, thresholds
from fairness.cube.drift import MONTHS
from fairness.cube.record import SOURCE
from fairness.cube.rollup import ANY, BOTH, FAMILY
from fairness.cube.stages import AUDITED, STAGES
from fairness.cube.subjects import names
from fairness.models import CubeComparison, CubeOffer, FairnessAudit
from fairness.thresholds import Bands, Verdict

ANY_OFFER: Final = "any"
"""Any offer in an address, which cannot be empty."""
PAIRS: Final = "pairs"
SHOWN: Final = 20  # offers on a page
LISTED: Final = 8  # of what fails, and of what is new
MOST_FAILING: Final = 800  # that are compared with the month before
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


Heads = Mapping[str, FairnessAudit]  # of one month, by stage


def audited() -> tuple[dict[date, Heads], list[str]]:
    """The last audit of each stage by month, the newest month first; and the histories that were audited as well."""
    rows = FairnessAudit.objects.defer("comparisons").order_by("source", "-period_from", "stage", "-id")
    found: dict[date, dict[str, FairnessAudit]] = {}
    histories = []
    for head in rows.distinct("source", "period_from", "stage"):
        if head.source == SOURCE:
            found.setdefault(head.period_from.date(), {})[head.stage] = head
        else:
            histories.append(head.source)
    months: dict[date, Heads] = {
        month: {stage: heads[stage] for stage in AUDITED if stage in heads}
        for month, heads in list(found.items())[:MONTHS]
    }
    return months, sorted(set(histories))


def worst_stage(found: Heads) -> str:
    """The first stage with the worst verdict: where a reader begins."""
    verdict = thresholds.worst(Verdict(head.verdict) for head in found.values())
    return next((stage for stage, head in found.items() if head.verdict == verdict), AUDITED[0])


def shown(month: date, stage: str, after: str, months: Sequence[date], bands: Bands) -> dict[str, Any]:
    """The map of a page of offers, what fails in the month, and what changed; in as few queries as it takes."""
    keys, more = _offers(after)
    of_page = Q(offer__in=keys) if after else Q(offer__in=[ANY, *keys]) | Q(offer__startswith=FAMILY)
    compared = list(CubeComparison.objects.filter(of_page, month=month, stage=stage).defer("aif360"))
    before = next((one for one in months if one < month), None)
    failing = _failing([month, *([before] if before else [])])
    titles = names([*(row.offer for row in compared), *(row.offer for row in failing)])
    rows = _rows(compared, stage, bands, months, titles)
    return {
        "rows": rows,
        "columns": [name for name, _ in rows[0]["tiles"]] if rows else [],
        "more": more,
        "failing": [_listed(row, titles) for row in failing if row.month == month][:LISTED],
        "changed": _changed(failing, month, before, titles),
    }


def _offers(after: str) -> tuple[list[str], str | None]:
    """The keys of a page of offers in their order, and the key to go on from."""
    keys = list(CubeOffer.objects.filter(key__gt=after).order_by("key").values_list("key", flat=True)[: SHOWN + 1])
    return keys[:SHOWN], keys[SHOWN - 1] if len(keys) > SHOWN else None


def _rows(
    compared: Sequence[CubeComparison], stage: str, bands: Bands, months: Sequence[date], titles: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row for each subject: its name and a tile for each column, None where nothing was compared."""
    found: dict[tuple[str, str], list[CubeComparison]] = defaultdict(list)
    for row in compared:
        found[row.offer, column_of(row.attribute)].append(row)
    worst = {key: _worst(held, bands) for key, held in found.items()}
    trends = _trends(list(worst.values()), months)
    wanted = columns(column for _, column in found)
    return [
        {
            "key": key,
            "name": titles[key],
            "tiles": [
                (column_name(column), _tile(worst.get((key, column)), stage, bands, trends)) for column in wanted
            ],
        }
        for key in sorted({key for key, _ in found}, key=lambda key: (_severity(key, worst), _in_order(key)))
    ]


def _severity(key: str, worst: Mapping[tuple[str, str], CubeComparison]) -> int:
    """What fails stands above what is watched, and that above the rest; any offer above all."""
    held = {row.verdict for (subject, _), row in worst.items() if subject == key}
    return 0 if key == ANY else 1 if Verdict.FAIL in held else 2 if Verdict.WATCH in held else 3


def _in_order(key: str) -> tuple[bool, str]:
    """Families before offers."""
    return not key.startswith(FAMILY), key


def columns(attributes: Iterable[str]) -> list[str]:
    """Single attributes by name, then all pairs of them as one."""
    return sorted(set(attributes), key=lambda name: (name == PAIRS, name))


def column_of(attribute: str) -> str:
    return PAIRS if BOTH in attribute else attribute


def column_name(column: str) -> str:
    return "two together" if column == PAIRS else words(column)


def _worst(rows: Sequence[CubeComparison], bands: Bands) -> CubeComparison:
    """The lowest ratio of the worst verdict; one that may be shown before one of too few people."""
    verdict = thresholds.worst(Verdict(row.verdict) for row in rows)
    return min((row for row in rows if row.verdict == verdict), key=lambda row: (_few(row, bands), _low(row)))


def _low(row: CubeComparison) -> float:
    return 9.0 if row.ratio is None else row.ratio


def _few(row: CubeComparison, bands: Bands) -> bool:
    return small_groups.few(row.total, row.reference_total, bands)


def _tile(row: CubeComparison | None, stage: str, bands: Bands, trends: Mapping[Any, Any]) -> Tile | None:
    if row is None:
        return None
    few = _few(row, bands)
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


def _failing(months: Sequence[date]) -> list[CubeComparison]:
    """What fails under one attribute in these months, the most people first. What fails only under two together is in
    the map."""
    rows = CubeComparison.objects.filter(month__in=months, verdict=Verdict.FAIL).exclude(attribute__contains=BOTH)
    return list(rows.defer("aif360").order_by("-shortfall")[:MOST_FAILING])


def _listed(row: CubeComparison, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "row": row,
        "name": titles[row.offer],
        "of": words(STAGES[STAGES.index(row.stage) - 1]),
        "href": drill_href(row.offer, row.attribute, month=row.month, stage=row.stage, group=row.group),
    }


def _changed(
    failing: Sequence[CubeComparison], month: date, before: date | None, titles: Mapping[str, str]
) -> dict[str, Any] | None:
    """What fails and did not the month before, and what does no longer; None without a month before."""
    if before is None:
        return None

    def keyed(at: date) -> dict[tuple[str, ...], CubeComparison]:
        return {(row.stage, row.offer, row.attribute, row.group): row for row in failing if row.month == at}

    now, then = keyed(month), keyed(before)
    return {
        "new": [_listed(row, titles) for key, row in now.items() if key not in then][:LISTED],
        "gone": [_listed(row, titles) for key, row in then.items() if key not in now][:LISTED],
        "before": before,
    }
