"""Which of many reports a text is made of, and how rare what they share is.

1. Words are read as the reports write them (``report_words.py``).
2. A text is cut into the reports' sentences, wherever its stops are; what is left of it may be one
   of their sentences with a word changed.
3. A sentence weighs -log of the share of training reports that have it, or that have any of those
   that it may be made of: what tells less weighs less. A sentence of nobody's tells nothing.
4. What two reports share is the sum over their sentences, as if these were unrelated.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr_bench.metrics.report_words import WordReader, counted, pieces_of
from codixr_bench.models.train_set import train_reports

Words = tuple[str, ...]
Places = NDArray[np.intp]
Array = NDArray[np.float64]

EQUALS = 0.003
"""Accidental equals expected, among all training reports, of a text that is just rare enough."""
OF_PART = 0.00005
"""The same of what a text shares with a report, where the rest of them differs."""
LEAST_SHARED = 0.8
"""Of all that two reports say, by rarity, where they are all but equal. These three are the
loosest of .00015, .00005, .00002 by which, with 95 % confidence, less than 1 % of held-out testable
reports count: 78 of 10,548, of twenty fresh collections (``OF_PART`` = .00015: 99). No test report
had a part in them."""
_WORDS_OF_ONE = 3
"""Below so many words, a sentence with one changed may be anything."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of a text."""

    rarity: float
    """What it adds to its text's."""
    weight: float
    """What it adds to what is shared with a report that has it, or one that it may be made of: 0
    for a sentence of nobody's."""
    made_of: tuple[Words, ...]
    """The sentence, then the known ones that it may be made of."""


class Sentences:
    """The sentences of the training reports, and of others beside them.

    Args:
        training: reports whose words and sentences are known, and in which rarity is counted.
    """

    def __init__(self, training: Sequence[str]) -> None:
        pieces = [frozenset(pieces_of(report)) for report in training]
        self.n = len(pieces)
        self.reader = WordReader(counted(pieces))
        self.training = Shelf(pieces)
        self._lengths: dict[str, list[int]] = {}
        self._by_word: dict[str, list[Words]] = {}
        for words in self.training.having:
            lengths = self._lengths.setdefault(words[0], [])
            if len(words) not in lengths:
                lengths.append(len(words))
            for word in dict.fromkeys(words):
                self._by_word.setdefault(word, []).append(words)
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)
        self._said: dict[Words, Said] = {}

    def cut(self, text: str) -> list[Words]:
        """A text in known sentences, and what is left between them; each once, in order."""
        found: list[Words] = []
        left: list[Words] = []
        for words in (*self.reader.pieces(text), ()):
            if words and words not in self.training.having:
                left.append(words)
                continue
            found += self._cut(left)
            left = []
            if words:
                found.append(words)
        return list(dict.fromkeys(found))

    def said(self, text: str) -> list[Said]:
        """The sentences of a text, weighed."""
        return [self._weighed(words) for words in self.cut(text)]

    def rarity(self, words: Words) -> float:
        """-log of the share of training reports with a sentence."""
        return self._rarity_of(len(self.training.having.get(words, ())))

    def _rarity_of(self, often: int) -> float:
        return math.log((self.n + 1.0) / (often + 0.5))

    def _weighed(self, words: Words) -> Said:
        if words not in self._said:
            rarity = self.rarity(words)
            if words in self.training.having:
                found = Said(rarity, rarity, (words,))
            else:
                of = tuple(self._alike(words))
                any_of_them = len(self.training.places(of))
                found = Said(rarity, self._rarity_of(any_of_them) if of else 0.0, (words, *of))
            self._said[words] = found
        return self._said[words]

    def _cut(self, pieces: Sequence[Words]) -> Iterator[Words]:
        """Sentences that nobody has, in the longest ones that are known, and what is between."""
        words = tuple(word for piece in pieces for word in piece)
        stops = set(np.cumsum([len(piece) for piece in pieces]).tolist())
        begun = at = 0
        while at < len(words):
            long = next(
                (
                    k
                    for k in self._lengths.get(words[at], ())
                    if words[at : at + k] in self.training.having
                ),
                0,
            )
            if begun < at and (long or at in stops):
                yield words[begun:at]
                begun = at
            if long:
                yield words[at : at + long]
                begun = at + long
            at += max(long, 1)
        if begun < len(words):
            yield words[begun:]

    def _alike(self, words: Words) -> Iterator[Words]:
        """Known sentences that differ by one word at most, or by their order."""
        if len(words) < _WORDS_OF_ONE:
            return
        # All words but one are shared: so is one of any two.
        known = sorted((w for w in set(words) if w in self._by_word), key=self._how_often)[:2]
        mine = Counter(words)
        for other in dict.fromkeys(o for word in known for o in self._by_word[word]):
            if abs(len(other) - len(words)) <= 1:
                theirs = Counter(other)
                if (mine - theirs).total() <= 1 and (theirs - mine).total() <= 1:
                    yield other

    def _how_often(self, word: str) -> tuple[int, str]:
        return len(self._by_word[word]), word


