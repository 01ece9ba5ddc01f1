"""``near_copy_image`` and ``near_copy_report``: does a model repeat its training studies?

Each output's nearest training study is sought; the score is the share of outputs that all but equal
it. ``…_real`` beside it is the same share of the real evaluated studies against the training ones:
chests resemble each other, and reports have standard sentences. Only a share above the real one
tells of memorisation.

- Pictures: the nearest ``CANDIDATES`` training pictures in the features of the track's backbone,
  then structural similarity (Wang et al. 2004) of the pixels, averaged down to about 64 x 64: noise
  and a rendering of another size do not hide a copy.
- Reports: Jaccard's overlap of the sets of word 4-grams (a shorter report is one gram).
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones.backbone import (
    Backbone,
    Features,
    Images,
    generated_images,
    real_images,
    suffix_of,
)
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.backbones.published import load_or_note, published
from codixr_bench.backbones.real_features import features_of_dataset
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family
from codixr_bench.metrics.reports import generated_reports
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

LEAST_SSIM = 0.95
"""A picture this similar to a training picture is a near copy."""
LEAST_OVERLAP = 0.8
"""A report that shares this much with a training report is a near copy."""
CANDIDATES = 3
GRAM = 4
NO_TRAINING = "the track has no training studies to compare with"
_SIDE = 64


class _Copies(ABC):
    """The share of near copies among what was made, and among what is real."""

    name = "near_copy"
    has_skill = False

    def __init__(self) -> None:
        self.absent: str | None = NO_TRAINING
        self.suffix = ""
        self._rows = Rows()
        self._training = 0

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share of near copies, then that of the real studies."""
        columns = self._rows.columns()
        found = []
        for side in ("made", "real"):
            base = self.name.partition("[")[0] + ("_real" if side == "real" else "")
            n = len(self._rows)
            reason = "no study was scored" if n == 0 else self.absent
            value, interval = None, None
            if reason is None:
                copied = np.asarray(columns[side], dtype=np.float64) >= self.least
                value, interval = mean_of_studies(copied.astype(np.float64))
            parts = [base, *self._how(), f"train:{self._training}", f"n:{n}", f"ci:{MID_P}"]
            found.append(
                Score(
                    name=f"{base}{self.suffix}",
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=False,
                    signature="|".join(parts),
                )
            )
        return found

    def statistics(self) -> Columns:
        """``near_copy_….influence``: 1 for a near copy and 0 for another, less their mean.

        Of what was made, and of what is real.
        """
        if self.absent or not len(self._rows):
            return {}
        columns = self._rows.columns()
        found = {}
        for side, name in (("made", ""), ("real", "_real")):
            copied = (np.asarray(columns[side]) >= self.least).astype(np.float64)
            base, bracket, view = self.name.partition("[")
            found[f"{base}{name}{bracket}{view}{INFLUENCE}"] = copied - copied.mean()
        return found

    @property
    @abstractmethod
    def least(self) -> float:
        """From which similarity on an output is a near copy."""

    @abstractmethod
    def _how(self) -> list[str]:
        """The parts of a signature that say how likeness is measured."""


