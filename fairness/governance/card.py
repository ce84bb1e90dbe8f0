"""The card of a model: what it is for, what it was made of, how it does by group and segment, and where it must not be
trusted; gathered from its report, its row in the inventory and its measurements, and as JSON or PDF the same."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

from decisioning.models import ModelVersion
from decisioning.propensity import reasons
from fairness.alternatives import record as alternatives
from fairness.cube.stages import STAGES
from fairness.explanations import wording
from fairness.explanations.pdf import fonts
from fairness.governance import fields, inventory, measurement, reviews
from fairness.models import FairnessAudit, ModelRecord, ModelValidation
from offers import roles
from offers.register import ATTRIBUTES

SELECTION: Final = (
    "It learned from customers who were eligible for an offer and were shown it. Of those whom a rule, a cap or the"
    " ranking kept from an offer it knows nothing, and its figures do not hold for them."
)
METRICS: Final = ("auc", "brier", "log_loss", "calibration_slope", "calibration_intercept")
_DRIVERS: Final = 10


def build(name: str, now: datetime) -> dict[str, Any]:
    """Raises ModelVersion.DoesNotExist."""
    model = ModelVersion.objects.defer("content").get(name=name)
    row = inventory.keep(name, now)
    report, made = model.report, measurement.newest(name)
    signed = alternatives.newest(name)
    due = reviews.calendar(model, row, now)
    live = reviews.went_live(name)
    return {
        "name": name, "sha256": model.sha256, "status": model.status, "trained_at": model.trained_at,
        "record": row.version, "tier": row.tier, "tier_rationale": row.content.get(inventory.RATIONALE, ""),
        "developer": row.developer.get_username() if row.developer else roles.ROLES.get(row.developer_role, ""),
        "stated": stated(row),
        "algorithm": f"gradient-boosted trees (LightGBM), {report.get('rounds', '?')} rounds, calibrated on log-odds",
        "output": "the probability that a customer who is shown the offer accepts it",
        "target": "a click, an application or an activation after an impression",
        "training": {key: report.get(key) for key in ("source", "rows", "positives", "base_rate", "evaluated", "seed",
                                                      "training_sha256", "window")},
        "metrics": {key: report.get(key) for key in METRICS},
        "inputs": [_input(column) for column in report.get("columns", [])],
        "drivers": sorted(report.get("gain", {}).items(), key=lambda pair: -pair[1])[:_DRIVERS],
        "reasons": reasons.card(),
        "measured_at": made.made_at if made else None,
        "measured": made.content if made else None,
        "fairness": _fairness(),
        "alternatives": signed.signed_at if signed else None,
        "selection": SELECTION,
        "difference": _difference(model),
        "went_live": {"release": live.number, "at": live.published_at} if live else None,
        "validations": [_validation(one) for one in validations(name)],
        "review": {"on": due.on, "because": due.because, "overdue": due.overdue} if due else None,
    }  # fmt: skip


def stated(row: ModelRecord) -> list[dict[str, Any]]:
    """What people say of it; `default` tells what nobody of this bank has written yet."""
    return [
        {
            "label": field.label,
            "text": (field.choices or {}).get(text, text).removeprefix(fields.DEFAULT),
            "default": text.startswith(fields.DEFAULT),
            "missing": field.mandatory and not text.strip(),
        }
        for field in fields.STATED
        for text in [row.content.get(field.name, "")]
    ]


def validations(name: str) -> list[ModelValidation]:
    rows = ModelValidation.objects.filter(model__name=name)
    return list(rows.select_related("validator", "countersigned_by", "developer"))


def _validation(row: ModelValidation) -> dict[str, Any]:
    return {
        "id": row.pk, "validator": row.validator.get_username(), "conclusion": row.get_conclusion_display(),
        "signed_at": row.signed_at, "valid_until": row.valid_until,
        "countersigned_by": row.countersigned_by.get_username() if row.countersigned_by else "",
    }  # fmt: skip


def _input(column: str) -> dict[str, str]:
    """A column with its entry in the register; facts of offers and pairs have none."""
    declared = ATTRIBUTES.get(column)
    if declared is None:
        return {"name": column, "group": "offer", "basis": ""}
    return {"name": column, "group": declared.group, "basis": declared.basis_class}


def _fairness() -> list[dict[str, Any]]:
    """The newest audit of each stage, in the order of the stages."""
    newest = FairnessAudit.objects.order_by("source", "stage", "-pk").distinct("source", "stage")
    rows = [dict(row) for row in newest.values("pk", "source", "stage", "verdict", "computed_at")]
    place = {stage: index for index, stage in enumerate(STAGES)}
    return sorted(rows, key=lambda row: (row["source"], place.get(row["stage"], len(place))))


def _difference(model: ModelVersion) -> dict[str, Any] | None:
    """Against the version that was trained before it."""
    before = ModelVersion.objects.filter(pk__lt=model.pk).defer("content").order_by("-pk").first()
    if before is None:
        return None
    old, new = (set(one.report.get("columns", [])) for one in (before, model))
    return {
        "before": before.name, "added": sorted(new - old), "removed": sorted(old - new),
        "metrics": {key: (before.report.get(key), model.report.get(key)) for key in METRICS},
    }  # fmt: skip


def pdf(card: dict[str, Any]) -> bytes:
    """The card for paper."""
    regular, bold = fonts()
    body = ParagraphStyle("body", fontName=regular, fontSize=9, leading=12)
    heading = ParagraphStyle("heading", fontName=bold, fontSize=11, leading=16, spaceBefore=8)
    flowables: list[Flowable] = [
        Paragraph(escape(f"Model card: {card['name']}"), ParagraphStyle("t", heading, fontSize=16, leading=22))
    ]
    for title, lines in _sections(card):
        flowables.append(Paragraph(escape(title), heading))
        flowables += [Paragraph(escape(line), body) for line in lines]
        flowables.append(Spacer(1, 4))
    target = io.BytesIO()
    SimpleDocTemplate(
        target, pagesize=A4, title=f"Model card {card['name']}", author="Candor", lang="en", invariant=1
    ).build(flowables)
    return target.getvalue()


def _sections(card: dict[str, Any]) -> list[tuple[str, list[str]]]:
    training, measured = card["training"], card["measured"]
    return [
        ("What it is", [
            f"{card['algorithm']}. Output: {card['output']}. Target: {card['target']}.",
            f"SHA-256 {card['sha256']}. Status: {card['status']}. Tier {card['tier']}: {card['tier_rationale']}.",
            f"Trained {card['trained_at']:%d %B %Y} on {training['rows']} rows of {training['source']}; "
            f"{training['evaluated']}.",
        ]),
        ("What people state, or Candor until they do", [
            f"{one['label']}: {one['text'] or 'not stated'}{' (default, not confirmed)' if one['default'] else ''}"
            for one in card["stated"]
        ]),
        ("Performance in training", [
            f"{wording.code(name)}: {_shown(value)}" for name, value in card["metrics"].items()
        ]),
        ("Performance by group and segment", _performance(measured)),
        ("Fairness", [
            f"{wording.code(one['stage'])}: {wording.code(one['verdict'])}" for one in card["fairness"]
        ] or ["No audit yet."]),
        ("Inputs", [", ".join(f"{one['name']} ({wording.code(one['group'])})" for one in card["inputs"])]),
        ("What drives it", [f"{name}: gain {gain:.0f}" for name, gain in card["drivers"]]),
        ("Selection", [card["selection"]]),
        ("Validations", [
            f"{one['validator']}: {one['conclusion'] or 'open'}, until {one['valid_until'] or 'signed'}"
            for one in card["validations"]
        ] or ["None."]),
    ]  # fmt: skip


def _performance(measured: dict[str, Any] | None) -> list[str]:
    if measured is None:
        return ["Not measured yet."]
    rows = [("all", measured["overall"])]
    rows += [(f"{wording.code(one['attribute'])}: {one['group']}", one) for one in measured["groups"]]
    rows += [(f"credit score {one['segment'].replace('_', ' to ')}", one) for one in measured["segments"]]
    return [
        f"{name}: {one['rows']} rows, {one['accepted']} accepted, {one['expected']:.1f} expected, "
        + (
            "too few for an AUC"
            if one["auc"] is None
            else f"AUC {one['auc']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        )
        for name, one in rows
    ]


def _shown(value: Any) -> str:
    return "too few to tell" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
