"""How the synthetic bank's customers truly respond: the one place where it is declared; the product never reads this.

    log-odds of a click = BASE + FAMILY[segment][family] + ANGLE[segment][angle of the creative]
                        + terms of the offer + what the session shows + PLANTED

then P(application | click) and P(activation | application). The best arm of a segment is the offer of its best family
whose terms suit its income, in the creative of its best angle: `best_arms` gives the table.

Two biases are planted, so that the fairness pages have something true to find:

* Through a RULE. Release 5 offers travel cards only in states "with a licensed lounge partner". The list leaves out
  every South-Eastern state but Florida: of eight states with equal shares one stays, so that eligibility for a travel
  card in the South-East is about 0.13 times that in Metro (adverse impact ratio; the other rules hit both alike).
* Through a PROXY FEATURE. `commute_zone` drives nothing here: no line below reads it. What drives clicks is the region
  (protected): the network reaches the Heartland badly, its pages load late, and that takes PLANTED off the log-odds of
  every click. 80 in 100 people there live in a rural zone, about 8 in 100 elsewhere, so that a model that may read the
  zone learns "rural: does not respond", bad network or not. Expected with the demo's 20,000 customers: clicks in
  the Heartland 0.4 to 0.5 times Metro's, its mean propensity about 0.8 times (trained on some 2,600 decisions; more
  would bring it nearer to the clicks), and in the top half by best propensity 0.6 to 0.75 times as often, which fails
  in the evidence on the first model. A model without `commute_zone` cannot tell the regions apart (no model may read
  the state).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.bank.people import REGIONS, SEGMENT_NAMES, People

Floats = NDArray[np.float64]

BASE = -3.1
ANGLES = ("rewards", "savings", "simplicity", "security")

#                travel cashback bal.transf. student premium secured retail business
FAMILY = {
    "student":   (-0.2,   0.5,    -0.8,      1.9,   -1.5,    0.4,    0.6,   -1.5),
    "rebuilder": (-1.0,   0.3,     0.4,     -1.0,   -1.5,    1.9,    0.2,   -1.2),
    "revolver":  (-0.4,   0.3,     1.9,     -1.2,   -1.0,   -0.2,    0.4,   -1.0),
    "family":    (0.0,    1.8,     0.1,     -1.2,   -0.4,   -1.0,    0.9,   -0.8),
    "traveller": (1.9,    0.3,    -0.5,     -1.5,    0.8,   -1.2,   -0.3,   -0.4),
    "affluent":  (0.9,   -0.1,    -1.2,     -1.5,    1.8,   -1.5,   -0.4,    0.3),
    "business":  (0.5,    0.2,    -0.1,     -1.5,    0.4,   -1.2,   -0.4,    1.9),
}  # fmt: skip

#               rewards savings simplicity security
ANGLE = {
    "student":   (0.0,   0.3,    0.9,     -0.2),
    "rebuilder": (-0.5,  0.1,    0.4,      0.9),
    "revolver":  (-0.4,  1.0,    0.1,      0.2),
    "family":    (0.6,   0.5,    0.0,      0.1),
    "traveller": (1.0,  -0.1,    0.0,      0.2),
    "affluent":  (0.4,  -0.6,    0.2,      0.8),
    "business":  (0.1,   0.5,    0.8,      0.0),
}  # fmt: skip

# Terms: who earns less minds a fee more, and a bonus pulls everybody.
FEE_PER_100 = -0.75  # times (1 - richness)
BONUS_PER_100 = 0.12

# The session: what somebody just looked at says more than any history.
VIEWED_THIS_CARD = 1.2
VIEWED_THIS_FAMILY = 0.5
PER_SECOND_ON_CARDS_PAGE = 0.012  # up to 60 seconds
ENTRY_POINT = {"search": 0.35, "email": 0.10, "ad": 0.05, "push": -0.25, "call": -0.10}
# A phone wants it short, a large screen bears detail.
DEVICE_ANGLE = {
    "app": {"simplicity": 0.5, "rewards": -0.1},
    "mobile": {"simplicity": 0.4},
    "desktop": {"savings": 0.4, "simplicity": -0.3},
    "phone": {"security": 0.3},
}

# Log-odds by region; see above. Nothing else in this module reads the region.
PLANTED: Mapping[str, float] = {"Heartland": -1.2}

APPLICATION = (-0.5, 0.45, 0.55)  # intercept, per point of FAMILY, per 100 points of credit score over 680
ACTIVATION = (0.9, 0.3)  # intercept, per point of ANGLE

REWARD_WEIGHTS = {"click": 0.5, "application": 0.3, "activation": 0.2}


@dataclass(frozen=True, slots=True)
class ArmTraits:
    """What the response depends on, arm by arm, all of length k."""

    keys: tuple[str, ...]
    offers: tuple[str, ...]
    family: NDArray[np.intp]
    angle: NDArray[np.intp]
    fee: Floats
    bonus: Floats

    def chosen(self, arm: str) -> int:
        return self.keys.index(arm)


@dataclass(frozen=True, slots=True)
class Truth:
    """What one customer's response depends on."""

    segment: str
    region: str
    richness: float
    credit_score: float


