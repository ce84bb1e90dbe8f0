"""What the inventory says of a model: its fields, which of them people fill in, and what stands there until they do; no
I/O. The list unites SR 26-2, what SR 11-7 asked for, and Annex IV of the EU's AI Act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT: Final = "Declared default: "
"""How a text begins that nobody of this bank has written yet."""

PURPOSES: Final[Mapping[str, str]] = {
    "marketing_ranking": "orders offers among those for which a customer is eligible",
    "credit_decision": "decides on eligibility, a line or a pre-approval",
    "pricing": "sets a rate, a fee or a limit",
    "analysis": "informs people and decides nothing",
}
_TIERS: Final[Mapping[str, int]] = {"marketing_ranking": 2, "credit_decision": 1, "pricing": 1, "analysis": 3}
EXPOSED: Final = 5_000_000
"""Customers from which on a model counts as one tier more material."""
PERIODS: Final[Mapping[int, int]] = {1: 12, 2: 24, 3: 36}
"""Months between two validations, by tier."""


@dataclass(frozen=True, slots=True)
class Field:
    """One text that people state. `default` stands there until they do; without it the field starts blank."""

    name: str
    label: str
    default: str = ""
    mandatory: bool = True
    choices: Mapping[str, str] | None = None
    help: str = ""

    def __str__(self) -> str:
        return self.label


STATED: Final = (
    Field("owner", "Owner", f"{DEFAULT}head of card marketing", help="Who answers for its use."),
    Field("developed_by", "Developer", help="Who trained or wrote it, in words."),
    Field("business_user", "Business user", f"{DEFAULT}card marketing"),
    Field("purpose_class", "Purpose class", "marketing_ranking", choices=PURPOSES),
    Field("purpose", "Purpose and products", f"{DEFAULT}ranks credit-card offers by the chance of acceptance"),
    Field(
        "intended_use", "Intended use",
        f"{DEFAULT}one input, beside the bandit, of the order of offers that passed eligibility, consent and caps",
    ),
    Field("actual_use", "Actual use, where it differs", mandatory=False),
    Field(
        "restrictions", "Restrictions",
        f"{DEFAULT}not for eligibility, pricing, lines or pre-approvals; not outside of the channels it was logged on",
    ),
    Field(
        "limitations", "Limitations",
        f"{DEFAULT}learned from customers who were shown an offer; says little of those who never were",
    ),
    Field(
        "upstream", "Depends on", f"{DEFAULT}the registered features and the log of decisions and outcomes"
    ),
    Field("downstream", "What depends on it", f"{DEFAULT}the ranking of every decision; precomputed scores"),
    Field("vendor", "Vendor", f"{DEFAULT}none; LightGBM is a library, the model is trained here"),
    Field(
        "monitoring_plan", "Monitoring plan and thresholds",
        f"{DEFAULT}nightly: drift (index over 0.25), AUC (0.03 below its report), impact ratios, train and serve skew",
    ),
    Field(
        "ai_act_class", "Class under the EU's AI Act",
        f"{DEFAULT}marketing ranking, not creditworthiness (Annex III 5(b)); record-keeping as if high-risk",
    ),
    Field(
        "ecoa_relevance", "Relevance under ECOA",
        f"{DEFAULT}marketing to existing customers, no application; discouragement and steering are watched",
    ),
    Field(
        "retirement_plan", "Retirement plan",
        f"{DEFAULT}retired when a challenger replaces it; kept for as long as its decisions are replayed",
    ),
    Field("exposure_usd", "Exposure in dollars", mandatory=False, help="Balances or lines that it bears on."),
    Field("policy_exceptions", "Policy exceptions", mandatory=False),
)  # fmt: skip
MANDATORY: Final = tuple(field.name for field in STATED if field.mandatory)
DEFAULTS: Final[Mapping[str, str]] = {field.name: field.default for field in STATED}
SECTIONS: Final[Mapping[str, str]] = {
    "soundness": "Conceptual soundness",
    "data": "Data quality and lineage",
    "sensitivity": "Sensitivity, monotonicity and stress",
    "outcomes": "Outcomes analysis and back-test",
    "stability": "Stability",
    "fairness": "Fairness and less discriminatory alternatives",
    "explanations": "Fidelity of explanations",
    "security": "Security",
}
"""What a validator writes about; replication, benchmark and implementation are measured."""


def tier(purpose_class: str, customers: int) -> int:
    """1 (most material) to 3, from what it is for and how many customers it bears on."""
    base = _TIERS[purpose_class]
    return max(1, base - 1) if customers >= EXPOSED else base


def blank(content: Mapping[str, str]) -> list[str]:
    """Labels of the mandatory fields that say nothing."""
    return [field.label for field in STATED if field.mandatory and not content.get(field.name, "").strip()]


def unconfirmed(content: Mapping[str, str]) -> list[str]:
    """Labels of the mandatory fields that say what Candor declares, and nobody of this bank."""
    return [field.label for field in STATED if field.mandatory and content.get(field.name, "").startswith(DEFAULT)]
