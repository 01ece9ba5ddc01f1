"""``own_wording``: does a model know a study's words, where nothing that it was given tells them?

A study's own report is what was asked for, so it is no copy. But "mild cardiomegaly" and "the heart
is enlarged, mild" say the same, and no picture tells which of them the reader wrote. Each sentence
of the study's report that states or denies a finding is held against the training sentences that
say the same (``Wordings``): it is a hit where, of these wordings, the study's own is nearest to
what the model wrote. The best that anybody can do without the report is the commonest wording:
that guess's share of hits is 0 on this scale, and 1 is each study's own wording.

    own_wording = (hits - hits of the best guess) / (sentences - hits of the best guess)

Where the model wrote none of the wordings it neither hits nor misses: a sentence left out is 0, not
a miss that hides the hits beside it. A changed word, another order, exchanged sides, abbreviations
or no stops hide nothing: the rest of the words is known (``report_words.py``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.labeler.attributes import Statement, read_attributes
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.rules import label_report
from codixr_bench.labeler.sentences import clean, split
from codixr_bench.metric import Columns
from codixr_bench.metrics.influence_score import Measured, influence_score
from codixr_bench.metrics.repeats import NO_TRAINING
from codixr_bench.metrics.report_index import Sentences, Words, sentences_of_training
from codixr_bench.metrics.report_words import pieces_of
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.models.train_set import train_reports
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.significance import upper_tail
from codixr_bench.task import Task
from codixr_bench.track import Evaluation

ALLOWED = 0.2
"""What may come of wordings that hang together with what is seen, beyond what a reader tells."""
CHANCE = 0.01
LEAST_SAID = 20
"""Training sentences of one meaning, below which nobody knows how it is worded."""
MOST_ONE_SIDED = 0.9
"""The commonest wording's share, above which a meaning is as good as worded in one way."""
ALIKE = 0.5
"""Shared words of two sentences, over all their words, from which one may be made of the other."""
MOST_WORDINGS = 30
ONE_WORDING = "no sentence of the studies is worded in several ways among the training reports"
LOWEST = -MOST_ONE_SIDED / (1.0 - MOST_ONE_SIDED)
"""No hit where the best guess has all that it may have."""
_Z = 1.959964
"""Half of a 95 % interval, in standard errors."""

Meaning = tuple[frozenset[Statement], Labels]
Array = NDArray[np.float64]
Parts = tuple[frozenset[str], frozenset[tuple[str, str]]]


class Wordings:
    """How training reports word what they say.

    Args:
        reports: the training reports.
        known: their sentences, where they are at hand.
    """

    def __init__(self, reports: Sequence[str], known: Sentences | None = None) -> None:
        self.n = len(reports)
        self._known = Sentences(reports) if known is None else known
        often = Counter(sentence for report in reports for sentence in sentences_in(report))
        by_meaning: dict[Meaning, list[tuple[int, str]]] = {}
        for sentence, count in often.items():
            if (meaning := meaning_of(sentence)) is not None:
                by_meaning.setdefault(meaning, []).append((count, sentence))
        self._wordings: dict[Meaning, tuple[str, ...]] = {}
        self._guess: dict[Meaning, float] = {}
        for meaning, wordings in by_meaning.items():
            said = sum(count for count, _ in wordings)
            wordings.sort(key=lambda one: (-one[0], one[1]))
            if said >= LEAST_SAID and wordings[0][0] <= MOST_ONE_SIDED * said:
                self._guess[meaning] = wordings[0][0] / said
                self._wordings[meaning] = tuple(one for _, one in wordings[:MOST_WORDINGS])

    def gain(self, real: str, made: str) -> tuple[float, float]:
        """Of a study's report and what was made for it.

        Returns how many more of the study's own wordings are nearest to the output's sentences than
        the best guess would hit, and how many more there could be at most.
        """
        # As it is, and cut anew: stops may be missing, or a sentence say more than a known one.
        cuts = dict.fromkeys((*self._known.cut(made), *self._known.reader.pieces(made)))
        written = [_parts_of(words) for words in cuts]
        gained, could = 0.0, 0.0
        # In order: a sum's last bit must not depend on the process.
        for sentence in sorted(sentences_in(real)):
            meaning = meaning_of(sentence)
            if meaning is None or meaning not in self._guess:
                continue
            guessed = self._guess[meaning]
            could += 1.0 - guessed
            wordings = dict.fromkeys((*self._wordings[meaning], sentence))
            near = {one: _nearest(one, written) for one in wordings}
            most = max(near.values())
            if most[0] >= ALIKE:
                hit = near[sentence] == most
                gained += (hit / sum(one == most for one in near.values())) - guessed
        return gained, could


