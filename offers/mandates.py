"""What a mandate may ask of an arm, and how it reads in a sentence; what it does to a decision is in
decisioning.bandit.mandates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from offers.conditions.grammar import Fault
from offers.register import Attribute, attribute, attributes
from offers.types import Mandate

Content = Mapping[str, Mapping[str, Any]]


def shields() -> tuple[Attribute, ...]:
    """The attributes whose holders a mandate may spare."""
    return attributes(use="shield")


def faults(content: Content) -> Iterator[Fault]:
    """What no mandate of the catalogue may ask, each with the field's path."""
    fallbacks = {value["fallback"] for value in content["placement"].values()}
    for key, value in content["arm"].items():
        mandate, root = value.get("mandate"), f"/arm/{key}/mandate"
        if not mandate:
            continue
        if key in fallbacks:
            yield Fault(root, "fallback", f"{key} is a placement's fallback: it competes with no arm and has no share")
        if mandate.get("min_share", 0) > mandate.get("max_share", 1):
            yield Fault(f"{root}/min_share", "above_maximum", "the minimum is above the maximum")
        if mandate.get("max_share", 1) == 0:
            yield Fault(f"{root}/max_share", "zero", "an arm that may never come first is paused instead")
        for index, name in enumerate(mandate.get("never_explore", ())):
            message = _no_shield(name)
            if message:
                yield Fault(f"{root}/never_explore/{index}", "not_usable", message)


def _no_shield(name: str) -> str | None:
    """What is wrong with sparing the holders of this attribute; of a protected one, the law that refuses it."""
    try:
        declared = attribute(name)
    except LookupError as error:
        return str(error)
    if "shield" not in declared.uses:
        return f"{name} may not be used to spare people from trials; {', '.join(a.name for a in shields())} may"
    return None


def sentence(mandate: Mandate | None) -> str:
    """What a mandate asks, as sentences; with none, that the arm's merit alone counts."""
    if mandate is None:
        return "Merit alone decides."
    said = [_shares(mandate), _budget(mandate), _spared(mandate)]
    text = " ".join(part for part in said if part) or "Merit alone decides."
    return f"{text} Until {mandate.ends_at:%-d %B %Y, %H:%M} UTC." if mandate.ends_at else text


def _shares(mandate: Mandate) -> str:
    low, high = mandate.min_share > 0, mandate.max_share < 1
    if not (low or high):
        return ""
    asked = " and ".join(
        text
        for text in (
            f"at least {_percent(mandate.min_share)}" if low else "",
            f"at most {_percent(mandate.max_share)}" if high else "",
        )
        if text
    )
    if mandate.min_share == mandate.max_share:
        asked = f"exactly {_percent(mandate.min_share)}"
    return f"Comes first in {asked} of the decisions in which it competes."


def _budget(mandate: Mandate) -> str:
    if mandate.learning_budget is None:
        return ""
    if mandate.learning_budget == 0:
        return "Never chosen to learn."
    times = "once" if mandate.learning_budget == 1 else f"{mandate.learning_budget:,} times"
    return f"Chosen to learn at most {times} a day while another arm promises more."


def _spared(mandate: Mandate) -> str:
    if not mandate.never_explore:
        return ""
    names = [attribute(name).meaning for name in mandate.never_explore]
    listed = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"Never explored on whoever has, or may have, {listed}."


def _percent(share: float) -> str:
    return f"{round(share * 100, 2):g}\u202f%"
