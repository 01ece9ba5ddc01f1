"""``frd``: a Fréchet distance of radiomic features. No network, so no network can be served.

The features of ``backbones/radiomics.py``, each in standard deviations of the real pictures about
their mean, compressed by the inverse hyperbolic sine (linear near 0, a logarithm far out: some
features are fourth powers); then the Fréchet distance of the two Gaussians. The reference is the
real pictures of the same studies. The idea is the Fréchet radiomics distance's (Osuala et al.
2024); its package ``frd-score`` takes pyradiomics' features and another scale, so that the numbers
are not the same.
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np

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
from codixr_bench.backbones.radiomics import feature_names, radiomics
from codixr_bench.backbones.real_features import RealFeatures, features_of_both
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Influence
from codixr_bench.metrics import stored_features
from codixr_bench.metrics.distance_scores import TOO_FEW
from codixr_bench.metrics.frechet import Influences, frechet_of_rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.influence_interval import influence_interval
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

LEAST_SPREAD = 1e-4
"""A standard deviation under which a feature of the real pictures is constant, and left out."""


class RadiomicDistance:
    """``frd`` of one generated view.

    Args:
        view: F or L.
        task: the task being scored; the name gets ``[F]`` or ``[L]`` where it makes both views.
        backbone: what gives the features.
    """

    def __init__(
        self, view: Modality, task: Task | None = None, backbone: Backbone | None = None
    ) -> None:
        self.backbone = backbone or radiomics()
        self.view = view
        self.name = f"frd{suffix_of(task, view)}"
        self._generated = FeatureRows()
        self._real = FeatureRows()
        self._patients: dict[int, str] = {}
        self._kept: RealFeatures | None = None

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def prepare(self, evaluation: Evaluation) -> None:
        """Find the features of the real pictures that an earlier run kept."""
        self._kept = RealFeatures(evaluation.dataset, self.view, self.backbone)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        images = generated_images(positions, samples, self.view)
        generated, real = features_of_both(
            self.backbone,
            images,
            real_images(positions, studies, self.view),
            None if self._kept is None else self._kept.rows(positions),
        )
        self._generated.add(positions, generated)
        self._real.add(positions, real)
        self._patients |= {
            int(position): study.subject_id
            for position, study in zip(positions, studies, strict=True)
        }

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._generated.merge(other._generated)
        self._real.merge(other._real)
        self._patients |= other._patients

    def compute(self) -> list[Score]:
        """The distance; null under two studies."""
        n = len(self._patients)
        signature = (
            f"frd|backbone:{self.backbone.signature}|scale:asinh-z-of-real|ref:same-studies|n:{n}"
        )
        if n < 2:
            return [
                Score(
                    name=self.name,
                    value=None,
                    reason=TOO_FEW,
                    n=n,
                    higher_is_better=False,
                    signature=signature,
                )
            ]
        if self._kept is not None:
            self._kept.keep(self._real)
        found = self._distance()
        patients = self._patients_of_studies()
        by_patient = ",by-patient" if patients is not None else ""
        return [
            Score(
                name=self.name,
                value=found.value,
                ci95=influence_interval(found.value, found.first + found.second, patients, 0.0),
                n=n,
                higher_is_better=False,
                signature=f"{signature}|ci:influence{by_patient}",
            )
        ]

    def statistics(self) -> Columns:
        """``frd.influence``: what each study's two pictures do to the distance, mean zero.

        And ``frd.features``, float16 [n, d]: the pictures' features in units of the real ones.
        """
        if len(self._patients) < 2:
            return {}
        generated, real = self._scaled()
        found = frechet_of_rows(generated, real)
        influence = {f"{self.name}{INFLUENCE}": found.first + found.second}
        return influence | stored_features.stored(self.name, generated, None)

    def _distance(self) -> Influences:
        return frechet_of_rows(*self._scaled())

    def _scaled(self) -> tuple[FeatureRows, FeatureRows]:
        _ = self._generated.order()
        return in_units_of_real(self._generated, self._real)

    def _patients_of_studies(self) -> list[str] | None:
        patients = [self._patients[position] for position in sorted(self._patients)]
        return patients if len(set(patients)) < len(patients) else None


def in_units_of_real(generated: FeatureRows, real: FeatureRows) -> tuple[FeatureRows, FeatureRows]:
    """Both as asinh(z), z in standard deviations of the real pictures about their mean.

    Features that are constant there are left out. Raises InputError where all are: one picture for
    all studies is no reference.
    """
    reference = real.all().astype(np.float64)
    mean, spread = reference.mean(axis=0), reference.std(axis=0)
    kept = spread > LEAST_SPREAD
    if not kept.any():
        raise InputError("frd: all real pictures are alike; check the track's data")

    def scaled(rows: FeatureRows) -> FeatureRows:
        found = FeatureRows()
        z = (rows.all()[:, kept] - mean[kept]) / spread[kept]
        values: Features = np.arcsinh(z).astype(np.float32)
        found.add(range(len(values)), values)
        return found

    return scaled(generated), scaled(real)


class Frd(Family):
    """The radiomic distance of each generated view."""

    name = "frd"
    card = "frd.md"
    scores = MappingProxyType(
        {
            "frd": Facts(
                higher_is_better=False,
                about=About.PICTURE,
                lowest=0.0,
                decimals=2,
                # Without a study the others' unit changes too, which its influence leaves out.
                by_study=False,
            )
        }
    )
    sees = MappingProxyType(
        {
            "frd": (
                "blur",
                "noise",
                "few grey levels",
                "low resolution",
                "gamma",
                "brightness",
                "low contrast",
                "inverted",
                "upside down",
                "crop",
                "other view",
                "one picture for many",
            )
        }
    )
    reasons = (*Family.reasons, TOO_FEW)
    recomputed_within = stored_features.TOLERANCE

    def metrics(self, task: Task, track: Track) -> list[RadiomicDistance]:
        """One a generated view."""
        return [RadiomicDistance(view, task) for view in task.outputs if view.is_image]

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """From the stored features, where both have them."""
        return stored_features.recomputed(columns, real, lambda name: self.facts(name) is not None)

    def caveats(self, score: Score) -> Iterator[str]:
        """That a distance of fewer pictures than features is far above that of many."""
        features = len(feature_names())
        if score.value is not None and score.n < features:
            yield (
                f"n = {score.n:,} is fewer than the {features} radiomic features, so the distance "
                "is far above that of many pictures; compare it at this n only"
            )


FRD = Frd()
