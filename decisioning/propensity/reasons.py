"""From contributions of single inputs to the few reasons that a person can follow: one fixed map from input to family,
read by the training report, the explanation and the model card; no wording of a single decision comes in.

Inputs that move together share a family, because which of them a retraining picks is chance: families are stable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from offers.register import ATTRIBUTES, CARD_KINDS

MINIMUM: Final = (
    0.15  # log-odds under which a family is no reason: it moves the odds of acceptance by less than a sixth
)
MOST: Final = 4  # reasons for, and reasons against: more are not likely to help (12 CFR 1002.9, comment 9(b)(2)-1)
BASELINE: Final = "all"  # what a contribution is counted from: the mean of all that the model was trained on


@dataclass(frozen=True, slots=True)
class Family:
    """`meaning` reads on in a sentence to the customer ("your income"). `inputs` are columns of the model."""

    name: str
    meaning: str
    inputs: tuple[str, ...]

    @property
    def is_proxy(self) -> bool:
        """Whether what it stands on is close to a protected characteristic, so that it is never named to a customer."""
        return any(name in ATTRIBUTES and ATTRIBUTES[name].basis_class == "close_proxy" for name in self.inputs)


_SHARES: Final = ("travel", "groceries", "dining", "fuel", "online")

FAMILIES: Final[tuple[Family, ...]] = (
    Family("credit_history", "your credit history", (
        "credit_score", "credit_score_band", "credit_rating", "on_time_payment_rate_12m", "risk_points", "risk_profile",
        "competitor_inquiry_30d")),
    Family("credit_use", "how much of your credit you use", (
        "debt_to_income", "utilisation", "utilisation_90d", "revolving")),
    Family("income", "your income", ("income_estimate_monthly", "income_band", "salary_change", "salary_changed_90d")),
    Family("balances", "your balances and payments", (
        "balance", "average_balance", "balance_q1", "balance_q2", "balance_q3", "balance_q4", "balance_trend_90d",
        "cash_flow_shortfall_30d", "overdraft_protection", "days_since_last_payment")),
    Family("spending", "how much you spend", (
        "spend_90d", "spend_30d", "transactions_30d", "spend_24h", "transactions_24h", "large_purchase_7d",
        "declined_transaction_30d", "transaction_amount", "transaction_mcc", "transaction_channel")),
    Family("spending_mix", "what you spend on", tuple(f"spend_share_{kind}" for kind in _SHARES)),
    Family("products_held", "the products that you hold", ("cards_held", "cards_held_count", "accounts_open")),
    Family("home", "home ownership", ("homes_owned", "owns_home", "new_mortgage_180d")),
    Family("relationship", "your time with the bank", (
        "tenure_months", "lifecycle_stage", "churn_risk", "branch_visits_90d")),
    Family("service", "your contacts with our service", (
        "service_calls_7d", "complaint_30d", "alerts_acknowledged_7d")),
    Family("card_interest", "the kinds of card that you look at or use", (
        *(f"affinity_{kind}" for kind in CARD_KINDS), "affinity_of_family", "viewed_this_offer", "cards_viewed",
        "cards_viewed_count")),
    Family("posts", "interests in posts that you agreed to share", (
        "text_posts_90d", "text_sentiment", *(f"text_interest_{kind}" for kind in CARD_KINDS))),
    Family("visit", "how you came to us this time", (
        "entry_point", "device_type", "pages_viewed_count", "seconds_on_cards_page", "session_risk_score",
        "experiments")),
    Family("card_terms", "the terms of this card", (
        "rate", "fee", "limit", "bonus", "intro_months", "reward", "value", "benefit_rank", "family")),
    Family("message", "the message that presents this card", ("mailer", "creative")),
    # Close proxies stand alone: whatever weight they have must be seen, and is not named to a customer.
    Family("application_details", "details of your application", ("household_size",)),
    Family("card_use", "the pattern of your card use", ("commute_zone",)),
)  # fmt: skip

BY_NAME: Final[Mapping[str, Family]] = {family.name: family for family in FAMILIES}
_OF_INPUT: Final[Mapping[str, str]] = {name: family.name for family in FAMILIES for name in family.inputs}


class NoFamily(LookupError):
    """An input of a model that no family lists; it could not be explained."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one family added to the log-odds. `inputs`: (column, log-odds) of its inputs, the strongest first."""

    family: str
    log_odds: float
    inputs: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Reasons:
    """At most MOST in each direction, the strongest first; `rest` is what all other families add up to."""

    raising: tuple[Reason, ...]
    lowering: tuple[Reason, ...]
    rest: float


def families_of(names: Sequence[str]) -> dict[str, str]:
    """The family of each input, for the report of a model. Raises NoFamily."""
    missing = [name for name in names if name not in _OF_INPUT]
    if missing:
        raise NoFamily(f"no reason family holds {', '.join(missing)}")
    return {name: _OF_INPUT[name] for name in names}


def grouped(contributions: Mapping[str, float], families: Mapping[str, str] | None = None) -> list[Reason]:
    """Contributions by input (log-odds) as one sum a family, the strongest first. `families` is the map that the model
    was trained with, by default today's. Raises NoFamily."""
    of = families or families_of(list(contributions))
    inputs: dict[str, list[tuple[str, float]]] = {}
    for name, value in contributions.items():
        inputs.setdefault(of[name], []).append((name, value))
    sums = [
        Reason(family, sum(value for _, value in rows), tuple(sorted(rows, key=lambda row: (-abs(row[1]), row[0]))))
        for family, rows in inputs.items()
    ]
    return sorted(sums, key=lambda reason: (-abs(reason.log_odds), reason.family))


def principal(sums: Sequence[Reason], *, minimum: float = MINIMUM, most: int = MOST) -> Reasons:
    """The principal reasons of these sums, which come ranked; none that a principal reason stands on is left out for
    what it is, a proxy included (12 CFR 1002.9, comment 9(b)(2)-4)."""
    heavy = [reason for reason in sums if abs(reason.log_odds) >= minimum]
    raising = tuple(reason for reason in heavy if reason.log_odds > 0)[:most]
    lowering = tuple(reason for reason in heavy if reason.log_odds < 0)[:most]
    listed = sum(reason.log_odds for reason in (*raising, *lowering))
    return Reasons(raising, lowering, sum(reason.log_odds for reason in sums) - listed)


def card() -> dict[str, Any]:
    """The whole of it for a model card."""
    return {
        "families": {
            family.name: {"meaning": family.meaning, "inputs": list(family.inputs), "close_proxy": family.is_proxy}
            for family in FAMILIES
        },
        "minimum_log_odds": MINIMUM,
        "most_each_way": MOST,
        "reason_baseline": BASELINE,
    }
