"""The studies that a model is trained on: any ``StudyDataset``, read by rows.

Notable: pictures are decoded once into a memory-mapped uint8 array in the training folder (the
phantom keeps its own), so that a step reads pixels rather than PNGs.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from torch import Tensor

from codixr.data.dataset import StudyDataset
from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training.cache import frozen_table
from codixr.training.disk import ALONE, Disk

DECODED_AT_ONCE = 256
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
            f"--data {spec}: its pictures are {manifest.image_size} pixels wide, the model's "
            f"{image_size}; begin a folder with --image-size {manifest.image_size}, or prepare the "
            f"data again with --image-size {image_size}"
        )

    def open_split(split: Split) -> StudyDataset | None:
        found = manifest.splits.get(split)
        return PreparedDataset(folder, split, limit) if found and found.studies else None

    return open_split


def as_images(pixels: Tensor) -> Tensor:
    """float32 in [0, 1] of uint8, on their device."""
    return pixels.float() / 255.0


class TrainingStudies:
    """One split: pictures and reports by row, and which study has what.

    ``folder`` is where pictures are kept when the dataset has no array of them itself.
    """

    def __init__(
        self, dataset: StudyDataset, image_size: int, folder: Path, disk: Disk = ALONE
    ) -> None:
        self.dataset, self.split = dataset, dataset.split
        self.image_size, self._folder, self._disk = image_size, folder, disk
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

    def rewordings(self, rows: range, count: int) -> list[str]:
        """``count`` other wordings of each report in ``rows``, study by study.

        InputError for data that has none: the phantom knows what its reports say.
        """
        return self._offered("rewordings", "wordings", rows, count)

    def rewritings(self, rows: range, count: int) -> list[str]:
        """``count`` other reports, such as the data's own, of each study in ``rows``, likewise."""
        return self._offered("rewritings", "rewritings", rows, count)

    def _offered(self, name: str, setting: str, rows: range, count: int) -> list[str]:
        offer: Any = getattr(self.dataset, name, None)
        if offer is None:
            raise InputError(
                f"--data: only the phantom has other wordings of its reports; give "
                f"--set {setting}=0, or --data phantom"
            )
        return [text for i in rows for text in offer(i, count)]

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """Which studies have ``modality``, bool [n]."""
        if modality is Modality.T:
            return np.array([bool(report.strip()) for report in self.reports])
        if (all_have := self.all_have(modality)) is not None:
            return np.full(len(self), all_have)
        # An all-black picture stands where a study has none.
        return np.array(
            [bool(self._pixels(modality, slice(i, i + 1)).any()) for i in range(len(self))]
        )

    def all_have(self, view: Modality) -> bool | None:
        """Whether all studies have a view, or none has; None where only the pictures tell."""
        if view in self.dataset.modalities:
            return True
        manifest: Any = getattr(self.dataset, "manifest", None)
        if manifest is not None and not manifest.splits[self.split].modalities.get(view, 0):
            return False
        return None

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
        return as_images(self.pixels(view, rows))

    def pixels(self, view: Modality, rows: Tensor | slice) -> Tensor:
        """The same as they are kept, uint8: a quarter of the bytes on the way to a device."""
        chosen = rows.numpy() if isinstance(rows, Tensor) else rows
        return torch.from_numpy(np.array(self._pixels(view, chosen)))[:, None]

    def decode_together(self, view: Modality) -> None:
        """Decode a view's pictures into one file, the work shared by all processes of a run.

        All of them must ask at the same time. Afterwards ``images`` reads that file.
        """
        if view in self._views:
            return
        offer: Any = getattr(self.dataset, "images", None)
        array: Any = None if offer is None else offer(view)
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            array = frozen_table(
                self._folder,
                f"pictures-{view}-{self.split}",
                {"data": self.fingerprint, "size": self.image_size},
                len(self),
                DECODED_AT_ONCE,
                lambda rows: torch.from_numpy(self._decoded(view, range(len(self))[rows])),
                self._disk,
                dtype=np.uint8,
            )
        if array.shape[1:] != (self.image_size, self.image_size):
            raise InputError(
                f"--data: its pictures are {array.shape[2]} x {array.shape[1]}, the preset's "
                f"{self.image_size} x {self.image_size}; prepare the data at that size"
            )
        self._views[view] = array

    def _pixels(self, view: Modality, rows: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        if PartialState().num_processes == 1:
            self.decode_together(view)
        if view in self._views:
            return self._views[view][rows]
        # One of several processes, alone with its question: a few rows, e.g. of a preview.
        return self._decoded(view, np.arange(len(self))[rows])

    def _decoded(self, view: Modality, rows: Iterable[int]) -> NDArray[np.uint8]:
        """Pictures of some rows, uint8 [B, S, S]; black where a study has none."""
        side = self.image_size
        pictures = []
        for i in rows:
            picture = self.dataset[int(i)].get(view)
            if not isinstance(picture, np.ndarray):
                picture = np.zeros((1, side, side), np.float32)
            if picture.shape != (1, side, side):
                raise InputError(
                    f"--data: the {view} of study {i} has the shape {picture.shape}, the "
                    f"preset's is (1, {side}, {side}); prepare the data at that size"
                )
            pictures.append((picture[0] * 255).round().clip(0, 255).astype(np.uint8))
        return np.stack(pictures)
