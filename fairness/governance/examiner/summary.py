"""The summary of an examiner pack as a PDF: what is in it, what failed, who agreed, and how to check it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from fairness.explanations.pdf import fonts
from fairness.governance.examiner import tables
from fairness.governance.examiner.scope import Scope

_STYLES: Final = getSampleStyleSheet()
_MOST: Final = 25  # rows of a section; the tables hold all of them
_OF_PEOPLE: Final = 10.0  # figures from here on are people, below it ratios
_MARGIN: Final = 48  # points
_LONGEST: Final = 400  # characters of a cell: a row must fit on a page


def pdf(scope: Scope, counted: Mapping[str, int], chain: Mapping[str, Any], by: str, now: datetime) -> bytes:
    """`counted` are the rows of each table, `chain` is that of the manifest."""
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, title="Examiner pack", author="Candor", leftMargin=_MARGIN, rightMargin=_MARGIN,
        topMargin=_MARGIN, bottomMargin=_MARGIN, invariant=1,
    )  # fmt: skip
    document.build([*_head(scope, by, now), *_contents(counted), *_sections(scope), *_checking(chain)])
    return target.getvalue()


def _text(text: object, style: str = "BodyText") -> Paragraph:
    regular, bold = fonts()
    given = _STYLES[style]
    face = bold if given.name in ("Title", "Heading2") else regular
    words = str(text)
    shown = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."
    return Paragraph(escape(shown), ParagraphStyle(style, given, fontName=face, fontSize=min(given.fontSize, 16)))


def _grid(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Flowable:
    shown = [[_text("" if cell is None else cell) for cell in row] for row in rows]
    if not shown:
        return _text("None.")
    table = Table([[_text(heading) for heading in headings], *shown], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _head(scope: Scope, by: str, now: datetime) -> list[Flowable]:
    about = f"Campaign {scope.campaign}" if scope.campaign else "Every offer"
    return [
        _text("Examiner pack", "Title"),
        _text(f"{about}, from {scope.start:%d %B %Y} until before {scope.end:%d %B %Y} (UTC)."),
        _text(
            f"Made for {by} on {now:%d %B %Y at %H:%M} UTC. It holds counts and approvals, and no row about a person."
        ),
    ]


def _contents(counted: Mapping[str, int]) -> list[Flowable]:
    rows = [(table.title, f"tables/{table.name}.csv", f"{counted[table.name]:,}") for table in tables.TABLES]
    return [_text("What is in it", "Heading2"), _grid(("Table", "File", "Rows"), rows)]


def _sections(scope: Scope) -> list[Flowable]:
    named = {table.name: table for table in tables.TABLES}
    failing = (row for row in _dicts(named["fairness_comparisons"], scope) if row["verdict"] == "fail")
    sections = (
        ("Comparisons that fail", ("period", "stage", "offer", "group", "reference", "ratio", "shortfall"), failing),
        ("Releases", ("release", "published_at", "maker", "checker", "verdict"), _dicts(named["releases"], scope)),
        ("Findings", ("finding", "severity", "status", "title", "due_on"), _dicts(named["findings"], scope)),
        ("Overrides", ("at", "kind", "subject", "by", "reason"), _dicts(named["overrides"], scope)),
        ("Models", ("model", "status", "tier", "auc", "owner"), _dicts(named["models"], scope)),
    )
    flowables: list[Flowable] = []
    for title, columns, rows in sections:
        first = list(islice(rows, _MOST + 1))
        flowables += [
            _text(title, "Heading2"),
            _grid(
                [_plain(name) for name in columns], ([_short(row[name]) for name in columns] for row in first[:_MOST])
            ),
        ]
        if len(first) > _MOST:
            flowables.append(_text(f"The first {_MOST}; the table holds all of them."))
    return flowables


def _dicts(table: tables.Table, scope: Scope) -> Iterable[dict[str, Any]]:
    return (dict(zip(table.columns, row, strict=True)) for row in table.rows(scope))


def _short(value: Any) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.1f}" if value >= _OF_PEOPLE else f"{value:.3f}"
    return value


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _checking(chain: Mapping[str, Any]) -> list[Flowable]:
    anchor = chain["anchors"][-1] if chain["anchors"] else None
    last = f"event {anchor['sequence']} was anchored outside of the database" if anchor else "no anchor in the period"
    return [
        _text("How to check it", "Heading2"),
        _text("Unpack it and run: python3 verify.py. It needs Python 3.11 or newer and nothing else."),
        _text(f"Audit trail: events {chain['first']} to {chain['last']}; {last}. The hash of the last one is"),
        _text(chain["head"], "Code"),
        Spacer(1, 6),
    ]
