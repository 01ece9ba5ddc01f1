"""Distances between generated and real pictures of one view: Fréchet, kernel, manifolds, by class.

All from one pass over the pictures; ``USUAL`` alone unless others are asked for by name. The
reference set is the real pictures of the same evaluated studies, so both sides have the same n.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
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
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.backbones.published import SCORE_NAMES, load_or_note, published
from codixr_bench.backbones.real_features import RealFeatures, features_of_both
from codixr_bench.backbones.second_judge import second_judge_pass
from codixr_bench.metric import Column, Columns, Family, Influence, Peer, PeerScore
from codixr_bench.metrics import stored_features
from codixr_bench.metrics.distance_peers import distance_peers
from codixr_bench.metrics.distance_scores import (
    FACTS,
    KINDS,
    NO_CLASS,
    NO_LABELS,
    NO_OTHERS,
    TOO_FEW,
    TOO_FEW_TO_COVER,
    Asked,
    distance_scores,
    score_name,
)
from codixr_bench.metrics.judges import PHANTOM, SECOND
from codixr_bench.metrics.other_pictures import first_rows, other_pictures
from codixr_bench.metrics.peers import StatePeer
from codixr_bench.metrics.unrelated import unrelated_distance
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score, Unrelated
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

USUAL = ("fid", "fid_other", "fid_other_real", "precision", "coverage")
"""What is made unasked: the protocol's distance, the pair that can be read side by side, and what a
distance mixes: whether pictures are like real ones, and whether real ones have pictures like them.