@dataclass(frozen=True, slots=True)
class Response:
    """Probabilities by arm, (k,) each: a click, an application after it, an activation after that."""

    click: Floats
    application: Floats
    activation: Floats

    @property
    def reward(self) -> Floats:
        """The expected reward of showing each arm."""
        weights = REWARD_WEIGHTS
        after_application = weights["application"] + self.activation * weights["activation"]
        return np.asarray(self.click * (weights["click"] + self.application * after_application))

    def outcomes(self, arm: int, draws: Sequence[float]) -> list[str]:
        """What one customer does with the arm at this position, from three uniform numbers; an impression always."""
        met = ["impression"]
        chances = (self.click[arm], self.application[arm], self.activation[arm])
        for kind, chance, draw in zip(("click", "application", "activation"), chances, draws, strict=True):
            if draw >= chance:
                break
            met.append(kind)
        return met


def truth(people: People, place: int) -> Truth:
    """The customer at `place` of a chunk. Somebody without a bureau file has the score of her credit quality."""
    score = people.credit_score[place]
    return Truth(
        SEGMENT_NAMES[people.segment[place]],
        REGIONS[people.region[place]],
        float(people.richness[place]),
        float(692 + 58 * people.quality[place] if np.isnan(score) else score),
    )


def respond(customer: Truth, context: Mapping[str, Any], arms: ArmTraits) -> Response:
    """The true probabilities of every arm for this customer in this session (the context of the API)."""
    family, angle = np.array(FAMILY[customer.segment])[arms.family], np.array(ANGLE[customer.segment])[arms.angle]
    log_odds = (
        BASE + family + angle
        + FEE_PER_100 * arms.fee / 100 * (1 - customer.richness)
        + BONUS_PER_100 * arms.bonus / 100
        + _session(context, arms)
        + PLANTED.get(customer.region, 0.0)
    )  # fmt: skip
    start, per_family, per_score = APPLICATION
    application = start + per_family * family + per_score * (customer.credit_score - 680) / 100
    return Response(_chance(log_odds), _chance(application), _chance(ACTIVATION[0] + ACTIVATION[1] * angle))


def _session(context: Mapping[str, Any], arms: ArmTraits) -> Floats:
    seconds = min(60.0, float(context.get("seconds_on_cards_page", 0)))
    effect = np.full(len(arms.keys), PER_SECOND_ON_CARDS_PAGE * seconds)
    effect += ENTRY_POINT.get(context.get("entry_point", ""), 0.0)
    by_angle = DEVICE_ANGLE.get(context.get("device_type", ""), {})
    effect += np.array([by_angle.get(name, 0.0) for name in ANGLES])[arms.angle]
    viewed = set(context.get("cards_viewed", ()))
    if viewed:
        seen = np.array([offer in viewed for offer in arms.offers])
        families = set(arms.family[seen].tolist())
        effect += np.where(seen, VIEWED_THIS_CARD, 0.0)
        effect += np.where(~seen & np.isin(arms.family, list(families)), VIEWED_THIS_FAMILY, 0.0)
    return effect


def _chance(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def best_arms(arms: ArmTraits, richness: float = 0.5, credit_score: float = 740.0) -> dict[str, str]:
    """The arm with the highest expected reward of each segment in Metro, without a session."""
    return {
        segment: arms.keys[int(respond(Truth(segment, "Metro", richness, credit_score), {}, arms).reward.argmax())]
        for segment in SEGMENT_NAMES
    }
