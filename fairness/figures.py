"""Figures as plain Plotly JSON for the page's own script, which brings the colours; no colour and no number is made
up here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

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
