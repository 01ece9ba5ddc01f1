"""Distances between generated and real pictures of one view: Fréchet, kernel, manifolds, by class.

All from one pass over the pictures; ``fid_<backbone>`` alone unless others are asked for by name.
The reference set is the real pictures of the same evaluated studies, so both sides have the same n.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy import generic
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import (
    Backbone,
    Features,
    generated_images,
    real_images,
    suffix_of,
)
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.real_features import RealFeatures
from codixr_bench.metrics.distance_scores import (
    KINDS,
    Asked,
    distance_scores,
    score_name,
)
from codixr_bench.metrics.frechet import FeatureStatistics, distance_between, frechet_distance
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.task import Task


class PictureDistances:
    """``fid_<backbone>`` of one generated view, and on request the others of ``KINDS``.

    Args:
        backbone: the feature extractor.
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
        floor_features: features [m, d] of real studies disjoint from the evaluated ones, for
            ``Score.floor``; the first min(m, n) of each side are compared.
    """

    def __init__(
        self,
        backbone: Backbone,
        view: Modality,
        task: Task | None = None,
        floor_features: Features | None = None,
    ) -> None:
        self.backbone = backbone
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = score_name("fid", backbone.name, self.suffix)
        self.kinds: tuple[str, ...] = ("fid",)
        self.floor_features = floor_features
        self.real_features: RealFeatures | None = None
        """Features of the real pictures from an earlier run; see ``real_features.py``."""
        self._generated = FeatureRows()
        self._real = FeatureRows()
        self._labels: dict[int, NDArray[np.int8]] = {}
        self._patients: dict[int, str] = {}
        self._computed: tuple[list[Score], dict[str, NDArray[generic]]] | None = None

    @property
    def offers(self) -> tuple[str, ...]:
        """The names of all scores that can be asked for, without the view."""
        return tuple(score_name(kind, self.backbone.name) for kind in KINDS)

    def choose(self, wanted: Sequence[str]) -> None:
        """Make those of ``wanted`` that are offered; ``fid`` where none is."""
        asked = {name.partition("[")[0] for name in wanted}
        kinds = [kind for kind in KINDS if score_name(kind, self.backbone.name) in asked]
        self.kinds = tuple(kinds) or ("fid",)

    @property
    def absent(self) -> str | None:
        """Why there is no value: the backbone's weights are missing; None when they are there."""
        return getattr(self.backbone, "absent", None)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        self._computed = None
        images = generated_images(positions, samples, self.view)
        if self.absent:
            self._patients |= dict.fromkeys(map(int, positions), "")
            return
        generated = self._finite(positions, self.backbone.features(images))
        real = None if self.real_features is None else self.real_features.rows(positions)
        if real is None:
            real = self.backbone.features(real_images(positions, studies, self.view))
            real = self._finite(positions, real)
        self._generated.add(positions, generated)
        self._real.add(positions, real)
        for position, study in zip(positions, studies, strict=True):
            values = [study.labels.get(name) for name in PATHOLOGIES]
            self._labels[int(position)] = np.array([-1 if v is None else v for v in values], "i1")
            self._patients[int(position)] = study.subject_id

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._computed = None
        self._generated.merge(other._generated)
        self._real.merge(other._real)
        self._labels |= other._labels
        self._patients |= other._patients

    def compute(self) -> list[Score]:
        """The scores asked for; null, with the reason, under two studies or without weights."""
        return self._compute()[0]

    def statistics(self) -> Mapping[str, NDArray[generic]]:
        """``<score>.influence``, float64 [n]: what each study does to the score, mean zero.

        The score of a resample with weights w (mean 1) is close to value + mean(w · influence); of
        a manifold's scores only the error of the whole column is right (``Splits.column``).
        """
        return self._compute()[1]

    def _compute(self) -> tuple[list[Score], dict[str, NDArray[generic]]]:
        # Both files of a run come from one computation.
        if self._computed is None:
            self._computed = self._compute_anew(len(self._patients))
        return self._computed

    def _compute_anew(self, n: int) -> tuple[list[Score], dict[str, NDArray[generic]]]:
        order = sorted(self._patients)
        if not self.absent:
            _ = self._generated.order()
            if self.real_features is not None:
                self.real_features.keep(self._real)
        patients = [self._patients[position] for position in order]
        floor, floor_n = self._floor()
        asked = Asked(
            backbone=self.backbone.name,
            signature="" if self.absent else self.backbone.signature,
            suffix=self.suffix,
            kinds=self.kinds,
            reference="same-studies",
            floor=floor,
            floor_n=floor_n,
            patients=patients if len(set(patients)) < len(patients) else None,
            labels=np.stack([self._labels[p] for p in order]) if self._labels else None,
            absent=self.absent,
            n=n,
        )
        scored = distance_scores(self._generated, self._real, asked)
        statistics: dict[str, NDArray[generic]] = {
            f"{one.score.name}.influence": one.influence
            for one in scored
            if one.influence is not None
        }
        return [one.score for one in scored], statistics

    def _floor(self) -> tuple[float | None, int]:
        floor = self.floor_features
        if floor is None or len(floor) < 2 or len(self._real) < 2:
            return None, 0
        m = min(len(self._real), len(floor))
        if m < floor.shape[1]:
            return distance_between(self._real.all(np.arange(m)), np.asarray(floor[:m])), m
        own = FeatureStatistics.of(self._real.read(np.arange(m)))
        other = FeatureStatistics.of(floor[i : min(i + 1024, m)] for i in range(0, m, 1024))
        value = frechet_distance(own.mean, own.covariance, other.mean, other.covariance)
        return value, m

    def _finite(self, positions: Sequence[int], features: Features) -> Features:
        bad = ~np.isfinite(features).all(axis=1)
        if bad.any():
            first = positions[int(np.flatnonzero(bad)[0])]
            raise InputError(f"{self.name}: the features at position {first} are not finite")
        return features
