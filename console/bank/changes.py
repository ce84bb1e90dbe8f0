"""How the demo bank's catalogue came to be: changes that somebody drafts, the gate examines and somebody else approves.

Every step looks at what is there already, so that a run that was killed goes on where it stopped and nothing is
proposed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from console.bank import catalogue, staff
from console.bank.catalogue import CARD
from decisioning.models import ModelVersion
from fairness import evidence, gate
from fairness.thresholds import Verdict
from offers import approvals, catalog
from offers.catalog import Item
from offers.models import ChangeRequest, Release

Status = ChangeRequest.Status

MARKETER, MARKETER_2 = "maya.marketer", "noah.marketer"
RISK, RISK_2 = "rosa.risk", "ravi.risk"
COMPLIANCE, COMPLIANCE_2 = "clara.compliance", "cyrus.compliance"
MODEL_RISK = "mona.models"
PILOT = "A pilot in a bank of few customers: who is shown what first still moves by chance, and is watched every month."
NEW_BANK = "The bank is new and has no more customers yet; the monthly audit shows what becomes of these groups."


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change with who does what to it. `justification` and `alternatives` are given where the evidence fails, as
    signed by compliance; where there is too little data, its checker says that the bank is new.
    `checker` empty leaves it in review; `reason` rejects it; `submitted` False leaves the draft."""

    kind: str
    key: str
    title: str
    author: str
    items: Callable[[], Sequence[Item]] = field(repr=False)
    rationale: str
    checker: str = ""
    comment: str = ""
    justification: str = ""
    alternatives: str = ""
    reason: str = ""
    submitted: bool = True


OPENING = (
    Proposal(
        "contact_policy", "default", "Open the shelf: products, placements and how often we contact", MARKETER_2,
        catalogue.opening,
        "Nothing can be shown before the places, the fallback and the caps are agreed.",
        RISK, "Caps are within CP-12.",
    ),
    Proposal(
        "pack", "policy-packs", "Policy packs: federal law before and after July 2026, New Jersey, European Union",
        COMPLIANCE, catalogue.policy_packs,
        "What the law asks for where our customers live, with its sources; elsewhere the strict default stands.",
        COMPLIANCE_2, "Read against the sources. The federal pack is to be read again when the courts have spoken.",
    ),
    Proposal(
        "rule", "underwriting", "Underwriting rules before the first card, and the ranking", RISK,
        lambda: [*catalogue.underwriting(), *catalogue.ranking()],
        "Score, debt to income, age 21 and cards already held, product by product, so that no card goes out without.",
        RISK_2, "Agrees with credit policy CP-12.",
    ),
    Proposal(
        "offer", "spring-range", "Spring range: 24 cards in eight families", MARKETER, catalogue.cards,
        "The range as agreed with the product teams; every creative has passed legal review.",
        RISK, "Fees and bonuses checked against the price list; rates and limits follow.",
        justification="The range offers each family from an entry card upwards. Where a top card reaches a group less,"
        " the family's entry card reaches it.",
        alternatives="Wider criteria for the top cards: none of those tested met the expected loss of CP-12.",
    ),
    Proposal(
        "offer", "price-list", "Rates, limits and introductory periods of the spring range", RISK,
        catalogue.price_list,
        "The terms that risk owns, as in the price list of the spring.",
        RISK_2, "Agrees with the price list.",
        justification="Terms change nobody's eligibility; the gaps are those of the range as it was justified.",
        alternatives="The same terms for every card of a family: the range would have no entry card any more.",
    ),
    Proposal(
        "rule", "credit-floors", "Credit floors by tier", RISK, catalogue.tiers,
        "Loss rates by tier ask for tighter floors than the product's own on the higher tiers.",
        RISK_2, "Floors follow the vintage report of the third quarter.",
        justification="Score and debt to income predict default for the tiers concerned. Entry tiers stay open. Review"
        " in March 2027.",
        alternatives="Floors 20 points lower: they miss the expected loss of CP-12.",
    ),
)  # fmt: skip

GROWTH = (
    Proposal(
        "rule", "travel-states", "Travel cards only where the lounge partner is licensed", RISK,
        catalogue.licensed_states,
        "The partner behind travel cover and lounges holds no licence yet in seven South-Eastern states.",
        RISK_2, "Accepted for six months with the justification on file.",
        justification="Without the licence the cover that the card promises would be void and selling it would"
        " mislead. The gap for the South-East is known, watched monthly, and ends with the licence.",
        alternatives="Selling without cover: there is no such product. A second partner: its contract is due in March.",
    ),
    Proposal(
        "boost", "spring-boosts", "Boosts: travel spenders, revolving balances, first year", MARKETER_2,
        catalogue.boosts,
        "Small boosts where behaviour says that a family fits; none reads anything but behaviour.",
        RISK, "Factors are small; watch the balance transfer share.",
    ),
)  # fmt: skip


def _model() -> list[Item]:
    newest = ModelVersion.objects.order_by("-id")[0]
    return [Item("model", newest.name, {"title": f"Propensity model {newest.name}", "sha256": newest.sha256})]


