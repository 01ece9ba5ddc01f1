"""Anatomy: are both views one body, and is each of them a body that there can be?

Pictures are measured (``backbones/anatomy.py``): the heart, the lungs, the diaphragm a side, the
chest, on which side spine and stomach lie.

* ``anatomy_agreement``: how often a study's two views go better together than one of them does with
  another study's. 0.5 is chance, what shuffled pairs have, and what one body for every study has.
  For F→L and L→F the given view is held against the generated one.
* ``anatomy_plausible``: the share of pictures whose measures lie in the region that holds 99 % of
  real ones. An answer that a mirrored or slightly moved picture does not repeat counts against it:
  a texture gives nothing to measure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.anatomy import SHARED, Anatomy, PhantomAnatomy
from codixr_bench.backbones.backbone import Images, generated_images, real_images, suffix_of
from codixr_bench.backbones.cxas_anatomy import CxasAnatomy
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.pair_wins import resampled_share, share_influence, share_won, wins_of
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, NO_STUDY, mean_of_studies, outside
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import percentile_interval
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

VIEWS = (Modality.F, Modality.L)
AGREEMENT, PLAUSIBLE = "anatomy_agreement", "anatomy_plausible"
NO_OTHERS = "agreement above chance needs two studies or more"
MEASURED_BY: dict[str, Callable[[], Anatomy]] = {"phantom": PhantomAnatomy, "cxas": CxasAnatomy}
"""What a recipe's ``backbones.anatomy`` may name."""
Array = NDArray[np.float64]
_Found = tuple[float | None, tuple[float, float] | None, str | None]
"""A value, its interval, and the reason where there is none."""


