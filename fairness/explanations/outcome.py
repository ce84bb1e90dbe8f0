"""Blocks 1 to 4: what was decided and where, what else was considered, and which rules decided it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from decisioning import explanation
from decisioning.creative import text_for
from decisioning.explanation import Asked
from decisioning.stops import OVERRIDE
from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record
from offers.conditions.describe import asked_and_held
from offers.conditions.evaluate import ClauseResult, trace
from offers.register import ATTRIBUTES
from offers.types import Rule

ALTERNATIVES: Final = 5
BINDING: Final = 4  # rules listed
_CLAUSES: Final = 2  # of a rule that refused, listed
_INTERACTION: Final[Mapping[str, str]] = {
    "invitation": "invitation, not asked for",
    "firm_offer": "firm offer of credit, not asked for",
    "account_review": "review of an account",
}
OVERRIDDEN: Final = "OVERRIDDEN"  # SUPPRESSED, by a person of the bank and not by the customer's own wish
# The reason for the whole answer, to the customer and to everybody else.
NOTHING: Final[Mapping[str, tuple[str, str]]] = {
    "NO_CONSENT": (
        "You have not agreed to be contacted in this way.", "There was no consent to be contacted on this channel."),
    "SUPPRESSED": ("You asked us not to send offers.", "The customer is on the suppression list."),
    OVERRIDDEN: (
        "We are not making you card offers at the moment.",
        "A person keeps from this customer what was left to show (override)."),
    "NOT_NOW": (
        "We held back offers for a moment.",
        "Marketing was held back, because activity differed from what is usual; nothing else follows from it."),
    "HOLDOUT": (
        "You are in a small group, chosen by lot, that sees no offers, so that we can measure what offers do.",
        "The customer is in the control group, which is shown nothing."),
    "CAPPED": (
        "You have seen as many offers as we show for now.", "The contact policy allowed no further contact."),
    "STOPPED": ("The cards were not available at that moment.", "Somebody had stopped what was left."),
    "NO_ELIGIBLE_OFFER": ("There was no card whose requirements were met.", "No offer passed every stage."),
}  # fmt: skip
_PLAIN_STAGE: Final[Mapping[str, str]] = {
    "stops": "It was not available at that moment.",
    "caps": "You have seen this card as often as we show it for now.",
    "creative": "There was no message for it in this place.",
    "bandit": "It was open to you; another card was expected to suit you better.",
}
_KEPT: Final = "We are not offering you this card at the moment."
_LEGAL: Final = "A requirement that the law sets for this card was not met."
_UNNAMED: Final = "A requirement of this card, stated in its terms, was not met."


def header(record: Record, audience: Audience) -> Block:
    """Block 1."""
    row, offer, pack, replayed = record.row, record.offer, record.pack, record.replayed
    country, state = record.place
    where = ", ".join(text for text in (state, country) if text) or "not recorded"
    verdict = "identical to the record" if replayed.identical else "NOT identical: see block 11"
    interaction = _INTERACTION.get(offer.legal_basis, offer.legal_basis) if offer else "no offer"
    return Block(
        1, "header", "Decision",
        facts=(
            ("Decision", str(row.id)),
            ("Made", wording.moment(row.made_at)),
            ("Channel", f"{wording.code(row.channel)}, {wording.code(row.placement)}"),
            ("Jurisdiction", f"residence {where}; {pack.title}, in force from {pack.effective_from.isoformat()}"),
            ("Interaction", interaction),
            ("Replay", f"{verdict}, sha256 {bytes(row.digest).hex()[:16]}…"),
        ),
        data={
            "decision_id": str(row.id), "made_at": row.made_at.isoformat(), "channel": row.channel,
            "placement": row.placement, "country": country, "state": state, "pack": pack.key,
            "pack_effective_from": pack.effective_from.isoformat(),
            "interaction": offer.legal_basis if offer else None, "replay_identical": replayed.identical,
            "sha256": bytes(row.digest).hex(),
        },
    )  # fmt: skip


def outcome(record: Record, audience: Audience) -> Block:
    """Block 2."""
    plain = audience == "customer"
    if record.first is None or record.offer is None:
        told = nothing(record.of)
        return Block(
            2, "outcome", "What you were shown" if plain else "Outcome", ("No offer was shown.", told[not plain]),
            data={"offer": None, "reason": record.row.reason},
        )  # fmt: skip
    offer, release = record.offer, record.of.plan.release
    text = text_for(release, record.first.arm, record.row.channel)
    headline = text.headline if text else ""
    price = wording.terms(offer)
    data = {
        "offer": offer.key, "name": offer.name, "rank": record.first.rank, "arm": record.first.arm,
        "creative": release.arms[record.first.arm].creative, "facts": dict(offer.facts), "headline": headline,
        "generated": False,
    }  # fmt: skip
    if plain:
        place = wording.SHOWN_ON.get(record.row.channel, wording.code(record.row.channel))
        sentences = [f"On {record.row.made_at:%-d %B %Y} we showed you {offer.name} {place}."]
        sentences += [f"Its terms: {price}."] if price else []
        return Block(2, "outcome", "What you were shown", tuple(sentences), data=data)
    others = wording.listed([release.offers[choice.offer].name for choice in record.of.decision.choices[1:]])
    return Block(
        2, "outcome", "Outcome",
        facts=(
            ("Offer", f"{offer.name} ({offer.key}), ranked first" + (f"; after it {others}" if others else "")),
            ("Terms", price or "none recorded"),
            ("Copy", f"{data['creative']} of release {release.number}: “{headline}”; approved text, nothing generated"),
        ),
        data=data,
    )  # fmt: skip


def nothing(of: Asked) -> tuple[str, str]:
    """Why no card was shown: to the customer and to everybody else."""
    reason = OVERRIDDEN if explanation.overridden(of) else of.decision.reason or ""
    return NOTHING.get(reason, ("No card was shown.", wording.code(reason)))


def alternatives(record: Record, audience: Audience) -> Block:
    """Block 3: the five that came closest and were not shown first."""
    shown = record.first.offer if record.first else None
    keys = [key for key in record.order if key != shown][:ALTERNATIVES]
    traced = [explanation.offer(key, record.of) for key in keys]
    title = "Other cards that we looked at" if audience == "customer" else "Alternatives considered"
    if audience == "customer":
        rows = tuple((one["name"], _why_plainly(one, record)) for one in traced)
        return Block(3, "alternatives", title, table=Table(("Card", "Why not"), rows), data={"offers": keys})
    reasons = tuple((one["name"], *_why(one, record)) for one in traced)
    total = len(record.of.plan.offers)
    return Block(
        3, "alternatives", title,
        sentences=(f"{total} offers were considered; these {len(keys)} came closest.",) if keys else (),
        table=Table(("Offer", "Decided by", "Why not"), reasons),
        data={"offers": [{"offer": one["offer"], "ended": one["ended"], "rank": one["rank"]} for one in traced]},
    )  # fmt: skip


def _why(one: Mapping[str, Any], record: Record) -> tuple[str, str]:
    """What decided against an offer (rule, score, bandit, cap) and how."""
    if one["rank"]:
        return "rank", f"ranked {one['rank']}"
    ended = one["ended"]
    if ended["stage"] == "eligibility":
        return "rule", "; ".join(_clauses(ended, record)) or wording.code(ended["reason"])
    if ended["stage"] == explanation.RANKING and one["arms"]:
        return _by_score(one, record)
    kind = "cap" if ended["stage"] == "caps" else wording.code(ended["stage"])
    return kind, wording.code(ended["reason"]) + (f", {wording.code(ended['by'])}" if ended["by"] else "")


def _by_score(one: Mapping[str, Any], record: Record) -> tuple[str, str]:
    """Lower by expected score, or by the draw alone."""
    case, plan = record.case, record.of.plan
    location = {plan.arms[arm]: value for arm, value in zip(case.arms.tolist(), case.location.tolist(), strict=True)}
    score, expected = one["arms"][0]["score"], location[one["arms"][0]["arm"]]
    first = location.get(record.first.arm if record.first else "", expected)
    by = "score" if expected <= first else "bandit"
    return by, f"score {score:.3f}, expected {expected:.3f} against {first:.3f} of the one shown"


def _why_plainly(one: Mapping[str, Any], record: Record) -> str:
    if one["rank"] and one["rank"] <= record.request.limit:
        return f"It was shown too, in place {one['rank']}."
    if one["rank"]:
        return "It came next; there was no room for it."
    ended = one["ended"]
    if ended["by"] == OVERRIDE:
        return _KEPT
    if ended["stage"] == "consent":
        return nothing(record.of)[0]
    if ended["stage"] != "eligibility":
        return _PLAIN_STAGE.get(ended["stage"], _PLAIN_STAGE["stops"])
    rule = record.of.plan.release.rules.get(ended["by"])
    if rule is None:
        return "It was not offered in this place at that time."
    return " ".join(
        dict.fromkeys(plain_clause(clause) for clause in failed(rule, record.of.known.attributes)[:_CLAUSES])
    )


def failed(rule: Rule, attributes: Mapping[str, Any]) -> list[ClauseResult]:
    """The clauses of a rule that did not hold."""
    return [clause for clause in trace(rule.when, attributes) if clause.passed != clause.wanted]


def plain_clause(clause: ClauseResult) -> str:
    """One clause that did not hold, to the customer. What is close to a protected characteristic is not named; that
    such a rule exists is on the examiner's page."""
    declared = ATTRIBUTES[clause.attribute]
    if declared.basis_class != "ok":
        return _LEGAL if declared.purpose == "legal_requirement" else _UNNAMED
    needs, held = asked_and_held(clause)
    label = wording.capital(wording.PLAIN.get(clause.attribute, declared.meaning))
    if held is None:
        return f"{label}: this card asks for {needs}; we do not know yours."
    return f"{label}: this card asks for {needs}; we have {held} on record."


