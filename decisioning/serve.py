"""The shell around decide(): one read, the pure function, one commit, one write; it decides nothing itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from decisioning import budgets, caps, credentials, decision_log, delivery, identity, records, runtime, store
from decisioning.decide import decide
from decisioning.features import online
from decisioning.features.ledger import Ledger
from decisioning.known import known as known_of
from decisioning.known import without
from decisioning.models import Decision as DecisionRow
from decisioning.types import Decision, DecisionRequest, Known
from offers import canonical

logger = logging.getLogger(__name__)

ATTEMPTS = 12  # against other sessions of the same customer that commit in between


class UnknownPlacement(ValueError):
    """The live release has no such placement."""


class Contended(RuntimeError):
    """The customer's ledger changed under every attempt; the caller asks again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a channel, validated."""

    customer_id: str
    session_id: str
    channel: str
    placement: str
    limit: int
    context: Mapping[str, Any]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    decision_id: UUID | None
    made_at: datetime
    expires_at: datetime
    reused: bool
    presented: delivery.Presented
    degraded: tuple[str, ...]
    withheld: tuple[str, ...]
    release: int
    model: str
    posterior: int
    engine: runtime.Engine


def ask(request: Ask, now: datetime) -> Answer:
    """Decide, or give the session's decision again. Raises UnknownCustomer, UnknownPlacement, NoRelease,
    Contended."""
    token, session = identity.token(request.customer_id), identity.session_hash(request.session_id)
    read = online.read(request.customer_id, token, session, now, budgeted=runtime.has_budgets())
    for _ in range(ATTEMPTS):
        answer = answer_on(read, request, now)
        if answer:
            return answer
        # Redis was behind, or somebody was faster: Postgres knows.
        read = replace(online.read_committed(request.customer_id, session, now), spent=read.spent)
    raise Contended(token)  # it is logged, and a bank's own id has no place there


def answer_on(read: online.Read, request: Ask, now: datetime) -> Answer | None:
    """The same on what was read; None where the commit found that this is out of date. Raises UnknownPlacement or
    NoRelease."""
    token, session = identity.token(request.customer_id), identity.session_hash(request.session_id)
    credentials.noticed(read.versions.credentials)
    engine = runtime.engine(read.versions)
    if request.placement not in engine.plan.release.placements:
        raise UnknownPlacement(request.placement)
    asked = DecisionRequest(
        read.profile.customer, session, request.channel, request.placement, request.limit, now, request.context
    )
    if read.lease and not request.dry_run:
        return _again(asked, token, read, engine)
    return _decide(asked, request, token, read, engine)


def _decide(
    asked: DecisionRequest, request: Ask, token: str, read: online.Read, engine: runtime.Engine
) -> Answer | None:
    """A new decision, committed; None where the commit found that its inputs are out of date."""
    started = time.perf_counter_ns()
    decision_id = identity.new_id(asked.now)
    known = known_of(read, engine, asked.context, asked.now)
    decision = decide(asked, known, engine.plan, engine.posterior, identity.draw_key(decision_id))
    release = engine.plan.release
    expires_at = asked.now + timedelta(minutes=release.ranking.lease_minutes)
    model = release.model[0] if release.model else ""
    if not request.dry_run:
        versions = decision_log.Versions(
            release.number, model, engine.posterior_position, engine.stop_epoch, read.ledger.sequence
        )
        shown = tuple(choice.offer for choice in decision.choices[: asked.limit])
        contacts = caps.counted(read.ledger.contacts, shown, asked.now) if shown else dict(read.ledger.contacts)
        took_us = (time.perf_counter_ns() - started) // 1000
        if not decision_log.append(
            decision_id, asked, records.inputs_to_bytes(asked, known), decision, versions,
            contacts=canonical.dumps(contacts), expires_at=expires_at, took_us=took_us,
        ):  # fmt: skip
            return None
        _remember(token, asked, read, contacts, decision_id, expires_at, spends=decision.spends)
    return Answer(
        None if request.dry_run else decision_id, asked.now, expires_at, False, _presented(decision, asked, engine),
        decision.degraded, known.withheld, release.number, model, engine.posterior_position, engine,
    )  # fmt: skip


