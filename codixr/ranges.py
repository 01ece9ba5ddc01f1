"""The numbers that a setting may have, and their words in a message: ``a number from 0 to 1``."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``; a setting's value is ``in`` it or not."""

    low: float
    high: float
    whole: bool = False
    """Whole numbers only."""
    above: bool = False
    """``low`` itself is none of them."""
    below: bool = False
    """Nor is ``high``."""
    none: bool = False
    """None may stand in place of a number."""

    def __contains__(self, value: object) -> bool:
        """Whether a setting may have ``value``, of any type."""
        if value is None:
            return self.none
        kind = Integral if self.whole else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        number: Any = value  # a very large whole number is no float
        low = self.low < number if self.above else self.low <= number
        return bool(low and (number < self.high if self.below else number <= self.high))

    def __str__(self) -> str:
        """What to give, e.g. ``a whole number from 1 to 1,000, or none``."""
        kind = "a whole number" if self.whole else "a number"
        low, high = f"{self.low:,.15g}", f"{self.high:,.15g}"
        if self.above:
            span = f"above {low} {'and below' if self.below else 'up to'} {high}"
        else:
            span = f"from {low} to {'below ' if self.below else ''}{high}"
        return f"{kind} {span}{', or none' if self.none else ''}"
