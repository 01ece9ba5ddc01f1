"""``copies_image``: does a model repeat its training pictures, or the evaluated ones?

Each generated picture's nearest training picture is sought (``picture_search.py``): mirrored,
turned, zoomed, noisy, blurred or of other greys, a copy stays about 0 away. It counts as one where
it is nearer than all but 1 % of held-out real pictures are to any training picture, by the same
search. So 1 % of what is no copy counts too; ``copies`` warns beyond that. Two training pictures
laid over each other count as well: half of the 1 % is for them.

``copies_of_test_image`` is the same among the evaluated studies: what a look-up of the split gives.
Where the task's inputs hold a picture, more of a study's own picture can be told: it counts only
where it is twice as near. Nothing in the other view tells it that closely: of the 2,000 test
studies, the best regression of one view on the other comes no nearer than ``NEAREST_TOLD``.

``authpct`` is the share of generated pictures whose nearest training picture has a nearer training
neighbour than them (Alaa et al. 2022), by the plain features of the same search.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, suffix_of
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Metric
from codixr_bench.metrics.altered_copies import LOOKED_AT, AlteredCopies
from codixr_bench.metrics.altered_copies import SCORES as ALTERED
from codixr_bench.metrics.picture_search import LEAST, PictureSearch
from codixr_bench.metrics.repeats import (
    NO_TRAINING,
    repeat_warnings,
    surely_under,
    training_outputs,
)
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.metrics.training_search import (
    NOT_SEARCHED,
    TOO_FEW,
    pictures_of,
    training_search,
)
from codixr_bench.model import Sample
from codixr_bench.models.train_set import TRAIN_LIMIT
from codixr_bench.score import ResultWarning, Score
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

ACCIDENTAL = 0.01
"""The share of held-out real pictures that count as copies."""
HELD_OUT = 500
OWN = 0.5
"""Of the threshold, where the inputs hold a picture. A look-up under noise of .05 is under .4."""
NEAREST_TOLD = {Modality.F: 1.47, Modality.L: 1.52}
"""Kernel ridge regression of the features on the other view's and the labels, 8,000 studies: its
nearest, less what small changes of the real picture explain. A test computes them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Distances under which a picture counts."""

    copy: float
    """From a training picture, after alignment."""
    mix: float
    """From two of them laid over each other."""


OF_REAL_MIXES = 0.75
"""How much of the distance that real pictures keep from sums of two a picture may come under.

Generated pictures are smoother and nearer to the middle of all than real ones, copied or not: of
1,000 by codixr 2.1 % (F) and 1.6 % (L) came under the whole distance of 8,000 studies that it never
saw (collection 9001), and 2.7 and 2.1 % of its training studies'. Under three quarters come at most
.2 %.
"""
PINNED = {
    ("phantom", "2", 64, Modality.F, False): Limits(2.233, 1.442),
    ("phantom", "2", 64, Modality.L, False): Limits(2.577, 1.768),
    ("phantom", "2", 64, Modality.F, True): Limits(2.171, 1.442),
    ("phantom", "2", 64, Modality.L, True): Limits(2.480, 1.768),
}
"""Track, version, side, view, whether thorough -> the limits that ``PINNED_BY`` give; a test
computes them."""
PINNED_BY = (7001, 7002)
"""Seeds of simulated collections whose test splits, 4,000 studies, were held out. A track's own 500
leave too much to chance: their threshold for L let 1.3 % of the test studies pass for copies."""
_SCORES = ("copies_image", "copies_of_test_image", "authpct")


class CopiesImage:
    """Copies among the pictures of one generated view.

    Args:
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, view: Modality, task: Task) -> None:
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = f"copies_image{self.suffix}"
        self.absent: str | None = NO_TRAINING
        self._open = not any(modality.is_image for modality in task.inputs)
        self._rows = Rows()
        self._training: PictureSearch | None = None
        self._evaluated: PictureSearch | None = None
        self._known = 0
        self._limits = Limits(0.0, 0.0)
        self._how = ""

    def prepare(self, evaluation: Evaluation) -> None:
        """Index the training and the evaluated pictures; null scores where there are too few."""
        found = training_search(evaluation, self.view)
        if isinstance(found, str):
            self.absent = found
            return
        search, train = found
        limits = _limits(search, train, evaluation, self.view, evaluation.thorough)
        if limits is None:
            self.absent = TOO_FEW
            return
        self._take(search, limits, evaluation.dataset)
        self._how = "thorough" if evaluation.thorough else "quick"

    def _take(self, search: PictureSearch, limits: Limits, evaluated: StudyDataset) -> None:
        self.absent = None
        self._training, self._known, self._limits = search, len(search), limits
        self._evaluated = search.among(pictures_of(evaluated, self.view))

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing."""
        made = generated_images(positions, samples, self.view)[:, 0]
        if self.absent or self._training is None or self._evaluated is None:
            self._rows.add(positions, {name: np.zeros(len(made)) for name in _SCORES})
            return
        places = np.asarray(positions, dtype=np.intp)
        # Both searches have the same features: a picture is looked at once.
        looks = self._training.looks(made)
        near = self._training.nearest(looks)
        mixed = self._training.mixes(looks) < self._limits.mix
        among = self._evaluated.nearest(looks, leave_out=places)
        share = 1.0 if self._open else OWN
        own = self._evaluated.to(looks, places) < share * self._limits.copy
        found = {
            "copies_image": (near.distance < self._limits.copy) | mixed,
            "copies_of_test_image": (among.distance < self._limits.copy) | own,
            "authpct": near.authentic,
        }
        self._rows.add(positions, {name: one.astype(np.float64) for name, one in found.items()})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share of copies, of copies of evaluated studies, and of authentic pictures."""
        columns, n = self._rows.columns(), len(self._rows)
        reason = "no study was scored" if n == 0 else self.absent
        found = []
        for name in _SCORES:
            value, interval = None, None
            if reason is None:
                value, interval = mean_of_studies(np.asarray(columns[name], dtype=np.float64))
            parts = [name, f"search:{self._how or 'none'}", f"train:{self._known}"]
            if name != "authpct":
                parts.append(f"under:{self._limits.copy:.3g}")
            if name == "copies_image":
                parts.append(f"sums:{self._limits.mix:.3g}")
            found.append(
                Score(
                    name=f"{name}{self.suffix}",
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=name == "authpct",
                    signature="|".join([*parts, f"n:{n}", f"ci:{MID_P}"]),
                )
            )
        return found

    def statistics(self) -> Columns:
        """What each study does to each share; nothing tells which picture was repeated."""
        if self.absent or not len(self._rows):
            return {}
        columns = self._rows.columns()
        found = {name: np.asarray(columns[name], dtype=np.float64) for name in _SCORES}
        return {f"{n}{self.suffix}{INFLUENCE}": one - one.mean() for n, one in found.items()}

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what it was compared with stays.
        return self.__dict__ | {"_training": None, "_evaluated": None}


