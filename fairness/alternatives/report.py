"""The output pack of a search: its table as CSV, and protocol, candidates, decision and signatures as PDF; counts and
shares, no person."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, XPreformatted

from fairness.alternatives import performance
from fairness.explanations import wording
from fairness.explanations.pdf import fonts, grid
from fairness.governance.examiner.archive import cell
from fairness.models import Candidate, DecisionMemo, Search, SearchRun

TOP: Final = 20
_MARGIN, _SIZE = 36, 8.0  # points
_COLUMNS: Final = (
    "number", "generator", "parameters", "performance", "performance_low", "performance_high", "worst_ratio", "within",
    "pareto", "uses_group_at_training", "uses_group_at_decision", "closer", "further", "refused", "model_sha256",
)  # fmt: skip


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """What is in use first, then what no other beats, then the rest by how close to parity they are."""
    return sorted(
        candidates,
        key=lambda one: (
            one.number != 0, one.uses_group_at_decision, not one.pareto, not one.figures.get("within", False),
            -(one.worst_ratio or 0.0), one.number,
        ),
    )  # fmt: skip


def table(search: Search) -> bytes:
    """Every candidate, with the impact ratio of each group and both ends of its interval; safe for a spreadsheet."""
    candidates = list(search.run.candidates.defer("content"))
    groups = [(row["attribute"], row["group"]) for row in candidates[0].figures.get("comparisons", ())]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        [
            *_COLUMNS,
            *(f"{attribute} {group} {part}" for attribute, group in groups for part in ("ratio", "low", "high")),
        ]
    )
    for one in in_order(candidates):
        writer.writerow([cell(value) for value in (*_values(one, search.protocol["metric"]), *_ratios(one, groups))])
    return out.getvalue().encode()


def _values(one: Candidate, metric: str) -> Iterator[Any]:
    ends = one.figures.get(metric) or [None, None, None]
    shown = {
        "performance_low": ends[1], "performance_high": ends[2], "within": one.figures.get("within", False),
        "closer": one.figures.get("closer", []), "further": one.figures.get("further", []),
    }  # fmt: skip
    for name in _COLUMNS:
        yield shown[name] if name in shown else getattr(one, name)


def _ratios(one: Candidate, groups: Sequence[tuple[str, str]]) -> Iterator[float | None]:
    found = {(row["attribute"], row["group"]): row for row in one.figures.get("comparisons", ())}
    for key in groups:
        row = found.get(key)
        low, high = (row["ratio_interval"] if row else None) or (None, None)
        yield from (row["ratio"] if row else None, low, high)


def pdf(search: Search, now: datetime) -> bytes:
    """The same for people, with the frozen protocol, the memo and who signed."""
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=landscape(A4), title=f"Search {search.pk}", author="Candor", leftMargin=_MARGIN,
        rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN, invariant=1,
    )  # fmt: skip
    document.build([*_head(search, now), *_candidates(search), *_decision(search), *_protocol(search)])
    return target.getvalue()


def _text(text: object, style: str = "BodyText") -> Paragraph:
    found = getSampleStyleSheet()[style]
    found.fontName = fonts()[0 if style == "BodyText" else 1]
    return Paragraph(escape(str(text)), found)


def _head(search: Search, now: datetime) -> Iterator[Flowable]:
    yield _text(f"Search for less discriminatory alternatives to {search.subject}", "Title")
    yield _text(
        f"Search {search.pk}. Protocol frozen by {search.author} on {search.frozen_at:%d %B %Y at %H:%M} UTC, "
        f"before the run began on {search.run.started_at:%d %B %Y at %H:%M}. SHA-256 {search.sha256}. "
        f"Printed {now:%d %B %Y}."
    )
    yield Spacer(0, 8)


def _candidates(search: Search) -> Iterator[Flowable]:
    metric, candidates = search.protocol["metric"], list(search.run.candidates.defer("content"))
    yield _text(f"Candidates: {len(candidates)}, of which the first {TOP} beside what is in use", "Heading2")
    rows = [["No.", "How it was made", "AUC" if metric == "auc" else "Value", "Worst ratio", "Good enough", "Remarks"]]
    for one in in_order(candidates)[: TOP + 1]:
        ends = one.figures.get(metric) or [None, None, None]
        rows.append(
            [
                str(one.number), f"{one.generator}: " + ", ".join(f"{name} {value}" for name, value in made(one)),
                "" if ends[0] is None else f"{ends[0]:.4f} ({ends[1]:.4f} to {ends[2]:.4f})",
                "" if one.worst_ratio is None else f"{one.worst_ratio:.3f}",
                "yes" if one.figures.get("within") else "no",
                "; ".join(remarks(one)),
            ]
        )  # fmt: skip
    yield grid(rows, landscape(A4)[0] - 2 * _MARGIN - 12, _SIZE)
    yield _text(performance.METHODS[metric] + ". Ratios: Katz log interval, 95 %, out of time.")


def made(one: Candidate) -> list[tuple[str, str]]:
    """How a candidate differs, in words; settings that all have are left to the table of values."""
    told: list[tuple[str, str]] = []
    for name, value in one.parameters.items():
        label = wording.code(name)
        if isinstance(value, Mapping):
            told += [(wording.code(inner), f"{number:.4g}") for inner, number in value.items()]
        elif isinstance(value, list):
            told += [(label, wording.listed([wording.meaning(str(item)) for item in value]))] if value else []
        elif isinstance(value, float):
            told += [(label, f"{value:,.4g}")] if value else []
        elif value not in (None, "", False):
            told.append((label, "yes" if value is True else str(value)))
    return told


def remarks(one: Candidate) -> list[str]:
    """What a reader must know of a candidate before its figures."""
    said = []
    if one.refused:
        said.append(f"could not be made: {one.refused}")
    if one.uses_group_at_decision:
        said.append("looks at groups when it decides: never adopted")
    if one.uses_group_at_training:
        said.append("uses groups in training")
    if one.pareto:
        said.append("no other is better")
    closer, further = ([group for _, group in one.figures.get(side, ())] for side in ("closer", "further"))
    if closer and further:
        said.append(f"helps {', '.join(closer)} at the cost of {', '.join(further)}")
    return said


def _decision(search: Search) -> Iterator[Flowable]:
    yield _text("Decision", "Heading2")
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
    for signature in search.signatures.select_related("person"):
        yield _text(
            f"Signed by {signature.person} on {signature.signed_at:%d %B %Y}: {signature.get_purpose_display()}. "
            f"{signature.comment}"
        )


def _protocol(search: Search) -> Iterator[Flowable]:
    yield _text("The frozen protocol", "Heading2")
    text = orjson.dumps(search.protocol, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    yield XPreformatted(escape(text), ParagraphStyle("code", fontName=fonts()[0], fontSize=6, leading=7.2))
    yield _text("The run", "Heading2")
    for name, value in SearchRun.objects.get(search=search).facts.items():
        yield _text(f"{name.replace('_', ' ')}: {value}")
