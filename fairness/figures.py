"""Figures as plain Plotly JSON for the page's own script, which brings the colours; no colour and no number is made
up here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any, Final

from fairness.causes.waterfall import Waterfall
from fairness.cube.drift import Chart
from fairness.thresholds import DEFAULT, Verdict

# Each verdict keeps its place in the script's colours, whichever verdicts a figure holds, and its own mark, so that
# colour is never the only difference.
_MARKS: Final[Mapping[Verdict, tuple[str, str]]] = {
    Verdict.PASS: ("passes", "circle"),
    Verdict.WATCH: ("to watch", "diamond"),
    Verdict.FAIL: ("fails", "x"),
    Verdict.TOO_LITTLE_DATA: ("too little data", "circle-open"),
}
_ROW_PIXELS: Final = 28


def ratios(comparisons: Sequence[Mapping[str, Any]], *, template: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Adverse impact ratios with their 95 % intervals as one trace for each verdict, and lines at 0.80 and 1.

    `comparisons` are stored rows (`ComparisonResult.to_json`, "subject" where there are several); rows without a ratio
    are left out. `template` is a Plotly template with the page's colours.
    """
    rows = [row for row in comparisons if row["ratio"] is not None]
    layout: dict[str, Any] = {
        "height": 90 + _ROW_PIXELS * max(1, len(rows)),
        "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
        "xaxis": {"title": {"text": "Adverse impact ratio"}, "rangemode": "tozero"},
        "yaxis": {
            "autorange": "reversed", "type": "category", "categoryorder": "array",
            "categoryarray": [_label(row) for row in rows],
        },
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "shapes": [_line(DEFAULT.fail_ratio), _line(1.0)],
    }  # fmt: skip
    if template is not None:
        layout["template"] = dict(template)
    return {"data": [_trace(verdict, rows) for verdict in _MARKS], "layout": layout}


def _trace(verdict: Verdict, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shown = [row for row in rows if row["verdict"] == verdict.value]
    name, mark = _MARKS[verdict]
    ends = [row["ratio_interval"] or (row["ratio"], row["ratio"]) for row in shown]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "showlegend": bool(shown),
        "x": [row["ratio"] for row in shown],
        "y": [_label(row) for row in shown],
        "marker": {"symbol": mark, "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [end[1] - row["ratio"] for row, end in zip(shown, ends, strict=True)],
            "arrayminus": [row["ratio"] - end[0] for row, end in zip(shown, ends, strict=True)],
            "thickness": 1.5,
            "width": 4,
        },
        "customdata": [[end[0], end[1], row["total"]] for row, end in zip(shown, ends, strict=True)],
        "hovertemplate": "%{y}: %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f}), "
        "%{customdata[2]:,} people<extra></extra>",
    }


def _label(row: Mapping[str, Any]) -> str:
    label = f"{row['group']} to {row['reference']}"
    return f"{row['subject']}: {label}" if row.get("subject") not in (None, "any_offer") else label


def _line(ratio: float) -> dict[str, Any]:
    return {"type": "line", "x0": ratio, "x1": ratio, "y0": 0, "y1": 1, "yref": "paper"}


_TICKS: Final = (0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)


def waterfall(found: Waterfall) -> dict[str, Any]:
    """Each stage's ln AIR as a bar from where the stages before it left off, and the whole where there is one: no bar
    is long enough for a stage that shuts a group out. The axis reads ratios."""
    steps = [step for step in found.steps if step.log_ratio is not None]
    names = [step.stage.replace("_", " ") for step in steps]
    values = [step.log_ratio or 0.0 for step in steps]
    ends = [log(step.cumulative) if step.cumulative else 0.0 for step in steps]
    bases = [end - value for end, value in zip(ends, values, strict=True)]
    whole = [] if found.total is None else ["in all"]
    return {
        "data": [
            _bars("falls behind", names, values, bases, [value < 0 for value in values]),
            _bars("catches up", names, values, bases, [value >= 0 for value in values]),
            _bars("in all", whole, [found.total or 0.0] * len(whole), [0.0] * len(whole), [True] * len(whole)),
        ],
        "layout": {
            "height": 320,
            "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
            "barmode": "overlay",
            "xaxis": {"type": "category", "categoryorder": "array", "categoryarray": [*names, *whole]},
            "yaxis": _log_axis([*ends, *bases]),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "shapes": [_level(0.0)],
        },
    }


