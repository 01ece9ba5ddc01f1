"""``rouge_l`` of generated reports, by the library rouge-score.

The mean over reports of ROUGE-L's F-measure (longest common subsequence; Lin 2004), lower-cased,
tokens of letters and digits, no stemming. An empty report scores 0, it is never skipped.
"""

from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.metric import About, Columns, Facts, Peer, PeerScore, Problems
from codixr_bench.metrics.peers import CLOSE, Pairs, ReportPeer, library
from codixr_bench.metrics.reports import WRONG_WORDS, report_pairs
from codixr_bench.metrics.sums import MID_P, SummedFamily, mean_of_studies, outside
from codixr_bench.model import Sample
from codixr_bench.statistics.bootstrap import Interval


class Rouge(SummedFamily):
    """``rouge_l``, a mean over reports."""

    name = "rouge"
    card = "rouge.md"
    scores = MappingProxyType(
        {"rouge_l": Facts(higher_is_better=True, about=About.REPORT, lowest=0.0, highest=1.0)}
    )
    columns = ("rouge_l",)
    sees = MappingProxyType({"rouge_l": WRONG_WORDS})
    ci = MID_P

    def rows(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> list[list[float]]:
        """A report's F-measure; InputError as ``report_pairs``."""
        return [
            [_scorer().score(reference, generated)["rougeL"].fmeasure]
            for reference, generated in report_pairs(positions, studies, samples)
        ]

    def intervals(
        self, rows: NDArray[np.generic], patients: NDArray[np.integer] | None
    ) -> list[Interval | None]:
        """As of any mean between 0 and 1."""
        return [mean_of_studies(np.asarray(rows[:, 0], dtype=np.float64))[1]]

    def column_faults(self, columns: Columns) -> Problems:
        """A share below 0 or above 1."""
        if outside(columns.get("rouge.rouge_l"), 0.0, 1.0):
            yield "rouge.rouge_l", "outside 0 to 1"

    def signature(self, name: str) -> str:
        """The measure, stemming, and the library's version."""
        return f"rouge_l|f|stem:no|mean-of-reports|rouge-score:{_version()}"

    def peer(self) -> Peer:
        """rouge-score's own aggregate: the mean of its F-measures."""
        return ReportPeer(_by_library)


ROUGE = Rouge()


def _by_library(pairs: Pairs) -> list[PeerScore]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    found = [scorer.score(reference, made)["rougeL"].fmeasure for reference, made in pairs]
    name = library("rouge-score") or "rouge-score"
    return [PeerScore("rouge_l", name, sum(found) / len(found), CLOSE)]


@lru_cache(maxsize=1)
def _scorer() -> Any:
    # Imported where it is used: it brings NLTK, which takes seconds.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def _version() -> str:
    from importlib.metadata import version

    return version("rouge-score")