class AnatomyAgreement:
    """``anatomy_agreement`` of a task that has both views, one of them generated.

    Args:
        anatomy: measures the pictures.
        task: the task being scored.
    """

    name = AGREEMENT

    def __init__(self, anatomy: Anatomy, task: Task) -> None:
        self.anatomy = anatomy
        self.task = task
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` has both views, one of them generated."""
        return has_both_views(task)

    def load(self) -> None:
        """Load the estimators; InputError where their weights are missing."""
        if self.anatomy.absent is None:
            _ = [self.anatomy.signature(view) for view in VIEWS]

    def prepare(self, evaluation: Evaluation) -> None:
        """What measures may have to learn from real pairs."""
        self.anatomy.prepare(evaluation)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add studies; InputError names the position of a missing or unreadable picture."""
        columns: dict[str, NDArray[Any]] = {}
        for side, view in enumerate(VIEWS):
            if view in self.task.outputs:
                images = generated_images(positions, samples, view)
            else:
                images = real_images(positions, studies, view)
            if self.anatomy.absent is not None:
                columns[f"fit.{view}"] = np.zeros((len(positions), 1), dtype=np.float32)
                continue
            names = self.anatomy.names(view)
            rows = self.anatomy.rows(view, images)[:, : len(names)]
            fit = self.anatomy.pair().variables(rows, side)
            shared = rows[:, [names.index(name) for name in SHARED]]
            columns[f"fit.{view}"] = fit.astype(np.float32)
            columns[f"shared.{view}"] = shared.astype(np.float32)
        self._rows.add(positions, columns)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The agreement; null, with the reason, where nothing measures or can be shuffled."""
        n = len(self._rows)
        absent = self.anatomy.absent
        reason = NO_STUDY if n == 0 else NO_OTHERS if n == 1 else absent
        value, ci95 = None, None
        if reason is None:
            wins = self._wins()
            value, ci95 = share_won(wins), percentile_interval(resampled_share(wins))
        made = "unmeasured"
        if absent is None:
            sides = "|".join(self._made(view) for view in VIEWS)
            made = f"{sides}|{self.anatomy.pair_signature()}"
        signature = f"{self.name}|chance:0.5|{made}|n:{n}"
        return [_score(self.name, (value, ci95, reason), n, signature)]

    def statistics(self) -> Columns:
        """``anatomy_agreement.fit.F|L``: what goes together; ``.shared.F|L``: shared measures.

        Of a view that was given, ``.given_fit.F`` and the like: they are equal for every model.
        ``anatomy_agreement.influence``: what each study does to the score.
        """
        if self.anatomy.absent is not None:
            return {}
        found = {}
        for name, values in self._rows.columns().items():
            what, _, view = name.partition(".")
            given = "" if view in map(str, self.task.outputs) else "given_"
            found[f"{self.name}.{given}{what}.{view}"] = values
        if len(self._rows) > 2:
            influence = share_influence(self._wins()).by_study
            found[f"{self.name}{INFLUENCE}"] = influence
        return found

    def _wins(self) -> NDArray[np.float32]:
        columns = self._rows.columns()
        return wins_of(*(np.asarray(columns[f"fit.{view}"]) for view in VIEWS))

    def _made(self, view: Modality) -> str:
        given = "" if view in self.task.outputs else ",given"
        return f"{view}:{self.anatomy.signature(view)}{given}"


class AnatomyPlausible:
    """``anatomy_plausible`` of one generated view.

    Args:
        anatomy: measures the pictures.
        view: F or L.
        task: the task being scored; the name gets ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, anatomy: Anatomy, view: Modality, task: Task | None = None) -> None:
        self.anatomy = anatomy
        self.view = view
        self.name = f"{PLAUSIBLE}{suffix_of(task, view)}"
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def load(self) -> None:
        """Load the estimator; InputError where its weights are missing."""
        if self.anatomy.absent is None:
            _ = self.anatomy.signature(self.view)

    def prepare(self, evaluation: Evaluation) -> None:
        """What measures may have to learn from real pictures."""
        self.anatomy.prepare(evaluation)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        images = generated_images(positions, samples, self.view)
        self._rows.add(positions, {"inside": self._inside(images)})

    def _inside(self, images: Images) -> NDArray[np.int8]:
        if self.anatomy.absent is not None:
            return np.zeros(len(images), dtype=np.int8)
        rows = self.anatomy.rows(self.view, images)
        return self.anatomy.region(self.view).inside(rows).astype(np.int8)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share; null, with the reason, where nothing measures."""
        n = len(self._rows)
        absent = self.anatomy.absent
        reason = NO_STUDY if n == 0 else absent
        value, ci95 = None, None
        if reason is None:
            inside = self._rows.columns()["inside"].astype(np.float64)
            value, ci95 = mean_of_studies(inside)
        made = "unmeasured" if absent else f"{self.anatomy.signature(self.view)}|region:0.99"
        signature = f"{PLAUSIBLE}|{made}|n:{n}|ci:{MID_P}"
        return [_score(self.name, (value, ci95, reason), n, signature)]

    def statistics(self) -> Columns:
        """``anatomy_plausible.inside``: 1 for a picture in the region, else 0."""
        if self.anatomy.absent is not None or not len(self._rows):
            return {}
        return {f"{self.name}.inside": self._rows.columns()["inside"]}


def _score(name: str, found: _Found, n: int, signature: str) -> Score:
    """The score of ``n`` studies: more is better."""
    value, ci95, reason = found
    return Score(
        name=name,
        value=value,
        reason=reason,
        ci95=ci95,
        n=n,
        higher_is_better=True,
        signature=signature,
    )


@lru_cache(maxsize=2)
def anatomy_called(name: str) -> Anatomy:
    """The process's one ``Anatomy`` of that name; InputError for an unknown one."""
    if name not in MEASURED_BY:
        raise InputError(f"backbones.anatomy is '{name}'; known: {', '.join(MEASURED_BY)}")
    return MEASURED_BY[name]()


def has_both_views(task: Task) -> bool:
    """Whether a task has F and L, given or generated, and generates one at least."""
    has = {*task.inputs, *task.outputs}
    return set(VIEWS) <= has and any(view in task.outputs for view in VIEWS)


_SEEN = (
    "few grey levels",
    "low resolution",
    "inverted",
    "mirrored",
    "upside down",
    "crop",
    "shift",
    "turned",
    "other view",
)


class AnatomyFamily(Family):
    """Measures of generated pictures, on tracks whose recipe says who measures."""

    name = "anatomy"
    card = "anatomy.md"
    scores = MappingProxyType(
        {
            AGREEMENT: Facts(
                higher_is_better=True,
                about=About.PAIR,
                lowest=0.0,
                highest=1.0,
                real_is_ceiling=False,
                only_stated=True,
            ),
            PLAUSIBLE: Facts(
                higher_is_better=True,
                about=About.PICTURE,
                lowest=0.0,
                highest=1.0,
                real_is_ceiling=False,
                yes_or_no=True,
                only_stated=True,
            ),
        }
    )
    sees = MappingProxyType(
        {
            PLAUSIBLE: _SEEN,
            AGREEMENT: (
                *_SEEN,
                "low contrast",
                "another patient's picture",
                "one picture for many",
            ),
        }
    )
    reasons = (*Family.reasons, NO_OTHERS, r"the package cxas is not installed",
               r"cxas' weights are not on this machine",
               r"the track has fewer than \d+ training studies with .*")  # fmt: skip

    def metrics(self, task: Task, track: Track) -> list[AnatomyAgreement | AnatomyPlausible]:
        """One a generated view, and the agreement where the task has both views."""
        if (named := track.backbones.get("anatomy")) is None:
            return []
        try:
            anatomy = anatomy_called(named)
        except InputError as error:
            raise InputError(f"track '{track.name}': {error}") from error
        found: list[AnatomyAgreement | AnatomyPlausible] = [
            AnatomyPlausible(anatomy, view, task) for view in task.outputs if view.is_image
        ]
        if has_both_views(task):
            found.append(AnatomyAgreement(anatomy, task))
        return found

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """Computed anew from what goes together, and from who is inside."""
        found = super().influences(columns)
        for view in ("", *(f"[{one}]" for one in VIEWS)):
            inside = columns.get(f"{PLAUSIBLE}{view}.inside")
            if inside is not None:
                values = np.asarray(inside, dtype=np.float64)
                share = float(values.mean())
                found[f"{PLAUSIBLE}{view}"] = Influence(values - share, share)
        sides = [fit_column(columns, view) for view in VIEWS]
        if all(side is not None and side.ndim == 2 for side in sides) and len(sides[0]) > 2:  # type: ignore[arg-type]
            found[AGREEMENT] = share_influence(wins_of(*sides))  # type: ignore[arg-type]
        return found

    def about_studies(self, column: str) -> bool:
        """What was measured in a view that was given."""
        return column.startswith(f"{AGREEMENT}.given_")

    def column_faults(self, columns: Columns) -> Problems:
        """A picture is inside or not."""
        for view in ("", *(f"[{one}]" for one in VIEWS)):
            name = f"{PLAUSIBLE}{view}.inside"
            values = columns.get(name)
            if outside(values, 0, 1) or (values is not None and not np.isin(values, (0, 1)).all()):
                yield name, "a picture is inside the region, 1, or not, 0"

    def caveats(self, score: Score) -> Iterator[str]:
        """One body for every study is plausible, and agrees by chance."""
        if score.name == AGREEMENT and score.value is not None and score.value <= 0.5:
            yield "both views of a study go together no better than those of two studies"


ANATOMY = AnatomyFamily()


def fit_column(columns: Columns, view: Modality, what: str = "fit") -> NDArray[np.generic] | None:
    """A view's column of the agreement, [n, k], generated or given; None where it is not there."""
    for given in ("", "given_"):
        found = columns.get(f"{AGREEMENT}.{given}{what}.{view}")
        if found is not None:
            return np.asarray(found)
    return None


def shared_measures(columns: Columns) -> Mapping[str, tuple[Array, Array]]:
    """Measure -> (of F, of L), [n] each, in shares of the side; empty without the agreement."""
    sides = [fit_column(columns, view, "shared") for view in VIEWS]
    if any(side is None or side.ndim != 2 for side in sides):
        return {}
    frontal, lateral = (np.asarray(side, dtype=np.float64) for side in sides)
    return {name: (frontal[:, k], lateral[:, k]) for k, name in enumerate(SHARED)}
