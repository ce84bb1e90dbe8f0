"""The audit of a file as people read it: lines for a terminal, and a page that stands by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from console.templatetags.console import words
from console.templatetags.fairness import scientific
from fairness import thresholds
from fairness.evidence import WORST
from fairness.file_audit import Columns, Compared, FileAudit

SCALE = (0.4, 1.4)  # of impact ratios


def worst_first(found: FileAudit) -> list[Compared]:
    return sorted(found.compared, key=lambda one: (WORST.index(one.result.verdict), one.result.ratio or 0.0))


def line(one: Compared) -> str:
    """One comparison in a line."""
    row = one.result
    rates = f"{_share(row.rate)} of {row.total:,.0f} against {_share(row.reference_rate)} of {row.reference_total:,.0f}"
    ratio = "not defined" if row.ratio is None else f"{row.ratio:.3f}"
    if row.ratio_interval:
        ratio += f" (95 % {row.ratio_interval.low:.3f} to {row.ratio_interval.high:.3f})"
    verdict = words(row.verdict)
    return f"{verdict:>15}  {row.attribute}: {row.group} to {row.reference}: {rates}, impact ratio {ratio}"


def _share(rate: float | None) -> str:
    return "nobody" if rate is None else f"{rate:.1%}"


def context(found: FileAudit, name: str, columns: Columns) -> dict[str, Any]:
    """What fairness/file_report.html shows."""
    ordered = worst_first(found)
    return {
        "name": name,
        "columns": columns,
        "audit": found,
        "rows": [{"one": one, "row": one.result, "interval": _interval(one)} for one in ordered],
        "worst": ordered[0].result if ordered else None,
        "has_outcome": bool(columns.outcome),
        "has_score": bool(columns.score),
        "difference": "" if found.largest_difference is None else scientific(found.largest_difference),
        "scale": SCALE,
        "thresholds": {"ratio": thresholds.DEFAULT.fail_ratio, "shortfall": thresholds.DEFAULT.material_shortfall},
        "methods": thresholds.METHODS,
    }


def _interval(one: Compared) -> tuple[float, float, float] | None:
    ends, ratio = one.result.ratio_interval, one.result.ratio
    return (ends.low, ratio, ends.high) if ends and ratio is not None else None


def page(found: FileAudit, name: str, columns: Columns) -> str:
    """One HTML file with its styles in it, to be sent and kept."""
    css = (Path(settings.BASE_DIR) / "static" / "css" / "console.css").read_text()
    return render_to_string("fairness/file_page.html", {**context(found, name, columns), "css": css})
