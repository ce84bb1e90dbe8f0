"""The answer to a customer who asks why: the customer's blocks as a letter in short sentences, with the notices that
the law of the place asks for; it says nothing that the customer's page does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from decisioning.models import Decision as DecisionRow
from fairness.explanations import handling, outcome, score, wording
from fairness.explanations.block import Block
from fairness.explanations.record import Record
from offers.register import ATTRIBUTES
from offers.types import Notice

_RIGHTS: Final = (
    "You can ask a person to look at this decision.",
    "You can ask us to correct what we know about you.",
    "You can tell us at any time that you want no more offers. We then stop.",
)
_COMPARED: Final = "A computer compared the cards that you may have."
_FROM: Final[Mapping[str, str]] = {
    "own_txn": "what we know from your accounts with us", "application": "what you told us",
    "consumer_report": "your credit report", "prescreen": "your credit report",
    "affiliate": "what companies of our group know", "third_party": "what others told us",
    "session": "what you did on this visit",
}  # fmt: skip
_UNPROTECTED: Final = "It did not use any protected characteristic."
_AGE: Final = {"is_21_or_over": "whether you are 21 or older, as the law asks"}
_ONLY_FOR: Final[Mapping[str, frozenset[str]]] = {
    "adverse_action": frozenset(),  # an offer that nobody asked for declines nothing (12 CFR 1002.9)
    "prescreen_opt_out": frozenset({"firm_offer"}),
}
"""The bases of an offer under which a template is true; one that is not named here goes with every letter."""


def build(row: DecisionRow, now: datetime) -> dict[str, Any]:
    """In the form of fairness.explanations.page.build, so that page and PDF show both alike. Raises NoRelease."""
    record = Record(row, now)
    shown, others, reasons = (
        part(record, "customer") for part in (outcome.outcome, outcome.alternatives, score.score)
    )  # fmt: skip
    cards = tuple(f"{name}. {why}" for name, why in others.table.rows) if others.table else ()
    blocks = [
        Block(0, "shown", "Dear customer", ("You asked us why you were shown what you saw.", *shown.sentences)),
        *([Block(0, "how", "How it was chosen", _how(record))] if record.first else []),
        Block(0, "reasons", "What counted", reasons.sentences),
        *([Block(0, "others", others.title, cards)] if cards else []),
        Block(0, "rights", "What you can do", _RIGHTS),
        *_notices(record),
    ]
    return {
        "audience": "customer",
        "decision_id": str(row.id),
        "made_at": row.made_at.isoformat(),
        "explained_at": now.isoformat(),
        "title": "Why you were shown this" if record.first else "Why you were shown no offer",
        "blocks": [block.to_json() for block in blocks],
        "footer": f"{now:%-d %B %Y}. Our reference: {row.id}.",
    }


def _how(record: Record) -> tuple[str, ...]:
    """What may truly be said of this release and this decision."""
    by_chance = ["Chance had a part in it, so that we learn which cards people like."]
    read = handling.sources(record)
    used = list(dict.fromkeys(text for source, text in _FROM.items() if source in read))
    told = [f"It used {wording.listed(used)}."] if used else []
    return (_COMPARED, *told, *_protected(record), *(by_chance if record.learning_share else []))


def _protected(record: Record) -> list[str]:
    """What was used of a protected characteristic, by name; nothing is denied that the register does not bear out."""
    plan = record.of.plan
    if handling.protected_inputs(plan):
        return []
    aged = [name for name in handling.proxy_inputs(plan) if ATTRIBUTES[name].basis_class == "age_special"]
    if not aged:
        return [_UNPROTECTED]
    named = wording.listed([_AGE.get(name, wording.meaning(name)) for name in aged])
    return [f"Of protected characteristics it used only your age: {named}."]


def _notices(record: Record) -> list[Block]:
    """The texts that counsel approved for the place and that are true of this offer, each with its source."""
    basis = record.offer.legal_basis if record.offer else ""
    due = [notice for notice in record.pack.notices if _applies(notice, basis)]
    if not due:
        return []
    texts = tuple(f"{notice.text} ({notice.citation.text}, text {notice.version})" for notice in due)
    data = {"pack": record.pack.key, "notices": [[notice.template, notice.version] for notice in due]}
    return [Block(0, "notices", "What the law gives you", texts, data=data)]


def _applies(notice: Notice, basis: str) -> bool:
    return notice.template not in _ONLY_FOR or basis in _ONLY_FOR[notice.template]
