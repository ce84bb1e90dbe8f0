"""How the what-if page writes the number beside a slider; never a query."""

from __future__ import annotations

import math
from contextlib import suppress

from django import template
from django.forms import BoundField

from console.templatetags.console import NARROW_SPACE

register = template.Library()


@register.filter
def lever_value(field: BoundField) -> str:
    """Where a lever stands: a share as per cent, any other number as it was sent."""
    value = field.value()
    if "data-share" in field.field.widget.attrs:
        with suppress(TypeError, ValueError):
            if math.isfinite(share := float(value)):
                return f"{share * 100:.1f}".removesuffix(".0") + f"{NARROW_SPACE}%"
    return "" if value is None else str(value)
