"""Who the synthetic bank's customers are: correlated traits drawn in numpy, the same for the same seed; no database.

Customers come in chunks of CHUNK, each with a generator of its own, so that customer 731,204 is the same whether the
bank has a million customers or is just being continued after a kill. Money is in dollars, rates and shares in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

CHUNK = 2000
FIRST_NUMBER = 200_001

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FAMILIES = ("travel", "cashback", "balance-transfer", "student", "premium", "secured", "retail", "business")
SPEND_KINDS = ("travel", "groceries", "dining", "fuel", "online", "other")
CHANNEL_CONSENT = {
    "mobile_app": 0.88, "web": 0.86, "email": 0.72, "sms": 0.45, "push": 0.50, "branch": 0.82, "call_centre": 0.38,
    "direct_mail": 0.60,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """A kind of customer. `quality` is mean and standard deviation of the latent credit quality; `spend` are the
    weights of SPEND_KINDS; `affinity` the mean affinity to each of FAMILIES.

    Students' short files scatter as widely as the whole bank, so that score floors by themselves hit no age band: what
    the fairness pages find is what console/bank/response.py plants.
    """

    name: str
    share: float
    quality: tuple[float, float]
    age: tuple[float, float]
    income: float
    spend: tuple[float, ...]
    affinity: tuple[float, ...]


SEGMENTS = (
    Segment("student", 0.10, (0.2, 1.15), (20.4, 27), 1_500,
            (1, 3, 4, 1, 5, 3), (0.2, 0.3, 0.1, 0.8, 0.0, 0.3, 0.4, 0.0)),
    Segment("rebuilder", 0.14, (-1.6, 0.75), (23, 66), 2_400,
            (1, 6, 2, 3, 3, 4), (0.1, 0.3, 0.3, 0.0, 0.0, 0.8, 0.2, 0.0)),
    Segment("revolver", 0.22, (-0.4, 0.75), (25, 68), 3_700,
            (1, 5, 3, 3, 4, 4), (0.2, 0.3, 0.8, 0.0, 0.1, 0.1, 0.3, 0.0)),
    Segment("family", 0.22, (0.5, 0.75), (28, 62), 5_200,
            (1, 8, 3, 4, 4, 4), (0.2, 0.8, 0.2, 0.0, 0.1, 0.0, 0.5, 0.1)),
    Segment("traveller", 0.14, (0.9, 0.75), (26, 72), 6_300,
            (7, 3, 5, 2, 4, 3), (0.8, 0.3, 0.1, 0.0, 0.4, 0.0, 0.1, 0.1)),
    Segment("affluent", 0.10, (1.4, 0.75), (35, 84), 11_500,
            (5, 3, 5, 2, 4, 6), (0.5, 0.2, 0.0, 0.0, 0.8, 0.0, 0.1, 0.2)),
    Segment("business", 0.08, (0.4, 0.75), (27, 67), 7_400,
            (4, 2, 4, 5, 5, 6), (0.3, 0.3, 0.2, 0.0, 0.3, 0.0, 0.1, 0.8)),
)  # fmt: skip
SEGMENT_NAMES = tuple(segment.name for segment in SEGMENTS)

# Region is protected (it tells of origin); the state decides it, and the commute zone follows it closely.
REGIONS = ("Metro", "South-East", "Heartland", "Islands")
REGION_SHARES = (0.46, 0.24, 0.24, 0.06)
STATES_OF_REGION = {
    "Metro": ("CA", "NY", "TX", "WA", "MA", "IL", "NJ", "CO", "VA", "MD"),
    "South-East": ("GA", "FL", "AL", "SC", "NC", "TN", "MS", "LA"),
    "Heartland": ("IA", "KS", "NE", "MO", "OK", "ND", "SD", "IN", "OH", "WI", "MN"),
    "Islands": ("HI", "PR", "GU", "VI"),
}
ZONES = ("metro", "suburban", "rural", "islands")
ZONES_OF_REGION = {
    "Metro": (0.62, 0.33, 0.05, 0.00),
    "South-East": (0.30, 0.52, 0.18, 0.00),
    "Heartland": (0.06, 0.14, 0.80, 0.00),
    "Islands": (0.02, 0.08, 0.05, 0.85),
}

# What people hold already, by segment: the entry card of a family.
ENTRY_CARDS = {
    "student": "student-start", "rebuilder": "secured-first", "revolver": "balance-transfer-12",
    "family": "cashback-everyday", "traveller": "travel-blue", "affluent": "premium-select",
    "business": "business-starter",
}  # fmt: skip


@dataclass(frozen=True)
class People:
    """One chunk of customers, every array of shape (CHUNK,) unless said otherwise; NaN is "not known"."""

    first: int
    segment: Integers  # into SEGMENTS
    region: Integers  # into REGIONS
    state: tuple[str, ...]
    zone: Integers  # into ZONES
    gender: Integers  # 0 male, 1 female, 2 not recorded
    age_days: Integers
    quality: Floats  # latent credit quality, standard normal over the whole bank
    credit_score: Floats
    credit_score_before: Floats  # of the bureau's refresh before the last
    debt_to_income: Floats
    on_time_rate: Floats
    income: Floats  # a month
    balance: Floats
    utilisation: Floats
    utilisation_90d: Floats
    spend_90d: Floats
    spend_shares: Floats  # (CHUNK, 6), of SPEND_KINDS
    transactions: Integers  # purchases over six months
    tenure_months: Integers
    affinity: Floats  # (CHUNK, 8), of FAMILIES
    cards: tuple[tuple[str, ...], ...]
    owns_home: Flags
    household: Integers
    overdraft: Flags
    declined: Flags
    branch_visits: Integers
    level: Integers  # of personalisation, into LEVELS; -1: none granted
    consent: Flags  # (CHUNK, 8), of CHANNEL_CONSENT
    suppressed: Flags

    @cached_property
    def richness(self) -> Floats:
        """Income on a scale from 0 (1,500 a month or less) to 1 (12,000 or more)."""
        return np.asarray(np.clip(np.log(self.income / 1_500) / np.log(8), 0, 1))

    @property
    def age_years(self) -> Integers:
        return np.asarray(self.age_days // 365.2425, dtype=np.int64)


def external_id(index: int) -> str:
    """The bank's own number of its customer at `index`."""
    return f"C-{FIRST_NUMBER + index}"