class CopiesOfPictures(Family):
    """Copies of training and of evaluated pictures, altered ones, the share of authentic ones."""

    name = "copies_image"
    card = "copies.md"
    on_trial = False
    reasons = (*Family.reasons, NO_TRAINING, TOO_FEW, NOT_SEARCHED)
    scores = {
        name: Facts(
            higher_is_better=name == "authpct",
            about=About.PICTURE,
            lowest=0.0,
            highest=1.0,
            real_is_best=name != "copies_of_test_image",
            yes_or_no=True,
            only_stated=True,
        )
        for name in _SCORES
    } | {
        name: Facts(
            higher_is_better=False,
            about=About.PICTURE,
            lowest=0.0,
            highest=1.0,
            real_is_best=name == ALTERED[0],
            only_stated=True,
            looks_at=LOOKED_AT,
        )
        for name in ALTERED
    }

    def metrics(self, task: Task, track: Track) -> list[Metric]:
        """Two a generated view: copies, and altered ones."""
        views = [view for view in task.outputs if view.is_image]
        return [make(view, task) for view in views for make in (CopiesImage, AlteredCopies)]

    def warnings(self, scores: "Any") -> Iterator[ResultWarning]:
        """More copies than chance and the threshold allow."""
        yield from repeat_warnings(scores, "copies_image", "copies_of_test_image", ACCIDENTAL)
        yield from repeat_warnings(scores, *ALTERED, ACCIDENTAL)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """Outputs of training studies, as they are."""
        return training_outputs(samples, evaluation)


COPIES_IMAGE = CopiesOfPictures()


def _limits(
    search: PictureSearch,
    train: StudyDataset,
    evaluation: Evaluation,
    view: Modality,
    thorough: bool,
) -> Limits | None:
    """Under which distances a picture counts; None without enough held-out pictures."""
    key = (train.name, train.version, evaluation.track.image_size, view, thorough)
    if len(train) >= TRAIN_LIMIT and key in PINNED:
        return PINNED[key]
    if "val" not in evaluation.track.splits:
        return None
    return held_out_limits(search, pictures_of(evaluation.split("val", HELD_OUT), view))


def held_out_limits(
    search: PictureSearch, pictures: Iterator[NDArray[np.float32]]
) -> Limits | None:
    """The limits under which at most 1 % of real pictures come, half of it by each.

    None under 40 held-out pictures.
    """
    held = np.stack(list(pictures))
    if len(held) < LEAST:
        return None
    looks = search.looks(held)
    found = (search.nearest(looks).distance, search.mixes(looks))
    copy, mix = (surely_under(one, ACCIDENTAL / 2) for one in found)
    return Limits(copy, OF_REAL_MIXES * mix)