class NearCopyImage(_Copies):
    """``near_copy_image`` of one generated view.

    Args:
        backbone: finds the nearest training pictures.
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
    """

    def __init__(self, backbone: Backbone, view: Modality, task: Task | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = f"near_copy_image{self.suffix}"
        self._train: StudyDataset | None = None
        self._features: Features = np.zeros((0, 0), dtype=np.float32)
        self._squares: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    @property
    def least(self) -> float:
        """Structural similarity."""
        return LEAST_SSIM

    def prepare(self, evaluation: Evaluation) -> None:
        """Take the track's training pictures; null scores without them or the weights."""
        load_or_note(self.backbone, self.name)
        self.learn(evaluation.training())

    def learn(self, train: StudyDataset | None) -> None:
        """Compute the training pictures' features; null scores without them or the weights."""
        lacks = getattr(self.backbone, "absent", None)
        self.absent = NO_TRAINING if train is None else lacks
        if train is None or self.absent:
            return
        images = getattr(train, "images", None)
        if callable(images):
            images(self.view)
        self._train, self._training = train, len(train)
        self._features = _features_of(train, self.view, self.backbone)
        self._squares = np.einsum("md,md->m", self._features, self._features)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing."""
        made = generated_images(positions, samples, self.view)
        if self.absent:
            self._rows.add(positions, {"made": np.zeros(len(made))})
            return
        real = real_images(positions, studies, self.view)
        self._rows.add(positions, {"made": self.nearest(made), "real": self.nearest(real)})

    def nearest(self, images: Images) -> NDArray[np.float64]:
        """Similarity to the most similar candidate, [B]; InputError before ``learn``."""
        if self._train is None:
            raise InputError(f"{self.name}: the training pictures were not given")
        features = self.backbone.features(images)
        # Less the picture's own square, which is the same for all candidates.
        distances = self._squares - 2.0 * (features @ self._features.T)
        k = min(CANDIDATES, len(self._squares))
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        best = np.zeros(len(images))
        for row, candidates in enumerate(nearest):
            studies = [self._train[int(position)] for position in candidates]
            there = real_images(candidates.tolist(), studies, self.view)
            best[row] = max(similarity(images[row, 0], other[0]) for other in there)
        return best

    def _how(self) -> list[str]:
        backbone = "absent" if self.absent else self.backbone.signature
        return [f"ssim:{_SIDE}px", f"least:{LEAST_SSIM}", f"candidates:{CANDIDATES}", backbone]

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what it was compared with stays.
        return self.__dict__ | {"_train": None, "_features": self._features[:0]}


class NearCopyReport(_Copies):
    """``near_copy_report``."""

    name = "near_copy_report"

    def __init__(self) -> None:
        super().__init__()
        self._counter: Any = None
        self._grams: Any = None
        self._sizes: NDArray[np.float64] = np.zeros(0)

    @property
    def least(self) -> float:
        """Jaccard's overlap."""
        return LEAST_OVERLAP

    def prepare(self, evaluation: Evaluation) -> None:
        """Take the track's training reports; null scores without them."""
        self.learn(evaluation.training())

    def learn(self, train: StudyDataset | None) -> None:
        """Index the training reports; null scores without them."""
        from sklearn.feature_extraction.text import CountVectorizer

        from codixr_bench.models.train_set import train_reports

        self.absent = NO_TRAINING if train is None else None
        if train is None:
            return
        self._counter = CountVectorizer(analyzer=grams, binary=True, dtype=np.float32)
        counted = self._counter.fit_transform(train_reports(train))
        self._sizes = np.asarray(counted.sum(axis=1), dtype=np.float64).ravel()
        self._grams = counted.T.tocsr()
        self._training = len(train)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a sample without one."""
        made = generated_reports(positions, samples)
        if self.absent:
            self._rows.add(positions, {"made": np.zeros(len(made))})
            return
        real = [study.report or "" for study in studies]
        self._rows.add(positions, {"made": self.nearest(made), "real": self.nearest(real)})

    def nearest(self, reports: Sequence[str]) -> NDArray[np.float64]:
        """Overlap with the most similar training report, [B]; an empty report has none."""
        if self._grams is None:
            raise InputError(f"{self.name}: the training reports were not given")
        shared = (self._counter.transform(reports) @ self._grams).tocoo()
        sizes = np.array([len(set(grams(report))) for report in reports], dtype=np.float64)
        overlap = shared.data / (sizes[shared.row] + self._sizes[shared.col] - shared.data)
        best = np.zeros(len(reports))
        np.maximum.at(best, shared.row, overlap)
        return best

    def _how(self) -> list[str]:
        return [f"words:{GRAM}", "jaccard", f"least:{LEAST_OVERLAP}"]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_counter": None, "_grams": None, "_sizes": np.zeros(0)}


class Copies(Family):
    """Near copies of training studies, of one kind of output; and of the real studies beside.

    Args:
        name: ``near_copy_image`` or ``near_copy_report``.
        about: what it looks at.
    """

    card = "copies.md"
    reasons = (
        *Family.reasons,
        NO_TRAINING,
        r"the weights of backbone '[\w-]+' are not on this machine; .*",
    )

    def __init__(self, name: str, about: About) -> None:
        self.name = name
        self.about = about
        facts = Facts(higher_is_better=False, about=about, lowest=0.0, highest=1.0)
        self.scores = {name: facts, f"{name}_real": facts}

    def metrics(self, task: Task, track: Track) -> "Sequence[NearCopyImage | NearCopyReport]":
        """One a generated view, or one for the report."""
        if self.about is About.REPORT:
            return [NearCopyReport()] if Modality.T in task.outputs else []
        named = [name.strip() for name in track.backbones.get("fid", "").split(",") if name.strip()]
        if not named:
            return []
        # XRV's features know chests better than Inception's.
        best = "xrv" if "xrv" in named else named[0]
        return [
            NearCopyImage(judge_pass(view) if best == "phantom" else published(best), view, task)
            for view in task.outputs
            if view.is_image
        ]

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """Outputs of training studies, as they are."""
        train = evaluation.training()
        if train is None:
            return list(samples)
        copied = [train[i % len(train)] for i in range(len(samples))]
        return [
            {m: content for m in sample if (content := study.get(m)) is not None}
            for study, sample in zip(copied, samples, strict=True)
        ]


NEAR_COPY_IMAGE = Copies("near_copy_image", About.PICTURE)
NEAR_COPY_REPORT = Copies("near_copy_report", About.REPORT)


class _Counted:
    """A backbone that tells how many pictures it has seen."""

    def __init__(self, backbone: Backbone, advance: Callable[[int], None]) -> None:
        self._backbone = backbone
        self._advance = advance

    def features(self, images: Images) -> Features:
        found = self._backbone.features(images)
        self._advance(len(images))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)


_computed: OrderedDict[tuple[str, str, int, str], Features] = OrderedDict()
"""Of both views: the tasks of a group compare with the same training pictures."""


def _features_of(train: StudyDataset, view: Modality, backbone: Backbone) -> Features:
    key = (train.fingerprint, view.value, len(train), backbone.signature)
    if key not in _computed:
        with Progress(f"training pictures {view}, {backbone.name}", len(train)) as bar:
            counted: Any = _Counted(backbone, bar.advance)
            _computed[key] = features_of_dataset(train, view, counted)
        if len(_computed) > 2:
            _computed.popitem(last=False)
    return _computed[key]


def grams(report: str) -> list[tuple[str, ...]]:
    """All runs of four words, lower-cased, without punctuation; all words where there are fewer."""
    words = "".join(c if c.isalnum() else " " for c in report.lower()).split()
    if len(words) < GRAM:
        return [tuple(words)] if words else []
    return [tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)]


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Structural similarity of two pictures [H, W] in [0, 1], at about 64 x 64."""
    from skimage.metrics import structural_similarity

    if first.shape != second.shape:
        raise InputError(f"pictures of {first.shape} and {second.shape} cannot be compared")
    found = structural_similarity(  # type: ignore[no-untyped-call]
        _reduced(first), _reduced(second), data_range=1.0
    )
    return float(found)


def _reduced(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    step = max(1, min(picture.shape) // _SIDE)
    height, width = (side // step * step for side in picture.shape)
    blocks = picture[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
