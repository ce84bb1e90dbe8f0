"""How the pages of fairness write ratios, logarithms and shares of counts; never a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from django import template

from console.templatetags.console import MINUS, NONE, contribution, percent
from console.wording import attribute_name

register = template.Library()
register.filter("meaning", attribute_name)


@register.filter
def meanings(names: Sequence[str]) -> list[str]:
    """What attributes mean, to be listed."""
    return [attribute_name(name) for name in names]


@register.filter
def percent_of(part: float, whole: float) -> str:
    """A part of a whole as per cent."""
    return percent(part / whole if whole else None)


@register.filter
def signed_log(value: float | None) -> str:
    """A natural logarithm with its sign and three digits; what rounds to zero has no sign."""
    if value is None:
        return NONE
    return f"{value:+.3f}".replace("-", MINUS) if round(value, 3) else "0.000"


@register.filter
def exponent(value: float | None) -> float | None:
    """The ratio of which this is the natural logarithm."""
    return None if value is None else exp(value)


@register.filter
def minus(whole: float, part: float) -> float:
    return whole - part


@register.filter
def scientific(value: float) -> str:
    """A difference of last bits: "0", or one digit and its power of ten."""
    return f"{value:.0e}" if value else "0"


@register.filter
def unfavourable_of(rows: Sequence[Mapping[str, Any]], group: str) -> float | None:
    """The ratio of the unfavourable rates of one group of a table."""
    return next((one["row"].unfavourable_ratio for one in rows if one["row"].group == group), None)


@register.inclusion_tag("partials/contribution.html")
def part(value: float, scale: float) -> dict[str, object]:
    """A part of a logarithm as a bar from the middle: to the right it raises, to the left it lowers."""
    return {**contribution(value, scale), "title": signed_log(value)}
