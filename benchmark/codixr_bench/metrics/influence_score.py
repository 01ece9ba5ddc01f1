"""A score whose interval comes from what each study does to it."""

import numpy as np
from numpy.typing import NDArray

from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.influence_interval import influence_interval

Measured = tuple[float | None, NDArray[np.float64], str | None]
"""A value, each study's influence on it [n] with mean zero, and the reason where it is None."""


def influence_score(
    name: str,
    measured: Measured,
    *,
    n: int,
    higher_is_better: bool,
    signature: str,
    lowest: float,
    highest: float,
) -> Score:
    """The score ``name`` of ``n`` studies; those of one patient are one draw.

    Args:
        name: as results have it.
        measured: what was found.
        n: studies.
        higher_is_better: which way is good.
        signature: how it was made; ``|n:N|ci:influence`` is added.
        lowest: what no value can be below; the interval is cut there.
        highest: what no value can be above.
    """
    value, influence, reason = measured
    interval = None
    if value is not None:
        interval = influence_interval(value, influence, patients_of(n), lowest, highest)
    return Score(
        name=name,
        value=value,
        reason=reason,
        ci95=interval,
        n=n,
        higher_is_better=higher_is_better,
        signature=f"{signature}|n:{n}|ci:influence",
    )
