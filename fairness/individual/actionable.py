"""What a customer can change, and why the rest is not asked of anybody; a declaration, no search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Direction = Literal["rises", "falls"]


@dataclass(frozen=True, slots=True)
class Actionable:
    """`direction` is the way that a change may go (a boolean rises to true, a set rises by a member); `step` is the
    change that counts as one unit of effort, in the attribute's own unit."""

    attribute: str
    direction: Direction
    step: float
    why: str


_BUREAU: Final = "moves with payments on time and with less credit in use"
_PAYING: Final = "moves when debt is paid down"
_SAVING: Final = "moves with what is kept on the account"
_SPENDING: Final = "moves with what is paid by card"

ACTIONABLE: Final[Mapping[str, Actionable]] = MappingProxyType(
    {
        one.attribute: one
        for one in (
            Actionable("credit_score", "rises", 20, _BUREAU),
            Actionable("credit_score_band", "rises", 1, _BUREAU),
            Actionable("on_time_payment_rate_12m", "rises", 0.05, "moves with payments on time"),
            Actionable("debt_to_income", "falls", 0.05, _PAYING),
            Actionable("utilisation", "falls", 0.1, _PAYING),
            Actionable("utilisation_90d", "falls", 0.1, _PAYING),
            Actionable("revolving", "falls", 1, "ends when the card is paid in full"),
            Actionable("balance", "rises", 500, _SAVING),
            Actionable("average_balance", "rises", 500, _SAVING),
            Actionable("accounts_open", "rises", 1, "an account can be opened"),
            Actionable("cards_held", "rises", 1, "a card can be taken up"),
            Actionable("cards_held_count", "rises", 1, "a card can be taken up"),
            Actionable("overdraft_protection", "rises", 1, "can be asked for"),
            Actionable("days_since_last_payment", "falls", 10, "a payment can be made"),
            Actionable("income_estimate_monthly", "rises", 500, "moves with income that is paid in here"),
            Actionable("income_band", "rises", 1, "moves with income that is paid in here"),
            Actionable("spend_30d", "rises", 200, _SPENDING),
            Actionable("spend_90d", "rises", 500, _SPENDING),
            Actionable("transactions_30d", "rises", 5, _SPENDING),
            *(
                Actionable(f"spend_share_{kind}", "rises", 0.1, _SPENDING)
                for kind in ("travel", "groceries", "dining", "fuel", "online")
            ),
            Actionable("tenure_months", "rises", 6, "passes by itself"),
        )
    }
)
"""Everything else is immutable here. Age, residence, household and children are not to be asked of anybody; a
complaint, a report of hardship or a consent is a right that nobody is advised to give up; a card held is not to be
handed back to be offered it again; what a session or a post says is of a moment; and what is computed from these
follows them."""
