"""Features of pictures as a run's statistics keep them, and the distances computed from them again.

``<fid>.features``, float16 [n, d]: of the generated pictures; ``<fid>.other_features``: of the real
pictures of other studies that ``fid_<backbone>_other`` compares with, equal for every model. Only
narrow ones are kept: the phantom's judge has 128 numbers a picture, 0.4 MB for 2,000 pictures, and
``frd.features`` (in units of the real pictures, as ``frd.py`` scales them) 147. Precision and
coverage follow from the judge's as well.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metric import INFLUENCE, Column, Columns, Influence
from codixr_bench.metrics.frechet import frechet_of_rows
from codixr_bench.metrics.precision_recall import manifolds
from codixr_bench.statistics.half_samples import Halved, Splits
from codixr_bench.statistics.influence import PATIENT, PSEUDOVALUE

WIDEST = 160
"""Numbers a picture that are kept; Inception's 2,048 would take 8 MB."""
FEATURES = ".features"
OTHERS = ".other_features"
TOLERANCE = 2e-4
"""Of a distance from float16 features, absolute, and relative above 1.

Of the reference points (2,000 pictures): 1e-5 of 1.4 (codixr), 2e-3 of 107, 1e-3 of 473.
"""
OF_SHARES = (0.002, 0.25)
"""``Influence.rounding`` of precision and coverage: whether a picture at a ball's edge is in it may
hang on float16.

Of the reference points: two pictures of 2,000 at most (0.001), the ends of intervals 0.001, and the
influences 9 % of their standard deviation.
"""
_SHARES = ("precision", "coverage")


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


def recomputed_shares(
    columns: Columns, real: Columns, wanted: Callable[[str], bool]
) -> dict[str, Influence]:
    """Precision and coverage of features in ``columns``, where the real outputs have the scores.

    Args:
        columns: a run's statistics.
        real: those of the model ``real`` on the same task.
        wanted: whether a distance's name is asked for.
    """
    found: dict[str, Influence] = {}
    for name in filter(wanted, _names(columns, real)):
        kinds = {kind: name.replace("fid", kind, 1) for kind in _SHARES}
        asked = {k: n for k, n in kinds.items() if {n + INFLUENCE, n + PSEUDOVALUE} & real.keys()}
        if not asked:
            continue
        generated, same = (_rows(side[f"{name}{FEATURES}"]) for side in (columns, real))
        n, patients = len(generated), columns.get(PATIENT)
        groups = np.arange(n) if patients is None else np.asarray(patients, dtype=np.intp)
        named = None if patients is None else [f"{one:09d}" for one in groups]
        splits = Splits.draw(n, n, paired=True, patients=named)
        shares = manifolds(generated, same, splits, groups=groups, with_recall=False, quiet=True)
        for kind, whole in asked.items():
            halved: Halved | None = getattr(shares, kind)
            if halved is not None:
                by_study = splits.column(halved.changes())
                interval = halved.interval(splits.draws)
                found[whole] = Influence(by_study, halved.value, interval, OF_SHARES)
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
