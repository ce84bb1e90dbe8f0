"""The demo bank's life so far, through the product's own code: sessions asked, outcomes taken in, learned, retrained.

These decisions carry the time at which they are made, which is now; those of earlier months are made by `past`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID, uuid5

from django.utils import timezone

from console.bank import catalogue, people, response, sessions
from console.bank.response import ArmTraits
from console.bank.sessions import Visit
from decisioning import customer_signals, identity, learn, outcomes, serve, signal_shapes
from decisioning.features.online import UnknownCustomer
from decisioning.models import Customer, SessionLease
from decisioning.models import Decision as DecisionRow

BLOCK = 250  # sessions between two runs of the learner
_NAMES = UUID("7c9a5d1e-3f30-4d0e-9a57-3a1f5f3c0b11")
_DELAYS = {"impression": 1, "click": 8, "application": 70, "activation": 160}  # seconds; within a channel's clock skew


@dataclass(frozen=True, slots=True)
class Shown:
    """A decision that a session led to: its id, when it was made, and what stood first; offer None without one."""

    visit: Visit
    decision: UUID
    made_at: datetime
    offer: str | None
    arm: str | None

    @classmethod
    def of(cls, visit: Visit, answer: serve.Answer) -> Self:
        assert answer.decision_id is not None
        first = answer.presented.shown[0].choice if answer.presented.shown else None
        return cls(
            visit, answer.decision_id, answer.made_at, first.offer if first else None, first.arm if first else None
        )


def live(numbers: range, *, seed: int, customers: int, progress: Callable[[int], None]) -> int:
    """Live through the sessions of these numbers; returns how many decisions were made now. Resumable."""
    made = 0
    for start in range(numbers.start, numbers.stop, BLOCK):
        visits = [sessions.visit(seed, number, customers) for number in range(start, min(start + BLOCK, numbers.stop))]
        made += _block(visits, seed)
        learn.run(timezone.now())
        progress(visits[-1].number + 1)
    return made


def session_id(seed: int, visit: Visit) -> str:
    return f"demo-{seed}-{visit.number}"


def _block(visits: Sequence[Visit], seed: int) -> int:
    """Signals first, then the questions, then what came of them. What a killed run did is found and not done again."""
    known = earlier(visits, seed)
    shown = list(known.values())
    _signal([visit for visit in visits if visit.number not in known], seed)
    for visit in visits:
        if visit.number not in known and (asked := _ask(visit, seed)):
            shown.append(asked)
    arms = catalogue.traits()
    events = [event for one in shown for event in happened(one, arms)]
    for at in range(0, len(events), 1000):
        taken = outcomes.take(list(enumerate(events[at : at + 1000])), timezone.now())
        outcomes.refresh(taken.customers)
    return len(shown) - len(known)


def earlier(visits: Sequence[Visit], seed: int) -> dict[int, Shown]:
    """Decisions that these sessions already have."""
    names = {identity.session_hash(session_id(seed, visit)): visit for visit in visits}
    numbers = {people.external_id(visit.customer) for visit in visits}
    customers = list(Customer.objects.filter(external_id__in=numbers).values_list("id", flat=True))
    held = SessionLease.objects.filter(customer_id__in=customers, session__in=names)
    leases = dict(held.values_list("decision_id", "session"))
    rows = DecisionRow.objects.filter(id__in=list(leases)).values_list("id", "made_at", "offer", "arm")
    found = {}
    for decision, made_at, offer, arm in rows:
        visit = names[leases[decision]]
        found[visit.number] = Shown(visit, decision, made_at, offer, arm)
    return found


def _ask(visit: Visit, seed: int) -> Shown | None:
    """The API's own code path; None for a customer who has been erased. Some go on on a second channel."""
    ask = serve.Ask(
        people.external_id(visit.customer), session_id(seed, visit), visit.channel, visit.placement, 1, visit.context
    )
    try:
        answer = serve.ask(ask, timezone.now())
        if visit.second_channel:
            serve.ask(
                serve.Ask(ask.customer_id, ask.session_id, visit.second_channel, "offer_slot", 1, {}), timezone.now()
            )
    except UnknownCustomer:
        return None
    return Shown.of(visit, answer)


def happened(shown: Shown, arms: ArmTraits) -> Iterable[outcomes.Event]:
    """The outcome events of one decision, the same ones every time."""
    if shown.arm is None or shown.offer is None:
        return
    met = ["impression"]  # all that ever comes of the fallback
    if shown.arm in arms.keys:
        chances = response.respond(shown.visit.truth, shown.visit.context, arms)
        met = chances.outcomes(arms.chosen(shown.arm), shown.visit.draws)
        if len(met) == 1 and shown.visit.draws[1] < 0.05:
            met.append("dismissal")
    for kind in met:
        yield outcomes.Event(
            str(uuid5(_NAMES, f"{shown.decision} {kind}")), shown.decision, shown.offer, kind,
            shown.made_at + timedelta(seconds=_DELAYS.get(kind, 12)), None,
        )  # fmt: skip


def _signal(visits: Sequence[Visit], seed: int) -> None:
    """What the channel reports of the session before it asks: the login, and the cards that were looked at."""
    now = timezone.now()
    events = []
    for visit in visits:
        customer = people.external_id(visit.customer)
        name = session_id(seed, visit)
        kinds: list[tuple[str, str, dict[str, str]]] = [("login", "login", {})] if visit.context else []
        kinds += [(f"view-{card}", "card_view", {"card": card}) for card in visit.context.get("cards_viewed", ())]
        events += [signal_shapes.Event(f"{name}-{key}", customer, kind, now, payload) for key, kind, payload in kinds]
    taken = customer_signals.take(list(enumerate(events)), now)
    customer_signals.refresh(taken)
