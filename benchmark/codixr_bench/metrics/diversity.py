"""``diversity_image``, ``diversity_vendi``, ``repeats_image``: are pictures as unlike as real ones?

``diversity_image`` pairs each study with the next one of the same labels: 1 - MS-SSIM of their
generated pictures (Wang, Simoncelli and Bovik 2003; three scales from 64 x 64), over the same of
their real ones. A prototype for each set of labels has 0, whatever is different between the sets.
``diversity_vendi`` is of all pictures together: the Vendi score (Friedman and Dieng 2023), the
exponential of the entropy of the eigenvalues of a similarity matrix, here the cosine of pictures at
32 x 32; again over the real ones'. 1 is as diverse as real studies.
``repeats_image`` is the share that are another output again (``repeated_pictures.py``);
``diversity_within_image`` is of several samples of a study (``runs/within_condition.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images, suffix_of
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.compared_cells import SIDE, at_side, by_twos
from codixr_bench.metrics.label_pairs import (
    APART,
    NO_PAIRS,
    Pairs,
    label_keys,
    pair_faults,
    partners,
    ratio_of_columns,
)
from codixr_bench.metrics.repeated_pictures import MOST, TOO_FEW_PICTURES, repeated
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.influence import influence_columns
from codixr_bench.statistics.influence_interval import influence_interval
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

LEAST = {"diversity_image": 0.4, "diversity_vendi": 0.4}
"""Below it a model has collapsed."""
NAMES = (*LEAST, "repeats_image")
ONE_PICTURE = "the real pictures are all alike"
_WEIGHTS = np.array([0.0448, 0.2856, 0.3001])
_C1, _C2 = 0.01**2, 0.03**2
_WINDOW = 7
_BLOCK = 256
"""Pairs at a time."""
Array = NDArray[np.float64]


class Diversity:
    """Of the pictures of one generated view.

    Args:
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, view: Modality, task: Task) -> None:
        self.view = view
        self.suffix = suffix_of(task, view)
        self.name = f"diversity{self.suffix}"
        self._rows = Rows()
        self._found: Pairs | None = None
        self._repeated: tuple[int, NDArray[np.bool_] | None] | None = None

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing."""
        if len(positions) == 0:
            return
        self._found = None
        pictures = (
            generated_images(positions, samples, self.view)[:, 0],
            real_images(positions, studies, self.view)[:, 0],
        )
        made, real = (
            np.rint(255 * np.stack([at_side(one) for one in side])).astype(np.uint8)
            for side in pictures
        )
        self._rows.add(positions, {"made": made, "real": real, "labels": label_keys(studies)})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._found = None
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """Both ratios and the share of repeats, with intervals from what each study does."""
        n = len(self._rows)
        found = []
        for name, (value, influence, reason) in self._measured(self._pairs()).items():
            interval, how = None, "influence"
            if name == "repeats_image":
                how = MID_P
            if value is not None:
                interval = (
                    mean_of_studies(influence + value)[1]
                    if how == MID_P
                    else influence_interval(value, influence, patients_of(n), lowest=0.0)
                )
            found.append(
                Score(
                    name=f"{name}{self.suffix}",
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=name in LEAST,
                    signature=f"{name}|side:{SIDE}|over:real|n:{n}|ci:{how}",
                )
            )
        return found

    def statistics(self) -> Columns:
        """What each study does to each ratio; ``diversity_image.apart``: how unlike pairs are."""
        pairs = self._pairs()
        apart = {} if pairs is None else {f"diversity_image{self.suffix}{APART}": pairs.column()}
        return {**influence_columns(self._measured(pairs), self.suffix), **apart}

    def _pairs(self) -> "Pairs | None":
        columns = self._rows.columns()
        if not columns:
            return None
        # The scores and the statistics come from one computation.
        if self._found is None:
            partner = partners(np.asarray(columns["labels"]))
            which = np.flatnonzero(partner >= 0)
            made, real = (
                1.0 - _of_pairs(_in_unit(columns[side]), which, partner[which])
                for side in ("made", "real")
            )
            self._found = Pairs(which, made, real, len(partner))
        return self._found

    def _measured(self, pairs: "Pairs | None") -> dict[str, tuple[float | None, Array, str | None]]:
        columns = self._rows.columns()
        if pairs is None:
            return dict.fromkeys(NAMES, (None, np.zeros(0), "no study was scored"))
        found = {"diversity_image": pairs.ratio(ONE_PICTURE)}
        (own, by_made), (whole, by_real) = (vendi(_in_unit(columns[s])) for s in ("made", "real"))
        if whole - 1.0 < 1e-6:
            found["diversity_vendi"] = (None, np.zeros(0), ONE_PICTURE)
        else:
            ratio = max(0.0, (own - 1.0) / (whole - 1.0))
            found["diversity_vendi"] = (ratio, (by_made - ratio * by_real) / (whole - 1.0), None)
        repeats = self._repeats(columns)
        if repeats is None:
            found["repeats_image"] = (None, np.zeros(0), TOO_FEW_PICTURES)
        else:
            share = float(repeats.mean())
            found["repeats_image"] = (share, repeats.astype(np.float64) - share, None)
        return found

    def _repeats(self, columns: Columns) -> NDArray[np.bool_] | None:
        """Which pictures are another one again, sought once for all who ask."""
        if self._repeated is None or self._repeated[0] != len(self._rows):
            sides = (_in_unit(columns[side]) for side in ("made", "real"))
            self._repeated = (len(self._rows), repeated(*sides))
        return self._repeated[1]


class DiversityOfPictures(Family):
    """How unlike each other generated pictures are, over real ones; 1 is as diverse."""

    name = "diversity"
    card = "diversity.md"
    sees = MappingProxyType(
        dict.fromkeys((*LEAST, "repeats_image"), ("one picture for many",))
        | {"diversity_image": ("one picture for many", "blur", "low contrast")}
    )
    reasons = (*Family.reasons, NO_PAIRS, ONE_PICTURE, TOO_FEW_PICTURES)
    scores = {
        name: Facts(
            higher_is_better=True,
            about=About.PICTURE,
            lowest=0.0,
            by_study=False,
        )
        for name in (*LEAST, "diversity_within_image")
    } | {
        "repeats_image": Facts(
            higher_is_better=False,
            about=About.PICTURE,
            lowest=0.0,
            highest=1.0,
            by_study=False,
            yes_or_no=True,
            only_stated=True,
        )
    }

    def metrics(self, task: Task, track: Track) -> list[Diversity]:
        """One a generated view."""
        return [Diversity(view, task) for view in task.outputs if view.is_image]

    def column_faults(self, columns: Columns) -> Problems:
        """How unlike a pair can't be."""
        yield from pair_faults("diversity_image", columns)

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """``diversity_image`` from how unlike the pairs are, over those of the real outputs."""
        return ratio_of_columns("diversity_image", columns, real)

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """Pictures that are far less varied than real ones, or repeat each other."""
        yield from collapse_warnings(scores, LEAST)
        again = [
            score
            for name, score in scores.items()
            if name.partition("[")[0] == "repeats_image" and (score.ci95 or (0.0,))[0] > MOST
        ]
        if again:
            share = max(score.value or 0.0 for score in again)
            numbers = [f"{share:.3f}", f"{MOST:g}"]
            names = [score.name for score in again]
            yield ResultWarning.of("collapse", names, numbers, value=share, limit=MOST, sentence=1)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """One study's pictures for all."""
        return [dict(samples[0]) for _ in samples]