A backbone that is a second opinion names less in ``usual``.
"""


class PictureDistances:
    """``fid_<backbone>`` of one generated view, and on request the others of ``KINDS``.

    Args:
        backbone: the feature extractor.
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
        others: features of real pictures of other studies, for ``fid_<backbone>_other`` and
            ``Score.unrelated``.
        others_from: where they are from, as the signature says it.
    """

    def __init__(
        self,
        backbone: Backbone,
        view: Modality,
        task: Task | None = None,
        others: FeatureRows | None = None,
        others_from: str = "train",
    ) -> None:
        self.backbone = backbone
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = score_name("fid", backbone.name, self.suffix)
        # Of its class: asking a published backbone for anything loads its weights.
        self.usual: tuple[str, ...] = getattr(type(backbone), "usual", USUAL)
        self.kinds = self.usual
        self._known = KINDS if self.usual == USUAL else self.usual
        self.others = others
        self.others_from = others_from
        self.real_features: RealFeatures | None = None
        """Features of the real pictures from an earlier run; see ``real_features.py``."""
        self._generated = FeatureRows()
        self._real = FeatureRows()
        self._labels: dict[int, NDArray[np.int8]] = {}
        self._patients: dict[int, str] = {}
        self._computed: tuple[list[Score], dict[str, Column]] | None = None

    @property
    def offers(self) -> tuple[str, ...]:
        """The names of all scores that can be asked for, without the view."""
        return tuple(score_name(kind, self.backbone.name) for kind in self._known)

    def choose(self, wanted: Sequence[str]) -> None:
        """Make those of ``wanted`` that are offered; the usual ones where none is, or ``fid``."""
        asked = {name.partition("[")[0] for name in wanted}
        kinds = {kind for kind in self._known if score_name(kind, self.backbone.name) in asked}
        if not kinds or "fid" in kinds:
            kinds |= set(self.usual)
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)

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
        generated, real = (
            self._finite(positions, features)
            for features in features_of_both(
                self.backbone,
                images,
                real_images(positions, studies, self.view),
                None if self.real_features is None else self.real_features.rows(positions),
            )
        )
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

    def load(self) -> None:
        """Load the backbone: a note on stderr for published weights that are absent."""
        load_or_note(self.backbone, self.name)

    def prepare(self, evaluation: Evaluation) -> None:
        """Load the backbone, find kept features, and real pictures of other studies."""
        self.load()
        if self.absent:
            return
        if getattr(self.backbone, "keeps", False):
            self.real_features = RealFeatures(evaluation.dataset, self.view, self.backbone)
        if self.others is None and not {"fid_other", "fid_other_real"}.isdisjoint(self.kinds):
            self.others, self.others_from = other_pictures(evaluation, self.view, self.backbone)

    def peer(self) -> Peer:
        """torch-fidelity and prdc, on the same features."""
        return StatePeer(self._by_libraries)

    def _by_libraries(self) -> list[PeerScore]:
        if self.absent or len(self._real) < 2:
            return []
        found = distance_peers(self.kinds, self._generated, self._real)
        return [
            replace(one, name=score_name(kind, self.backbone.name, self.suffix))
            for kind, one in found.items()
        ]

    def statistics(self) -> Columns:
        """``<score>.influence``, float64 [n]: what each study does to the score, mean zero.

        The score of a resample with weights w (mean 1) is close to value + mean(w · influence); of
        a manifold's scores only the error of the whole column is right (``Splits.column``). Beside
        them the features where they are few (``stored_features``).
        """
        return self._compute()[1]

    def _compute(self) -> tuple[list[Score], dict[str, Column]]:
        # Both files of a run come from one computation.
        if self._computed is None:
            self._computed = self._compute_anew(len(self._patients))
        return self._computed

    def _compute_anew(self, n: int) -> tuple[list[Score], dict[str, Column]]:
        order = sorted(self._patients)
        if not self.absent:
            _ = self._generated.order()
            if self.real_features is not None:
                self.real_features.keep(self._real)
        patients = [self._patients[position] for position in order]
        few = self.others is None or len(self.others) < n
        asked = Asked(
            backbone=self.backbone.name,
            signature="" if self.absent else self.backbone.signature,
            suffix=self.suffix,
            kinds=self.kinds,
            reference="same-studies",
            unrelated=self._unrelated(n),
            others=None if few or self.others is None else first_rows(self.others, n),
            others_from=self.others_from,
            patients=patients if len(set(patients)) < len(patients) else None,
            labels=np.stack([self._labels[p] for p in order]) if self._labels else None,
            absent=self.absent,
            n=n,
        )
        scored = distance_scores(self._generated, self._real, asked)
        statistics: dict[str, Column] = {
            f"{one.score.name}.influence": one.influence
            for one in scored
            if one.influence is not None
        }
        if "fid" in self.kinds and not self.absent:
            statistics |= stored_features.stored(self.name, self._generated, asked.others)
        return [one.score for one in scored], statistics

    def _unrelated(self, n: int) -> Unrelated | None:
        if "fid" not in self.kinds or len(self._real) < 2:
            return None
        return unrelated_distance(self._real, n, self.others)

    def _finite(self, positions: Sequence[int], features: Features) -> Features:
        bad = ~np.isfinite(features).all(axis=1)
        if bad.any():
            first = positions[int(np.flatnonzero(bad)[0])]
            raise InputError(f"{self.name}: the features at position {first} are not finite")
        return features


OF_PHANTOM: dict[str, Callable[[Modality], Backbone]] = {
    PHANTOM: judge_pass,
    SECOND: second_judge_pass,
}
"""Backbones of the phantom track, by the recipe's name."""
_PHANTOM_ENDS = tuple(name.replace("-", "_") for name in OF_PHANTOM)
"""How their scores' names end."""
FEATURES = {
    "phantom": 128,
    "phantom_second": 96,
    "inception": 2048,
    "xrv": 1024,
    "xrv_chex": 1024,
    "xrv_mimic_ch": 1024,
    "dinov2_s": 384,
    "dinov2_b": 768,
    "dinov2_l": 1024,
    "rad_dino": 768,
    "rad_dino_cgb": 768,
}
"""End of a score's name -> numbers that its network makes of a picture."""
_UNSHARP = ("blur", "noise", "few grey levels", "low resolution")
_OTHERWISE = ("inverted", "upside down", "crop", "other view")
SEES = {
    "fid": (*_UNSHARP, "gamma", "low contrast", *_OTHERWISE, "one picture for many"),
    "fid_other": (*_UNSHARP, "gamma", "low contrast", *_OTHERWISE, "one picture for many"),
    "kid": ("few grey levels", *_OTHERWISE),
    "recall": (*_UNSHARP, *_OTHERWISE, "one picture for many"),
    "coverage": (*_UNSHARP, *_OTHERWISE, "one picture for many"),
}
"""What the court must find that they see. Another patient's picture: none of them."""
PLACES = {"fid_phantom": 10, "fid_inception": 11, "fid_xrv": 12}
"""Score -> its place among the columns of a summary."""


