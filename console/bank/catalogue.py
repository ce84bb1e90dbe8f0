"""The synthetic bank's catalogue as items of change requests: 24 cards, their creatives, rules, boosts, ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from console.bank import wording
from console.bank.people import FAMILIES, STATES_OF_REGION
from console.bank.response import ANGLES, REWARD_WEIGHTS, ArmTraits
from offers import packs, terms
from offers.catalog import Item
from offers.types import CHANNELS

PLACEMENTS = {"home_banner": "Home banner", "offer_slot": "Offer slot"}
FALLBACK_OFFER, FALLBACK_ARM = "all-cards", "all-cards/overview"
BASIS = "Credit policy CP-12"
REVIEW = "2027-03-01"

PRODUCTS = {
    "travel": "Travel cards", "cashback": "Cashback cards", "balance-transfer": "Balance transfer cards",
    "student": "Student cards", "premium": "Premium cards", "secured": "Secured cards", "retail": "Retail cards",
    "business": "Business cards",
}  # fmt: skip
# A channel that does not suit a family: a letter or a call for students, a text message for a premium card.
NOT_ON = {
    "student": {"call_centre", "direct_mail"}, "premium": {"sms"}, "secured": {"sms", "push"}, "business": {"push"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """One offer; `score` and `debt` are its own limits on credit score and debt to income, beside the product's."""

    key: str
    name: str
    family: str
    rate: float
    fee: int
    limit: int
    bonus: int
    intro_months: int
    value: float
    rank: int
    score: int
    debt: float
    angles: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "rate": self.rate, "fee": self.fee, "limit": self.limit, "bonus": self.bonus,
            "intro_months": self.intro_months,
        }  # fmt: skip

    @property
    def channels(self) -> frozenset[str]:
        return frozenset(CHANNELS) - NOT_ON.get(self.family, set())

    def arm(self, angle: str) -> str:
        return f"{self.key}/{wording.MESSAGES[self.family, angle][0]}"


