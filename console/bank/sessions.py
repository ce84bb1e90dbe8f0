"""The visits of the synthetic bank's customers: who comes on which channel and what the session shows; no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from console.bank import people, response
from console.bank.catalogue import CARDS
from console.bank.people import CHUNK, FAMILIES
from console.bank.response import Truth

CHANNELS = ("mobile_app", "web", "email", "push", "branch", "call_centre", "sms", "direct_mail")
_CHANNEL_SHARES = (0.44, 0.26, 0.11, 0.06, 0.06, 0.04, 0.02, 0.01)
# Only somebody who is looking at a screen of ours has a session to tell of.
_DEVICES: Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "mobile_app": (("app",), (1.0,)),
    "web": (("desktop", "mobile", "tablet"), (0.55, 0.38, 0.07)),
    "call_centre": (("phone",), (1.0,)),
    "branch": (("terminal",), (1.0,)),
}
_ENTRIES: Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "mobile_app": (("organic", "push", "other"), (0.7, 0.2, 0.1)),
    "web": (("organic", "search", "email", "ad"), (0.4, 0.3, 0.15, 0.15)),
    "call_centre": (("call",), (1.0,)),
    "branch": (("branch",), (1.0,)),
}
_OF_FAMILY = {family: [card.key for card in CARDS if card.family == family] for family in FAMILIES}
MOST_VISITORS = 100_000  # of a larger bank only the first come, so that their chunks stay in memory
_VISITS = 0x7669736974  # a stream of draws apart from the traits


@dataclass(frozen=True, slots=True)
class Visit:
    """One session. `draws` are the three uniform numbers that decide what comes of the offer it is shown."""

    number: int
    customer: int  # the index in the bank
    channel: str
    placement: str
    context: Mapping[str, Any]
    second_channel: str | None
    truth: Truth
    draws: tuple[float, ...]


def visit(seed: int, number: int, customers: int) -> Visit:
    """Session `number` of a bank of this many customers, the same one every time."""
    rng = np.random.default_rng([seed, _VISITS, number])
    index = int(rng.integers(min(customers, MOST_VISITORS)))
    chunk, place = people.chunk(seed, index // CHUNK), index % CHUNK
    truth = response.truth(chunk, place)
    consented = chunk.consent[place]
    shares = np.array(_CHANNEL_SHARES) * [consented[list(people.CHANNEL_CONSENT).index(one)] for one in CHANNELS]
    # Who consented nowhere opens the app all the same, and is told that there is nothing to show.
    channel = str(rng.choice(CHANNELS, p=shares / shares.sum())) if shares.any() else "mobile_app"
    context = _context(rng, channel, truth.segment)
    second = str(rng.choice(("web", "branch", "call_centre"))) if rng.random() < 0.08 else None
    placement = "home_banner" if channel in ("mobile_app", "web") and rng.random() < 0.7 else "offer_slot"
    return Visit(
        number, index, channel, placement, context, second if second != channel else None, truth,
        tuple(rng.random(3).tolist()),
    )  # fmt: skip


def _context(rng: np.random.Generator, channel: str, segment: str) -> dict[str, Any]:
    if channel not in _DEVICES:
        return {}
    context: dict[str, Any] = {
        "device_type": str(rng.choice(_DEVICES[channel][0], p=_DEVICES[channel][1])),
        "entry_point": str(rng.choice(_ENTRIES[channel][0], p=_ENTRIES[channel][1])),
        "session_risk_score": round(float(rng.beta(1.2, 14)), 3),
    }
    if channel in ("mobile_app", "web") and rng.random() < 0.45:
        context["seconds_on_cards_page"] = int(min(240, rng.gamma(1.3, 22)))
        context["cards_viewed"] = _viewed(rng, segment)
    return context


def _viewed(rng: np.random.Generator, segment: str) -> list[str]:
    """People look at what interests them: mostly the families that their segment responds to."""
    pull = np.exp(np.array(response.FAMILY[segment]))
    families = rng.choice(FAMILIES, size=int(rng.integers(1, 3)), p=pull / pull.sum())
    return sorted({str(rng.choice(_OF_FAMILY[family])) for family in families.tolist()})