class Distances(Family):
    """Distances a generated view and backbone.

    Args:
        name: of the family.
        backbone: the one it always measures in; None for those of the track's ``backbones.fid``:
            one or several, ``phantom``, or ``inception,xrv``.
    """

    card = "frechet.md"
    recomputed_within = stored_features.TOLERANCE
    reasons = (
        *Family.reasons,
        TOO_FEW,
        TOO_FEW_TO_COVER,
        NO_LABELS,
        NO_OTHERS,
        NO_CLASS,
        r"fewer than \d+ studies show it",
        r"an extrapolation in \d+ features needs [\d,]+ studies",
        "a kernel distance needs the pictures of two patients",
        r"manifolds of \d+ neighbours need \d+ pictures",
        r"the weights of backbone '[\w-]+' are not on this machine; .*",
    )

    def __init__(self, name: str, backbone: str | None = None) -> None:
        self.name = name
        self.backbone = backbone
        ends: tuple[str, ...] = (*_PHANTOM_ENDS, *SCORE_NAMES.values())
        if backbone is not None:
            ends = (SCORE_NAMES[backbone],)
        self.scores = {
            score: replace(facts, place=PLACES.get(score))
            for end in ends
            for kind, facts in FACTS.items()
            for score in (score_name(kind, end),)
        }
        # Tried on the phantom only: elsewhere the weights are not at hand.
        if backbone is None:
            first, *others = _PHANTOM_ENDS
            self.sees = {score_name(kind, first): SEES[kind] for kind in SEES}
            self.sees |= {score_name("fid", end): SEES["fid"] for end in others}

    def metrics(self, task: Task, track: Track) -> list[PictureDistances]:
        """One a backbone and generated view; InputError for a backbone that is unknown here."""
        named = [self.backbone] if self.backbone else track.backbones.get("fid", "").split(",")
        named = [name.strip() for name in named if name.strip()]
        known = ", ".join((*OF_PHANTOM, *SCORE_NAMES))
        if not named:
            raise InputError(f"track '{track.name}': backbones.fid names none; known: {known}")
        for name in named:
            if name not in OF_PHANTOM and name not in SCORE_NAMES:
                raise InputError(
                    f"track '{track.name}': backbones.fid is '{name}'; known here: {known}"
                )
        return [
            PictureDistances(
                OF_PHANTOM[name](view) if name in OF_PHANTOM else published(name), view, task
            )
            for name in named
            for view in task.outputs
            if view.is_image
        ]

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """From the stored features, where both have them."""
        distances = stored_features.recomputed(columns, real, self._is_known)
        return distances | stored_features.recomputed_shares(columns, real, self._is_known)

    def _is_known(self, name: str) -> bool:
        return self.facts(name) is not None

    def about_studies(self, column: str) -> bool:
        """The features of other studies' real pictures."""
        name = column.removesuffix(stored_features.OTHERS)
        return name != column and self.facts(name) is not None

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """That a Fréchet distance of fewer pictures than features is far above that of many."""
        for backbone, features in FEATURES.items():
            found = [
                score
                for name, score in scores.items()
                if (parsed := self.parse(name)) is not None
                and parsed.base == score_name("fid", backbone)
                and score.value is not None
                and score.n < features
            ]
            if found:
                n = found[0].n
                yield ResultWarning.of(
                    "small_n",
                    [score.name for score in found],
                    [f"{n:,}", f"{features:,}"],
                    value=n,
                    limit=features,
                )


FRECHET = Distances("frechet")
INCEPTION = Distances("inception", "inception")
XRV = Distances("xrv", "xrv")
XRV_CHEX = Distances("xrv_chex", "xrv-chex")
"""The network that never saw MIMIC."""
DINOV2 = Distances("dinov2", "dinov2-l")
RAD_DINO = Distances("rad_dino", "rad-dino")
RAD_DINO_CGB = Distances("rad_dino_cgb", "rad-dino-cgb")
"""As CheXGenBench squashes its pictures."""