_R, _SA, _SI, _SE = ANGLES
CARDS = (
    #                                                   rate   fee  limit  bonus intro value rank score debt
    Card("travel-blue", "Travel Blue", "travel",        0.219,   0,  6_000, 100, 0, 96, 3, 650, 0.45, (_R, _SI)),
    Card("travel-gold", "Travel Gold", "travel",        0.199,  95, 12_000, 300, 0, 212, 2, 680, 0.40, ANGLES),
    Card("travel-platinum", "Travel Platinum", "travel", 0.189, 195, 20_000, 500, 0, 330, 1, 720, 0.38, (_R, _SE)),
    Card("cashback-everyday", "Cashback Everyday", "cashback", 0.229, 0, 5_000, 100, 0, 84, 3, 620, 0.45, (_R, _SI)),
    Card("cashback-plus", "Cashback Plus", "cashback",  0.224,   0,  9_000, 150, 0, 164, 2, 660, 0.42, ANGLES),
    Card("cashback-select", "Cashback Select", "cashback", 0.204, 65, 14_000, 250, 0, 205, 1, 700, 0.40, (_R, _SA)),
    Card("balance-transfer-12", "Balance Transfer 12", "balance-transfer",
         0.239, 0, 6_000, 0, 12, 98, 3, 600, 0.50, (_SA, _SI)),
    Card("balance-transfer-18", "Balance Transfer 18", "balance-transfer",
         0.229, 0, 9_000, 0, 18, 126, 2, 640, 0.46, ANGLES),
    Card("balance-transfer-24", "Balance Transfer 24", "balance-transfer",
         0.214, 25, 12_000, 0, 24, 148, 1, 690, 0.42, (_SA, _SE)),
    Card("student-start", "Student Start", "student",   0.249,   0,  1_000,  50, 0, 42, 3, 560, 0.55, (_SI, _SE)),
    Card("student-plus", "Student Plus", "student",     0.239,   0,  2_000,  75, 0, 55, 2, 600, 0.50, (_R, _SA, _SI)),
    Card("student-abroad", "Student Abroad", "student", 0.239,  20,  2_500, 100, 0, 61, 1, 620, 0.50, (_R, _SI)),
    Card("premium-select", "Premium Select", "premium", 0.199, 150, 18_000, 250, 0, 320, 3, 710, 0.40, (_R, _SE)),
    Card("platinum-reserve", "Platinum Reserve", "premium", 0.189, 450, 30_000, 750, 0, 640, 1, 760, 0.35,
         (_R, _SI, _SE)),
    Card("premium-gold", "Premium Gold", "premium",     0.194, 250, 22_000, 400, 0, 430, 2, 730, 0.38, ANGLES),
    Card("secured-first", "Secured First", "secured",   0.259,   0,    500,   0, 0, 24, 3, 300, 0.60, (_SI, _SE)),
    Card("secured-builder", "Secured Builder", "secured", 0.249, 0,  1_500,   0, 0, 35, 2, 500, 0.55, ANGLES),
    Card("secured-plus", "Secured Plus", "secured",     0.239,  25,  3_000,   0, 0, 47, 1, 540, 0.52, (_R, _SE)),
    Card("retail-everyday", "Retail Everyday", "retail", 0.269,  0,  3_000,  50, 0, 58, 3, 580, 0.50, (_R, _SI)),
    Card("retail-plus", "Retail Plus", "retail",        0.259,   0,  5_000, 100, 0, 74, 2, 620, 0.46, (_R, _SA, _SI)),
    Card("retail-home", "Retail Home", "retail",        0.254,  30,  8_000, 150, 6, 92, 1, 650, 0.44, (_SA, _SE)),
    Card("business-starter", "Business Starter", "business", 0.229, 0, 8_000, 200, 0, 140, 3, 640, 0.45, (_R, _SI)),
    Card("business-plus", "Business Plus", "business",  0.214,  95, 15_000, 400, 0, 235, 2, 670, 0.42, ANGLES),
    Card("business-unlimited", "Business Unlimited", "business",
         0.204, 195, 25_000, 600, 0, 310, 1, 710, 0.40, (_SI, _SA)),
)  # fmt: skip
CARD = {card.key: card for card in CARDS}
# Of the family, for every card in it: nobody is offered a second card of a family that she holds.
_FAMILY_CARDS = {family: [card.key for card in CARDS if card.family == family] for family in FAMILIES}


def opening() -> list[Item]:
    """What stands before any card: products, the two places of an offer, the fallback, and how often we contact."""
    return [
        *(Item("product", f"{key}-cards", {"title": title}) for key, title in PRODUCTS.items()),
        Item("product", "card-catalogue", {"title": "Catalogue of cards"}),
        Item("offer", FALLBACK_OFFER, {
            "title": "See all cards", "product": "card-catalogue", "family": "catalogue", "facts": {}, "value": 1.0,
            "benefit_rank": 1, "base_rate": 0.02, "channels": ["mobile_app", "web"], "placements": ["home_banner"],
            "legal_basis": "invitation",
        }),
        Item("creative", FALLBACK_ARM, {
            "title": "overview", "offer": FALLBACK_OFFER, "texts": wording.FALLBACK_TEXT,
        }),
        Item("arm", FALLBACK_ARM, {
            "title": "See all cards · overview", "offer": FALLBACK_OFFER, "creative": FALLBACK_ARM, "prior_mean": 0.01,
            "prior_strength": 1.0,
        }),
        Item("placement", "home_banner", {"title": PLACEMENTS["home_banner"], "fallback": FALLBACK_ARM}),
        Item("placement", "offer_slot", {"title": PLACEMENTS["offer_slot"], "fallback": None}),
        Item("contact_policy", "default", {
            "title": "No more than a customer would want", "decisions_per_day": 4, "decisions_per_week": 12,
            "same_offer_per_week": 6,
        }),
    ]  # fmt: skip


