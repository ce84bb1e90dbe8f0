"""Which surface a channel shows a creative on: one table from channel to the template that imitates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SURFACES: Final[Mapping[str, str]] = {
    "mobile_app": "banner",
    "web": "tile",
    "email": "email",
    "sms": "sms",
    "push": "push",
    "branch": "script",
    "call_centre": "script",
    "direct_mail": "letter",
}


@dataclass(frozen=True, slots=True)
class Surface:
    """`text` holds headline, body, call_to_action and disclosure."""

    channel: str
    text: Mapping[str, str]

    @property
    def template(self) -> str:
        return f"partials/surfaces/{SURFACES[self.channel]}.html"


def surface(channel: str, text: Mapping[str, str]) -> Surface:
    """Raises KeyError for a channel that has no surface."""
    SURFACES[channel]
    return Surface(channel, text)
