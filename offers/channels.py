"""How long the words of a message may be on each channel, the one table of it; no words and no surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from offers.conditions.grammar import Fault

FIELDS: Final = ("headline", "body", "call_to_action", "disclosure")


@dataclass(frozen=True, slots=True)
class Limits:
    """Characters of each field, and SMS segments of all of them together (None: they are not sent as an SMS)."""

    headline: int
    body: int
    call_to_action: int
    disclosure: int
    segments: int | None = None

    def of(self, field: str) -> int:
        return int(getattr(self, field))


LIMITS: Final[Mapping[str, Limits]] = {
    "mobile_app": Limits(60, 180, 25, 300),
    "web": Limits(60, 240, 30, 300),
    "email": Limits(78, 600, 40, 600),  # a longer subject line is folded (RFC 5322, 2.1.1)
    "sms": Limits(60, 160, 25, 240, segments=3),
    "push": Limits(50, 120, 25, 240),
    "branch": Limits(120, 600, 60, 600),
    "call_centre": Limits(120, 600, 60, 600),
    "direct_mail": Limits(120, 600, 60, 600),
}

# Signs of the default alphabet of GSM 03.38 that cost one septet; those of its extension cost two.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("^{}\\[~]|€\f")
_ONE_GSM, _EACH_GSM, _ONE_UCS2, _EACH_UCS2 = 160, 153, 70, 67


def sms_text(text: Mapping[str, str]) -> str:
    """What an SMS says: the four fields, apart by a blank."""
    return " ".join(part for part in (text.get(field, "").strip() for field in FIELDS) if part)


def segments(text: str) -> int:
    """How many messages an operator bills for a text: 160 septets or 153 each, 70 units or 67 each with other signs."""
    if set(text) <= _BASIC | _EXTENSION:
        length, one, each = len(text) + sum(sign in _EXTENSION for sign in text), _ONE_GSM, _EACH_GSM
    else:
        length, one, each = len(text.encode("utf-16-be")) // 2, _ONE_UCS2, _EACH_UCS2
    return 0 if not text else 1 if length <= one else -(-length // each)


def faults(channel: str, text: Mapping[str, str], root: str) -> Iterator[Fault]:
    """What is too long, or says nothing, on this channel."""
    limits = LIMITS[channel]
    for field in FIELDS:
        if not text[field].strip():
            yield Fault(f"{root}/{field}", "missing", f"the {field.replace('_', ' ')} says nothing")
        elif len(text[field]) > limits.of(field):
            yield Fault(f"{root}/{field}", "too_long", f"{len(text[field])} characters, at most {limits.of(field)}")
    if limits.segments is not None and segments(sms_text(text)) > limits.segments:
        yield Fault(root, "too_long", f"{segments(sms_text(text))} messages as sent, at most {limits.segments}")


def all_faults(texts: Mapping[str, Any], root: str) -> list[Fault]:
    """The same of every channel of a creative."""
    return [fault for channel in texts for fault in faults(channel, texts[channel], f"{root}/{channel}")]
