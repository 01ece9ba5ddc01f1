"""The simulated studies of one split, as a ``StudyDataset``."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codixr.data.groups import Groups, age_band
from codixr.data.phantom.cache import cached_images, default_cache_dir
from codixr.data.phantom.case import (
    STREAM_REWORD,
    STREAM_REWRITE,
    STREAM_WORDS,
    Case,
    labels_of,
    sample_case,
    study_rng,
)
from codixr.data.phantom.grammar import write_report
from codixr.data.phantom.person import sample_person
from codixr.data.phantom.render import VERSION, render_views
from codixr.data.phantom.wording import rewordings
from codixr.data.study import SPLITS, Split, Study
from codixr.errors import InputError
from codixr.modality import Modality

SPLIT_SIZES: dict[Split, int] = {"train": 8000, "val": 500, "test": 2000}
SPLIT_STARTS: dict[Split, int] = {"train": 0, "val": 8000, "test": 8500}
SIZES = (64, 256)


def report_of(seed: int, index: int, case: Case | None = None) -> str:
    """The simulated report of study ``index`` of ``seed``; ``case``, where it is known already."""
    case = sample_case(seed, index) if case is None else case
    return write_report(case, study_rng(seed, index, STREAM_WORDS))


def to_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [S, S] -> float32 [1, S, S] in [0, 1]: k / 255, so that caches are exact."""
    return (image.astype(np.float32) / np.float32(255.0))[None]


class PhantomDataset:
    """Simulated studies; one (seed, index) is one study, whatever the split, batch or process.

    Args:
        split: train, val or test: 8000, 500 and 2000 studies of disjoint indices.
        size: side of the square pictures, 64 or 256: the same anatomy at both.
        seed: of the whole collection.
        limit: the first ``limit`` studies only.
        cache_dir: folder of the picture caches; default ``default_cache_dir(size, seed)``.

    Raises:
        InputError: an unknown split, a size other than 64 or 256, a negative seed, a limit under 1.
    """

    name = "phantom"
    version = VERSION

    def __init__(
        self,
        split: Split,
        size: int = 64,
        seed: int = 0,
        limit: int | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"phantom: unknown split {split!r}; use one of {', '.join(SPLITS)}")
        if size not in SIZES:
            raise InputError(f"phantom: size {size} is not offered; use 64 or 256")
        if seed < 0:
            raise InputError(f"phantom: seed {seed} is negative; use 0 or more")
        if limit is not None and limit < 1:
            raise InputError(f"phantom: limit {limit} leaves no study; use 1 or more")
        self.split: Split = split
        self.size = size
        self.seed = seed
        self.modalities = frozenset(Modality)
        self._start = SPLIT_STARTS[split]
        self._len = SPLIT_SIZES[split] if limit is None else min(limit, SPLIT_SIZES[split])
        self._cache_dir = default_cache_dir(size, seed) if cache_dir is None else Path(cache_dir)
        self._images: dict[Modality, NDArray[np.uint8]] = {}
        self.fingerprint = self._fingerprint(self._len)

    def _fingerprint(self, n: int) -> str:
        recipe = {
            "name": self.name,
            "version": self.version,
            "size": self.size,
            "seed": self.seed,
            "split": self.split,
            "n": n,
        }
        text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return self._len

    def _index(self, index: int) -> int:
        if not 0 <= index < self._len:
            raise IndexError(f"phantom {self.split}: study {index} of {self._len}")
        return self._start + index

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the split, negative ones too."""
        number = self._index(index)
        if {Modality.F, Modality.L} <= self._images.keys():
            frontal, lateral = (self._images[m][index] for m in (Modality.F, Modality.L))
        else:
            frontal, lateral = render_views(self.seed, number, self.size)
        return replace(
            self._described(number), frontal=to_float(frontal), lateral=to_float(lateral)
        )

    def _described(self, number: int) -> Study:
        study_id = f"phantom-{self.seed}-{number:08d}"
        case = sample_case(self.seed, number)
        return Study(
            study_id=study_id,
            subject_id=study_id,
            split=self.split,
            frontal=None,
            lateral=None,
            report=report_of(self.seed, number, case),
            labels=labels_of(case),
        )

    def without_pictures(self) -> list[Study]:
        """All studies, in order, without rendering anything: reports and labels alone."""
        return [self._described(self._start + i) for i in range(self._len)]

    def study_ids(self) -> list[str]:
        """All study ids, in order, without rendering anything."""
        return [f"phantom-{self.seed}-{self._start + i:08d}" for i in range(self._len)]

    def subject_ids(self) -> list[str]:
        """The patient of every study: each has one."""
        return self.study_ids()

    def reports(self) -> list[str]:
        """All reports, in order, without rendering anything."""
        return list(_reports(self.seed, self._start, self._len))

    def rewordings(self, index: int, count: int) -> list[str]:
        """``count`` other texts that say what the study's report says, as people may write it."""
        number = self._index(index)
        rng = study_rng(self.seed, number, STREAM_REWORD)
        return rewordings(sample_case(self.seed, number), rng, count)

    def rewritings(self, index: int, count: int) -> list[str]:
        """``count`` other reports of the study, in the words and order of the track's own."""
        number = self._index(index)
        rng = study_rng(self.seed, number, STREAM_REWRITE)
        case = sample_case(self.seed, number)
        return [write_report(case, rng) for _ in range(count)]

    def label_matrix(self, observations: Sequence[str]) -> NDArray[np.int8]:
        """Labels of truth, int8 [n, k]: 1 present, 0 absent, -1 uncertain.

        Raises KeyError for an observation outside CheXpert's fourteen, and InputError for the two
        that the phantom does not simulate (Pleural Other, Fracture).
        """
        rows = _labels(self.seed, self._start, self._len)
        for name in observations:
            if rows[0][name] is None:
                raise InputError(f"phantom: {name} is not simulated; leave it out")
        return np.array([[row[name] for name in observations] for row in rows], dtype=np.int8)

    def groups(self) -> Groups:
        """``sex``, ``age``, ``view`` and ``body_size`` of the simulated people.

        No label depends on them; the pictures do.
        """
        people = [sample_person(self.seed, self._start + i) for i in range(self._len)]
        return {
            "sex": [one.sex for one in people],
            "age": [age_band(one.age) for one in people],
            "view": [one.view for one in people],
            "body_size": [one.body_size for one in people],
        }

    def images(self, modality: Modality) -> NDArray[np.uint8]:
        """All pictures of one view, uint8 [n, S, S], read-only and memory-mapped.

        Renders and caches both views at the first call (a progress bar on stderr). Later
        ``dataset[i]`` read from the cache: the same bits. Raises InputError for T.
        """
        if not modality.is_image:
            raise InputError("phantom: T has no pictures; use reports()")
        if modality not in self._images:
            full = SPLIT_SIZES[self.split]
            counts = sorted({self._len, full}, reverse=True)
            self._images = cached_images(
                self._cache_dir,
                self.split,
                {n: self._fingerprint(n) for n in counts},
                self._len,
                (self.seed, self._start, self.size),
            )
        return self._images[modality]


@lru_cache(maxsize=8)
def _reports(seed: int, start: int, n: int) -> tuple[str, ...]:
    return tuple(report_of(seed, start + i) for i in range(n))


@lru_cache(maxsize=8)
def _labels(seed: int, start: int, n: int) -> tuple[dict[str, int | None], ...]:
    return tuple(labels_of(sample_case(seed, start + i)) for i in range(n))