def _bars(
    name: str, stages: Sequence[str], values: Sequence[float], bases: Sequence[float], shown: Sequence[bool]
) -> dict[str, Any]:
    rows = [row for row, here in zip(zip(stages, values, bases, strict=True), shown, strict=True) if here]
    return {
        "type": "bar",
        "name": name,
        "x": [row[0] for row in rows],
        "y": [row[1] for row in rows],
        "base": [row[2] for row in rows],
        "customdata": [exp(row[1]) for row in rows],
        "hovertemplate": "%{x}: ratio %{customdata:.3f}, ln %{y:.3f}<extra></extra>",
    }


def trend(chart: Chart, fails: float) -> dict[str, Any]:
    """Impact ratios by month with their moving average and its control limits; lines at 1 and at the ratio that fails.
    The axis reads as ratios."""
    months = [f"{one.month:%b %Y}" for one in chart.points]

    def line(name: str, values: Sequence[float], mode: str, dash: str) -> dict[str, Any]:
        return {
            "type": "scatter", "mode": mode, "name": name, "x": months, "y": list(values),
            "customdata": [exp(value) for value in values], "line": {"dash": dash},
            "hovertemplate": f"%{{x}}: {name} %{{customdata:.3f}}<extra></extra>",
        }  # fmt: skip

    values = [one.value for one in chart.points]
    limits = [value for one in chart.points for value in (one.low, one.high)]
    return {
        "data": [
            line("impact ratio", values, "lines+markers", "solid"),
            line("moving average", [one.average for one in chart.points], "lines", "dot"),
            line("lower limit", [one.low for one in chart.points], "lines", "dash"),
            line("upper limit", [one.high for one in chart.points], "lines", "dash"),
        ],
        "layout": {
            "height": 280,
            "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
            "xaxis": {"type": "category"},
            "yaxis": _log_axis([*values, *limits]),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "shapes": [_level(log(fails)), _level(0.0)],
        },
    }


def deciles(found: Sequence[Mapping[str, Any]], line: float) -> dict[str, Any]:
    """Impact ratios by how many the score alone would choose, with their intervals (M11); lines at 1 and where a ratio
    fails."""
    rows = [one for one in found if one["ratio"] is not None]
    ends = [one["interval"] or (one["ratio"], one["ratio"]) for one in rows]
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines+markers", "name": "impact ratio",
                "x": [one["share"] for one in rows], "y": [one["ratio"] for one in rows],
                "error_y": {
                    "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                    "array": [end[1] - one["ratio"] for one, end in zip(rows, ends, strict=True)],
                    "arrayminus": [one["ratio"] - end[0] for one, end in zip(rows, ends, strict=True)],
                },
                "customdata": [list(end) for end in ends],
                "hovertemplate": "the highest %{x:.0%}: ratio %{y:.3f} "
                "(%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            },
        ],
        "layout": {
            "height": 260,
            "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
            "xaxis": {"title": {"text": "Share that the score alone would choose"}, "tickformat": ".0%",
                      "range": [0, 1]},
            "yaxis": {"title": {"text": "Adverse impact ratio"}, "rangemode": "tozero"},
            "showlegend": False,
            "shapes": [_level(line), _level(1.0)],
        },
    }  # fmt: skip


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    low, high = min([*values, -0.3]), max([*values, 0.15])
    return {
        "title": {"text": "Adverse impact ratio"}, "range": [low - 0.08, high + 0.08],
        "tickvals": [log(tick) for tick in _TICKS], "ticktext": [f"{tick:.2f}" for tick in _TICKS],
    }  # fmt: skip


def _level(height: float) -> dict[str, Any]:
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": height, "y1": height}
