"""What every metric offers, and the one object that knows everything about a family of them.

A ``Family`` makes its metrics for a task on a track, and answers for their scores: what holds for a
score whatever its value (``Facts``), what each study does to it, its counts, whether its arithmetic
holds, what its signature says, its card. Nobody else knows a score's name: ask
``registry.family_of(name)``. A ``Metric`` is the small mergeable state between studies and scores.
Importing this, and every family, needs no torch.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.task import Task

if TYPE_CHECKING:
    from codixr_bench.track import Evaluation, Track

Column = NDArray[np.generic]
Columns = Mapping[str, Column]
"""Of ``statistics.parquet``: column name -> [n], or [n, k]; one row a study."""
Problems = Iterator[tuple[str, str]]
"""(field, reason) of every number that does not follow from the others."""

NONSENSE = " ".join(["Colourless green ideas sleep furiously."] * 20)
"""A report that says nothing, at length."""
INFLUENCE = ".influence"
"""The end of a column that says what each study does to a score, whatever the metric."""


@runtime_checkable
class Metric(Protocol):
    """Consumes (reference study, sample) pairs in any split into shards, and computes scores.

    The state is picklable, and merging shards in any order gives the same scores (rows are kept
    with their position in the split).
    """

    name: str

    def applies_to(self, task: Task) -> bool:
        """Whether the metric scores an output of ``task``."""
        ...

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add studies, named by their position in the split, and what was made for them."""
        ...

    def merge(self, other: Self) -> None:
        """Add another shard's state."""
        ...

    def compute(self) -> list[Score]:
        """The scores over all studies seen."""
        ...

    def statistics(self) -> Columns:
        """One row a study in position order: what pairing and resampling need, without ids."""
        ...


@runtime_checkable
class MakesSeveral(Protocol):
    """A metric that can make more scores than it does unasked."""

    @property
    def offers(self) -> Sequence[str]:
        """The names of all of them, without the view: what ``--metrics`` may ask for."""
        ...

    def choose(self, wanted: Sequence[str]) -> None:
        """Make those of ``wanted`` that are offered; the usual ones where none is."""
        ...


@runtime_checkable
class LoadsNetworks(Protocol):
    """A metric that computes with networks: they are loaded before hours of work."""

    def load(self) -> None:
        """Load them.

        Published weights that are missing are noted on stderr, once, and the scores will be null;
        InputError for a network that belongs to this package.
        """
        ...


@runtime_checkable
class Prepares(Protocol):
    """A metric that needs more of the track than the evaluated studies."""

    def prepare(self, evaluation: "Evaluation") -> None:
        """Called once before the first ``update``: weights, real pictures, training studies."""
        ...


@dataclass(frozen=True, slots=True)
class PeerScore:
    """A score computed again, from the same samples, by the library that the field trusts."""

    name: str
    """Of our score."""
    library: str
    """With its version, e.g. ``nltk 3.10.4``."""
    value: float | None
    """None with a ``reason``."""
    tolerance: float
    """What the two may differ by: rounding, never a definition."""
    reason: str | None = None
    convention: str = ""
    """The library's definition in a few words, where ours is another."""
    ours: float | None = None
    """Our code's value by the library's convention; None where the score itself is."""


class Peer(Protocol):
    """Computes a metric's scores by a library: give it the samples that the metric gets."""

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add studies and what was made for them."""
        ...

    def scores(self) -> list[PeerScore]:
        """The library's scores, once the metric and its peer have seen all samples."""
        ...


@runtime_checkable
class HasPeer(Protocol):
    """A metric that a library computes too; ``score --cross-check`` shows both."""

    def peer(self) -> Peer | None:
        """A new peer, before the first ``update``; None where no library has its scores."""
        ...


def has_skill(metric: Metric) -> bool:
    """False for a metric that declares ``has_skill = False``: its scores get no ``skill``.

    Because references would say nothing (near copies), or cost too much (a language model).
    """
    return bool(getattr(metric, "has_skill", True))