DIVERSITY = DiversityOfPictures()


def collapse_warnings(
    scores: Mapping[str, Score], least: Mapping[str, float]
) -> Iterator[ResultWarning]:
    """One warning that names the diversities whose whole interval lies below their limit."""
    found = [
        score
        for name, score in scores.items()
        if (limit := least.get(name.partition("[")[0])) is not None
        and score.value is not None
        and (score.ci95 or (0.0, score.value))[1] < limit
    ]
    if found:
        worst = min(found, key=lambda score: score.value or 0.0)
        value, limit = worst.value or 0.0, least[worst.name.partition("[")[0]]
        names = [score.name for score in found]
        yield ResultWarning.of(
            "collapse", names, [f"{value:.3f}", f"{limit:g}"], value=value, limit=limit
        )


def ms_ssim(first: NDArray[np.float32], second: NDArray[np.float32]) -> Array:
    """Multi-scale structural similarity of pictures [B, 64, 64] in [0, 1], [B]; 1 for equal ones.

    Three scales, each half of the one before, with the first three of Wang's weights.
    """
    both = np.concatenate([first, second])
    return _of_pairs(both, np.arange(len(first)), np.arange(len(first), len(both)))


def _of_pairs(
    pictures: NDArray[np.float32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> Array:
    """``ms_ssim`` of the pictures at ``first`` and at ``second``, [B].

    A picture's own means and variances serve both of its pairs, which stand near each other in the
    order of ``first`` and ``second`` by turns.
    """
    found = np.empty(len(first))
    order = _chained(first, second)
    for begin in range(0, len(order), _BLOCK):
        some = order[begin : begin + _BLOCK]
        places, (x, y) = np.unique([first[some], second[some]], return_inverse=True)
        found[some] = _likeness(pictures[places].astype(np.float64), x, y)
    return found


def _chained(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs in an order in which one's second picture is mostly the next one's first."""
    after = dict(zip(first.tolist(), range(len(first)), strict=True))
    order: list[int] = []
    while after:
        at: int | None = next(iter(after.values()))
        while at is not None:
            order.append(at)
            del after[int(first[at])]
            at = after.get(int(second[at]))
    return np.array(order, dtype=np.intp)


def _likeness(side: Array, x: NDArray[np.intp], y: NDArray[np.intp]) -> Array:
    """``ms_ssim`` of the pictures [n, 64, 64] at ``x`` and at ``y``."""
    from scipy.ndimage import uniform_filter

    size = (0, _WINDOW, _WINDOW)
    found = np.ones(len(x))
    for scale, weight in enumerate(_WEIGHTS / _WEIGHTS.sum()):
        mean = uniform_filter(side, size)
        variance = uniform_filter(side * side, size) - mean**2
        both = uniform_filter(side[x] * side[y], size) - mean[x] * mean[y]
        likeness = (2 * both + _C2) / (variance[x] + variance[y] + _C2)
        if scale == len(_WEIGHTS) - 1:
            squares = mean**2
            likeness = likeness * (2 * mean[x] * mean[y] + _C1) / (squares[x] + squares[y] + _C1)
        edge = _WINDOW // 2
        inside = likeness[:, edge:-edge, edge:-edge].mean(axis=(1, 2))
        found = found * np.maximum(inside, 0.0) ** weight
        side = by_twos(side)
    return found


def vendi(pictures: NDArray[np.float32]) -> tuple[float, Array]:
    """The Vendi score of pictures [n, 64, 64], and each one's influence on it [n]."""
    n = len(pictures)
    rows = by_twos(pictures).reshape(n, -1).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    small = rows @ rows.T if n <= rows.shape[1] else rows.T @ rows
    values, vectors = np.linalg.eigh(small / n)
    kept = values > 1e-12
    values, vectors = values[kept], vectors[:, kept]
    score = float(np.exp(-(values * np.log(values)).sum()))
    # Eigenvectors of the studies: (v . x_i)^2 of the features is n value u_i^2.
    by_study = n <= rows.shape[1]
    squares = n * values * np.square(vectors) if by_study else np.square(rows @ vectors)
    influence = -score * ((squares - values) @ np.log(values))
    return score, influence - influence.mean()


def _in_unit(levels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Grey levels 0 to 255 -> [0, 1]."""
    return np.asarray(np.asarray(levels) / np.float32(255), dtype=np.float32)
