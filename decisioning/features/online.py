"""The read of a decision: versions, groups, scores, ledger and lease in one round trip, or all from Postgres."""

from __future__ import annotations

import contextlib
import logging
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError, ResponseError

from decisioning import budgets, store
from decisioning.features import fold, materialise, scores, stored, vector
from decisioning.features.ledger import Ledger, readable_groups
from decisioning.features.vector import stamp
from decisioning.models import ApiKey, Customer, PosteriorHead
from offers.models import Release, StopEpoch

logger = logging.getLogger(__name__)

_LEASE = struct.Struct(">Q16s")  # until when, in microseconds since 1970; the decision


class UnknownCustomer(LookupError):
    """No customer has this id."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What is in force; a process whose memory differs refreshes it. `posterior` None: take the latest stored one."""

    release: int
    posterior: int | None
    stop_epoch: int
    credentials: int


@dataclass(frozen=True, slots=True)
class Profile:
    """`groups`: name to (true since, epoch seconds; values), of a group that consent withholds without its values.
    `scores`: the nightly propensities. `vector_at`: the moment that the vector below it all was computed for."""

    customer: int
    groups: Mapping[str, tuple[float, Mapping[str, Any]]]
    scores: scores.Scores | None
    vector_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """`lease` is the decision that this session already has; `ended` are the fields of leases that are over; `spent`
    what was learned on today by arm, None where it was not asked for or nobody knows."""

    versions: Versions
    profile: Profile
    ledger: Ledger
    lease: UUID | None
    degraded: tuple[str, ...]
    ended: tuple[bytes, ...] = ()
    spent: Mapping[str, int] | None = None


def read(external_id: str, token: str, session: str, now: datetime, *, budgeted: bool = False) -> Read:
    """Everything for one decision; `budgeted` asks what was learned on today, too. Raises UnknownCustomer. Without
    Redis, or where it is cold or holds what cannot be read, Postgres answers."""
    try:
        pipe = store.client().pipeline(transaction=False)
        pipe.hmget(store.VERSIONS, "release", "posterior", "stop_epoch", "credentials")
        pipe.hgetall(store.customer_key(token))
        if budgeted:
            pipe.hgetall(budgets.key(now))
        versions, held, *learned = pipe.execute()
    except ResponseError as error:
        return _unreadable(error, external_id, token, session, now)
    except RedisError as error:
        logger.warning("redis does not answer: %s", error)
        return _from_postgres(external_id, session, now, ("redis_down",))
    if None in versions:
        return _from_postgres(external_id, session, now, ("redis_cold",))
    spent = budgets.counted(learned[0]) if learned else None
    if store.VECTOR not in held or store.LEDGER not in held:
        # One cold customer: Postgres has the truth, and the answer is whole, so nothing is degraded.
        return replace(_from_postgres(external_id, session, now, (), fill=True), spent=spent)
    try:
        found = _decoded(Versions(*(int(value) for value in versions)), held, session, now)
        return found if spent is None else replace(found, spent=spent)
    except vector.OtherSchema as error:
        logger.info("a vector in redis is not used: %s", error)
        return replace(_from_postgres(external_id, session, now, (), fill=True), spent=spent)
    except (ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        return _unreadable(error, external_id, token, session, now)


def _unreadable(error: Exception, external_id: str, token: str, session: str, now: datetime) -> Read:
    """What cannot be read is no newer than anything: it goes, and Postgres answers."""
    logger.warning("redis holds what cannot be read: %s", type(error).__name__)
    with contextlib.suppress(RedisError):
        store.client().delete(store.customer_key(token))
    return _from_postgres(external_id, session, now, ("redis_unreadable",), fill=True)


def _decoded(versions: Versions, held: store.Fields, session: str, now: datetime) -> Read:
    ledger = Ledger.decode(held[store.LEDGER])
    made = vector.decode(held[store.VECTOR], readable_groups(ledger.consents))
    profile = _profile(ledger, made, held.get(store.SCORES), held.get(store.MOMENT), now)
    lease, ended = _leases(held, session, now)
    return Read(versions, profile, ledger, lease, (), ended)


def _profile(
    ledger: Ledger, made: vector.Vector | None, scored: bytes | None, moment: bytes | None, now: datetime
) -> Profile:
    """The vector with what signals say laid over it, and the scores, if anybody knows what they are of."""
    groups = fold.over(made, stored.rows(moment), stamp(now))
    known = None
    with contextlib.suppress(scores.UnknownLayout):
        known = scores.decode(scored) if scored else None
    return Profile(ledger.customer, groups, known, made.as_of if made else None)


def lease_of(decision_id: UUID, until: datetime) -> bytes:
    """A lease as Redis holds it."""
    return _LEASE.pack(stamp(until), decision_id.bytes)


def _leases(held: store.Fields, session: str, now: datetime) -> tuple[UUID | None, tuple[bytes, ...]]:
    """The decision that this session has, and the leases of any session that are over."""
    mine, ended = None, []
    for field, value in held.items():
        if store.is_lease(field):
            until, decision = _LEASE.unpack(value)
            if until <= stamp(now):
                ended.append(field)
            elif field == store.lease_field(session):
                mine = UUID(bytes=decision)
    return mine, tuple(ended)


def read_committed(external_id: str, session: str, now: datetime) -> Read:
    """The same from Postgres alone, when a commit has shown that Redis is behind. Raises UnknownCustomer."""
    return _from_postgres(external_id, session, now, ())


def many_committed(customers: Collection[int], now: datetime) -> dict[int, Read]:
    """The same of many customers, outside any session, by surrogate key; the vectors of all of them are there."""
    versions, reads = versions_in_postgres(), {}
    for found in stored.many(customers, now):
        readable = readable_groups(found.ledger.consents)
        made = vector.decode(found.vector, readable) if found.vector else None
        profile = _profile(found.ledger, made, found.scores, found.moment, now)
        reads[found.ledger.customer] = Read(versions, profile, found.ledger, None, ())
    return reads


def versions_in_postgres() -> Versions:
    """What is in force, from the tables that decide it."""
    # The number alone: the content of a release is some hundred kilobytes.
    return Versions(
        release=Release.objects.order_by("-number").values_list("number", flat=True).first() or 0,
        posterior=PosteriorHead.objects.get(pk=1).position,
        stop_epoch=StopEpoch.objects.get(pk=1).epoch,
        credentials=ApiKey.objects.filter(revoked_at__isnull=False).count(),
    )


def _from_postgres(
    external_id: str, session: str, now: datetime, degraded: tuple[str, ...], *, fill: bool = False
) -> Read:
    customer = Customer.objects.filter(external_id=external_id).values_list("id", flat=True).first()
    if customer is None:
        raise UnknownCustomer(external_id)
    (found,) = stored.many([customer], now)
    if found.vector is None:
        # Nobody has computed it, or it was under another declaration: history knows.
        materialise.customers([customer], now)
        (found,) = stored.many([customer], now)
    if fill:
        with contextlib.suppress(RedisError):  # the next decision reads Postgres again
            store.put([(found.token, found.fields())])
    made = vector.decode(found.vector, readable_groups(found.ledger.consents)) if found.vector else None
    profile = _profile(found.ledger, made, found.scores, found.moment, now)
    return Read(versions_in_postgres(), profile, found.ledger, stored.lease(customer, session, now), degraded)
