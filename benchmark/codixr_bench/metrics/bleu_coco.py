"""BLEU and ROUGE-L as the R2Gen family of papers prints them, by request: ``--metrics bleu_coco``.

Those papers clean reports in a way of their own (Chen et al. 2020) and score them with
pycocoevalcap. Here are both, in code of our own: ``bleu_coco_1`` … ``bleu_coco_4``, and
``rouge_l_coco``, whose beta is 1.2. Their numbers are higher than ``bleu_k``'s for the same texts,
because list numbers and most punctuation are gone and every sentence ends with the same token.

Notable:
- The arithmetic is pycocoevalcap's: 1e-15 is added to matches and 1e-9 to n-grams, so that an order
  without a match gives almost 0 instead of 0; a text shorter than an order has no n-gram of it.
- What those papers also do is not done: rare words become one token there, and texts are cut to
  their first 60 or 100 tokens, references too.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.metric import About, Facts
from codixr_bench.metrics.bleu import ORDERS, count_names, ngram_counts
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.sums import SummedFamily
from codixr_bench.model import Sample

BETA = 1.2
"""Of ROUGE-L: recall weighs beta squared times as much as precision."""
_TINY, _SMALL = 1e-15, 1e-9
_DROPPED = str.maketrans("", "", "\"/\\'.,?;*!%^&_+():<=>@[]{}")
_RUN = re.compile(r"([ _.])\1+")


def clean(report: str) -> str:
    """The report as R2Gen's papers score it: ``no edema . heart normal .``."""
    text = _RUN.sub(r"\1", report.replace("\n", " ")).replace("1. ", "")
    for before in (". ", " "):
        for number in "2345":
            text = text.replace(f"{before}{number}. ", ". ")
    sentences = text.strip().lower().split(". ")
    return " . ".join(one.translate(_DROPPED).strip() for one in sentences) + " ."


def coco_bleu(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Summed counts [R, 10] -> cumulative BLEU-1..4, [R, 4], as pycocoevalcap's ``BleuScorer``."""
    made, true = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    matches, totals = counts[:, 2 : 2 + ORDERS], counts[:, 2 + ORDERS :]
    precision = np.cumprod((matches + _TINY) / (totals + _SMALL), axis=1)
    ratio = (made + _TINY) / (true + _SMALL)
    with np.errstate(over="ignore"):
        brevity = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return np.asarray(precision ** (1 / np.arange(1, ORDERS + 1)) * brevity[:, None])


def coco_rouge(hypothesis: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L's F with beta 1.2 of one study."""
    common = _common_length(hypothesis, reference)
    if not common:
        return 0.0
    precision, recall = common / len(hypothesis), common / len(reference)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for i, candidate in enumerate(other, 1):
            above = row[i]
            row[i] = before + 1 if word == candidate else max(above, row[i - 1])
            before = above
    return row[-1]


class BleuCoco(SummedFamily):
    """``bleu_coco_1`` … ``bleu_coco_4`` and ``rouge_l_coco`` of generated reports."""

    name = "bleu_coco"
    card = "bleu.md"
    scores = MappingProxyType(
        {
            name: Facts(higher_is_better=True, about=About.REPORT, lowest=0.0, highest=1.0)
            for name in (*(f"bleu_coco_{order}" for order in range(1, ORDERS + 1)), "rouge_l_coco")
        }
    )
    columns = (
        *count_names(ORDERS),
        "rouge_l",
    )
    of_studies = ("ref_len",)

    def rows(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> list[list[float]]:
        """Counts and ROUGE-L of the cleaned texts; InputError as ``report_pairs``."""
        rows: list[list[float]] = []
        for true, made in report_pairs(positions, studies, samples):
            hypothesis, reference = clean(made), clean(true)
            # Tokens, not blanks: a comma that is gone leaves two of these, which are no words.
            tokens = hypothesis.split(), reference.split()
            rows.append([*ngram_counts(*tokens, at_least=0), coco_rouge(*tokens)])
        return rows

    def formula(self, sums: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
        """BLEU-1 to 4 from counts, ROUGE-L as the mean."""
        return np.column_stack([coco_bleu(sums[:, :-1]), sums[:, -1] / n])

    def signature(self, name: str) -> str:
        """Cleaning, arithmetic, beta."""
        if name == "rouge_l_coco":
            return f"rouge_l_coco|beta:{BETA}|clean:r2gen|mean-of-reports"
        return f"bleu_coco|order:1-{name[-1]}|clean:r2gen|smooth:1e-15/1e-9|nrefs:1"


BLEU_COCO = BleuCoco()
