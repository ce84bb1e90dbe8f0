"""The chart of a search as plain Plotly JSON: performance against the worst impact ratio; the page's script brings the
colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fairness.models import Candidate

AXES: Final[Mapping[str, str]] = {"auc": "AUC out of time", "value": "Value of a thousand people"}
_SERIES: Final = (
    ("in use today", "diamond", 12),
    ("no other is better", "circle", 10),
    ("another is better", "circle-open", 7),
    ("looks at groups: never adopted", "x", 8),
)


def series_of(candidate: Candidate) -> str:
    if candidate.number == 0:
        return "in use today"
    if candidate.uses_group_at_decision:
        return "looks at groups: never adopted"
    return "no other is better" if candidate.pareto else "another is better"


def front(candidates: Sequence[Candidate], metric: str, floor: float | None, line: float) -> dict[str, Any]:
    """Every candidate that could be measured. `floor` is the performance that the protocol tolerates, `line` the impact
    ratio of the pack in force; both are drawn."""
    shown = [one for one in candidates if one.performance is not None and one.worst_ratio is not None]
    shapes = [{"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": line, "y1": line}]
    if floor is not None:
        shapes.append({"type": "line", "x0": floor, "x1": floor, "y0": 0, "y1": 1, "yref": "paper"})
    return {
        "data": [_trace(name, mark, size, [one for one in shown if series_of(one) == name], metric)
                 for name, mark, size in _SERIES],
        "layout": {
            "height": 420, "margin": {"l": 8, "r": 16, "t": 8, "b": 48}, "shapes": shapes,
            "xaxis": {"title": {"text": AXES[metric]}},
            "yaxis": {"title": {"text": "Worst impact ratio of any group"}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
    }  # fmt: skip


def _trace(name: str, mark: str, size: int, rows: Sequence[Candidate], metric: str) -> dict[str, Any]:
    ends = [one.figures.get(metric) or [one.performance] * 3 for one in rows]
    emphasised = name in ("in use today", "no other is better")
    return {
        "type": "scatter", "mode": "markers", "name": name, "showlegend": bool(rows),
        "x": [one.performance for one in rows], "y": [one.worst_ratio for one in rows],
        "marker": {"symbol": mark, "size": size},
        "error_x": {
            "type": "data", "symmetric": False, "visible": emphasised, "thickness": 1, "width": 3,
            "array": [end[2] - end[0] for end in ends], "arrayminus": [end[0] - end[1] for end in ends],
        },
        "customdata": [[one.number, one.generator] for one in rows],
        "hovertemplate": "candidate %{customdata[0]}, %{customdata[1]}: %{x:.4f}, worst ratio %{y:.3f}<extra></extra>",
    }  # fmt: skip