class About(StrEnum):
    """What a score judges."""

    PICTURE = "picture"
    REPORT = "report"
    PAIR = "pair"
    """Two outputs of one study together."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds for a score whatever its value."""

    higher_is_better: bool
    about: About
    lowest: float = -math.inf
    """The least value there can be, its interval included."""
    highest: float = math.inf
    decimals: int = 3
    """Digits behind the point that a reader needs; more where the value would read as another."""
    primary: bool = False
    """Whether the gate looks at it unasked."""
    place: int | None = None
    """Its place among the columns of a summary of tasks; None for a score that is not shown."""
    title: str = ""
    """What a table of its classes is called, e.g. ``label F1``; empty without classes."""
    by_study: bool = True
    """Whether an influence says what its own study does, not only what all of them do together."""

    of_model: bool = True
    """Whether it depends on the model; what does not is shown beside it, and never compared."""
    real_is_best: bool = True
    """Whether the evaluated studies' own outputs have its best value; a look-up of them has not."""
    real_is_ceiling: bool = True
    """Whether a value above the evaluated studies' own needs a reason. Two outputs may agree more
    than these studies' do and be honest: those of other real patients do."""
    sure_below_one_study: bool = False
    """Whether a value of 1/n or less may have no spread: a share that one report for all has."""
    yes_or_no: bool = False
    """Whether each study answers yes or no, so that its pseudo-values are 0 or 1."""
    only_stated: bool = False
    """Whether a reader of the statistics can't repeat what each study answers, e.g. a search among
    training pictures: such a score can be bounded, and not recomputed."""
    looks_at: int | None = None
    """So many studies of a larger split, where a search costs too much for all of them."""
    only_classes: bool = False
    """Whether the classes alone are to be read: a mean of them would mix their different n."""
    pin: str = ""
    """Under which name a track pins parts of its signature, e.g. ``auroc``; empty: its own name."""


@dataclass(frozen=True, slots=True)
class Influence:
    """A score's dependence on each study.

    A study's influence is (n - 1) times what the score loses when the study is left out, about
    their mean; the score of a resample with weights w is close to ``value + mean(w · influence)``.
    """

    by_study: NDArray[np.float64]
    """[n], mean zero; in the score's unit."""
    value: float | None = None
    """The score recomputed from the same columns; None where they hold the influence only."""
    ci95: tuple[float, float] | None = None
    """Its interval, where that follows from the same columns without a resample."""
    rounding: tuple[float, float] | None = None
    """Of a score of random halves, computed anew: what its value and the ends of its interval may
    differ by, and its influences together (root mean square, in their standard deviations)."""


@dataclass(frozen=True, slots=True)
class Name:
    """A score's name in its parts: ``chex_auroc_macro[F]``."""

    lead: str
    """Of a second judge's scores, e.g. ``chex_``; mostly empty."""
    base: str
    """``auroc_macro``."""
    view: str
    """``[F]`` or ``[L]`` where a task makes both views, else empty."""


