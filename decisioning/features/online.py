"""The read of a decision: versions, profile, session, contacts and lease in one round trip, or all from Postgres."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from redis.exceptions import RedisError

from decisioning import store
from decisioning.features import stored
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
    suppressed: bool
    consents: frozenset[str]
    groups: Mapping[str, tuple[float, Mapping[str, Any]]]
    scores: tuple[str, Mapping[str, float]] | None


@dataclass(frozen=True, slots=True)
class Ledger:
    sequence: int
    contacts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Read:
    versions: Versions
    profile: Profile
    ledger: Ledger
    lease: str | None  # the decision that this session already has
    degraded: tuple[str, ...]


def read(external_id: str, token: str, session: str) -> Read:
    """Everything for one decision. Raises UnknownCustomer. Without Redis, or where it is cold, Postgres answers."""
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
        return _from_postgres(external_id, session, ("redis_down",))
    if None in versions:
        return _from_postgres(external_id, session, ("redis_cold",))
    if profile is None or contacts is None:
        # One cold customer: Postgres has the truth, and the answer is whole, so nothing is degraded.
        return _from_postgres(external_id, session, (), fill=token)
    release, posterior, epoch, credentials = (int(value) for value in versions)
    return Read(
        Versions(release, posterior, epoch, credentials),
        decode_profile(profile, moment),
        Ledger(**orjson.loads(contacts)),
        lease.decode() if lease else None,
        (),
    )


def read_committed(external_id: str, session: str) -> Read:
    """The same from Postgres alone, when a commit has shown that Redis is behind. Raises UnknownCustomer."""
    return _from_postgres(external_id, session, ())


def decode_profile(profile: bytes, moment: bytes | None) -> Profile:
    """The stored profile, with what this session's signals have changed laid over it."""
    content = orjson.loads(profile)
    groups = {name: (since, values) for name, (since, values) in content["groups"].items()}
    for name, (since, values) in (orjson.loads(moment) if moment else {}).items():
        groups[name] = (since, {**groups[name][1], **values} if name in groups else values)
    scores = content["scores"]
    return Profile(
        content["customer"],
        content["suppressed"],
        frozenset(content["consents"]),
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


def _from_postgres(external_id: str, session: str, degraded: tuple[str, ...], fill: str | None = None) -> Read:
    found = stored.one(external_id)
    if found is None:
        raise UnknownCustomer(external_id)
    profile, moment, ledger = found
    if fill:
        stored.fill(fill, profile, moment, ledger)
    lease = stored.lease(orjson.loads(profile)["customer"], session)
    return Read(
        versions_in_postgres(), decode_profile(profile, moment), Ledger(**orjson.loads(ledger)), lease, degraded
    )
