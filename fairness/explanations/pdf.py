"""An explanation as a PDF on one sheet of A4: the same blocks as the page, with every letter that a name may have; the
words are not chosen here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import KeepInFrame, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

MARGIN: Final = 12 * mm
SIZES: Final = {"customer": 11.0, "agent": 8.5, "examiner": 6.5}  # points, by audience
_RULE, _QUIET = HexColor("#c9ced6"), HexColor("#4a5361")
_LABEL: Final = 7.5  # width of the labels of facts, in letters of their size
_GUTTER: Final = 6 * mm
_PADDING: Final = 4  # of a cell, on its right, in points
_LONGEST, _SHORT = 60, 16  # letters of a cell: beyond them its column is not widened; within them it is not broken
_LEFT: Final = 6  # the last block of the left column


@lru_cache(maxsize=1)
def fonts() -> tuple[str, str]:
    """Names of a regular and a bold face, registered once. DejaVu, which matplotlib carries, has the letters of Central
    Europe and Cyrillic; Vera, which ReportLab carries, those of Western Europe."""
    found = find_spec("matplotlib")
    folder = Path(found.origin or "").parent / "mpl-data" / "fonts" / "ttf" if found else Path()
    faces = [folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"]
    if not all(face.is_file() for face in faces):
        faces = [Path("Vera.ttf"), Path("VeraBd.ttf")]
    for name, face in zip(("Candor", "Candor-Bold"), faces, strict=True):
        pdfmetrics.registerFont(TTFont(name, str(face)))
    pdfmetrics.registerFontFamily(
        "Candor", normal="Candor", bold="Candor-Bold", italic="Candor", boldItalic="Candor-Bold"
    )
    return "Candor", "Candor-Bold"


def render(page: Mapping[str, Any]) -> bytes:
    """`page` as fairness.explanations.page.build gives it. What would not fit on the sheet is set smaller."""
    width, height = A4[0] - 2 * MARGIN - 12, A4[1] - 2 * MARGIN - 12
    size = SIZES[page["audience"]]
    story = [_title(page, size), *_body(page, width, size)]
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN,
        title=page["title"], author="Candor", lang="en",
    )  # fmt: skip
    document.build([KeepInFrame(width, height, story, mode="shrink")])
    return buffer.getvalue()


def _title(page: Mapping[str, Any], size: float) -> Paragraph:
    return Paragraph(escape(page["title"]), _style("title", size * 1.7, bold=True))


def _body(page: Mapping[str, Any], width: float, size: float) -> Iterator[Any]:
    """The blocks under each other; those of the examiner, whose tables are narrow, in two columns."""
    if page["audience"] != "examiner":
        yield from _story(page, page["blocks"], width, size)
        return
    column = (width - _GUTTER) / 2
    sides = [[block for block in page["blocks"] if (block["number"] > _LEFT) == right] for right in (False, True)]
    left, right = (list(_story(page, blocks, column, size)) for blocks in sides)
    table = Table([[left, right]], colWidths=[column + _GUTTER, column], hAlign="LEFT")
    flush = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("TOP", "BOTTOM", "LEFT")]
    apart = [("RIGHTPADDING", (0, 0), (0, 0), _GUTTER), ("RIGHTPADDING", (1, 0), (1, 0), 0)]
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *flush, *apart]))
    yield table


def _story(page: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]], width: float, size: float) -> Iterator[Any]:
    yield Spacer(0, size * 0.5)
    for block in blocks:
        number = f"{block['number']}  " if page["audience"] == "examiner" else ""
        yield Paragraph(escape(number + block["title"]), _style("heading", size * 1.1, bold=True, before=size * 0.55))
        for text in block["sentences"]:
            yield Paragraph(escape(text), _style("body", size))
        if block["facts"]:
            yield grid([[label, value] for label, value in block["facts"]], width, size, heads=False)
        if block["table"]:
            yield grid([block["table"]["columns"], *block["table"]["rows"]], width, size)
    if page.get("footer"):
        yield Paragraph(escape(page["footer"]), _style("body", size, before=size))


def _style(name: str, size: float, *, bold: bool = False, before: float = 0.0, quiet: bool = False) -> ParagraphStyle:
    return ParagraphStyle(
        name, fontName=fonts()[bold], fontSize=size, leading=size * 1.25, spaceBefore=before,
        textColor=_QUIET if quiet else HexColor("#101318"), splitLongWords=True,
    )  # fmt: skip


def grid(rows: list[list[str]], width: float, size: float, *, heads: bool = True) -> Table:
    """Texts in cells that break; the first row holds headings, or else the first column labels."""
    body, quiet = _style("cell", size), _style("label", size, quiet=True)
    rows = [[_breakable(text) for text in row] for row in rows]
    cells = [
        [Paragraph(escape(text), quiet if (heads and not at) or (not heads and not place) else body)
         for place, text in enumerate(row)]
        for at, row in enumerate(rows)
    ]  # fmt: skip
    table = Table(cells, colWidths=_widths(rows, width, size, heads=heads), hAlign="LEFT", repeatRows=int(heads))
    lines = [("LINEBELOW", (0, 0), (-1, 0), 0.4, _RULE)] if heads else []
    tight = [(f"{side}PADDING", (0, 0), (-1, -1), pad) for side, pad in
             (("TOP", 0.4), ("BOTTOM", 0.4), ("LEFT", 0), ("RIGHT", _PADDING))]  # fmt: skip
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *lines, *tight]))
    return table


def _widths(rows: list[list[str]], width: float, size: float, *, heads: bool) -> list[float]:
    """Columns at least as wide as a short text or the longest word of a long one, so that none is broken; what is left
    goes to those whose text is long, within bounds, so that one does not starve the others."""
    if not heads:
        return [size * _LABEL, width - size * _LABEL]
    columns = [[row[place] for row in rows] for place in range(len(rows[0]))]
    for short in (_SHORT, 0):
        least = [
            max(_across(part, size) for at, text in enumerate(texts) for part in _parts(text, short if at else 0))
            for texts in columns
        ]
        if sum(least) < width:
            break
    else:
        return [width * one / sum(least) for one in least]
    longest = [max(_across(text[:_LONGEST], size) for text in texts) for texts in columns]
    more = [max(wanted - one, 1.0) for wanted, one in zip(longest, least, strict=True)]
    return [one + (width - sum(least)) * part / sum(more) for one, part in zip(least, more, strict=True)]


def _parts(text: str, short: int) -> list[str]:
    """What of a text should stay on one line: a date, a name, or else each of its words."""
    return [text] if len(text) <= short else text.split()


def _breakable(text: str) -> str:
    """A long key, such as that of an arm, may end a line behind its stroke."""
    return " ".join(word.replace("/", "/ ") if len(word) > _SHORT else word for word in text.split(" "))


def _across(text: str, size: float) -> float:
    """How wide a text is in a cell, in points."""
    return float(pdfmetrics.stringWidth(text, fonts()[0], size)) + _PADDING + 1