class Family:
    """Everything about a kind of metric; one object of it stands in its file and in the registry.

    Give ``name``, ``scores`` and ``metrics``; the rest has defaults that fit a metric whose
    ``statistics`` hold ``<score>.influence`` columns. ``metrics.sums.SummedFamily`` gives all of
    it to a metric whose statistics add up.
    """

    name: str
    """What ``--metrics`` and a track's recipe call it."""
    scores: Mapping[str, Facts]
    """Score name, without lead and view -> its facts."""
    leads: tuple[str, ...] = ()
    """What a second judge's scores may begin with."""
    on_trial: bool = True
    """Whether `codixr-bench court` tries it unasked."""
    card: str = ""
    """The file under ``docs/metrics`` that says what its numbers mean; empty: the docstring."""
    sees: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Score name -> the faults of `codixr-bench court` that it must see: its sensitivities."""
    reasons: tuple[str, ...] = ("no study was scored",)
    """Regular expressions of the reasons that its nulls may give."""
    recomputed_within: float = 1e-6
    """What ``recomputed`` may differ by: a value (absolute, relative above 1), and the share of
    studies whose influence is another."""

    def metrics(self, task: Task, track: "Track") -> Sequence[Metric]:
        """New, empty metrics for ``task`` on ``track``; empty where it scores nothing of it."""
        raise NotImplementedError

    def parse(self, name: str) -> Name | None:
        """A score's name in its parts, or None for a name that is not of this family."""
        whole, bracket, view = name.partition("[")
        if bracket and view not in ("F]", "L]"):
            return None
        for lead in ("", *self.leads):
            base = whole.removeprefix(lead)
            if whole.startswith(lead) and self._facts(base) is not None:
                return Name(lead, base, f"{bracket}{view}")
        return None

    def facts(self, name: str) -> Facts | None:
        """The facts of a score by its whole name; None for a name that is not of this family."""
        parsed = self.parse(name)
        return None if parsed is None else self._facts(parsed.base)

    def _facts(self, base: str) -> Facts | None:
        return self.scores.get(base)

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """Score name -> influence, from a run's statistics; scores they can't give are absent.

        By default the columns ``<score>.influence`` as they stand.
        """
        return {
            name.removesuffix(INFLUENCE): Influence(np.asarray(values, dtype=np.float64))
            for name, values in columns.items()
            if name.endswith(INFLUENCE) and self.facts(name.removesuffix(INFLUENCE)) is not None
        }

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """Scores that follow from a run's statistics and those of the model ``real``, by name.

        Of scores whose reference is the real outputs: distances, and ratios to the real ones.
        """
        return {}

    def of_group(
        self, columns: Columns, scores: Mapping[str, Score], without: Collection[str] = ()
    ) -> dict[str, Influence]:
        """Score name -> its value among some of the studies, and their influences on it.

        Only scores that the studies' own columns give: a distance between sets is none of them.

        Args:
            columns: the statistics' rows of those studies, influences among them.
            scores: the result's scores of this family, by name.
            without: classes that no average may hold.
        """
        ends = tuple(f".{name}" for name in without)
        kept = {name: values for name, values in columns.items() if not name.endswith(ends)}
        found = self.influences(kept if ends else columns)
        return {n: found[n] for n in scores if n in found and found[n].value is not None}

    def about_studies(self, column: str) -> bool:
        """Whether a column of its statistics is about the studies: equal for every model."""
        return False

    def column_faults(self, columns: Columns) -> Problems:
        """(column, reason) of what no run writes: for whoever reads a stranger's statistics."""
        yield from ()

    def may_be_null(self, name: str, columns: Columns) -> bool:
        """Whether a run with these statistics may lack a value that the real outputs have."""
        return False

    def counts(self, name: str, columns: Columns) -> dict[str, int]:
        """Summed counts that let a reader recompute the score; empty where there are none."""
        return {}

    def cells(self, score: Score, label: str, columns: Columns) -> dict[str, NDArray[np.bool_]]:
        """Which studies are a class's ``tp``, ``fp``, ``fn`` and ``tn``; empty without any."""
        return {}

    def arithmetic(self, scores: Mapping[str, Score], *, simulated: bool) -> Problems:
        """What does not add up among a result's scores of this family, by name.

        Args:
            scores: the result's scores of this family.
            simulated: False on a track of real patients, where small cells are hidden and what
                needs one is not recomputed.
        """
        yield from ()

    def signature_faults(self, score: Score) -> Iterator[str]:
        """What a score's signature has to say and doesn't; its first part names the metric."""
        parsed = self.parse(score.name)
        if parsed and not f"{parsed.base}_".startswith(f"{score.signature.partition('|')[0]}_"):
            yield "it is of another metric"

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: "Evaluation"
    ) -> list[Sample]:
        """The samples made worthless: what its scores must call worse than the real outputs.

        By default pictures become noise, and reports nonsense.
        """
        rng = np.random.default_rng(0)
        return [
            {
                modality: NONSENSE
                if isinstance(content, str)
                else rng.random(content.shape, dtype=np.float32)
                for modality, content in sample.items()
            }
            for sample in samples
        ]

    def caveats(self, score: Score) -> Iterator[str]:
        """What a reader has to know of this value, e.g. of a distance of few pictures."""
        yield from ()

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """What must be known beside a result with these scores of this family, by name.

        Codes of ``score.UNRANKED`` take its rank.
        """
        yield from ()

    def knows_reason(self, reason: str) -> bool:
        """Whether a null's reason is one that this family gives."""
        return any(re.fullmatch(pattern, reason) for pattern in self.reasons)

    def pin(self, name: str) -> str:
        """The name under which a track pins parts of this score's signature, with its lead."""
        parsed, facts = self.parse(name), self.facts(name)
        if parsed is None or facts is None:
            return ""
        return f"{parsed.lead}{facts.pin or parsed.base}"
