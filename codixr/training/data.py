"""The studies that a model is trained on: any ``StudyDataset``, read by rows.

Notable: pictures are decoded once into a memory-mapped uint8 array in the training folder (the
phantom keeps its own), so that a step reads pixels rather than PNGs.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codixr.atomic import new_array
from codixr.data.dataset import StudyDataset
from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality

OpenData = Callable[[Split], StudyDataset | None]


def open_training_data(spec: str, image_size: int, limit: int | None = None) -> OpenData:
    """Split -> its studies, for ``phantom`` or a folder that ``codixr prepare`` made.

    ``limit`` keeps the first studies of a split. The function gives None for a split that is not
    there; InputError for a folder that is none, or not a prepared one.
    """
    if spec == "phantom":
        from codixr.data.phantom.dataset import PhantomDataset

        return lambda split: PhantomDataset(split, size=image_size, limit=limit)
    folder = Path(spec)
    if not folder.is_dir():
        raise InputError(f"--data {spec}: no such folder; give 'phantom' or a prepared data set")
    from codixr.data.manifest import Manifest
    from codixr.data.prepared import PreparedDataset

    manifest = Manifest.read(folder)
    if manifest.image_size != image_size:
        raise InputError(
            f"--data {spec}: its pictures are {manifest.image_size} pixels wide, the preset's "
            f"{image_size}; prepare it again with --image-size {image_size}"
        )

    def open_split(split: Split) -> StudyDataset | None:
        found = manifest.splits.get(split)
        return PreparedDataset(folder, split, limit) if found and found.studies else None

    return open_split


class TrainingStudies:
    """One split: pictures and reports by row, and which study has what.

    ``folder`` is where pictures are kept when the dataset has no array of them itself.
    """

    def __init__(self, dataset: StudyDataset, image_size: int, folder: Path) -> None:
        self.dataset, self.split = dataset, dataset.split
        self.image_size, self._folder = image_size, folder
        self._views: dict[Modality, NDArray[np.uint8]] = {}
        self._reports: list[str] | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def fingerprint(self) -> str:
        """Of the split's recipe and its number of studies, never of a study."""
        if hasattr(self.dataset, "manifest"):  # a prepared split's does not cover the limit
            text = f"{self.dataset.fingerprint} {len(self)}"
            return hashlib.sha256(text.encode()).hexdigest()
        return self.dataset.fingerprint

    @property
    def reports(self) -> list[str]:
        """Every report, in order; "" where a study has none."""
        if self._reports is None:
            offer: Any = getattr(self.dataset, "reports", None)
            if offer is not None:
                self._reports = [report or "" for report in offer()]
            else:
                self._reports = [self.dataset[i].report or "" for i in range(len(self))]
        return self._reports

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """Which studies have ``modality``, bool [n]."""
        if modality is Modality.T:
            return np.array([bool(report.strip()) for report in self.reports])
        if modality in self.dataset.modalities:
            return np.ones(len(self), bool)
        manifest: Any = getattr(self.dataset, "manifest", None)
        if manifest is not None and not manifest.splits[self.split].modalities.get(modality, 0):
            return np.zeros(len(self), bool)
        # An all-black picture stands where a study has none.
        pictures = self._pictures(modality)
        return np.array([bool(pictures[i].any()) for i in range(len(self))])

    def labels(self, names: Sequence[str]) -> NDArray[np.int8]:
        """int8 [n, k]: 1 present, 0 absent, below 0 uncertain or unknown.

        InputError where no study has a label of its report.
        """
        offer: Any = getattr(self.dataset, "label_matrix", None)
        matrix: NDArray[np.int8] | None = None if offer is None else offer(names)
        if matrix is None or not (matrix >= 0).any():
            raise InputError(
                f"--data: no study of the {self.split} split has labels, and label_weight is above "
                "0: prepare the data with labels, or give --set prompt-encoders.label_weight=0"
            )
        return matrix

    def images(self, view: Modality, rows: Tensor | slice) -> Tensor:
        """Pictures [B, 1, H, W], float32 in [0, 1]."""
        chosen = rows.numpy() if isinstance(rows, Tensor) else rows
        pixels = self._pictures(view)[chosen]
        return torch.from_numpy(pixels.astype(np.float32) / 255.0)[:, None]

    def _pictures(self, view: Modality) -> NDArray[np.uint8]:
        if view not in self._views:
            offer: Any = getattr(self.dataset, "images", None)
            array: Any = None if offer is None else offer(view)
            if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
                array = self._decoded(view)
            if array.shape[1:] != (self.image_size, self.image_size):
                raise InputError(
                    f"--data: its pictures are {array.shape[2]} x {array.shape[1]}, the preset's "
                    f"{self.image_size} x {self.image_size}; prepare the data at that size"
                )
            self._views[view] = array
        return self._views[view]

    def _decoded(self, view: Modality) -> NDArray[np.uint8]:
        key = hashlib.sha256(f"{self.fingerprint} {len(self)} {self.image_size}".encode())
        path = self._folder / f"pictures-{view}-{self.split}-{key.hexdigest()[:16]}.npy"
        if not path.exists():
            self._decode(view, path)
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return array

    def _decode(self, view: Modality, path: Path) -> None:
        from codixr.progress import track

        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        side = self.image_size
        array = new_array(part, np.uint8, (len(self), side, side))
        for i in track(range(len(self)), f"reading pictures ({view}, {self.split})", "studies"):
            picture = self.dataset[i].get(view)
            if isinstance(picture, np.ndarray):
                if picture.shape != (1, side, side):
                    raise InputError(
                        f"--data: the {view} of study {i} has the shape {picture.shape}, the "
                        f"preset's is (1, {side}, {side}); prepare the data at that size"
                    )
                array[i] = (picture[0] * 255).round().clip(0, 255).astype(np.uint8)
        array.flush()
        part.replace(path)