def _presented(decision: Decision, asked: DecisionRequest, engine: runtime.Engine) -> delivery.Presented:
    if decision.reason:
        return delivery.Presented((), decision.reason)
    return delivery.worded(decision.choices, asked, engine.plan)


def _remember(
    token: str,
    asked: DecisionRequest,
    read: online.Read,
    contacts: caps.Contacts,
    decision_id: UUID,
    until: datetime,
    *,
    spends: str | None = None,
) -> None:
    """The one write to Redis, all or nothing: a ledger without its lease would let the session decide twice. Leases of
    the past go with it."""
    ledger = replace(read.ledger, sequence=read.ledger.sequence + 1, contacts=contacts)
    key = store.customer_key(token)
    fields: dict[Any, Any] = {
        store.LEDGER: ledger.encode(), store.lease_field(asked.session): online.lease_of(decision_id, until)
    }  # fmt: skip
    try:
        pipe = store.client().pipeline(transaction=True)
        if read.ended:
            pipe.hdel(key, *read.ended)
        pipe.hset(key, mapping=fields)
        pipe.expire(key, store.CUSTOMER_SECONDS)
        if spends:
            budgets.spend(pipe, spends, asked.now)
        pipe.execute()
    except RedisError as error:
        logger.warning("decision %s is committed, redis is behind: %s", decision_id, error)


def _again(asked: DecisionRequest, token: str, read: online.Read, engine: runtime.Engine) -> Answer | None:
    """The session's decision for this caller: after stops, consent, eligibility and caps are checked again. None where
    the commit found that what they were checked against is out of date."""
    assert read.lease is not None
    row = decision_log.get(read.lease, asked.customer)
    decision, before = decision_log.result(row), decision_log.shown_so_far(row)
    known = _for_presentation(row, before, asked, read, engine)
    if decision.reason:
        presented = delivery.Presented((), decision.reason)
    else:
        presented = delivery.present(decision.choices, asked, known, engine.plan)
    shown = [item.choice.offer for item in presented.shown]
    contacts = _counted(read.ledger, before, shown, row)
    if not decision_log.present_again(
        row, asked, records.inputs_to_bytes(asked, known), shown, presented.reason,
        release=engine.plan.release.number, stop_epoch=engine.stop_epoch, ledger_sequence=read.ledger.sequence,
        contacts=canonical.dumps(contacts) if contacts else None,
    ):  # fmt: skip
        return None
    if contacts:
        _remember(token, asked, read, contacts, row.id, row.expires_at)
    return Answer(
        row.id, row.made_at, row.expires_at, True, presented, (*row.degraded, *read.degraded), known.withheld,
        row.release, row.model, row.posterior, engine,
    )  # fmt: skip


def _counted(
    ledger: Ledger, before: frozenset[str], shown: Sequence[str], row: DecisionRow
) -> Mapping[str, Mapping[str, int]] | None:
    """The contacts with what this channel shows and no channel has shown before; None if there is nothing of that."""
    fresh = [offer for offer in shown if offer not in before]
    if not fresh:
        return None
    first = () if before else (caps.EVERYTHING,)
    return caps.also(ledger.contacts, (*first, *fresh), row.made_at.date().isoformat())


def _for_presentation(
    row: DecisionRow, before: frozenset[str], asked: DecisionRequest, read: online.Read, engine: runtime.Engine
) -> Known:
    """The decision's own contact is not held against it, and its session is known though this caller did not say."""
    first = decision_log.inputs(row)[0]
    contacts = without(read.ledger, before, row.made_at.date().isoformat()) if before else read.ledger.contacts
    return replace(known_of(read, engine, asked.context, asked.now, before=first.context), contacts=contacts)
