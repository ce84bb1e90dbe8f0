"""What a new offer starts from: what its product's other offers have in common, and words from its facts where there is
no message to take over; nothing is proposed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from console.catalogue.surfaces import SURFACES
from console.templatetags.console import NARROW_SPACE, amount, percent
from offers import terms
from offers.channels import LIMITS
from offers.models import Creative, Offer, Placement

MOST_SIBLINGS: Final = 200
FIRST_CHANNELS: Final = ("mobile_app", "web")
_CALLS: Final[Mapping[str, str]] = {
    "sms": "See it in the app",
    "branch": "Shall we go through the terms together?",
    "call_centre": "May I send you the terms?",
    "direct_mail": "Apply in the app, online or at a branch",
}
_CALL: Final = "See the card"


def siblings(product: str) -> list[Offer]:
    """The live offers of a product, by key."""
    return list(Offer.objects.filter(product=product, live=True).order_by("key")[:MOST_SIBLINGS])


def family(found: Sequence[Offer]) -> str:
    """The commonest family among them."""
    return Counter(offer.content["family"] for offer in found).most_common(1)[0][0] if found else ""


def worth(found: Sequence[Offer], like: Offer | None) -> dict[str, Any]:
    """Worth and places of a new offer: those of the one it starts from, else what the others have in the middle."""
    same = [like] if like else list(found)
    contents = [offer.content for offer in same]
    ranks = [offer.content["benefit_rank"] for offer in found]
    places = sorted({place for content in contents for place in content["placements"]})
    return {
        "value": round(median(content["value"] for content in contents), 2) if contents else None,
        "base_rate": round(100 * median(content["base_rate"] for content in contents), 4) if contents else None,
        "benefit_rank": min(100, max(ranks, default=0) + 1),
        "channels": sorted({channel for offer in found for channel in offer.content["channels"]}) or FIRST_CHANNELS,
        "placements": places or list(Placement.objects.filter(live=True).values_list("key", flat=True)),
    }


def messages(like: Offer | None) -> list[Creative]:
    """The live messages of the offer that a new one starts from."""
    return list(Creative.objects.filter(offer=like.key, live=True).order_by("key")) if like else []


def words(
    channel: str, title: str, facts: Mapping[str, Any], text: Mapping[str, str] | None, old: str
) -> dict[str, str]:
    """A message's words on a channel: those of another offer's (`text`, which calls it `old`) under the new name, else
    a plain statement of the facts."""
    if text is not None:
        return {**{name: part.replace(old, title) for name, part in text.items()}, "format": text["format"]}
    bonus = facts.get("bonus")
    body = f"{title}: " + (f"a welcome bonus of {amount(bonus)}" if bonus else "see whether it suits you") + "."
    plain = {
        "headline": title,
        "body": f"{body} {_fee(facts)}".strip(),
        "call_to_action": _CALLS.get(channel, _CALL),
        "disclosure": disclosure(facts, channel),
    }
    return {"format": SURFACES[channel], **{name: part[: LIMITS[channel].of(name)] for name, part in plain.items()}}


def disclosure(facts: Mapping[str, Any], channel: str) -> str:
    """Rate, fee and limit as far as they are set (Regulation Z, 12 CFR 1026.60, wants them beside an offer), and on a
    phone's own channel the way out (Telephone Consumer Protection Act, 47 CFR 64.1200(a)(10))."""
    parts = []
    if facts.get("rate") is not None:
        intro = facts.get("intro_months")
        after = f" after an introductory period of {intro} months" if intro else ""
        parts.append(f"Annual percentage rate {percent(facts['rate']).replace(NARROW_SPACE, ' ')}{after}")
    if facts.get("fee") is not None:
        parts.append(f"annual fee {amount(facts['fee'])}" if facts["fee"] else "no annual fee")
    if facts.get("limit") is not None:
        parts.append(f"credit limit up to {amount(facts['limit'])}")
    said = ", ".join(parts)
    stop = " Reply STOP to opt out." if channel == "sms" else ""
    return f"{said[0].upper()}{said[1:]}. Subject to approval.{stop}" if said else f"Subject to approval.{stop}"


def same_terms(found: Sequence[Offer], key: str) -> dict[str, Any]:
    """The approved terms of one of these offers; none for a key that is not among them."""
    return next((terms.owned(offer.content) for offer in found if offer.key == key), {})


def _fee(facts: Mapping[str, Any]) -> str:
    if facts.get("fee") is None:
        return ""
    return f"The annual fee is {amount(facts['fee'])}." if facts["fee"] else "There is no annual fee."