def policy_packs() -> list[Item]:
    """What Candor brings along, but for the strict default, which stands by itself wherever none of these does."""
    return [Item("pack", key, content) for key, content in packs.shipped().items() if key != packs.STRICT]


def underwriting() -> list[Item]:
    """The rules of each product, before its first card: score, debt, age, card already held."""
    floors = {family: min(card.score for card in CARDS if card.family == family) for family in FAMILIES}
    ceilings = {family: max(card.debt for card in CARDS if card.family == family) for family in FAMILIES}
    return [
        rule(f"{family}-{name}", title.format(PRODUCTS[family]), "product", f"{family}-cards", when, code)
        for family in FAMILIES
        for name, title, when, code in (
            ("credit", "{}: credit policy", _all(_score(floors[family]), _debt(ceilings[family])), "CREDIT_POLICY"),
            ("age", "{}: age 21 or own means", _of_age(family), "UNDER_21"),
            ("held", "{}: card already held", _clause("cards_held", "contains_none_of", _FAMILY_CARDS[family]),
             "CARD_HELD"),
        )
    ]  # fmt: skip


def tiers() -> list[Item]:
    """Each card's own floor of credit score and ceiling of debt to income, where tighter than the product's."""
    floors = {family: min(card.score for card in CARDS if card.family == family) for family in FAMILIES}
    return [
        rule(f"{card.key}-credit-floor", f"{card.name}: credit floor", "offer", card.key,
             _all(_score(card.score), _debt(card.debt)), "SCORE_BELOW_FLOOR")
        for card in CARDS
        if card.score > floors[card.family]
    ]  # fmt: skip


def licensed_states() -> list[Item]:
    """The planted bias through a rule; see console/bank/response.py."""
    left_out = set(STATES_OF_REGION["South-East"]) - {"FL"}
    states = sorted({state for region in STATES_OF_REGION.values() for state in region} - left_out)
    return [
        rule("travel-states", "Travel cards: states with a licensed lounge partner", "product", "travel-cards",
             _clause("state", "in", states), "STATE_NOT_OFFERED", "Partner licences LP-3")
    ]  # fmt: skip


def ranking(*, bandit: float = 0.4) -> list[Item]:
    """How scores are blended, and the context that the bandit learns in."""
    terms: list[dict[str, Any]] = [
        {"attribute": "device_type", "equals": "app"},
        {"attribute": "device_type", "equals": "desktop"},
        {"attribute": "entry_point", "equals": "search"},
        {"attribute": "seconds_on_cards_page", "centre": 20, "scale": 30},
        {"attribute": "cards_viewed_count", "centre": 1, "scale": 2},
        {"attribute": "utilisation", "centre": 0.3, "scale": 0.3},
        {"attribute": "tenure_months", "centre": 60, "scale": 60},
        {"attribute": "spend_share_travel", "centre": 0.15, "scale": 0.15},
        {"attribute": "spend_share_groceries", "centre": 0.25, "scale": 0.15},
    ]
    return [
        Item("ranking", "default", {
            "title": "Propensity and bandit", "propensity_weight": round(1 - bandit, 2), "bandit_weight": bandit,
            "reward_weights": dict(REWARD_WEIGHTS), "noise_variance": 0.05, "attribution_days": 30,
            "lease_minutes": 30, "context": terms,
        })
    ]  # fmt: skip


def cards() -> list[Item]:
    """The 24 cards with their creatives and arms, as marketing proposes them: without what risk owns of their terms."""
    return [item for card in CARDS for item in card_items(card)]


def price_list() -> list[Item]:
    """The same cards with the rates, limits and introductory periods that risk sets."""
    return [_offer(card, card.facts) for card in CARDS]


def card_items(card: Card) -> Iterator[Item]:
    yield _offer(card, {name: value for name, value in card.facts.items() if name not in terms.OWNED})
    for angle in card.angles:
        yield from creative_items(card, angle)