def _clauses(ended: Mapping[str, str], record: Record) -> list[str]:
    rule = record.of.plan.release.rules.get(ended["by"])
    if rule is None:
        return []
    return [_exact(clause) for clause in failed(rule, record.of.known.attributes)[:_CLAUSES]]


def _exact(clause: ClauseResult) -> str:
    needs, held = asked_and_held(clause)
    return f"{ATTRIBUTES[clause.attribute].meaning}: needs {needs}, has {held or 'no known value'}"


def rules(record: Record, audience: Audience) -> Block:
    """Block 4: every rule of the release was asked; those that ended most offers are listed with value and age."""
    plan, known = record.of.plan, record.of.known
    failures = record.of.failures
    unknown = sum(result is None for result in failures.values())
    met, refused = len(plan.rules) - len(failures), len(failures) - unknown
    ended = Counter(row.by for row in record.of.decision.refusals if row.stage == "eligibility" and row.by)
    binding = [(plan.release.rules[key], count) for key, count in ended.most_common() if key in plan.release.rules]
    on_shown = len(record.of.rules_of.get(plan.position[record.first.offer], ())) if record.first else 0
    sentences = [
        f"Of {len(plan.rules)} rules {met} were met, {refused} were not, and {unknown} could not be evaluated."
    ]
    if record.first:
        sentences.append(
            f"All {on_shown} rules on the offer shown were met." if on_shown else "The offer shown has none."
        )
    rows = tuple(
        (rule.title, "; ".join(_exact(clause) for clause in failed(rule, known.attributes)[:_CLAUSES]),
         _ages(rule, record), str(count))
        for rule, count in binding[:BINDING]
    )  # fmt: skip
    return Block(
        4, "rules", "Rules", tuple(sentences),
        table=Table(("Binding rule", "Would pass if", "Value known for", "Offers ended"), rows) if rows else None,
        data={"rules": len(plan.rules), "met": met, "not_met": refused, "not_evaluable": unknown,
              "binding": [{"rule": rule.key, "basis": rule.basis, "offers": n} for rule, n in binding[:BINDING]]},
    )  # fmt: skip


def _ages(rule: Rule, record: Record) -> str:
    groups = {ATTRIBUTES[clause.attribute].group for clause in failed(rule, record.of.known.attributes)}
    ages = [record.of.known.ages[group] for group in groups if group in record.of.known.ages]
    return wording.age(max(ages)) if ages else "never known"
