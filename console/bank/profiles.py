"""What the bank knows of a customer of the synthetic bank, as feature groups and accounts; names are the register's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from console.bank.people import CHUNK, FAMILIES, SPEND_KINDS, ZONES, People

# Days before the bank's opening at which each group was last true; the bureau answers once a month.
AGES = {
    "account_state": 0.02, "spend_behaviour": 0.3, "lifecycle": 0.3, "recent_activity": 0.02, "product_affinity": 0.3,
    "credit_risk": 9.0,
}  # fmt: skip
BUREAU_BEFORE = 44.0
_BANDS = ((580, "below_580"), (670, "580_669"), (740, "670_739"), (800, "740_799"), (851, "800_up"))
_AFFINITIES = tuple(f"affinity_{family.replace('-', '_')}" for family in FAMILIES)


def rows(chunk: People, part: slice) -> Iterator[tuple[str, float, list[str]]]:
    """Group, age in days, and the values of each customer in `part` as JSON, None left out."""
    yield "credit_risk", BUREAU_BEFORE, _json(_credit(chunk, chunk.credit_score_before), part)
    for group, make in _GROUPS.items():
        yield group, AGES[group], _json(make(chunk), part)


def attributes(chunk: People) -> list[dict[str, Any]]:
    """Everything of every group for each customer of the chunk, as the profile of a decision holds it."""
    columns = {name: column for make in _GROUPS.values() for name, column in make(chunk).items()}
    return _dicts(columns, slice(0, CHUNK))


def accounts(chunk: People, place: int) -> Iterator[tuple[str, str, float | None, float, int]]:
    """Account key, product, credit limit, balance and age in months."""
    tenure = int(chunk.tenure_months[place])
    yield "current", "current-account", None, float(chunk.balance[place]), tenure
    for card in chunk.cards[place]:
        limit = float(np.round(chunk.income[place] * 1.6, -2))
        yield card, card, limit, -round(limit * float(chunk.utilisation[place]), 2), max(1, tenure // 2)


def _json(columns: dict[str, list[Any]], part: slice) -> list[str]:
    return [orjson.dumps(row).decode() for row in _dicts(columns, part)]


def _dicts(columns: dict[str, list[Any]], part: slice) -> list[dict[str, Any]]:
    lines = zip(*(column[part] for column in columns.values()), strict=True)
    return [{name: value for name, value in zip(columns, line, strict=True) if value is not None} for line in lines]


def _credit(chunk: People, score: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, list[Any]]:
    known = [None if np.isnan(one) else float(one) for one in score]
    bands = [None if one is None else next(name for limit, name in _BANDS if one < limit) for one in known]
    rating = [None if one is None else "low" if one < 640 else "medium" if one < 720 else "high" for one in known]
    return {
        "credit_score": known, "credit_score_band": bands, "credit_rating": rating,
        "debt_to_income": chunk.debt_to_income.tolist(), "on_time_payment_rate_12m": chunk.on_time_rate.tolist(),
    }  # fmt: skip


def _credit_now(chunk: People) -> dict[str, list[Any]]:
    return _credit(chunk, chunk.credit_score)


def _account(chunk: People) -> dict[str, list[Any]]:
    held = np.array([len(cards) for cards in chunk.cards])
    quarters = {
        f"balance_q{quarter}": np.round(chunk.balance * (0.8 + 0.05 * quarter), 2).tolist() for quarter in range(1, 5)
    }
    return {
        "state": list(chunk.state), "country": ["US"] * CHUNK, "is_21_or_over": (chunk.age_years >= 21).tolist(),
        "cards_held": [list(cards) for cards in chunk.cards], "cards_held_count": held.tolist(),
        "accounts_open": (held + 1).tolist(), "overdraft_protection": chunk.overdraft.tolist(),
        "homes_owned": chunk.owns_home.astype(int).tolist(), "owns_home": chunk.owns_home.tolist(),
        "household_size": np.minimum(chunk.household, 12).tolist(), "balance": chunk.balance.tolist(),
        "payment_hardship": (chunk.declined & (chunk.utilisation > 0.9)).tolist(),
        "average_balance": np.round(chunk.balance * 0.93, 2).tolist(), **quarters,
        "utilisation": chunk.utilisation.tolist(),
        "days_since_last_payment": (chunk.transactions % 28).tolist(),
        "large_purchase_7d": (chunk.spend_90d > 9_000).tolist(),
    }  # fmt: skip


def _spend(chunk: People) -> dict[str, list[Any]]:
    shares = {
        f"spend_share_{kind}": chunk.spend_shares[:, at].tolist()
        for at, kind in enumerate(SPEND_KINDS) if kind != "other"
    }  # fmt: skip
    return {
        "utilisation_90d": chunk.utilisation_90d.tolist(), "spend_90d": chunk.spend_90d.tolist(), **shares,
        "transactions_30d": (chunk.transactions // 6).tolist(), "income_estimate_monthly": chunk.income.tolist(),
        "revolving": (chunk.utilisation > 0.35).tolist(),
    }  # fmt: skip


def _lifecycle(chunk: People) -> dict[str, list[Any]]:
    stage = np.select(
        [chunk.tenure_months < 6, chunk.tenure_months < 24, chunk.declined & (chunk.utilisation > 0.7)],
        ["new", "developing", "at_risk"], "mature",
    )  # fmt: skip
    return {
        "tenure_months": chunk.tenure_months.tolist(), "lifecycle_stage": stage.tolist(),
        "branch_visits_90d": chunk.branch_visits.tolist(),
        "commute_zone": np.array(ZONES)[chunk.zone].tolist(),
    }  # fmt: skip


def _recent(chunk: People) -> dict[str, list[Any]]:
    return {"declined_transaction_30d": chunk.declined.tolist()}


def _affinity(chunk: People) -> dict[str, list[Any]]:
    return {name: chunk.affinity[:, at].tolist() for at, name in enumerate(_AFFINITIES)}


_GROUPS = {
    "account_state": _account, "spend_behaviour": _spend, "lifecycle": _lifecycle, "recent_activity": _recent,
    "product_affinity": _affinity, "credit_risk": _credit_now,
}  # fmt: skip
