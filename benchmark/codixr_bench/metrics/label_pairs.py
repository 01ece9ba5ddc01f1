"""Studies of the same labels in pairs: how a model varies what it makes of one set of findings."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS
from codixr.data.study import Study


def label_keys(studies: Sequence[Study]) -> NDArray[np.int64]:
    """A number for each study's set of labels, [B]: equal where all labels are."""
    return np.array(
        [
            zlib.crc32(repr([study.labels.get(name) for name in OBSERVATIONS]).encode())
            for study in studies
        ],
        dtype=np.int64,
    )


def partners(keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """The next study of the same labels for each [n], the first one for the last; -1 for none."""
    found = np.full(len(keys), -1, dtype=np.intp)
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order].astype(np.int64))) + 1
    for group in np.split(order, ends):
        if len(group) > 1:
            found[group] = np.roll(group, -1)
    return found
