"""What is compared, in words: an offer by its title, a family of offers, or any offer."""

from __future__ import annotations

from collections.abc import Iterable

from fairness.cube.rollup import ANY, FAMILY
from offers.models import Offer


def names(keys: Iterable[str]) -> dict[str, str]:
    """Keys of the cube in words, in one query; an offer that is gone is its key in words."""
    wanted = set(keys)
    titles = dict(Offer.objects.filter(key__in=wanted).values_list("key", "title"))
    return {key: titles.get(key) or _name(key) for key in wanted}


def _name(key: str) -> str:
    if key == ANY:
        return "Any offer"
    if key.startswith(FAMILY):
        return f"{_spaced(key.removeprefix(FAMILY)).capitalize()} family"
    return _spaced(key)


def _spaced(code: str) -> str:
    return code.replace("_", " ").replace("-", " ")