def index_of(external: str) -> int:
    return int(external.removeprefix("C-")) - FIRST_NUMBER


@lru_cache(maxsize=64)
def chunk(seed: int, number: int) -> People:
    """Customers number * CHUNK to (number + 1) * CHUNK - 1."""
    rng = np.random.default_rng([seed, number])
    segment = rng.choice(len(SEGMENTS), CHUNK, p=[one.share for one in SEGMENTS])
    region = rng.choice(len(REGIONS), CHUNK, p=REGION_SHARES)
    quality = rng.normal(*np.array([one.quality for one in SEGMENTS])[segment].T)
    age = _ages(rng, segment)
    income = np.array([one.income for one in SEGMENTS])[segment] * np.exp(rng.normal(0.10 * quality, 0.28))
    utilisation = _unit(1 / (1 + np.exp(1.0 + 1.1 * quality + rng.normal(0, 0.7, CHUNK))))
    spend_90d = income * 3 * np.clip(rng.normal(0.42, 0.12, CHUNK), 0.1, 0.9)
    score, before = _scores(rng, quality)
    tenure = np.minimum(rng.gamma(1.6, 38, CHUNK), (age - 17) * 12)
    return People(
        first=number * CHUNK,
        segment=segment,
        region=region,
        state=_states(rng, region),
        zone=_pick(rng, np.array([ZONES_OF_REGION[name] for name in REGIONS])[region]),
        gender=_pick(rng, np.tile([0.485, 0.485, 0.03], (CHUNK, 1))),
        age_days=np.asarray(age * 365.2425, dtype=np.int64),
        quality=quality,
        credit_score=score,
        credit_score_before=before,
        debt_to_income=np.round(np.clip(rng.normal(0.31 - 0.055 * quality, 0.075), 0.02, 0.95), 3),
        on_time_rate=np.round(_unit(0.995 - np.exp(-2.6 - 0.9 * quality) * rng.gamma(1.2, 1, CHUNK)), 3),
        income=np.round(income, 2),
        balance=np.round(income * np.clip(rng.gamma(1.3, 1.1 + 0.5 * np.clip(quality, -1, 2), CHUNK), 0.02, 40), 2),
        utilisation=np.round(utilisation, 3),
        utilisation_90d=np.round(_unit(utilisation + rng.normal(0, 0.06, CHUNK)), 3),
        spend_90d=np.round(spend_90d, 2),
        spend_shares=_shares(rng, segment),
        transactions=rng.integers(16, 31, CHUNK),
        tenure_months=np.asarray(np.maximum(tenure, 1), dtype=np.int64),
        affinity=_affinities(rng, segment),
        cards=_cards(rng, segment),
        owns_home=rng.random(CHUNK) < _unit(0.05 + (age - 24) / 70 + 0.08 * quality),
        household=np.asarray(1 + rng.poisson(np.where(segment == SEGMENT_NAMES.index("family"), 2.4, 0.9)), np.int64),
        overdraft=rng.random(CHUNK) < 0.35,
        declined=rng.random(CHUNK) < _unit(0.03 + 0.12 * utilisation),
        branch_visits=np.asarray(rng.poisson(np.where(age > 60, 2.1, 0.5)), dtype=np.int64),
        level=_pick(rng, np.tile([0.10, 0.15, 0.35, 0.40], (CHUNK, 1))) - 1,
        consent=_consents(rng),
        suppressed=rng.random(CHUNK) < 0.01,
    )


