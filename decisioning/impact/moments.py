"""Who would be eligible for what at moments to come: the people of now under the rules and seasons in force then.

Packed, because the dates of a whole catalogue are many moments of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from decisioning.impact.reach import Mask, Reach, reach_of
from decisioning.impact.stages import Batch, allowed_offers
from decisioning.plan import Plan
from offers.types import in_force

Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Packed:
    """The eligible of one chunk of `size` customers, a bit each: (ceil(size / 8), offers)."""

    bits: Bits
    size: int

    @property
    def mask(self) -> Mask:
        return np.unpackbits(self.bits, axis=0, count=self.size).astype(bool)


@dataclass(frozen=True, slots=True)
class Moment:
    """What one plan allows at one moment, by chunk."""

    at: datetime
    plan: Plan
    chunks: tuple[Packed, ...]

    @property
    def reach(self) -> Reach:
        """Unpacked anew each time that it is asked for."""
        return reach_of(self.plan, [chunk.mask for chunk in self.chunks])


def in_season(plan: Plan, moment: datetime) -> Mask:
    """Offers (offers,) whose own dates include the moment."""
    offers = [plan.release.offers[key] for key in plan.offers]
    return np.array([in_force(offer.starts_at, offer.ends_at, moment) for offer in offers], dtype=bool)


def packed(plan: Plan, batch: Batch, moment: datetime) -> Packed:
    allowed = allowed_offers(plan, batch, moment) & in_season(plan, moment)
    return Packed(np.packbits(allowed, axis=0), len(batch.people))


def joined(
    plans: Sequence[Plan], at: Sequence[datetime], chunks: Sequence[Sequence[Packed]]
) -> tuple[tuple[Moment, ...], ...]:
    """By moment, then plan; each chunk has all moments of the first plan, then those of the next."""
    return tuple(
        tuple(
            Moment(moment, plan, tuple(chunk[which * len(at) + place] for chunk in chunks))
            for which, plan in enumerate(plans)
        )
        for place, moment in enumerate(at)
    )
