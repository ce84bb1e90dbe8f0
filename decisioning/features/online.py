"""The read of a decision: versions, profile, session, contacts and lease in one round trip, or all from Postgres."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from decisioning import store
from decisioning.features import session, stored
from decisioning.models import ApiKey, PosteriorHead
from offers.models import Release, StopEpoch

logger = logging.getLogger(__name__)


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
    """`groups`: name to (true since, epoch seconds; values). `scores`: model name, propensity by offer or arm."""

    customer: int
    groups: Mapping[str, tuple[float, Mapping[str, Any]]]
    scores: tuple[str, Mapping[str, float]] | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What forbids contact. Every change of it raises `sequence`, and no commit passes with another one than
    Postgres holds: so a stale copy can be read, and cannot be acted on."""

    sequence: int
    contacts: Mapping[str, Mapping[str, int]]
    consents: frozenset[str]
    suppressed: bool

    @classmethod
    def decode(cls, content: bytes) -> Self:
        raw = orjson.loads(content)
        return cls(raw["sequence"], raw["contacts"], frozenset(raw["consents"]), raw["suppressed"])

    def encode(self, sequence: int, contacts: Mapping[str, Mapping[str, int]]) -> bytes:
        """The ledger after a decision."""
        return stored.encode_ledger(sequence, contacts, sorted(self.consents), self.suppressed)


@dataclass(frozen=True, slots=True)
class Read:
    versions: Versions
    profile: Profile
    ledger: Ledger
    lease: UUID | None  # the decision that this session already has
    degraded: tuple[str, ...]


def read(external_id: str, token: str, session: str, now: datetime) -> Read:
    """Everything for one decision. Raises UnknownCustomer. Without Redis, or where it is cold or holds what cannot be
    read, Postgres answers."""
    try:
        pipe = store.client().pipeline(transaction=False)
        pipe.hmget(store.VERSIONS, "release", "posterior", "stop_epoch", "credentials")
        pipe.mget(
            store.profile_key(token), store.session_key(token), store.contacts_key(token),
            store.lease_key(token, session),
        )  # fmt: skip
        versions, (profile, moment, contacts, lease) = pipe.execute()
    except RedisError as error:
        logger.warning("redis does not answer: %s", error)
        return _from_postgres(external_id, session, now, ("redis_down",))
    if None in versions:
        return _from_postgres(external_id, session, now, ("redis_cold",))
    if profile is None or contacts is None:
        # One cold customer: Postgres has the truth, and the answer is whole, so nothing is degraded.
        return _from_postgres(external_id, session, now, (), fill=token)
    try:
        release, posterior, epoch, credentials = (int(value) for value in versions)
        return Read(
            Versions(release, posterior, epoch, credentials),
            decode_profile(profile, moment),
            Ledger.decode(contacts),
            None if lease is None else UUID(lease.decode()),
            (),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("redis holds what cannot be read: %s", type(error).__name__)
        return _from_postgres(external_id, session, now, ("redis_unreadable",))


def read_committed(external_id: str, session: str, now: datetime) -> Read:
    """The same from Postgres alone, when a commit has shown that Redis is behind. Raises UnknownCustomer."""
    return _from_postgres(external_id, session, now, ())


def decode_profile(profile: bytes, moment: bytes | None) -> Profile:
    """The stored profile, with what this session's signals have changed laid over it."""
    content = orjson.loads(profile)
    groups = {name: (since, values) for name, (since, values) in content["groups"].items()}
    for name, (since, values) in (orjson.loads(moment) if moment else {}).items():
        groups[name] = session.laid_over(groups.get(name), since, values)
    scores = content["scores"]
    return Profile(
        content["customer"],
        groups,
        (scores["model"], scores["by"]) if scores else None,
    )


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
    external_id: str, session: str, now: datetime, degraded: tuple[str, ...], fill: str | None = None
) -> Read:
    found = stored.one(external_id)
    if found is None:
        raise UnknownCustomer(external_id)
    profile, moment, ledger = found
    if fill:
        stored.fill(fill, profile, moment, ledger)
    lease = stored.lease(orjson.loads(profile)["customer"], session, now)
    return Read(versions_in_postgres(), decode_profile(profile, moment), Ledger.decode(ledger), lease, degraded)
