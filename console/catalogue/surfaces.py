"""Which surface a channel shows a creative on: one table from channel to the template that imitates it, and how much of
the channel's length the words use up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offers import channels

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
class Length:
    """Characters of one field, used and allowed."""

    field: str
    used: int
    most: int

    @property
    def over(self) -> bool:
        return self.used > self.most


@dataclass(frozen=True, slots=True)
class Surface:
    """`text` holds headline, body, call_to_action and disclosure."""

    channel: str
    text: Mapping[str, str]

    @property
    def template(self) -> str:
        return f"partials/surfaces/{SURFACES[self.channel]}.html"

    @property
    def lengths(self) -> list[Length]:
        limits = channels.LIMITS[self.channel]
        return [Length(field, len(self.text.get(field, "")), limits.of(field)) for field in channels.FIELDS]

    @property
    def message(self) -> str:
        """Everything as one text message."""
        return channels.sms_text(self.text)

    @property
    def segments(self) -> int:
        return channels.segments(self.message)

    @property
    def most_segments(self) -> int | None:
        return channels.LIMITS[self.channel].segments


def surface(channel: str, text: Mapping[str, str]) -> Surface:
    """Raises KeyError for a channel that has no surface."""
    SURFACES[channel]
    return Surface(channel, text)
