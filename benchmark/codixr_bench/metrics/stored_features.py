"""Features of pictures as a run's statistics keep them, and the distances computed from them again.

``<fid>.features``, float16 [n, d]: of the generated pictures; ``<fid>.other_features``: of the real
pictures of other studies that ``fid_<backbone>_other`` compares with, equal for every model. Only
narrow ones are kept: the phantom's judge has 128 numbers a picture, 0.4 MB for 2,000 pictures, and
``frd.features`` (in units of the real pictures, as ``frd.py`` scales them) 147.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metric import Column, Columns, Influence
from codixr_bench.metrics.frechet import frechet_of_rows

WIDEST = 160
"""Numbers a picture that are kept; Inception's 2,048 would take 8 MB."""
FEATURES = ".features"
OTHERS = ".other_features"
TOLERANCE = 2e-4
"""Of a distance from float16 features, absolute, and relative above 1.

Of the reference points (2,000 pictures): 1e-5 of 1.4 (codixr), 2e-3 of 107, 1e-3 of 473.
"""


def stored(name: str, generated: FeatureRows, others: FeatureRows | None) -> dict[str, Column]:
    """Columns of the distance ``name``; none where the features are wide, or too large to keep."""
    found: dict[str, Column] = {}
    for end, rows in ((FEATURES, generated), (OTHERS, others)):
        if rows is None or len(rows) < 2 or rows.dimensions > WIDEST:
            continue
        whole = rows.all()
        if np.abs(whole).max() < np.finfo(np.float16).max:
            found[f"{name}{end}"] = whole.astype(np.float16)
    return found


def recomputed(
    columns: Columns, real: Columns, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, Influence]:
    """The distances of features in ``columns``, by those of the real outputs of the same studies.

    Args:
        columns: a run's statistics.
        real: those of the model ``real`` on the same task.
        wanted: whether a distance's name is asked for.
    """
    found: dict[str, Influence] = {}
    for name in filter(wanted, _names(columns, real)):
        generated, same = (_rows(side[f"{name}{FEATURES}"]) for side in (columns, real))
        distance = frechet_of_rows(generated, same)
        found[name] = Influence(distance.first + distance.second, distance.value)
        if f"{name}{OTHERS}" in real:
            others = _rows(real[f"{name}{OTHERS}"])
            base, bracket, view = name.partition("[")
            for kind, rows in (("other", generated), ("other_real", same)):
                to_others = frechet_of_rows(rows, others)
                whole = f"{base}_{kind}{bracket}{view}"
                found[whole] = Influence(to_others.first, to_others.value)
    return found


def _names(columns: Columns, real: Columns) -> Iterator[str]:
    for column, values in columns.items():
        name = column.removesuffix(FEATURES)
        twin = real.get(column)
        if column.endswith(FEATURES) and twin is not None and values.shape == twin.shape:
            yield name


def _rows(features: NDArray[np.generic]) -> FeatureRows:
    rows = FeatureRows()
    rows.add(range(len(features)), np.asarray(features, dtype=np.float32))
    return rows
