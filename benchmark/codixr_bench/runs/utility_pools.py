"""The sets that ``utility`` trains and tests on: what a run made, and real studies.

A picture or report that a run made twice is there once: a copy is no second study.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from scipy.spatial.distance import cdist

from codixr.data.dataset import StudyDataset
from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Image, Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Content
from codixr_bench.runs.one_task import render
from codixr_bench.runs.options import RunOptions, open_track
from codixr_bench.runs.record import RECORD_NAME, RunRecord
from codixr_bench.runs.store import SampleStore
from codixr_bench.runs.utility_network import SIDE, Labels
from codixr_bench.task import Task
from codixr_bench.track import Track

_SAMPLES = "samples"
_BOTH_VIEWS = Task.parse("F->L")
"""A simulated study is taken from its cache where both views are in it."""
_TESTED_ON = {"test": "val", "val": "test", "train": "test"}
"""The split of a run -> the split whose real studies it is tested on."""


@dataclass(frozen=True)
class Pool:
    """Contents of one modality, and the labels of their studies."""

    pictures: NDArray[np.uint8] | None
    """[n, 64, 64]; None for reports."""
    reports: tuple[str, ...]
    labels: Labels
    """[n, k] of ``PATHOLOGIES``: 1 present, 0 absent, else unknown."""
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: NDArray[np.intp]) -> "Pool":
        """Some of them, in that order."""
        return Pool(
            None if self.pictures is None else self.pictures[places],
            tuple(self.reports[i] for i in places) if self.reports else (),
            self.labels[places],
            tuple(self.patients[i] for i in places),
        )

    def joined(self, other: "Pool") -> "Pool":
        """These, then the others."""
        both = None
        if self.pictures is not None and other.pictures is not None:
            both = np.concatenate([self.pictures, other.pictures])
        return Pool(
            both,
            self.reports + other.reports,
            np.concatenate([self.labels, other.labels]),
            self.patients + other.patients,
        )

    def digest(self) -> str:
        """sha256 of what is in it, patients aside."""
        found = hashlib.sha256(self.labels.tobytes())
        found.update(b"" if self.pictures is None else self.pictures.tobytes())
        found.update("\0".join(self.reports).encode())
        return found.hexdigest()


@dataclass(frozen=True)
class RunPools:
    """One modality of one run: what it made, beside the real contents of the same studies."""

    record: RunRecord
    modality: Modality
    made: Pool
    """[n]; study i's."""
    real: Pool
    """[n]; study i's."""
    firsts: NDArray[np.intp]
    """Where each different content of ``made`` stands first."""
    tested_on: str
    """The split of the studies to test on."""


def open_store(folder: Path) -> SampleStore:
    """The samples of a run's folder, or of its ``samples``; InputError for another folder."""
    for place in (folder / _SAMPLES, folder):
        if (place / RECORD_NAME).is_file():
            return SampleStore.open(place)
    raise InputError(f"'{folder}' is no run: give the folder that `codixr-bench run` wrote")


def open_run(folder: Path, modality: Modality | None, data: Path | None) -> RunPools:
    """A run's pools of one modality; its only output without one named.

    Raises InputError for a folder that is none, a modality that it did not make, incomplete samples
    and data other than those it was made for.
    """
    store = open_store(folder)
    outputs = store.task.outputs
    if modality is None and len(outputs) > 1:
        names = ", ".join(outputs)
        raise InputError(f"'{folder}' made {names}: say which by --of")
    wanted = modality or outputs[0]
    if wanted not in outputs:
        raise InputError(f"'{folder}' made no {wanted}; it made {', '.join(outputs)}")
    tested_on = _TESTED_ON.get(store.record.split)
    if tested_on is None:
        raise InputError(
            f"'{folder}' is of a {store.record.split} split, whose studies only its keeper has: "
            "give a run of test, val or train"
        )
    track = open_track(store.record.track, RunOptions(data_dir=data))
    dataset = track.dataset(store.record.split, store.record.n, data)
    if dataset.fingerprint != store.record.track_fingerprint:
        raise InputError(
            f"the data of track '{track.name}' are not those that '{folder}' was made for; "
            "give them with --data"
        )
    if tested_on not in track.splits:
        raise InputError(
            f"track '{track.name}' has no split '{tested_on}', and a run of its "
            f"{store.record.split} split has to be tested on other studies"
        )
    render(dataset, _BOTH_VIEWS)
    contents = [sample[wanted] for _, samples in store.batches() for sample in samples]
    if len(contents) != len(dataset):
        raise InputError(
            f"'{folder}' holds {len(contents):,} of {len(dataset):,} samples: finish the run"
        )
    studies = [dataset[i] for i in range(len(dataset))]
    made = _pool(contents, studies)
    return RunPools(
        store.record,
        wanted,
        made,
        real_pool(studies, wanted),
        _firsts(made),
        tested_on,
    )


