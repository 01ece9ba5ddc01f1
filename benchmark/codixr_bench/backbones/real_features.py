"""Features of a track's real pictures, kept between runs: all models are compared with the same.

A file ``$CODIXR_CACHE/features/<key>.npy``, float32 [n, d]; its key is a digest of the studies'
fingerprint, split and number, the view, and the backbone's signature (network, weights,
preprocessing). It holds numbers of real studies, in their order and without ids, and stays on the
machine: delete it at will.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from codixr import messages
from codixr.atomic import make_folder, write_atomically
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Backbone, Features, real_images
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.weights import weights_folder

_BATCH = 64


class RealFeatures:
    """The kept features of one view of a dataset in one backbone, if an earlier run left them.

    Args:
        dataset: the evaluated studies.
        view: F or L.
        backbone: its signature is part of the key.
    """

    def __init__(self, dataset: StudyDataset, view: Modality, backbone: Backbone) -> None:
        self._n = len(dataset)
        parts = [dataset.fingerprint, dataset.split, self._n, view.value, backbone.signature]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self.path: Path = weights_folder().parent / "features" / f"{digest[:32]}.npy"
        self._kept = self._read()

    def rows(self, positions: Sequence[int]) -> Features | None:
        """Features at ``positions``, [B, d]; None where none are kept."""
        if self._kept is None:
            return None
        return np.array(self._kept[np.asarray(positions)])

    def keep(self, rows: FeatureRows) -> None:
        """Write the features of all studies, once."""
        if self._kept is not None or len(rows) != self._n:
            return
        header = io.BytesIO()
        shape = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), rows.dimensions)}
        np.lib.format.write_array_header_1_0(header, shape)
        blocks = (block.astype("<f4").tobytes() for block in rows.read())
        try:
            make_folder(self.path.parent)
            write_atomically(self.path, chain([header.getvalue()], blocks))
        except InputError as error:
            messages.note("codixr-bench", f"features are not kept: {error}")

    def _read(self) -> Features | None:
        if not self.path.is_file():
            return None
        try:
            kept: Features = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            self.path.unlink(missing_ok=True)
            return None
        return kept if kept.ndim == 2 and len(kept) == self._n else None


def features_of_dataset(dataset: StudyDataset, view: Modality, backbone: Backbone) -> Features:
    """Features of a dataset's real pictures, [n, d]; kept where the backbone is worth it."""
    return rows_of_dataset(dataset, view, backbone, range(len(dataset))).all()


def rows_of_dataset(
    dataset: StudyDataset, view: Modality, backbone: Backbone, wanted: range
) -> FeatureRows:
    """Features of the real pictures at ``wanted`` positions, as rows from 0 on.

    Those of a whole dataset are kept where the backbone is worth it.
    """
    whole = wanted == range(len(dataset))
    keeps = whole and getattr(backbone, "keeps", False)
    kept = RealFeatures(dataset, view, backbone) if keeps else None
    rows = FeatureRows()
    for first in range(0, len(wanted), _BATCH):
        batch = wanted[first : first + _BATCH]
        found = None if kept is None else kept.rows(batch)
        if found is None:
            studies = [dataset[position] for position in batch]
            found = backbone.features(real_images(batch, studies, view))
        rows.add(range(first, first + len(batch)), found)
    if kept is not None:
        kept.keep(rows)
    return rows