def _offer(card: Card, facts: Mapping[str, Any]) -> Item:
    return Item("offer", card.key, {
        "title": card.name, "product": f"{card.family}-cards", "family": card.family, "facts": facts,
        "value": card.value, "benefit_rank": card.rank, "base_rate": 0.06, "channels": sorted(card.channels),
        "placements": sorted(PLACEMENTS), "legal_basis": "firm_offer",
    })  # fmt: skip


def creative_items(card: Card, angle: str) -> Iterator[Item]:
    """One creative and its arm."""
    _, name, _, _ = wording.MESSAGES[card.family, angle]
    key = card.arm(angle)
    texts = wording.texts(card.family, angle, card.name, card.facts, card.channels)
    yield Item("creative", key, {"title": name, "offer": card.key, "texts": texts})
    # A strong prior: with 64 arms in ten dimensions a weak one would explore for a year at the demo's traffic.
    yield Item("arm", key, {
        "title": f"{card.name} · {name}", "offer": card.key, "creative": key, "prior_mean": 0.06,
        "prior_strength": 100.0,
    })  # fmt: skip


def boosts() -> list[Item]:
    return [
        boost("abroad-now", "Travel cards while somebody spends on travel", "travel-cards",
              _clause("spend_share_travel", ">=", 0.3), 1.15),
        boost("interest-relief", "Balance transfer where a balance revolves", "balance-transfer-cards",
              _all(_clause("revolving", "is", True), _clause("utilisation", ">=", 0.6)), 1.25),
        boost("first-year", "Student cards in the first year with us", "student-cards",
              _clause("tenure_months", "<=", 12), 1.1),
    ]  # fmt: skip


def boost(key: str, title: str, product: str, when: Mapping[str, Any], factor: float) -> Item:
    content = {"title": title, "scope": "product", "target": product, "when": when, "factor": factor}
    return Item("boost", key, content)


def rule(key: str, title: str, scope: str, target: str, when: Mapping[str, Any], code: str, basis: str = BASIS) -> Item:
    return Item("rule", key, {
        "title": title, "scope": scope, "target": target, "when": when, "reason_code": code, "basis": basis,
        "next_review": REVIEW,
    })  # fmt: skip


def credit_floor(card: Card, score: int) -> Item:
    """The card's floor at another score, everything else as it is."""
    return rule(f"{card.key}-credit-floor", f"{card.name}: credit floor", "offer", card.key,
                _all(_score(score), _debt(card.debt)), "SCORE_BELOW_FLOOR")  # fmt: skip


def traits() -> ArmTraits:
    """What the response model needs of every arm that the bank's cards have or may get, in the order of their keys."""
    angle = {card.arm(name): ANGLES.index(name) for card in CARDS for name in ANGLES}
    arms = sorted(angle)
    own = [CARD[arm.split("/")[0]] for arm in arms]
    return ArmTraits(
        keys=tuple(arms),
        offers=tuple(card.key for card in own),
        family=np.array([FAMILIES.index(card.family) for card in own], dtype=np.intp),
        angle=np.array([angle[arm] for arm in arms], dtype=np.intp),
        fee=np.array([card.fee for card in own], dtype=np.float64),
        bonus=np.array([card.bonus for card in own], dtype=np.float64),
    )


def _clause(attribute: str, op: str, value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "op": op, "value": value}


def _all(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"all": list(parts)}


def _score(least: int) -> dict[str, Any]:
    return _clause("credit_score", ">=", least)


def _debt(most: float) -> dict[str, Any]:
    return _clause("debt_to_income", "<=", most)


def _of_age(family: str) -> dict[str, Any]:
    """12 CFR 1026.51(b): under 21 a card takes independent means; only the student cards look at those."""
    of_age = _clause("is_21_or_over", "is", True)
    return {"any": [of_age, _clause("income_estimate_monthly", ">=", 800)]} if family == "student" else of_age
