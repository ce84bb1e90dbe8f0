"""The nightly propensities of one customer as bytes: when, by which layout, and three bytes a score.

8 bytes        when they were made: microseconds since 1970, big-endian
4 bytes        the layout: whose scores these are and of what, in which order
3 bytes each   `propensity.precision`
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import orjson

from decisioning.features.vector import stamp
from decisioning.models import ScoreLayout
from decisioning.propensity import precision

_HEAD = struct.Struct(">QI")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class Layout:
    """The model's name, and what was scored: offers or, for a model that tells creatives apart, arms."""

    model: str
    keys: tuple[str, ...]

    @property
    def number(self) -> int:
        """Of its content, so that it means the same in every process and after every restore."""
        content = orjson.dumps([self.model, self.keys])
        return int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "big")


class UnknownLayout(LookupError):
    """The scores were written under a layout that no table holds any more."""


@dataclass(frozen=True, slots=True)
class Scores:
    model: str
    by: Mapping[str, float]


def keep(model: str, keys: Sequence[str]) -> Layout:
    """The layout of these scores, stored so that every process can read them."""
    layout = Layout(model, tuple(keys))
    ScoreLayout.objects.get_or_create(number=layout.number, defaults={"model": model, "keys": list(keys)})
    return layout


def encode(scores: precision.FloatArray, layout: Layout, now: datetime) -> list[bytes]:
    """Scores (n, k) in the order of the layout's keys, as n values."""
    head = _HEAD.pack(stamp(now), layout.number)
    return [head + row.tobytes() for row in precision.pack(scores)]


def decode(content: bytes) -> Scores:
    """Raises ValueError where the bytes are no scores, UnknownLayout where nobody knows what they are of."""
    if len(content) < _HEAD.size:
        raise ValueError(f"{len(content)} bytes are no scores")
    made = layout(_HEAD.unpack_from(content)[1])
    values = precision.unpack(content[_HEAD.size :])
    return Scores(made.model, dict(zip(made.keys, values, strict=True)))


@cache
def layout(number: int) -> Layout:
    """Whose scores these are and of what; read once a process: a number always means the same. Raises UnknownLayout."""
    row = ScoreLayout.objects.filter(number=number).first()
    if row is None:
        raise UnknownLayout(f"{number:08x}")
    return Layout(row.model, tuple(row.keys))
