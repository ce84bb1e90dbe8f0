"""Which personalisation level each attribute needs: its group's, or that of whatever it is computed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from decisioning.features.derived import derived
from decisioning.features.ledger import level
from offers.register import ATTRIBUTES, GROUPS, LEVELS


def _needed() -> dict[str, int]:
    """Places in LEVELS by attribute; a derived one comes after its inputs."""
    needed = {name: LEVELS.index(GROUPS[declared.group].level) for name, declared in ATTRIBUTES.items()}
    for name, each in derived().items():
        needed[name] = max(needed[name], *(needed.get(source, 0) for source in each.inputs))
    return needed


NEEDED: Final[Mapping[str, int]] = _needed()
_BEYOND: Final = tuple(
    frozenset(name for name, place in NEEDED.items() if place > granted) for granted in range(len(LEVELS))
)


def beyond(consents: Collection[str]) -> frozenset[str]:
    """The attributes that these consents do not allow to be used."""
    return _BEYOND[level(consents)]


def allowed(attributes: Mapping[str, Any], consents: Collection[str]) -> dict[str, Any]:
    """The attributes, by register name, that these consents allow to be used."""
    withheld = beyond(consents)
    return {name: value for name, value in attributes.items() if name not in withheld}
