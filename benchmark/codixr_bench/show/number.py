"""THE number format: a score's value with the digits that a reader needs, never as another number.

A score's family says how many decimals that is. A value that they would show as 0, or as an end of
the score's range, gets more: 0.0004 and not 0.000, 0.9996 and not 1.000. What differs from such a
number by less than ``_NOISE`` is that number, with an error of the arithmetic.
"""

import math
from collections.abc import Iterable

from codixr_bench.registry import facts_of
from codixr_bench.score import Score

MISSING = "–"
_USUAL = 3
"""Decimals of a score that no family here knows."""
_MOST = 9
_NOISE = 1e-9


def number(name: str, value: float | None, *, places: int | None = None, sign: bool = False) -> str:
    """A value of the score ``name``, e.g. ``0.941``, ``35.25``, ``1,052.3``; a dash for None.

    Args:
        name: the score's, with or without ``[F]``.
        value: in the score's unit.
        places: decimals, where a column or a printed table asks for its own.
        sign: whether it is a difference: its sign is always shown, and only 0 is a special number.
    """
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(value)
    usual = _decimals(name) if places is None else places
    if places is None and abs(value) >= 100 and usual > 1:
        # Four digits or more say enough.
        usual -= 1
    special = _special(name, difference=sign)
    exact = next((p for p in special if abs(value - p) <= _NOISE * max(1.0, abs(p))), None)
    if exact is not None:
        return f"{exact + 0.0:{'+' if sign and exact else ''},.{usual}f}"
    while usual < _MOST and any(round(value, usual) == point for point in special):
        usual += 1
    return f"{value:{'+' if sign else ''},.{usual}f}"


def cell(name: str, value: float | None, *, places: int | None = None) -> str:
    """A value for a narrow column: ``.941``, ``8.31``, ``23.5``, ``1.00``.

    Three digits where that is enough: no zero before the point, and fewer decimals from 10 on.
    """
    if value is None or not math.isfinite(value):
        return number(name, value)
    if places is None:
        size = abs(value)
        whole = 0 if size < 1 - _NOISE else 1 if size < 10 else 2 if size < 100 else 3
        places = min(_decimals(name), 3 - whole)
    text = number(name, value, places=places)
    if text.startswith(("0.", "-0.")):
        text = text.replace("0.", ".", 1)
    return text


def together(name: str, values: Iterable[float]) -> int:
    """The decimals that numbers side by side share: as many as the smallest difference needs.

    At most two more than the score's usual ones.
    """
    usual = _decimals(name)
    shown = [abs(value) for value in values if abs(value) > _NOISE]
    if not shown:
        return usual
    if min(shown) >= 100 and usual > 1:
        return usual - 1
    needed = usual
    while needed < usual + 2 and round(min(shown), needed) < 2 * 10.0**-needed:
        needed += 1
    return needed


def interval(score: Score | None, joint: str = "–") -> str:
    """``12.1–13.4``, ``-0.87 to -0.75``, or nothing where there is no interval."""
    if score is None or score.ci95 is None:
        return ""
    if joint == "–" and min(score.ci95) < 0:
        joint = " to "
    return joint.join(number(score.name, end) for end in score.ci95)


def chance(p: float) -> str:
    """A p-value in five characters: ``<.001``, ``.042``, ``>.999``, ``1``."""
    if p < 0.001:
        return "<.001"
    if p >= 1.0:
        return "1"
    return ">.999" if p > 0.9994 else f"{p:.3f}".removeprefix("0")


def _decimals(name: str) -> int:
    facts = facts_of(name)
    return _USUAL if facts is None else facts.decimals


def _special(name: str, *, difference: bool) -> list[float]:
    """The numbers that another one must not be shown as."""
    facts = None if difference else facts_of(name)
    ends = (facts.lowest, facts.highest) if facts is not None else ()
    return [0.0, *(end for end in ends if math.isfinite(end) and end != 0.0)]
