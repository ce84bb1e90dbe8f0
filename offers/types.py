"""Frozen values of the approved catalogue: what the engine reads; no database and no behaviour beyond lookup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal

from offers.conditions.grammar import Condition

CHANNELS = ("mobile_app", "web", "email", "sms", "push", "branch", "call_centre", "direct_mail")
PRESCREENED: Final = "prescreened"
Scope = Literal["all", "product", "offer", "prescreened"]
"""What a rule covers; the last is of the law's rules alone, see offers/prescreening.py."""
Fact = float | str | None
STALE_AFTER: Final = timedelta(days=90)  # a pack that nobody verified for longer is shown as stale


def in_force(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> bool:
    """From its start (None: always) up to its end, which is not included any more."""
    return (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)


@dataclass(frozen=True, slots=True)
class Offer:
    """A card offer. `facts` are product facts by name of `offers.register.OFFER_FACTS` (rate as a fraction a year,
    fee, limit and bonus in the bank's currency); `base_rate` is the acceptance assumed before any model."""

    key: str
    name: str
    product: str
    family: str
    facts: Mapping[str, Fact]
    value: float
    benefit_rank: int
    base_rate: float
    channels: frozenset[str]
    placements: frozenset[str]
    legal_basis: str  # "invitation", "firm_offer" or "account_review"
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The approved words of one creative on one channel."""

    format: str
    headline: str
    body: str
    call_to_action: str
    disclosure: str


@dataclass(frozen=True, slots=True)
class Creative:
    key: str
    offer: str
    name: str
    texts: Mapping[str, Text]  # by channel
    facts: Mapping[str, Fact]  # facts of the creative that a model may use, such as the mailer


@dataclass(frozen=True, slots=True)
class Mandate:
    """What people ask of an arm beside its merit, until `ends_at`: in every decision in which the arm competes its
    chance of rank 1 lies within the two shares. `learning_budget` is how often a day (UTC) the arm may be chosen while
    another has the better expected score; None leaves it open. Whoever holds one of `never_explore` (attributes of the
    register whose uses include "shield") meets the arm only by its expected score, and no arm's maximum holds for her,
    which would push what she is spared from on her."""

    min_share: float = 0.0
    max_share: float = 1.0
    learning_budget: int | None = None
    ends_at: datetime | None = None
    never_explore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """Offer x creative; what the bandit chooses among. The prior is a mean reward and a strength in pseudo-trials; a
    paused arm keeps what it has learned and does not compete."""

    key: str
    offer: str
    creative: str
    prior_mean: float
    prior_strength: float
    paused: bool = False
    mandate: Mandate | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An eligibility requirement: an offer in scope is allowed only to customers for whom `when` is true."""

    key: str
    title: str
    scope: Scope
    target: str
    when: Condition
    reason_code: str
    basis: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        return in_force(self.starts_at, self.ends_at, now)


@dataclass(frozen=True, slots=True)
class Boost:
    """Multiplies the propensity of the offers in scope by `factor` where `when` is true."""

    key: str
    title: str
    scope: Scope
    target: str
    when: Condition
    factor: float
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        return in_force(self.starts_at, self.ends_at, now)


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """Caps, counted in decisions with an offer over calendar days (UTC) that end today; 0 allows none."""

    decisions_per_day: int
    decisions_per_week: int
    same_offer_per_week: int
    holdout_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ContextTerm:
    """One component of the bandit's context: `(value - centre) / scale` of a number, or 1 where a category equals."""

    attribute: str
    equals: str | None = None
    centre: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the scores are blended; `shift_trials` None keeps the weights fixed. See decisioning/bandit/ranking.py."""

    propensity_weight: float = 0.6
    bandit_weight: float = 0.4
    shift_trials: float | None = None
    value_exponent: float = 0.0
    boost_cap: float | None = None  # the most by which all boosts together may multiply a propensity
    noise_variance: float = 0.05
    context: tuple[ContextTerm, ...] = ()
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    attribution_days: int = 30
    lease_minutes: int = 30


@dataclass(frozen=True, slots=True)
class Placement:
    key: str
    name: str
    fallback: str | None  # key of the arm that is shown when nothing else is left


@dataclass(frozen=True, slots=True)
class Release:
    """The approved catalogue, immutable and content-hashed. `model` names the champion by name and sha256."""

    number: int
    content_hash: str
    offers: Mapping[str, Offer]
    creatives: Mapping[str, Creative]
    arms: Mapping[str, Arm]
    rules: Mapping[str, Rule]
    boosts: Mapping[str, Boost]
    placements: Mapping[str, Placement]
    contact_policy: ContactPolicy
    ranking: Ranking
    model: tuple[str, str] | None
    packs: Mapping[str, Pack] = field(default_factory=dict)
    prescreened: frozenset[str] = frozenset()  # the firm offers that rest on a consumer report

    def covers(self, rule: Rule | Boost, offer: str) -> bool:
        """Whether a rule or boost applies to an offer."""
        if rule.scope == PRESCREENED:
            return offer in self.prescreened
        return rule.scope == "all" or rule.target == (offer if rule.scope == "offer" else self.offers[offer].product)


@dataclass(frozen=True, slots=True)
class AgeBand:
    """Completed years from `lower` (included) to below `upper` (excluded; None: no upper end)."""

    name: str
    lower: int
    upper: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class Bands:
    """The lines at which a fairness figure is judged; a policy pack states them, and these are the strict default.

    Ratios and shares are fractions, gaps are absolute differences of shares, SMD is in standard deviations.
    """

    fail_ratio: float = 0.80  # adverse impact ratio under which a gap is practical (29 CFR 1607.4(D))
    watch_ratio: float = 0.90
    reverse_ratio: float = 1.25  # above it the reference group is the one that falls behind: noted, not judged
    significance: float = 0.05  # largest q, after Benjamini-Hochberg in the family, that counts as a finding
    material_shortfall: int = 10  # people who miss the favourable outcome before a gap is material
    smallest_cell: int = 10  # people favourable and unfavourable in both groups before the data can reassure
    power: float = 0.80
    parity_watch: float = 0.05  # statistical parity difference
    parity_fail: float = 0.10
    odds_watch: float = 0.05  # equal opportunity and average odds difference
    odds_fail: float = 0.10
    smd_watch: float = 0.20
    smd_fail: float = 0.30
    effect_watch: float = 0.02  # marginal effect
    effect_fail: float = 0.05
    calibration_watch: float = 0.90  # observed over expected, or its reciprocal where that is smaller
    calibration_fail: float = 0.80
    steering_watch: float = 0.05  # share shown the best of a family, among those equally eligible
    steering_fail: float = 0.10
    exposure_watch: float = 0.05  # share of the audience against share of the eligible
    exposure_fail: float = 0.10
    lockout_people: int = 1_000  # eligible people of a group from which on an arm can be locked out for it
    lockout_share: float = 0.25  # of the most exposed group's exposure
    proxy_notable: float = 0.60  # AUC of an attribute for a protected group
    proxy_strong: float = 0.75
    smallest_shown: int = 20  # people of a group under which an aggregate is not shown
    references: Mapping[str, str] = field(
        default_factory=lambda: {"gender": "male", "age_band": "25 to 61", "region": "Metro"}, hash=False
    )  # the group that others are compared with, by attribute; the largest one where none is named
    age_bands: tuple[AgeBand, ...] = (
        AgeBand("under 25", 0, 25, "Young adults; one year's shift of this edge changes the verdict on German credit."),
        AgeBand("25 to 61", 25, 62, "Reference group."),
        AgeBand("62 and over", 62, None, "Regulation B, 12 CFR 1002.2(o): elderly is 62 or older."),
    )


@dataclass(frozen=True, slots=True)
class Citation:
    """Where something that a pack says is written, so that whoever doubts it can read it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A text that a customer must get, in the version that counsel approved."""

    template: str
    version: str
    text: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a pack says about attributes of the register: whether they may be used at all, or for a firm offer of credit
    alone; `uses` limits an allowed one to some uses (empty: all that the register allows)."""

    attributes: tuple[str, ...]
    ruling: str  # "allowed", "firm_offer" or "prohibited"
    uses: tuple[str, ...]
    reason: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Monitors:
    """What happens when a line is crossed: `red_periods` in a row raise a drift alert, whose finding has this owner and
    is to be settled in so many days; `pauses` stop what caused it: the "arm", the "model", both or neither."""

    red_periods: int
    owner: str  # a role
    days_to_settle: int
    pauses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Prescreening:
    """What a pack says of firm offers that rest on a consumer report: whether people under 21 are "excluded" or
    "allowed", and for how many days after a list was pulled the offer is honoured and its criteria stay as they are."""

    under_21: str
    honour_days: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class Pack:
    """What the law of one place asks for from one day to another, as counsel approved it; see offers/packs.py.

    No `countries` and no `states` mean everywhere. `effective_until` is not included any more. `mitigations` are
    "forbidden", "flagged" (a second signature) or "allowed", by method; `lda` says whether going live without a search
    for less discriminatory alternatives is "required" to have one or "waivable" with a reason. `retention` are months,
    by kind of record. `proxies` are the protected attributes that may be estimated where they are not recorded.
    """

    key: str
    title: str
    summary: str
    countries: frozenset[str]
    states: frozenset[str]
    effective_from: date
    effective_until: date | None
    verified_on: date
    metrics: tuple[str, ...]
    bands: Bands
    mitigations: Mapping[str, str]
    lda: str
    notices: tuple[Notice, ...]
    retention: Mapping[str, int]
    proxies: frozenset[str]
    rulings: tuple[Ruling, ...]
    monitors: Monitors
    prescreening: Prescreening
    citations: tuple[Citation, ...]

    def in_force(self, on: date) -> bool:
        return self.effective_from <= on and (self.effective_until is None or on < self.effective_until)

    def covers(self, country: str, state: str) -> bool:
        """Whether the pack is about whoever lives there; a pack of some states is about nobody else in the country."""
        return (not self.countries or country in self.countries) and (not self.states or state in self.states)

    def stale(self, on: date) -> bool:
        """Whether nobody has looked for so long whether it still says what the law does."""
        return on - self.verified_on > STALE_AFTER