def _ages(rng: np.random.Generator, segment: Integers) -> Floats:
    """Years, within the segment's range; 4 in 100 are of any age, since nobody is all of one kind."""
    ages = np.array([one.age for one in SEGMENTS])[segment]
    age = ages[:, 0] + (ages[:, 1] - ages[:, 0]) * rng.beta(1.4, 1.8, CHUNK)
    return np.where(rng.random(CHUNK) < 0.04, rng.uniform(18, 88, CHUNK), age)


def _unit(values: Floats) -> Floats:
    return np.clip(values, 0.0, 1.0)


def _pick(rng: np.random.Generator, shares: Floats) -> Integers:
    """One column a row, with the row's own shares (n, k)."""
    return np.asarray((rng.random((len(shares), 1)) > np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1), dtype=np.int64)


def _scores(rng: np.random.Generator, quality: Floats) -> tuple[Floats, Floats]:
    """Bureau scores now and at the refresh before; 3 in 100 have no file."""
    score = np.round(np.clip(692 + 58 * quality + rng.normal(0, 18, CHUNK), 300, 850))
    before = np.round(np.clip(score + rng.normal(-3, 11, CHUNK), 300, 850))
    thin = rng.random(CHUNK) < 0.03
    return np.where(thin, np.nan, score), np.where(thin, np.nan, before)


def _states(rng: np.random.Generator, region: Integers) -> tuple[str, ...]:
    states = [STATES_OF_REGION[name] for name in REGIONS]
    draws = rng.random(CHUNK)
    return tuple(
        states[of][int(draw * len(states[of]))] for of, draw in zip(region.tolist(), draws.tolist(), strict=True)
    )


def _shares(rng: np.random.Generator, segment: Integers) -> Floats:
    """Shares of spend, Dirichlet around the segment's."""
    weights = rng.gamma(np.array([one.spend for one in SEGMENTS], dtype=np.float64)[segment] * 1.5)
    return np.asarray(np.round(weights / weights.sum(axis=1, keepdims=True), 4))


def _affinities(rng: np.random.Generator, segment: Integers) -> Floats:
    """What the bank's own affinity scores say: near the truth of the segment, and not the truth."""
    mean = np.array([one.affinity for one in SEGMENTS])[segment]
    return np.round(_unit(mean + rng.normal(0, 0.18, mean.shape)), 3)


def _cards(rng: np.random.Generator, segment: Integers) -> tuple[tuple[str, ...], ...]:
    """42 in 100 hold their segment's entry card, 12 in 100 the student or retail card from earlier."""
    first, second = rng.random(CHUNK) < 0.42, rng.random(CHUNK) < 0.12
    held = []
    for of, has, older in zip(segment.tolist(), first.tolist(), second.tolist(), strict=True):
        cards = [ENTRY_CARDS[SEGMENT_NAMES[of]]] if has else []
        held.append(tuple(sorted({*cards, *(["retail-everyday"] if older else [])})))
    return tuple(held)


def _consents(rng: np.random.Generator) -> Flags:
    """Marketing consent by channel; 8 in 100 refuse every channel."""
    granted = rng.random((CHUNK, len(CHANNEL_CONSENT))) < np.array(list(CHANNEL_CONSENT.values()))
    return np.asarray(granted & (rng.random((CHUNK, 1)) >= 0.08))
