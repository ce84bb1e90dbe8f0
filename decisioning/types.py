"""Frozen values that go into a decision and come out of it; no database, no clock, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What a channel asks. `customer` is the surrogate key, `session` the hash of the channel's session id."""

    customer: int
    session: str
    channel: str
    placement: str
    limit: int
    now: datetime
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the customer at the moment of the decision: the values used, never an external id.

    `attributes`: by register name, session included; a missing one is absent. `ages`: seconds since each feature
    group was true. `consents`: purposes granted, as "marketing:<channel>". `contacts`: decisions with an offer, by
    ISO day and then by offer ("*" counts the decisions). `stops`: (scope, target) pairs in force. `precomputed`:
    propensity by offer (or arm) from the nightly scoring. `withheld`: groups not read, for lack of consent.
    `vector_at`: the moment that the precomputed groups were computed for, None where there are none; with it, history
    gives every value again. `versions`: of the feature groups, where it is not the first. `spent`: how often each arm
    with a learning budget has been learned on today (UTC); an arm that is absent has a count that nobody knows.
    """

    attributes: Mapping[str, Any]
    ages: Mapping[str, float]
    consents: frozenset[str]
    suppressed: bool
    contacts: Mapping[str, Mapping[str, int]]
    stops: frozenset[tuple[str, str]]
    precomputed: Mapping[str, float] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    vector_at: datetime | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, int] = field(default_factory=dict)


class Refusal(NamedTuple):
    """Why an offer ended: the stage, its reason code, and the rule or cap that decided (empty if the stage itself).

    A named tuple, since a decision makes hundreds, at half the cost of a frozen dataclass each.
    """

    offer: str
    stage: str
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """One arm that reached the ranking. `draw` is the bandit's sample; `score` the blend that ranked it. Where a
    mandate asks for shares, `merit` is the arm's chance of rank 1 without it, `share` the one it was drawn with."""

    arm: str
    offer: str
    propensity: float
    boost: float
    mean: float
    width: float
    draw: float
    score: float
    merit: float | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    rank: int
    arm: str
    offer: str
    action_probability: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of `decide()`. `reason` is None exactly when there is a choice. `spends` is the arm ranked first,
    where this choice counts against its learning budget."""

    choices: tuple[Choice, ...]
    reason: str | None
    refusals: tuple[Refusal, ...]
    scored: tuple[Scored, ...]
    degraded: tuple[str, ...]
    spends: str | None = None