def tested_pool(track: Track, split: str, modality: Modality, data: Path | None) -> Pool:
    """All real studies of a split."""
    dataset: StudyDataset = track.dataset(split, None, data)
    render(dataset, _BOTH_VIEWS)
    return real_pool([dataset[i] for i in range(len(dataset))], modality)


def refuse_seen(run: RunPools, test: Pool) -> None:
    """InputError where a run's pictures are those of the studies that it would be tested on.

    A picture is one of them where it is nearer to it than half of what any real study of the run's
    split comes to any of them, at 16 x 16. Reports of different patients are often equal, and no
    report is refused.
    """
    if run.made.pictures is None or run.real.pictures is None or test.pictures is None:
        return
    known = _coarse(test.pictures)
    limit = 0.5 * float(cdist(_coarse(run.real.pictures), known, "cityblock").min())
    made = cdist(_coarse(run.made.pictures[run.firsts]), known, "cityblock").min(axis=1)
    if seen := int((made < limit).sum()):
        raise InputError(
            f"'{run.record.model}' made {seen:,} pictures of studies of {run.tested_on}, which "
            "utility tests on: leave that split out of its training, or give a run of it"
        )


def _coarse(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[n, 64, 64] -> [n, 256]."""
    blocks = pictures.reshape(len(pictures), 16, SIDE // 16, 16, SIDE // 16)
    means: NDArray[np.float64] = blocks.mean(axis=(2, 4)).reshape(len(pictures), -1)
    return means


def real_pool(studies: Iterable[Study], modality: Modality) -> Pool:
    """The studies' own contents; InputError for one that lacks it."""
    studies = list(studies)
    contents = []
    for place, study in enumerate(studies):
        content = study.get(modality)
        if content is None:
            raise InputError(f"the study at position {place} has no {modality}: leave it out")
        contents.append(content)
    return _pool(contents, studies)


def _pool(contents: list[Content], studies: list[Study]) -> Pool:
    labels = np.array(
        [[_stored(study.labels.get(name)) for name in PATHOLOGIES] for study in studies],
        dtype=np.int8,
    )
    patients = tuple(study.subject_id for study in studies)
    texts = [one for one in contents if isinstance(one, str)]
    if texts:
        return Pool(None, tuple(texts), labels, patients)
    pictures = np.stack([_small(one) for one in contents if not isinstance(one, str)])
    return Pool(pictures, (), labels, patients)


def _stored(label: int | None) -> int:
    return label if label in (0, 1) else -1


def _small(image: Image) -> NDArray[np.uint8]:
    """[1, H, W] in [0, 1] -> uint8 [64, 64], by areas."""
    levels: NDArray[np.uint8] = np.rint(image[0] * 255.0).astype(np.uint8)
    if levels.shape != (SIDE, SIDE):
        picture = PILImage.fromarray(levels)
        small = picture.resize((SIDE, SIDE), PILImage.Resampling.BOX)
        levels = np.asarray(small, dtype=np.uint8)
    return levels


def _firsts(pool: Pool) -> NDArray[np.intp]:
    if pool.pictures is not None:
        rows = pool.pictures.reshape(len(pool), -1)
        _, places = np.unique(rows, axis=0, return_index=True)
    else:
        _, places = np.unique(np.array(pool.reports, dtype=object), return_index=True)
    return np.sort(places)
