"""The output pack of a search for people, as PDF: candidates, chart and ratios by group, the decision with its
signatures, and the frozen protocol; counts and shares, no person."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson
from reportlab.graphics.charts.lineplots import LinePlot
from reportlab.graphics.shapes import Drawing, String
from reportlab.graphics.widgets.markers import makeMarker
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.platypus import CondPageBreak, Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, XPreformatted

from fairness import small_groups
from fairness.alternatives import figure, performance, report
from fairness.alternatives.memo import disappointments
from fairness.alternatives.report import TOP, in_order, made, remarks
from fairness.alternatives.search import floor
from fairness.explanations import wording
from fairness.explanations.pdf import fonts, grid
from fairness.models import Candidate, DecisionMemo, Search, SearchRun
from offers import packs
from offers.types import Bands

_Row = Mapping[str, Any]  # a comparison as it may be shown

_MARGIN, _SIZE = 36, 8.0  # points
_WIDTH: Final = landscape(A4)[0] - 2 * _MARGIN - 12
_ABREAST, _CHARTS, _COMPARED = 3, 6, 5  # charts in a row and in all; candidates beside what is in use
_CHART_WIDTH, _CHART_HEIGHT = _WIDTH / _ABREAST - 8, 170.0
_INK, _QUIET, _BAD = HexColor("#101418"), HexColor("#4a5361"), HexColor("#b3261e")
# By kind of candidate: marker, colour, filled or not.
_MARKS: Final = (
    ("in use today", ("FilledDiamond", _INK, True)),
    ("no other is better", ("FilledCircle", HexColor("#1f5fbf"), True)),
    ("another is better", ("Circle", _QUIET, False)),
    ("looks at groups: never adopted", ("Cross", _BAD, False)),
)


def paper(search: Search, now: datetime) -> bytes:
    """The bytes of the document."""
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=landscape(A4), title=f"Search {search.pk}", author="Candor", leftMargin=_MARGIN,
        rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN, invariant=1,
    )  # fmt: skip
    bands = packs.strictest(packs.live(now.date())).bands
    found = [*_candidates(search, bands), *_groups(search, bands)]
    document.build([*_head(search, now), *found, *_decision(search), *_protocol(search)])
    return target.getvalue()


def _text(text: object, style: str = "BodyText") -> Paragraph:
    found = getSampleStyleSheet()[style]
    found.fontName = fonts()[0 if style == "BodyText" else 1]
    return Paragraph(escape(str(text)), found)


def _heading(text: str) -> Iterator[Flowable]:
    """Never alone at the foot of a page."""
    yield CondPageBreak(72)
    yield _text(text, "Heading2")


def _head(search: Search, now: datetime) -> Iterator[Flowable]:
    yield _text(f"Search for less discriminatory alternatives to {search.subject}", "Title")
    yield _text(
        f"Search {search.pk}. Protocol frozen by {search.author} on {search.frozen_at:%d %B %Y at %H:%M} UTC, "
        f"before the run began on {search.run.started_at:%d %B %Y at %H:%M}. SHA-256 {search.sha256}. "
        f"Printed {now:%d %B %Y}."
    )
    yield Spacer(0, 8)


def _candidates(search: Search, bands: Bands) -> Iterator[Flowable]:
    metric, candidates = search.protocol["metric"], list(search.run.candidates.defer("content"))
    shown = f", of which the first {TOP} beside what is in use" if len(candidates) > TOP + 1 else ""
    yield from _heading(f"Candidates: {len(candidates)}{shown}")
    rows = [["No.", "How it was made", "AUC" if metric == "auc" else "Value", "Worst ratio", "Good enough", "Remarks"]]
    for one in in_order(candidates)[: TOP + 1]:
        ends = one.figures.get(metric) or [None, None, None]
        rows.append(
            [
                str(one.number), f"{one.generator}: " + ", ".join(f"{name} {value}" for name, value in made(one)),
                "" if ends[0] is None else f"{ends[0]:.4f} ({ends[1]:.4f} to {ends[2]:.4f})",
                "" if one.worst_ratio is None else f"{one.worst_ratio:.3f}",
                "yes" if one.figures.get("within") else "no",
                "; ".join(remarks(one, bands)),
            ]
        )  # fmt: skip
    yield grid(rows, _WIDTH, _SIZE)
    yield _text(performance.METHODS[metric] + ". Ratios: Katz log interval, 95 %, out of time.")


def _groups(search: Search, bands: Bands) -> Iterator[Flowable]:
    """Performance against each group's impact ratio, where one is large enough for the search to go by, and the ratios
    of what no other beats, in each period too."""
    candidates = list(search.run.candidates.defer("content"))
    charts, rows = list(fronts(candidates, search.protocol, bands)), by_group(candidates, bands)
    if len(rows) == 1:
        return
    if charts:
        yield from _heading("Performance against impact ratio, by group")
        yield _text(
            f"Across: {figure.AXES[search.protocol['metric']]}, dashed where the protocol's tolerance ends. Up: impact "
            f"ratio, dashed at {bands.fail_ratio:.2f}. Black: in use today; filled: no other is better, both with "
            "95 % intervals; hollow: another is better; red: looks at groups when it decides, never adopted."
        )
        yield Table([charts[at : at + _ABREAST] for at in range(0, len(charts), _ABREAST)], hAlign="LEFT")
    yield from _heading("Impact ratios of what no other beats")
    yield grid(rows, _WIDTH, _SIZE)
    windows = _windows(candidates)
    if len(windows) > 1:
        yield from _heading("The same in each period out of time")
        yield grid(windows, _WIDTH, _SIZE)


def fronts(candidates: Sequence[Candidate], protocol: Mapping[str, Any], bands: Bands) -> Iterator[Drawing]:
    """A chart for each of the groups that are furthest behind today, of those that the search goes by; none where
    nothing was measured."""
    least, compared = floor(candidates[0].performance, protocol), [report.by_group(one, bands) for one in candidates]
    smallest = max(protocol["groups"]["smallest_group"], small_groups.smallest(bands))
    known = [
        (row["ratio"], key)
        for key, row in compared[0].items()
        if row["ratio"] is not None and min(row["total"], row["reference_total"]) >= smallest
    ]
    known.sort(key=lambda one: one[0])
    for _, key in known[:_CHARTS]:
        rows = [one.get(key) for one in compared]
        yield _front(key, list(zip(candidates, rows, strict=True)), least, bands.fail_ratio)


def _front(
    key: tuple[str, str], rows: Sequence[tuple[Candidate, _Row | None]], least: float | None, line: float
) -> Drawing:
    """One group's chart. Each series is drawn by itself: points of a kind, an interval, a line that is a bound."""
    drawing, plot = Drawing(_CHART_WIDTH, _CHART_HEIGHT), LinePlot()
    points: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in _MARKS}
    ends: list[list[tuple[float, float]]] = []
    for one, row in rows:
        if one.performance is None or row is None or row["ratio"] is None:
            continue
        series = figure.series_of(one)
        points[series].append((one.performance, row["ratio"]))
        if row["ratio_interval"] and (one.pareto or one.number == 0):
            ends.append([(one.performance, value) for value in row["ratio_interval"]])
    shown = [(places, mark) for (name, mark), places in zip(_MARKS, points.values(), strict=True) if places]
    across = [x for places, _ in shown for x, _ in places] + ([least] if least is not None else [])
    up = [y for places in (*(places for places, _ in shown), *ends) for _, y in places] + [line, 1.0]
    spare = (max(across) - min(across)) * 0.05 or abs(max(across)) * 0.01 or 1.0
    low, high = min(across) - spare, max(across) + spare
    bounds = [[(low, line), (high, line)], *([[(least, min(up)), (least, max(up))]] if least is not None else [])]
    plot.data = [*bounds, *ends, *(places for places, _ in shown)]
    for at in range(len(bounds) + len(ends)):
        plot.lines[at].strokeColor, plot.lines[at].strokeWidth = _QUIET, 0.5
        plot.lines[at].strokeDashArray = [2, 2] if at < len(bounds) else None
    for at, (_, (kind, ink, filled)) in enumerate(shown, len(bounds) + len(ends)):
        plot.lines[at].strokeWidth, plot.lines[at].strokeColor = 0, None
        plot.lines[at].symbol = makeMarker(
            kind, size=4, fillColor=ink if filled else None, strokeColor=ink, strokeWidth=0.5
        )
    plot.x, plot.y, plot.width, plot.height = 34, 22, _CHART_WIDTH - 46, _CHART_HEIGHT - 44
    plot.xValueAxis.valueMin, plot.xValueAxis.valueMax = low, high
    plot.xValueAxis.labelTextFormat, plot.xValueAxis.valueSteps = "%.4g", [low + spare, (low + high) / 2, high - spare]
    plot.yValueAxis.labelTextFormat, plot.yValueAxis.valueMin = "%.2f", min(0.5, *up)
    for axis in (plot.xValueAxis, plot.yValueAxis):
        axis.labels.fontName, axis.labels.fontSize = fonts()[0], 6
        axis.strokeColor, axis.strokeWidth = _QUIET, 0.5
    drawing.add(plot)
    drawing.add(String(34, _CHART_HEIGHT - 12, f"{wording.code(key[0])}: {key[1]}", fontName=fonts()[1], fontSize=8))
    return drawing


