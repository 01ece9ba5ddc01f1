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
from typing import Any

import numpy as np

from codixr import messages
from codixr.atomic import make_folder, write_atomically
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Backbone, Features, Images, real_images
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.weights import weights_folder
from codixr_bench.track import Sharing

_BATCH = 64


class RealFeatures:
    """The kept features of one view of a dataset in one backbone, if an earlier run left them.

    Args:
        dataset: the studies.
        view: F or L.
        backbone: its signature is part of the key.
        wanted: positions whose features are kept, as rows from 0 on; all by default.
    """

    def __init__(
        self,
        dataset: StudyDataset,
        view: Modality,
        backbone: Backbone,
        wanted: range | None = None,
    ) -> None:
        self._n = len(dataset) if wanted is None else len(wanted)
        parts = [dataset.fingerprint, dataset.split, len(dataset), view.value, backbone.signature]
        if wanted is not None and wanted != range(len(dataset)):
            parts += [wanted.start, wanted.stop]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self.path: Path = weights_folder().parent / "features" / f"{digest[:32]}.npy"
        self._kept = self._read()

    @property
    def there(self) -> bool:
        """Whether an earlier run left them."""
        return self._kept is not None

    def rows(self, positions: Sequence[int]) -> Features | None:
        """Rows at ``positions``, [B, d]; None where none are kept."""
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

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; the file stays.
        return self.__dict__ | {"_kept": None}

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
    keeps = bool(getattr(backbone, "keeps", False))
    return rows_of_dataset(dataset, view, backbone, range(len(dataset)), keeps=keeps).all()


def rows_of_dataset(
    dataset: StudyDataset,
    view: Modality,
    backbone: Backbone,
    wanted: range,
    *,
    keeps: bool,
    sharing: Sharing | None = None,
) -> FeatureRows:
    """Features of the real pictures at ``wanted`` positions, as rows from 0 on.

    With ``keeps`` they are kept, and read again at the next call. Of several processes each
    computes a share, and the first has the rows: the others get none.
    """
    kept = RealFeatures(dataset, view, backbone, wanted) if keeps else None
    rank, size = (0, 1) if sharing is None else (sharing.rank, sharing.size)
    if sharing is not None and kept is not None and not sharing.agree(kept.there):
        kept = None
    images = getattr(dataset, "images", None)
    if callable(images) and (kept is None or not kept.there):
        images(view)
    rows = FeatureRows()
    for first in range(rank * _BATCH, len(wanted), size * _BATCH):
        batch = range(first, min(first + _BATCH, len(wanted)))
        found = None if kept is None else kept.rows(batch)
        if found is None:
            positions = wanted[first : first + _BATCH]
            studies = [dataset[position] for position in positions]
            found = backbone.features(real_images(positions, studies, view))
        rows.add(batch, found)
    if sharing is not None:
        shares = sharing.gather(rows if sharing.rank else None)
        if shares is None:
            return FeatureRows()
        for share in shares[1:]:
            if share is not None:
                rows.merge(share)
    if kept is not None:
        kept.keep(rows)
    return rows


def features_of_both(
    backbone: Backbone, generated: Images, real: Images, kept: Features | None
) -> tuple[Features, Features]:
    """Features of generated pictures and of the real ones of the same studies, [B, d] each.

    Computed once where the pictures are the same, as a ceiling's are.

    Args:
        backbone: what gives them.
        generated: float32 [B, 1, H, W].
        real: of the same studies.
        kept: the real ones' features, where they are known.
    """
    of_real = backbone.features(real) if kept is None else kept
    same = np.array_equal(generated, real)
    return (of_real if same else backbone.features(generated)), of_real
