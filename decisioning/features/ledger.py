"""What forbids contact, as a few bytes in Redis: sequence, consents, suppression and contacts of one customer.

8 bytes   the sequence, big-endian
5 bytes   the customer's surrogate key, big-endian
2 bytes   which list of purposes the bits stand for: another list is refused and never misread
2 bytes   a bit for each purpose, and one for the suppression
the rest  JSON, where there is any: contacts by day since 1970, and purposes that are in no list
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Self

import orjson

from offers.register import GROUPS, LEVELS
from offers.types import CHANNELS

Contacts = Mapping[str, Mapping[str, int]]

_PURPOSES: Final = (
    *(f"marketing:{channel}" for channel in CHANNELS),
    *(f"personalisation:{level}" for level in LEVELS),
)
_LIST: Final = int.from_bytes(hashlib.blake2b(repr(_PURPOSES).encode(), digest_size=2).digest(), "big")
_BIT: Final = {purpose: 1 << place for place, purpose in enumerate(_PURPOSES)}
_SUPPRESSED: Final = 1 << len(_PURPOSES)
_HEAD: Final = struct.Struct(">QBIHH")
KEPT_FROM: Final = "kept_from:"
"""A purpose that forbids: the offer after it, or every offer where none is named, is kept by an override."""
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every change of it raises `sequence`, and no commit passes with another one than Postgres holds: so a stale copy
    can be read, and cannot be acted on. `contacts`: decisions with an offer by ISO day, then by offer."""

    customer: int
    sequence: int
    contacts: Contacts
    consents: frozenset[str]
    suppressed: bool

    @property
    def granted(self) -> frozenset[str]:
        """The purposes that the customer agreed to."""
        kept = self.kept_from
        return self.consents - {KEPT_FROM + offer for offer in kept} if kept else self.consents

    @property
    def kept_from(self) -> frozenset[str]:
        """Offers that an override keeps from the customer; "" is every offer."""
        return _kept(self.consents)

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Raises ValueError, TypeError or AttributeError where the bytes are something else."""
        if len(content) < _HEAD.size:
            raise ValueError(f"{len(content)} bytes are no ledger")
        sequence, high, low, purposes, bits = _HEAD.unpack_from(content)
        if purposes != _LIST:
            raise ValueError("a ledger of other purposes")
        days, others = orjson.loads(content[_HEAD.size :]) if len(content) > _HEAD.size else ({}, ())
        return cls(
            high << 32 | low,
            sequence,
            {date.fromordinal(_FIRST_DAY + int(day)).isoformat(): counts for day, counts in days.items()},
            frozenset(purpose for purpose, bit in _BIT.items() if bits & bit).union(others),
            bool(bits & _SUPPRESSED),
        )

    def encode(self) -> bytes:
        bits, others = _bits(self.consents)
        bits |= _SUPPRESSED * self.suppressed
        head = _HEAD.pack(self.sequence, self.customer >> 32, self.customer & 0xFFFFFFFF, _LIST, bits)
        days = {str(date.fromisoformat(day).toordinal() - _FIRST_DAY): counts for day, counts in self.contacts.items()}
        return head + orjson.dumps([days, others]) if days or others else head


@lru_cache(maxsize=1024)
def _bits(consents: frozenset[str]) -> tuple[int, list[str]]:
    """The bits of these consents, and those that have none. Most customers share one of a few sets."""
    return sum(_BIT.get(purpose, 0) for purpose in consents), sorted(consents - _BIT.keys())


@lru_cache(maxsize=1024)
def _kept(consents: frozenset[str]) -> frozenset[str]:
    return frozenset(purpose.removeprefix(KEPT_FROM) for purpose in consents if purpose.startswith(KEPT_FROM))


def level(consents: Collection[str]) -> int:
    """The place in LEVELS of the highest level granted; nothing granted is `basic`, which the contract covers."""
    return max((place for place, name in enumerate(LEVELS) if f"personalisation:{name}" in consents), default=0)


def readable_groups(consents: Collection[str]) -> frozenset[str]:
    """The feature groups that these consents allow to be read at all."""
    return _READABLE[level(consents)]


_READABLE: Final = tuple(
    frozenset(group.name for group in GROUPS.values() if LEVELS.index(group.level) <= place)
    for place in range(len(LEVELS))
)
