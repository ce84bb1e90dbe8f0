"""Last stage: the approved words for the channel; an offer without them is not shown."""

from decisioning.case import Case
from offers.types import Release, Text


def apply(case: Case) -> None:
    """Drop choices that have no approved text on the channel, and close the ranks."""
    kept = [choice for choice in case.choices if text_for(case.plan.release, choice.arm, case.request.channel)]
    if len(kept) == len(case.choices):
        return
    for choice in case.choices:
        if choice not in kept:
            case.refuse(case.plan.position[choice.offer], "creative", "NO_APPROVED_TEXT", choice.arm)
    case.choices = tuple(kept)


def text_for(release: Release, arm: str, channel: str) -> Text | None:
    """The approved text of an arm's creative on a channel."""
    return release.creatives[release.arms[arm].creative].texts.get(channel)