def by_group(candidates: Sequence[Candidate], bands: Bands) -> list[list[str]]:
    """The ratio of each group with its interval, a column each for what is in use and for what no other beats."""
    columns = _front_of(candidates)
    found = [report.by_group(one, bands) for one in columns]
    rows = [["Group, beside", *(f"No. {one.number}" if one.number else "In use" for one in columns)]]
    for key, row in found[0].items():
        name = f"{wording.code(key[0])}: {key[1]}, beside {row['reference']}"
        rows.append([name, *(_ratio(one.get(key)) for one in found)])
    return rows


def _front_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    best = [one for one in in_order(candidates) if one.number and one.pareto and not one.uses_group_at_decision]
    return [candidates[0], *best[:_COMPARED]]


def _ratio(row: _Row | None) -> str:
    if row is not None and row["few"]:
        return "too few people"
    if row is None or row["ratio"] is None:
        return "not defined"
    low, high = row["ratio_interval"] or (None, None)
    return f"{row['ratio']:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def _windows(candidates: Sequence[Candidate]) -> list[list[str]]:
    """Performance and the lowest ratio of the same candidates in each period out of time."""
    rows = [["Candidate", "Period", "AUC", "Value", "Worst ratio"]]
    for one in _front_of(candidates):
        for at, found in enumerate(one.figures.get("windows", ()), 1):
            figures = [
                "not defined" if found[name] is None else f"{found[name]:{shape}}"
                for name, shape in (("auc", ".4f"), ("value", ",.0f"), ("worst_ratio", ".3f"))
            ]
            rows.append([str(one.number) if one.number else "in use", str(at), *figures])
    return rows


