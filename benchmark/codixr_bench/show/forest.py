"""A score as a strip: its interval and value on an axis of its own, beside what gives them a scale.

A run's scores have other units, so each strip has its own ends, written below it. Places are in per
cent, so that a strip is as wide as its column; colours are the page's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from codixr_bench.registry import facts_of
from codixr_bench.score import Score


@dataclass(frozen=True, slots=True)
class Strip:
    """Places in per cent of the width; None for what isn't there."""

    low: float
    """The axis' ends, in the score's unit."""
    high: float
    value: float
    interval: tuple[float, float] | None
    """(start, width)."""
    marks: tuple[tuple[str, float], ...] = ()
    """What it is held against: its name, its place."""
    band: tuple[float, float] | None = None
    """(start, width) of unrelated real pictures."""


def strip_of(score: Score, scale: Sequence[tuple[str, Score | None]] = ()) -> Strip | None:
    """The strip of a run's score; None where it has no value.

    The axis is the score's range where that has two ends, else it reaches from 0, or the least
    value, to the greatest. ``scale`` holds the same score of the reference points, by name.
    """
    if score.value is None:
        return None
    marks = {name: one.value for name, one in scale if one is not None and one.value is not None}
    if score.skill is not None:
        for name, value in (("constant", score.skill.constant),
                            (score.skill.of, score.skill.ceiling)):  # fmt: skip
            if value is not None:
                marks.setdefault(name, value)
    band = score.unrelated.ci95 if score.unrelated is not None else None
    shown = [score.value, *(score.ci95 or ()), *marks.values(), *(band or ())]
    low, high = _axis(score.name, shown)
    return Strip(
        low,
        high,
        _place(score.value, low, high),
        _span(score.ci95, low, high),
        tuple((name, _place(value, low, high)) for name, value in marks.items()),
        _span(band, low, high),
    )


def difference_strip(value: float, interval: tuple[float, float]) -> Strip:
    """The strip of a difference: its axis has 0 in the middle, marked."""
    reach = max(abs(value), *map(abs, interval)) * 1.1 or 1.0
    return Strip(
        -reach,
        reach,
        _place(value, -reach, reach),
        _span(interval, -reach, reach),
        (("no difference", 50.0),),
    )


def _axis(name: str, shown: Sequence[float]) -> tuple[float, float]:
    facts = facts_of(name)
    if facts is not None and math.isfinite(facts.lowest) and math.isfinite(facts.highest):
        ends = (facts.lowest, facts.highest)
        if min(shown) >= ends[0] and max(shown) <= ends[1]:
            return ends
    low, high = min(0.0, *shown), max(0.0, *shown)
    return (low, high) if high > low else (low, low + 1.0)


def _place(value: float, low: float, high: float) -> float:
    return round(100.0 * (value - low) / (high - low), 2)


def _span(
    interval: tuple[float, float] | None, low: float, high: float
) -> tuple[float, float] | None:
    if interval is None:
        return None
    start, end = (_place(value, low, high) for value in interval)
    return start, round(end - start, 2)
