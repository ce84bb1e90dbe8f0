"""The figure of the causes page as plain Plotly JSON: each rule's part of a gap; no colour and no number is made up
here."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any, Final

_ROW_PIXELS: Final = 30


def shares(rows: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """What each rule (its title and its part of ln AIR) takes from a group or gives it, the largest loss on top. The
    axis reads as the ratio that a rule of this part alone would make."""
    names = [name for name, _ in rows]
    ticks = _ticks([value for _, value in rows])
    return {
        "data": [
            _bars("lowers the ratio", [row for row in rows if row[1] < 0]),
            _bars("raises the ratio", [row for row in rows if row[1] >= 0]),
        ],
        "layout": {
            "height": 90 + _ROW_PIXELS * max(1, len(rows)),
            "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
            "barmode": "overlay",
            "xaxis": {
                "title": {"text": "Times the ratio"},
                "tickvals": ticks,
                "ticktext": [f"{exp(one):.2f}" for one in ticks],
            },
            "yaxis": {
                "autorange": "reversed", "type": "category", "categoryorder": "array", "categoryarray": names,
            },
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "shapes": [{"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper"}],
        },
    }  # fmt: skip


def _bars(name: str, rows: Sequence[tuple[str, float]]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "showlegend": bool(rows),
        "y": [title for title, _ in rows],
        "x": [value for _, value in rows],
        "customdata": [exp(value) for _, value in rows],
        "hovertemplate": "%{y}: ln %{x:.3f}, ratio times %{customdata:.3f}<extra></extra>",
    }


def _ticks(values: Sequence[float]) -> list[float]:
    low, high = min([*values, -0.05]), max([*values, 0.05])
    step = (high - low) / 5
    return [round(low + step * at, 4) for at in range(6)]