def _decision(search: Search) -> Iterator[Flowable]:
    yield from _heading("Decision")
    memo = DecisionMemo.objects.filter(run__search=search).select_related("candidate", "author").first()
    if memo is None:
        yield _text("Nothing has been decided yet.")
    else:
        what = f"adopt candidate {memo.candidate.number}" if memo.candidate else "keep what is in use"
        yield _text(f"{memo.author} on {memo.written_at:%d %B %Y}: {what}. {memo.rationale}")
        swap = memo.figures.get("swap")
        if swap:
            yield _text(
                f"On the holdout of {swap['people']:,} people {swap['enters']:,} enter and {swap['leaves']:,} leave; "
                f"what they accepted was worth {swap['value_of_entering']:,.0f} and {swap['value_of_leaving']:,.0f}."
            )
        for sentence in disappointments(memo):
            yield _text(sentence)
    for signature in search.signatures.select_related("person"):
        yield _text(
            f"Signed by {signature.person} on {signature.signed_at:%d %B %Y}: {signature.get_purpose_display()}. "
            f"{signature.comment}"
        )


def _protocol(search: Search) -> Iterator[Flowable]:
    yield from _heading("The frozen protocol")
    text = orjson.dumps(search.protocol, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    yield XPreformatted(escape(text), ParagraphStyle("code", fontName=fonts()[0], fontSize=6, leading=7.2))
    yield from _heading("The run")
    for name, value in SearchRun.objects.get(search=search).facts.items():
        yield _text(f"{name.replace('_', ' ')}: {value}")
