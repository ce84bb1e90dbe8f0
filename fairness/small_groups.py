"""Groups of too few people to be shown, defined once for pages, explanations and what leaves for an examiner: whatever
a policy pack says, an aggregate of fewer than twenty could tell of one of them."""

from __future__ import annotations

from typing import Any, Final

from offers.types import Bands

FLOOR: Final = 20
_NAMES: Final = frozenset({"subject", "attribute", "group", "reference", "reference_chosen_by", "verdict"})


def smallest(bands: Bands) -> int:
    """People from which on a group is shown."""
    return max(FLOOR, bands.smallest_shown)


def few(total: float, reference_total: float, bands: Bands) -> bool:
    """Whether either side of a comparison is too small for its figures to be shown."""
    return min(total, reference_total) < smallest(bands)


def hidden(value: Any, bands: Bands) -> Any:
    """JSON values with every comparison of too few people, however deep, cut to its names and its verdict."""
    if isinstance(value, list):
        return [hidden(one, bands) for one in value]
    if not isinstance(value, dict):
        return value
    if "total" in value and "reference_total" in value and few(value["total"], value["reference_total"], bands):
        return {name: one if name in _NAMES else None for name, one in value.items()}
    return {name: hidden(one, bands) for name, one in value.items()}
