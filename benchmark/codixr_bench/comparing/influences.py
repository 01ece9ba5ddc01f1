"""The influences of a result's scores, asked of their families. Imports no torch."""

from collections.abc import Iterable

import numpy as np

from codixr_bench.metric import INFLUENCE, Columns, Influence
from codixr_bench.registry import family_of
from codixr_bench.statistics.influence import PATIENT, as_influences


def influences(columns: Columns, names: Iterable[str]) -> dict[str, Influence]:
    """Score name -> influence, of the scores among ``names`` that ``columns`` can give.

    A score of a metric that is not installed here has a column of pseudo-values, or none; their
    mean is its value.
    """
    wanted = list(names)
    columns, means = as_influences(columns)
    known = {name: family for name in wanted if (family := family_of(name)) is not None}
    found: dict[str, Influence] = {}
    for family in dict.fromkeys(known.values()):
        found |= family.influences(columns)
    for name in wanted:
        own = columns.get(f"{name}{INFLUENCE}")
        if name not in found and own is not None:
            found[name] = Influence(np.asarray(own, dtype=np.float64))
    for name in [name for name in wanted if name in found and name in means]:
        if found[name].value is None:
            found[name] = Influence(found[name].by_study, means[name])
    return {n: found[n] for n in wanted if n in found and np.isfinite(found[n].by_study).all()}


def columns_about_studies(columns: Columns, names: Iterable[str]) -> Columns:
    """The columns that are equal on equal studies, whatever the model."""
    families = [family for name in names if (family := family_of(name)) is not None]
    families = list(dict.fromkeys(families))
    return {
        column: values
        for column, values in columns.items()
        if column == PATIENT or any(family.about_studies(column) for family in families)
    }
