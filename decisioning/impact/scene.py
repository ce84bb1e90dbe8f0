"""Where the population is decided on: one channel and placement, because every decision has one; nothing is decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from decisioning.plan import Plan


@dataclass(frozen=True, slots=True)
class Scene:
    channel: str
    placement: str


def scene_for(plans: Sequence[Plan], about: Collection[str] = ()) -> Scene:
    """The channel and placement on which most offers of `about` stand in any of the releases, and of those most of all
    offers; the first by name of equals. Empty names where no release has an offer."""
    wanted: Counter[Scene] = Counter()
    every: Counter[Scene] = Counter()
    for plan in plans:
        for offer in plan.release.offers.values():
            for channel in offer.channels:
                for placement in offer.placements & plan.release.placements.keys():
                    every[Scene(channel, placement)] += 1
                    wanted[Scene(channel, placement)] += offer.key in about
    ranked = sorted(every, key=lambda scene: (-wanted[scene], -every[scene], scene.channel, scene.placement))
    return ranked[0] if ranked else Scene("", "")
