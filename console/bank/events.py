"""What happened to the synthetic bank's customers before it opened: purchases, salaries and signals; no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from console.bank.catalogue import CARDS
from console.bank.people import CHUNK, FAMILIES, SPEND_KINDS, People

SOURCE = "demo"
MONTHS = 6  # of transactions
DAYS = 182
# Streams of draws apart from the traits.
_AMOUNTS, _TURNS, _SIGNALS = 0x7472616E, 0x7475726E, 0x7369676E
_OF_FAMILY = [[card.key for card in CARDS if card.family == family] for family in FAMILIES]
_TOPICS = ("card", "fees", "app", "payment", "fraud")

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Turns:
    """What changed lately for a chunk's customers, arrays of shape (CHUNK,): `fading` ones hardly buy any more,
    `raise_` is the factor on the salaries of the last two months, `large` have just bought something large."""

    fading: Flags
    raise_: Floats
    large: Flags


def turns(seed: int, chunk: People) -> Turns:
    rng = np.random.default_rng([seed, chunk.first // CHUNK, _TURNS])
    draw = rng.random(CHUNK)
    raised = np.where(
        draw < 0.08, rng.uniform(1.08, 1.4, CHUNK), np.where(draw > 0.97, rng.uniform(0.4, 0.8, CHUNK), 1)
    )
    return Turns(rng.random(CHUNK) < 0.07, raised, rng.random(CHUNK) < 0.05)


def moment(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")  # settings and sessions are UTC


def before(opened: datetime, days: Any) -> NDArray[np.datetime64]:
    """Moments this many days (n,) before the opening."""
    moments: NDArray[np.datetime64] = moment(opened) - (np.asarray(days) * 86_400e6).astype("timedelta64[us]")
    return moments


def transactions(chunk: People, part: slice, ids: Integers, seed: int, opened: datetime) -> dict[str, Any]:
    """Six months of purchases, which in the last 90 days add up to about `spend_90d` for those who go on as before, and
    six salaries."""
    rng = np.random.default_rng([seed, chunk.first // CHUNK, _AMOUNTS])
    lately = turns(seed, chunk)
    # Drawn for the whole chunk, so that a chunk taken in two parts has the same transactions.
    owner = np.repeat(np.arange(CHUNK), chunk.transactions)
    kind = (rng.random((len(owner), 1)) > np.cumsum(chunk.spend_shares, axis=1)[owner, :-1]).sum(axis=1)
    mean = (chunk.spend_90d * DAYS / 90 / chunk.transactions)[owner]
    amount = np.round(mean * rng.gamma(1.4, 1 / 1.4, len(owner)), 2)
    age = rng.uniform(0.1, DAYS, len(owner))
    age = np.where(lately.fading[owner] & (age < 45), age + 45, age)
    paid = np.repeat(np.arange(CHUNK), MONTHS)
    pay_age = np.tile(np.arange(MONTHS) * 30.4, CHUNK) + rng.uniform(1, 5, CHUNK)[paid]
    salary = np.where(pay_age < 61, chunk.income[paid] * lately.raise_[paid], chunk.income[paid])
    bought = np.flatnonzero(lately.large)
    owner = np.concatenate([owner, paid, bought])
    age = np.concatenate([age, pay_age, rng.uniform(0.2, 6.5, len(bought))])
    large = np.round(rng.uniform(600, 3_000, len(bought)), 2)
    amount = np.concatenate([amount, -np.round(salary, 2), large])  # positive is money out
    category = np.concatenate(
        [np.array(SPEND_KINDS)[kind], np.full(len(paid), "salary"), np.full(len(bought), "other")]
    )
    number = np.arange(len(owner))
    mine = (owner >= part.start) & (owner < part.stop)
    moments = before(opened, age[mine])
    return {
        "customer_id": ids[owner[mine] - part.start], "transaction_key": [f"t{at}" for at in number[mine].tolist()],
        "account_key": ["current"] * int(mine.sum()), "occurred_at": moments, "known_at": moments,
        "amount": amount[mine], "category": category[mine].tolist(), "source": [SOURCE] * int(mine.sum()),
    }  # fmt: skip


Payload = Callable[[int, np.random.Generator], dict[str, Any]]


@dataclass(frozen=True)
class _Kind:
    """A kind of signal: whom it happened to (CHUNK,), within how many days, and its payload by place."""

    type: str
    to: Flags
    days: float
    payload: Payload


def _kinds(chunk: People, seed: int, rng: np.random.Generator) -> Iterator[_Kind]:
    lately = turns(seed, chunk)
    age = chunk.age_years
    yield _Kind("transaction_declined", chunk.declined, 29, lambda _, rng: {"amount": round(rng.uniform(20, 900), 2)})
    holds = np.array([bool(cards) for cards in chunk.cards])
    for _ in range(2):
        yield _Kind("payment", holds, 27, lambda _, rng: {"amount": round(rng.uniform(30, 1_200), 2)})
    yield _Kind("service_call", _some(rng, 0.06), 14, lambda _, rng: {"topic": str(rng.choice(_TOPICS))})
    yield _Kind("complaint", _some(rng, 0.02), 40, lambda _, rng: {"topic": str(rng.choice(_TOPICS))})
    yield _Kind("alert_acknowledged", _some(rng, 0.15), 10, lambda _, __: {"alert": "balance"})
    yield _Kind("competitor_inquiry", _some(rng, 0.05), 40, lambda _, __: {"lender_type": "bank"})
    yield _Kind("life_event", chunk.owns_home & _some(rng, 0.03), 170, lambda _, __: {"event": "new_mortgage"})
    young = (age >= 24) & (age <= 42)
    yield _Kind("life_event", young & _some(rng, 0.02), 170, lambda _, __: {"event": "first_child"})
    yield _Kind("life_event", lately.raise_ != 1, 60, lambda _, __: {"event": "salary_change"})
    variants = ("control", "large_tile")
    yield _Kind("experiment_assigned", _some(rng, 0.2), 20,
                lambda _, rng: {"experiment": "home-tile", "variant": str(rng.choice(variants))})  # fmt: skip
    for _ in range(2):
        yield _Kind("card_view", _some(rng, 0.3), 88, lambda place, rng: {"card": _liked(chunk, place, rng)})


def signals(chunk: People, part: slice, ids: Integers, seed: int, opened: datetime) -> dict[str, Any]:
    """What channels and other systems told of these customers; ages in days before the opening."""
    rng = np.random.default_rng([seed, chunk.first // CHUNK, _SIGNALS])
    rows: list[tuple[int, str, str, float, str]] = []
    for number, kind in enumerate(_kinds(chunk, seed, rng)):
        to = np.flatnonzero(kind.to)
        ages = rng.uniform(0.01, kind.days, len(to))
        for place, age in zip(to.tolist(), ages.tolist(), strict=True):
            payload = orjson.dumps(kind.payload(place, rng)).decode()
            if part.start <= place < part.stop:
                rows.append((place - part.start, f"{SOURCE}-{number}", kind.type, age, payload))
    places, events, types, ages_, payloads = map(list, zip(*rows, strict=True))
    moments = before(opened, ages_)
    return {
        "customer_id": ids[np.array(places, dtype=np.int64)], "event_id": events, "type": types,
        "occurred_at": moments, "known_at": moments, "payload": payloads,
    }  # fmt: skip


def _some(rng: np.random.Generator, share: float) -> Flags:
    return np.asarray(rng.random(CHUNK) < share)


def _liked(chunk: People, place: int, rng: np.random.Generator) -> str:
    """A card of a family to which the customer is drawn."""
    pull = chunk.affinity[place] + 0.05
    family = _OF_FAMILY[int(rng.choice(len(FAMILIES), p=pull / pull.sum()))]
    return str(rng.choice(family))