class Shelf:
    """Which reports have which sentence.

    Args:
        reports: each by its sentences.
    """

    def __init__(self, reports: Iterable[frozenset[Words]]) -> None:
        having: dict[Words, list[int]] = {}
        self.reports = list(reports)
        for place, report in enumerate(self.reports):
            for words in sorted(report):
                having.setdefault(words, []).append(place)
        self.having = {words: np.array(places, dtype=np.intp) for words, places in having.items()}

    def places(self, some: Iterable[Words]) -> Places:
        """The reports that have any of some sentences."""
        found = [self.having[words] for words in some if words in self.having]
        if len(found) < 2:
            return found[0] if found else np.zeros(0, dtype=np.intp)
        return np.unique(np.concatenate(found))


class ReportIndex:
    """Reports, and what others share with them.

    Args:
        sentences: of the training reports.
        reports: others that are searched; the training reports by default.
    """

    def __init__(self, sentences: Sentences, reports: Sequence[str] | None = None) -> None:
        self._sentences = sentences
        self._shelf = (
            sentences.training
            if reports is None
            else Shelf(frozenset(sentences.cut(report)) for report in reports)
        )
        self._size = np.array(
            [sum(sentences.rarity(words) for words in sorted(one)) for one in self._shelf.reports]
        )
        self._rare = math.log(sentences.n / EQUALS)
        self._rare_part = math.log(sentences.n / OF_PART)

    def rarity(self, text: str) -> float:
        """-log of how often chance writes its sentences together, as if they were unrelated."""
        return float(sum(one.rarity for one in self._sentences.said(text)))

    def is_testable(self, text: str) -> bool:
        """Whether fewer than ``EQUALS`` equals are expected among the training reports."""
        return self.rarity(text) >= self._rare

    def repeats(self, text: str, leave_out: int | None = None) -> bool:
        """Whether one of the reports, other than number ``leave_out``, is all but this text.

        Or whether so much of one stands in it that chance doesn't write even this part twice.
        """
        said = self._sentences.said(text)
        shared = np.zeros(len(self._size))
        told = np.full(len(self._size), sum(one.weight for one in said))
        for one in said:
            shared[self._shelf.places(one.made_of)] += one.weight
            if one.weight < one.rarity:
                # No training report has it, but one of these may.
                whole = self._shelf.places(one.made_of[:1])
                shared[whole] += one.rarity - one.weight
                told[whole] += one.rarity - one.weight
        if leave_out is not None:
            shared[leave_out] = 0.0
        # Two sentences of a text may be made of one.
        np.minimum(shared, self._size, out=shared)
        equal = shared >= LEAST_SHARED * (told + self._size - shared)
        return bool(((shared >= self._rare) & equal | (shared >= self._rare_part)).any())


_kept: dict[tuple[str, int], Sentences] = {}
"""Of the last training split: the tasks of a group compare with the same reports."""


def sentences_of_training(train: StudyDataset) -> Sentences:
    """The sentences of a training split's reports."""
    key = (train.fingerprint, len(train))
    if key not in _kept:
        _kept.clear()
        _kept[key] = Sentences(train_reports(train))
    return _kept[key]
