"""Values, moments and reasons in words: plain ones for the customer, exact ones for everybody else; no decision is read
here. No sentence to a customer names a protected characteristic or what is close to one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from offers.conditions.describe import value_in_words
from offers.register import ATTRIBUTES, OFFER_FACTS
from offers.types import Offer

# What the register calls them is the bank's language.
PLAIN: Final[Mapping[str, str]] = {
    "debt_to_income": "debts compared with income",
    "utilisation": "share of your credit in use",
    "utilisation_90d": "share of your credit in use over 90 days",
    "revolving": "a balance carried over from month to month",
    "tenure_months": "time with us",
    "on_time_payment_rate_12m": "payments on time over 12 months",
    "income_estimate_monthly": "monthly income, estimated from your account",
    "income_band": "monthly income, estimated from your account",
    "declined_transaction_30d": "a payment declined in the last 30 days",
    "affinity_of_family": "interest in this kind of card",
    "viewed_this_offer": "you looked at this card",
    **{f"affinity_{kind}": f"use of {kind.replace('_', ' ')} services" for kind in
       ("travel", "cashback", "balance_transfer", "student", "premium", "secured", "retail", "business")},
    "limit": "credit limit of the card",
    "rate": "yearly rate of the card",
    "fee": "yearly fee of the card",
    "bonus": "welcome bonus of the card",
    "intro_months": "length of the introductory rate",
}  # fmt: skip
# Estimates and sums of the bank's own, whose number says nothing to a customer; their family says what they are about.
UNTOLD: Final = frozenset(
    {"value", "benefit_rank", "family", "reward", "mailer", "creative", "churn_risk", "lifecycle_stage", "risk_points",
     "risk_profile", "session_risk_score", "text_sentiment", "experiments", "transaction_mcc", "transaction_channel",
     "entry_point", "device_type", *(name for name in ATTRIBUTES if name.startswith("text_interest_"))}
)  # fmt: skip
SHOWN_ON: Final[Mapping[str, str]] = {
    "mobile_app": "in our app", "web": "on our website", "email": "in an e-mail", "sms": "in a text message",
    "push": "in a notification", "branch": "in a branch", "call_centre": "in a phone call",
    "direct_mail": "in a letter",
}  # fmt: skip


def moment(at: datetime) -> str:
    return f"{at:%-d %B %Y, %H:%M} {at.tzname() or ''}".strip()


def age(seconds: float) -> str:
    """How old something is: "4 min", "3 h", "12 days"."""
    for unit, name in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if name == 'day' and count != 1 else ''}"
    return f"{seconds:.0f} s"


def percent(share: float, digits: int = 1) -> str:
    return f"{share * 100:.{digits}f} %"


def chance(probability: float) -> str:
    """A probability of showing; a small one never reads as zero."""
    return "less than 1 %" if 0 < probability < 0.01 else percent(probability, 0)


def code(text: str) -> str:
    """A code of the engine as words: "NO_CONSENT" as "no consent"."""
    return text.replace("_", " ").lower()


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def meaning(name: str) -> str:
    """What an input of the model means, as the register says it."""
    declared = ATTRIBUTES.get(name) or OFFER_FACTS.get(name)
    return declared.meaning if declared else code(name)


def fact(name: str, value: Any, typical: Any = None, *, plain: bool = False) -> str:
    """One input with its value and, where it differs, the typical one; "" where a customer is not told it."""
    declared = ATTRIBUTES.get(name)
    if plain and (name in UNTOLD or (declared and declared.basis_class != "ok")):
        return ""
    label = PLAIN.get(name, meaning(name)) if plain else meaning(name)
    if value is None:
        return f"{label}: not known"
    in_words = _level if plain and name.startswith("affinity_") else partial(value_in_words, name)
    said = in_words(value)
    usual = "" if typical is None else in_words(typical)
    return f"{label}: {said}" + (f", typical is {usual}" if usual and usual != said else "")


def _level(share: float) -> str:
    """An affinity, which runs from 0 to 1, to somebody to whom its number says nothing."""
    return "low" if share < 1 / 3 else "medium" if share < 2 / 3 else "high"


def terms(offer: Offer) -> str:
    """The price of a card in a few words, or ""."""
    labels = {"rate": "rate {} a year", "fee": "yearly fee {}", "bonus": "welcome bonus {}", "limit": "limit up to {}"}
    free = {"fee": "no yearly fee", "bonus": "no welcome bonus"}
    given = [(name, offer.facts[name]) for name in labels if offer.facts.get(name) is not None]
    return ", ".join(
        labels[name].format(value_in_words(name, value)) if value or name not in free else free[name]
        for name, value in given
    )


def listed(texts: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
