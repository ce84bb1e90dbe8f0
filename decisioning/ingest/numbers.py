"""Reads numbers as people and other countries write them; what could mean two numbers is refused, not guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

# Spaces and apostrophes that stand between thousands are not told apart: exports mix them.
_SPACES: Final = " \u00a0\u2009\u202f"
_ALIKE: Final = {" ": f"[{_SPACES}]", "'": "['\u2019]"}


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How a column writes its numbers.

    `decimal` is the decimal mark and `grouping` what stands between thousands, if anything does. `strip` are signs
    around the number without a meaning of their own ("€", "USD", "%"); `scale` is what it is then multiplied by (0.01
    makes a ratio of a percentage). With `accounting`, "(5.00)" and "5.00-" are negative.
    """

    decimal: str = "."
    grouping: str = ""
    strip: tuple[str, ...] = ()
    scale: float = 1.0
    accounting: bool = False

    def read(self, raw: Any) -> float:
        """The number before it is scaled. Raises ValueError in words."""
        try:
            value = self._of_text(raw.strip()) if isinstance(raw, str) else float(raw)
        except (TypeError, ValueError, ArithmeticError):
            raise ValueError("is not a number") from None
        if value - value != 0.0:
            raise ValueError("is not a finite number")
        return value

    def scaled(self, value: float) -> float:
        """In decimal arithmetic, so that 57 % is 0.57."""
        return value if self.scale == 1.0 else float(Decimal(repr(value)) * Decimal(repr(self.scale)))

    def _of_text(self, text: str) -> float:
        sign = text[0] if text[:1] in ("-", "+") else ""
        text = self._stripped(text.removeprefix(sign))
        if sign and text[:1] in ("-", "+"):
            raise ValueError
        if self.accounting and not sign and _ACCOUNTED.fullmatch(text):
            sign, text = "-", self._stripped(text.removesuffix("-").removeprefix("(").removesuffix(")"))
        return -self._plain(text) if sign == "-" else self._plain(text)

    def _stripped(self, text: str) -> str:
        for sign in self.strip:
            text = text.strip().removeprefix(sign).removesuffix(sign)
        return text.strip()

    def _plain(self, text: str) -> float:
        if self.decimal == "." and not self.grouping:
            if "_" in text:  # Python's own way to group, nobody else's
                raise ValueError
            return float(Fraction(text)) if "/" in text else float(text)
        whole, mark, fraction = text.partition(self.decimal)
        if not (_WHOLE[self.grouping].fullmatch(whole) and re.fullmatch(r"[0-9]*", fraction)):
            raise ValueError
        return float(f"{re.sub(r'[^0-9+-]', '', whole)}{'.' if mark else ''}{fraction}")


GROUPINGS: Final = ("", ",", ".", " ", "'")
_ACCOUNTED: Final = re.compile(r"\(.*\)|[^()]*-")


def _whole(grouping: str) -> re.Pattern[str]:
    """Groups of three only: with a comma between thousands, "1,50" is no number, since it could be one and a half."""
    between = _ALIKE.get(grouping, re.escape(grouping))
    return re.compile(rf"[+-]?([0-9]+|[0-9]{{1,3}}({between}[0-9]{{3}})+)" if grouping else r"[+-]?[0-9]+")


_WHOLE: Final = {grouping: _whole(grouping) for grouping in GROUPINGS}
