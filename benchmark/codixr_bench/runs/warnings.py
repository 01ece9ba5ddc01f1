"""What a run warns of beside what its scores' families say: better than the real studies.

``above_real``: the real studies themselves, scored beside the run as the ceiling of its skill, are
what a model can reach. A primary score above theirs says that the judge was served, not the reader.
Paired over the studies, one-sided, Holm-corrected over the primary scores of the result. Agreement
of two outputs is left out (``Facts.real_is_ceiling``): two pictures of another patient may agree
more than these studies' do, and nothing of the condition is in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codixr_bench.registry import facts_of
from codixr_bench.score import ResultWarning
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import holm, shown_p, upper_tail
from codixr_bench.statistics.skill import Measured

ALPHA = 0.01
"""What Holm's adjusted p-values are held against."""
_ROUNDING = 1e-9


def above_real(
    model: Mapping[str, Measured],
    real: Mapping[str, Measured],
    patients: NDArray[np.generic] | None = None,
) -> Iterator[ResultWarning]:
    """One warning that names the primary scores above the real studies' own; or none.

    Args:
        model: score name -> its value and influences.
        real: the same of the real studies.
        patients: [n], the number of each study's patient, where some have several studies.
    """
    tested = {
        name: _p_above(name, one, real[name], patients)
        for name, one in model.items()
        if name in real and (facts := facts_of(name)) is not None
        if facts.primary and facts.real_is_ceiling
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    found = [name for name, p in adjusted.items() if p < ALPHA]
    if found:
        p = min(adjusted[name] for name in found)
        yield ResultWarning.of("above_real", found, [shown_p(p)], value=p, limit=ALPHA)


def in_most(sets: Sequence[Iterable[ResultWarning]]) -> list[ResultWarning]:
    """Of several samples a study: the warnings of more than half of the sets, as first said."""
    said: dict[str, list[ResultWarning]] = {}
    for warnings in sets:
        for code, one in {warning.code: warning for warning in warnings}.items():
            said.setdefault(code, []).append(one)
    return [found[0] for found in said.values() if 2 * len(found) > len(sets)]


def _p_above(
    name: str, model: Measured, real: Measured, patients: NDArray[np.generic] | None
) -> float:
    """One-sided: how often a model that is as good as real gets this far above."""
    facts = facts_of(name)
    sign = 1.0 if facts is None or facts.higher_is_better else -1.0
    gain = sign * (model.value - real.value)
    if gain <= _ROUNDING:
        return 1.0
    difference = model.by_study - real.by_study
    error, df = standard_error(difference - difference.mean(), patients)
    return upper_tail(gain / error, df) if error > 0.0 else 0.0
