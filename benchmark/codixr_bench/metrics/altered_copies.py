"""``copies_altered_image``: is a picture a training one that was bent, or put together of two?

``copies_image`` knows turns, zooms, shifts, greys, noise and sums. Whoever stretches a training
picture by 6 %, bends it by a pixel, or joins halves of two, has one that it doesn't find. Here
pictures are bent back to the nearest training ones, and halves are sought by themselves
(``altered_search.py``). A picture counts where it is nearer than held-out real pictures are, by the
same search. This takes ten times as long: ``LOOKED_AT`` of the pictures are looked at, spread over
the split, and all of them with ``--thorough``.

``copies_of_test_altered_image`` is the share that are the study's own picture, bent or not: what a
look-up of the split gives. Where the task's inputs hold a picture, only those count that are twice
as near.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images, suffix_of
from codixr_bench.metric import INFLUENCE, Columns
from codixr_bench.metrics.altered_search import Altered, AlteredSearch, weighed_by
from codixr_bench.metrics.picture_search import LEAST
from codixr_bench.metrics.repeats import NO_TRAINING, surely_under
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.metrics.training_search import TOO_FEW, pictures_of, training_search
from codixr_bench.model import Sample
from codixr_bench.models.train_set import TRAIN_LIMIT
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Evaluation

LOOKED_AT = 400
"""Pictures, without ``--thorough``."""
SHARE = 0.0025
"""Of held-out real pictures, by bending and by halves each."""
OF_REAL = 0.75
"""How much of the distance that real pictures keep a picture may come under: smooth ones are nearer
to all others, copied or not."""
OWN = 0.5
"""Of the limit, where the inputs hold a picture."""
HELD_OUT = 500
SCORES = ("copies_altered_image", "copies_of_test_altered_image")


@dataclass(frozen=True, slots=True)
class AlteredLimits:
    """Under which distances a picture counts."""

    bent: float
    """Weighed by what is usual for the picture."""
    half: float

    def of(self, found: Altered) -> NDArray[np.bool_]:
        """Which pictures count."""
        return (found.weighed < self.bent) | (found.half < self.half)


PINNED = {
    ("phantom", "2", 64, Modality.F): AlteredLimits(16.38, 0.2405),
    ("phantom", "2", 64, Modality.L): AlteredLimits(14.05, 0.2268),
}
"""Track, version, side, view -> the limits that ``copies.PINNED_BY`` give; a test computes them."""

_searched: OrderedDict[tuple[object, ...], AlteredSearch] = OrderedDict()
"""Of both views: the tasks of a group compare with the same training pictures."""


class AlteredCopies:
    """Altered copies among the pictures of one generated view.

    Args:
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, view: Modality, task: Task) -> None:
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = f"copies_altered_image{self.suffix}"
        self.absent: str | None = NO_TRAINING
        self._open = not any(modality.is_image for modality in task.inputs)
        self._rows = Rows()
        self._search: AlteredSearch | None = None
        self._limits = AlteredLimits(0.0, 0.0)
        self._known = 0
        self._n = 0
        """Evaluated studies, of which some are looked at; 0: all."""

    def prepare(self, evaluation: Evaluation) -> None:
        """Index the training pictures; null scores where there are too few."""
        found = training_search(evaluation, self.view)
        if isinstance(found, str):
            self.absent = found
            return
        _, train = found
        search = _altered_search(train, self.view)
        limits = None if search is None else _limits(search, train, evaluation, self.view)
        if search is None or limits is None:
            self.absent = TOO_FEW
            return
        self.absent = None
        self._search, self._limits, self._known = search, limits, len(search)
        self._n = 0 if evaluation.thorough else len(evaluation.dataset)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing."""
        made = generated_images(positions, samples, self.view)[:, 0]
        rows = np.zeros((len(made), len(SCORES) + 1))
        seen = np.array([self._looks_at(position) for position in positions], dtype=np.bool_)
        if self._search is not None and seen.any():
            real = real_images(positions, studies, self.view)[seen, 0]
            share = 1.0 if self._open else OWN
            found = self._search.nearest(made[seen])
            own = weighed_by(found.usual, self._search.to(made[seen], real))
            rows[seen, 0] = self._limits.of(found)
            rows[seen, 1] = own < share * self._limits.bent
            rows[seen, 2] = 1.0
        self._rows.add(positions, {"row": rows})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share of altered copies, and of the studies' own pictures."""
        rows = self._table()
        looked = rows[rows[:, 2] > 0]
        reason = "no study was scored" if not len(rows) else self.absent
        n = len(looked) if reason is None else len(rows)
        found = []
        for at, name in enumerate(SCORES):
            value, interval = None, None
            if reason is None:
                value, interval = mean_of_studies(looked[:, at])
            parts = [name, f"train:{self._known}", f"under:{self._limits.bent:.3g}"]
            if at == 0:
                parts.append(f"halves:{self._limits.half:.3g}")
            found.append(
                Score(
                    name=f"{name}{self.suffix}",
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=False,
                    signature="|".join([*parts, f"n:{n}", f"ci:{MID_P}"]),
                )
            )
        return found

    def statistics(self) -> Columns:
        """What each study does to each share; nothing tells which picture was repeated."""
        rows = self._table()
        looked = rows[:, 2]
        if self.absent or not looked.any():
            return {}
        found: dict[str, NDArray[np.generic]] = {}
        for at, name in enumerate(SCORES):
            share = rows[:, at].sum() / looked.sum()
            found[f"{name}{self.suffix}{INFLUENCE}"] = (
                rows[:, at] - share * looked
            ) / looked.mean()
        return found

    def _looks_at(self, position: int) -> bool:
        """Whether a study is among those that are looked at."""
        if self._n <= LOOKED_AT:
            return True
        return position * LOOKED_AT // self._n != (position - 1) * LOOKED_AT // self._n

    def _table(self) -> NDArray[np.float64]:
        columns = self._rows.columns()
        return np.asarray(columns["row"], dtype=np.float64) if columns else np.zeros((0, 3))

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what it was compared with stays.
        return self.__dict__ | {"_search": None}


def altered_limits(
    search: AlteredSearch, pictures: Iterator[NDArray[np.float32]]
) -> AlteredLimits | None:
    """The limits that held-out pictures give; None under ``LEAST`` of them."""
    held = np.stack(list(pictures))
    if len(held) < LEAST:
        return None
    found = search.nearest(held)
    bent, half = (OF_REAL * surely_under(one, SHARE) for one in (found.weighed, found.half))
    return AlteredLimits(bent, half)


def _altered_search(train: StudyDataset, view: Modality) -> AlteredSearch | None:
    if len(train) < LEAST:
        return None
    key = (train.fingerprint, len(train), view)
    if key not in _searched:
        search = AlteredSearch()
        search.learn(pictures_of(train, view))
        _searched[key] = search
        if len(_searched) > 2:
            _searched.popitem(last=False)
    return _searched[key]


def _limits(
    search: AlteredSearch, train: StudyDataset, evaluation: Evaluation, view: Modality
) -> AlteredLimits | None:
    key = (train.name, train.version, evaluation.track.image_size, view)
    if len(train) >= TRAIN_LIMIT and key in PINNED:
        return PINNED[key]
    if "val" not in evaluation.track.splits:
        return None
    return altered_limits(search, pictures_of(evaluation.split("val", HELD_OUT), view))
