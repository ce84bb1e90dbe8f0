"""How the console draws an arm's share over days; never a query.

Geometry is computed here and written as SVG attributes, because the content security policy refuses style attributes.
"""

from __future__ import annotations

from collections.abc import Sequence

from django import template

from console.templatetags.console import percent

register = template.Library()

_STEP, _HEIGHT, _ROOM = 10, 24.0, 3.0


@register.inclusion_tag("arms/share_line.html")
def share_line(shares: Sequence[float | None], large: bool = False) -> dict[str, object]:
    """Shares by day, the oldest first, as a line from 0 to the highest of them; None is a day without decisions, and
    leaves a gap. The last day with decisions carries a dot."""
    known = [share for share in shares if share is not None]
    if not known:
        return {"missing": True}
    tallest = max(known) or 1.0
    points = [
        None if share is None else (_STEP * place, round(_ROOM + (1 - share / tallest) * _HEIGHT, 2))
        for place, share in enumerate(shares)
    ]
    return {
        "runs": [" ".join(f"{x},{y}" for x, y in run) for run in _runs(points)],
        "last": next(point for point in reversed(points) if point),
        "width": _STEP * max(1, len(shares) - 1) + 4,
        "height": _HEIGHT + 2 * _ROOM,
        "base": _HEIGHT + _ROOM,
        "title": f"share by day, the oldest first: {', '.join(percent(share, 0) for share in shares)}",
        "large": large,
    }


def _runs(points: Sequence[tuple[int, float] | None]) -> list[list[tuple[int, float]]]:
    """The stretches of days that follow one another; a day alone is drawn as a short dash."""
    runs: list[list[tuple[int, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run if len(run) > 1 else [(run[0][0] - 2, run[0][1]), run[0]] for run in runs if run]
