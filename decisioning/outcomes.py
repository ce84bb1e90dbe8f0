"""Take in outcomes: deduplicate, attribute to the decision, commit with their learning work; no learning here."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError

from decisioning import decision_log, events, runtime
from decisioning.events import Accepted, Rejection
from decisioning.features import stored
from decisioning.models import Consent, Outcome, Presentation, RewardWork
from decisioning.models import Decision as DecisionRow
from offers import packs
from offers.models import FirmOffer
from offers.prescreening import FIRM_OFFER

TYPES = ("impression", "click", "application", "activation", "dismissal", "rating", "opt_out", "decline")
DECLINE = "decline"  # the bank refuses what the customer accepted
ACCEPTANCES = frozenset({"application", "activation"})  # by the customer
LEARNED = frozenset({"impression", "click", "application", "activation"})
CLOCK_SKEW = timedelta(minutes=5)  # a channel's clock may be this far from ours


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    decision_id: UUID
    offer: str
    type: str
    occurred_at: datetime
    value: float | None
    reason: str = ""  # of a decline: the reason code of the rule that was not met

    def body(self) -> dict[str, Any]:
        return {
            "decision_id": str(self.decision_id), "offer": self.offer, "type": self.type,
            "occurred_at": self.occurred_at.isoformat(), "value": self.value,
            **({"reason": self.reason} if self.reason else {}),
        }  # fmt: skip


Good = tuple[int, Event, DecisionRow, str]  # index, event, its decision and arm


def take(batch: Sequence[tuple[int, Event]], now: datetime, *, channel: str | None = None) -> Accepted:
    """Commit the good events of a batch of (index, event) pairs and say what became of each. `channel` reports them."""
    decisions = decision_log.many([event.decision_id for _, event in batch])
    rejected: list[Rejection] = []
    good: list[Good] = []
    shown = _shown(list(decisions.values()))
    # A decline is judged by what she accepted, wherever in the batch that stands.
    for index, event in sorted(batch, key=lambda pair: pair[1].type == DECLINE):
        row = decisions.get(event.decision_id)
        if row is None:
            rejected.append(Rejection(index, "UNKNOWN_DECISION", f"no decision {event.decision_id}"))
            continue
        arm = {choice.offer: choice.arm for choice in decision_log.result(row).choices}.get(event.offer)
        if arm is None:
            rejected.append(Rejection(index, "UNKNOWN_OFFER", f"this decision did not choose {event.offer}"))
        elif (row.id, event.offer) not in shown:
            rejected.append(Rejection(index, "NOT_SHOWN", f"no channel was given {event.offer} by this decision"))
        elif not row.made_at - CLOCK_SKEW <= event.occurred_at <= now + CLOCK_SKEW:
            rejected.append(Rejection(index, "OUT_OF_TIME", "occurred_at is before the decision or in the future"))
        elif event.type == DECLINE and (refused := _not_declined(index, event, row, good)):
            rejected.append(refused)
        else:
            good.append((index, event, row, arm))
    with transaction.atomic():
        fresh, duplicates, conflicts = events.receive(
            [(index, row.customer_id, event.event_id, event.body()) for index, event, row, _ in good], now
        )
        kept = [item for item in good if item[0] in fresh]
        Outcome.objects.bulk_create(
            Outcome(
                customer_id=row.customer_id, event_id=event.event_id, decision_id=row.id, offer=event.offer, arm=arm,
                type=event.type, occurred_at=event.occurred_at, known_at=now, value=event.value, reason=event.reason,
            )
            for _, event, row, arm in kept
        )  # fmt: skip
        RewardWork.objects.bulk_create(
            RewardWork(
                customer_id=row.customer_id, decision_id=row.id, offer=event.offer, type=event.type,
                occurred_at=event.occurred_at,
            )
            for _, event, row, _ in kept
            if event.type in LEARNED
        )  # fmt: skip
        opted_out = [row for _, event, row, _ in kept if event.type == "opt_out"]
        _withdraw_consent(opted_out, channel, now)
    return Accepted(
        fresh=frozenset(fresh),
        duplicates=duplicates,
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        customers=frozenset(row.customer_id for row in opted_out),
    )


def _not_declined(index: int, event: Event, row: DecisionRow, beside: Sequence[Good]) -> Rejection | None:
    """A firm offer is honoured for its days, and beyond them for who accepted it within them, unless a criterion by
    which the customer was chosen is not met any more: the rules of the decision's release that were in force then,
    approved before she was chosen. `beside` are the good events of the same batch."""
    release = runtime.plan(row.release).release
    if release.offers[event.offer].legal_basis != FIRM_OFFER:
        return None
    criteria = {
        rule.reason_code
        for rule in release.rules.values()
        if release.covers(rule, event.offer) and rule.in_force(row.made_at)
    }
    law = packs.strictest(packs.in_force(release, row.made_at.date())).prescreening
    if event.reason in criteria:
        return None
    until = _honoured_until(event.offer, row.made_at, law.honour_days)
    if event.occurred_at >= until and not _accepted_before(until, event, row, beside):
        return None
    known = ", ".join(sorted(criteria)) or "none"
    return Rejection(
        index, "NEW_CRITERION" if event.reason else "NO_CRITERION",
        f"reason: {event.offer} is a firm offer, declined for a rule of release {row.release} alone ({known}):"
        f" {law.citation.text}",
    )  # fmt: skip


def _honoured_until(offer: str, chosen_at: datetime, days: int) -> datetime:
    """The end of what a customer was promised: the packs' days from when she was chosen, and of a list that stood then
    no less than the list says."""
    lists = FirmOffer.objects.filter(offer=offer, made_at__lte=chosen_at, honoured_until__gt=chosen_at)
    return max([chosen_at + timedelta(days=days), *lists.values_list("honoured_until", flat=True)])


def _accepted_before(until: datetime, declined: Event, row: DecisionRow, beside: Sequence[Good]) -> bool:
    """Whether the customer accepted by then what is declined, as stored or as said beside it."""
    return any(
        (one.decision_id, one.offer) == (row.id, declined.offer) and one.type in ACCEPTANCES and one.occurred_at < until
        for _, one, _, _ in beside
    ) or (
        Outcome.objects.filter(
            customer_id=row.customer_id, decision_id=row.id, offer=declined.offer, type__in=ACCEPTANCES,
            occurred_at__lt=until,
        ).exists()
    )  # fmt: skip


def _shown(rows: Sequence[DecisionRow]) -> set[tuple[UUID, str]]:
    """What any channel was given of these decisions: the rest was ranked, but nobody can have seen it."""
    given = Presentation.objects.filter(
        customer_id__in={row.customer_id for row in rows}, decision_id__in=[row.id for row in rows]
    )
    return {(decision, offer) for decision, offers in given.values_list("decision_id", "offers") for offer in offers}


def refresh(customers: frozenset[int]) -> None:
    """After the commit: an opt-out holds in the very next decision. Without Redis, decisions read Postgres anyway."""
    if customers:
        with contextlib.suppress(RedisError):
            stored.refresh_ledgers(customers, timezone.now())


def _withdraw_consent(rows: Sequence[DecisionRow], channel: str | None, now: datetime) -> None:
    """An opt-out ends marketing on the channel that it was said on, and on the one that asked for the decision."""
    for row in rows:
        Consent.objects.filter(
            customer_id=row.customer_id,
            purpose="marketing",
            channel__in={row.channel, channel or row.channel},
            occurred_at__lt=now,
        ).update(granted=False, occurred_at=now, known_at=now)