CHAMPION = Proposal(
    "model", "champion", "First propensity model trained on our own decisions", RISK, _model,
    "Trained on what customers did with the offers of the first weeks; the report is attached to the model.",
    MODEL_RISK, "Calibration and ranking on held-out customers are in order.",
    justification="The model orders cards among those for which a customer is eligible and refuses none. The gap for"
    " the Heartland follows the commute zone.",
    alternatives="A model without the commute zone: due as a challenger within the month.",
)  # fmt: skip

LATER = (
    Proposal(
        "creative", "travel-blue/no-fx", "Travel Blue: a creative on the missing foreign fee", MARKETER,
        lambda: list(catalogue.creative_items(CARD["travel-blue"], "savings")),
        "Half of the questions in the call centre are about fees abroad.",
        RISK, "The claim holds under the price list.",
    ),
)  # fmt: skip

OPEN = (
    Proposal(
        "rule", "travel-gold-credit-floor", "Travel Gold: raise minimum score from 680 to 700", RISK,
        lambda: [catalogue.credit_floor(CARD["travel-gold"], 700)],
        "Losses of the third quarter's vintage in the 680 to 699 band are twice the plan.",
    ),
    Proposal(
        "creative", "cashback-plus/no-rules", "Cashback Plus: say first that nothing has to be activated", MARKETER_2,
        lambda: [_reworded("cashback-plus", "simplicity", "No categories, no activation: just cash back")],
        "Customers ask whether they have to activate categories; the headline should answer.",
    ),
    Proposal(
        "boost", "premium-push", "Premium cards: double the boost until the year's end", MARKETER,
        lambda: [catalogue.boost("premium-push", "Premium cards for everybody with a high balance", "premium-cards",
                                 {"attribute": "balance", "op": ">=", "value": 5000}, 2.0)],
        "Premium is behind its plan.",
        RISK, reason="A factor of 2 would rank premium cards over better fitting ones. Propose 1.1, with a test on"
        " who sees what.",
    ),
    Proposal(
        "boost", "retail-season", "Retail cards in the holiday season", MARKETER_2,
        lambda: [catalogue.boost("retail-season", "Retail cards while somebody shops online", "retail-cards",
                                 {"attribute": "spend_share_online", "op": ">=", "value": 0.35}, 1.1)],
        "First thoughts; the dates are still open.", submitted=False,
    ),
)  # fmt: skip


Clock = Callable[[], datetime]


def carry(proposal: Proposal, clock: Clock = timezone.now) -> ChangeRequest:
    """Bring a proposal to where it should stand; each stage is a transaction of its own, as it is for people."""
    change = ChangeRequest.objects.filter(title=proposal.title, author__username=proposal.author).first()
    if change is None:
        change = _draft(proposal, clock)
    if change.status == Status.DRAFT and proposal.submitted:
        with transaction.atomic():
            change = approvals.submit(change.pk, author=staff.user(proposal.author), now=clock())
    if change.status == Status.SUBMITTED:
        change = _examine(change, proposal, clock)
    return change


def _draft(proposal: Proposal, clock: Clock) -> ChangeRequest:
    with transaction.atomic():
        return catalog.draft(
            kind=proposal.kind, key=proposal.key, title=proposal.title, items=proposal.items(),
            author=staff.user(proposal.author), now=clock(), rationale=proposal.rationale,
        )  # fmt: skip


def _examine(change: ChangeRequest, proposal: Proposal, clock: Clock) -> ChangeRequest:
    """Evidence for every change in review, as the worker computes it; then the second person's answer, if any."""
    now = clock()
    if proposal.checker and proposal.reason:
        with transaction.atomic():
            return approvals.reject(change.pk, checker=staff.user(proposal.checker), reason=proposal.reason, now=now)
    seen = evidence.compute(change, now)
    if not proposal.checker:
        return change
    if Verdict(seen.verdict).blocks:
        with transaction.atomic():
            approvals.justify(
                change.pk, officer=staff.user(COMPLIANCE), justification=proposal.justification or PILOT,
                alternatives=proposal.alternatives or "Not to learn at all.", now=clock(),
            )  # fmt: skip
    gate.approve(
        change.pk, checker=staff.user(proposal.checker), content_hash=change.content_hash, now=clock(),
        comment=proposal.comment, little_data_because=NEW_BANK if gate.unclear(seen) else "",
    )  # fmt: skip
    change.refresh_from_db()
    return change


def is_live(proposal: Proposal) -> bool:
    return Release.objects.filter(change__title=proposal.title, change__author__username=proposal.author).exists()


def _reworded(card: str, angle: str, headline: str) -> Item:
    """The creative with another headline on every channel."""
    item = next(iter(catalogue.creative_items(CARD[card], angle)))
    assert item.content is not None
    texts = {channel: {**text, "headline": headline} for channel, text in item.content["texts"].items()}
    return Item(item.kind, item.key, {**item.content, "texts": texts})