class OwnWording:
    """``own_wording`` of the generated reports."""

    name = "own_wording"
    has_skill = False

    def __init__(self) -> None:
        self.absent: str | None = NO_TRAINING
        self._rows = Rows()
        self._wordings: Wordings | None = None
        self._known = 0

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def prepare(self, evaluation: Evaluation) -> None:
        """Learn the training reports' wordings; a null score without any."""
        self.learn(evaluation.training())

    def learn(self, train: StudyDataset | None) -> None:
        """The same, from the studies themselves."""
        if train is not None:
            self.absent, self._known = None, len(train)
            self._wordings = _wordings(train)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or a sample without one."""
        pairs = list(report_pairs(positions, studies, samples, blank=True))
        rows = np.zeros((len(pairs), 2))
        if self._wordings is not None:
            rows[:] = [self._wordings.gain(real, made) for real, made in pairs]
        self._rows.add(positions, {"row": rows})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The score; null without training reports, and where nothing can be told."""
        return [
            influence_score(
                self.name,
                self._measured(),
                n=len(self._rows),
                higher_is_better=False,
                signature=f"own_wording|sentences:cut|said|train:{self._known}",
                lowest=LOWEST,
                highest=1.0,
            )
        ]

    def statistics(self) -> Columns:
        """``own_wording.gained``: a study's hits less the best guess's; ``.could``: at most."""
        value, _, _ = self._measured()
        if value is None:
            return {}
        gained, could = self._counts()
        return {f"{self.name}.gained": gained, f"{self.name}.could": could}

    def _counts(self) -> tuple[Array, Array]:
        gained, could = np.asarray(self._rows.columns()["row"], dtype=np.float64).T
        return gained, could

    def _measured(self) -> Measured:
        columns, nothing = self._rows.columns(), np.zeros(0)
        if not columns or self.absent is not None:
            return None, nothing, self.absent if columns else "no study was scored"
        gained, could = self._counts()
        if not could.any():
            return None, nothing, ONE_WORDING
        return *wording_ratio(gained, could), None

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what it was compared with stays.
        return self.__dict__ | {"_wordings": None}


def wording_ratio(gained: Array, could: Array) -> tuple[float, Array]:
    """What was gained over the best guess, of what could be; each study's influence on it [n]."""
    value = float(gained.sum() / could.sum())
    return value, (gained - value * could) / could.mean()


def wording_warnings(scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
    """``copies_of_test``, where the studies' own words are known beyond chance."""
    score = scores.get("own_wording")
    if score is None or score.value is None or score.ci95 is None or score.value <= ALLOWED:
        return
    error = (score.value - score.ci95[0]) / _Z
    p = upper_tail((score.value - ALLOWED) / error, score.n - 1) if error > 0.0 else 0.0
    if p < CHANCE:
        numbers = [f"{score.value:.3f}", f"{ALLOWED:g}"]
        yield ResultWarning.of(
            "copies_of_test", [score.name], numbers, value=score.value, limit=ALLOWED, sentence=1
        )


@lru_cache(maxsize=65536)
def meaning_of(sentence: str) -> Meaning | None:
    """What a sentence says of findings and devices; None where it says nothing of any."""
    labels = label_report(sentence)
    statements = read_attributes(sentence)
    # "No acute abnormality" stands beside other sentences, or doesn't: it is no wording of theirs.
    if not statements and all(label is None for label in labels[1:]):
        return None
    return statements, labels


def sentences_in(report: str) -> frozenset[str]:
    """A report's sentences, in lower case and without stops at their ends."""
    found = (sentence.strip(" .?!") for sentence in split(clean(report)))
    return frozenset(sentence for sentence in found if sentence)


def _nearest(sentence: str, others: Sequence[Parts]) -> tuple[float, int, int]:
    """The largest share of words that it has in common with one of the others; how many; in order.

    Of two wordings that stand there whole, the longer one was written: it holds the other.
    """
    words, pairs = _parts_of_sentence(sentence)
    best = (0.0, 0, 0)
    for other, its_pairs in others:
        if both := len(words & other):
            best = max(best, (both / len(words | other), both, len(pairs & its_pairs)))
    return best


def _parts_of(words: Words) -> Parts:
    """The words, and which follows which."""
    return frozenset(words), frozenset(pairwise(words))


@lru_cache(maxsize=65536)
def _parts_of_sentence(sentence: str) -> Parts:
    return _parts_of(tuple(word for words in pieces_of(sentence) for word in words))


_kept: dict[tuple[str, int], Wordings] = {}
"""Of the last training split: the tasks of a group compare with the same reports."""


def _wordings(train: StudyDataset) -> Wordings:
    key = (train.fingerprint, len(train))
    if key not in _kept:
        _kept.clear()
        _kept[key] = Wordings(train_reports(train), sentences_of_training(train))
    return _kept[key]
