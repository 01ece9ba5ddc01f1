"""Corpus BLEU of generated reports (Table IV), equal to NLTK's, and sacrebleu's beside it.

``bleu_k``: Papineni et al. 2002, orders 1..k with equal weights, one reference, no smoothing,
lower-cased, NLTK's ``wordpunct_tokenize``, in [0, 1]. ``sacrebleu``: the library's default BLEU,
0 to 100 as it is always quoted. An empty report counts as empty, it is never skipped. Counts are
kept by study, so that resampling is addition.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
import regex  # type: ignore[import-untyped]
from numpy import generic
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import percentile_interval, resample_weights
from codixr_bench.task import Task

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

ORDERS = 4
_WORD = regex.compile(r"\w+|[^\w\s]+")
"""NLTK's WordPunctTokenizer and its engine, without the three seconds that importing NLTK takes."""

Counts = NDArray[np.int64]


def tokenize(report: str) -> list[str]:
    """Lower-cased words and runs of punctuation, as NLTK's ``wordpunct_tokenize`` cuts them."""
    tokens: list[str] = _WORD.findall(report.lower())
    return tokens


def ngram_counts(hypothesis: Sequence[str], reference: Sequence[str]) -> list[int]:
    """A study's share in BLEU: [hypothesis tokens, reference tokens, matches 1..4, n-grams 1..4].

    A hypothesis shorter than an order counts one n-gram of it, as in NLTK's
    ``modified_precision``.
    """
    matches, totals = [], []
    for order in range(1, ORDERS + 1):
        made, true = (
            Counter(zip(*(tokens[i:] for i in range(order)), strict=False))
            for tokens in (hypothesis, reference)
        )
        matches.append(sum(min(count, true[ngram]) for ngram, count in made.items()))
        totals.append(max(1, made.total()))
    return [len(hypothesis), len(reference), *matches, *totals]


def corpus_bleu(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Summed counts [R, 10] (``ngram_counts``) -> cumulative BLEU-1..4, [R, 4]."""
    made, true = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    matches, totals = counts[:, 2 : 2 + ORDERS], counts[:, 2 + ORDERS :]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_precision = np.log(matches / totals)
        brevity = np.where(made > true, 0.0, 1.0 - true / made)
        # Without a single token both are -inf or NaN: BLEU is 0.
        mean = np.cumsum(log_precision, axis=1) / np.arange(1, ORDERS + 1)
        scores = np.exp(mean + brevity[:, None])
    scores[matches[:, 0] == 0] = 0.0
    return np.asarray(scores, dtype=np.float64)


class BleuMetric:
    """``bleu_1`` … ``bleu_4`` and ``sacrebleu`` of generated reports."""

    name = "bleu"

    def __init__(self) -> None:
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or sample without one."""
        own, peer = [], []
        for reference, hypothesis in report_pairs(positions, studies, samples):
            own.append(ngram_counts(tokenize(hypothesis), tokenize(reference)))
            peer.append(_sacrebleu_counts(hypothesis, reference))
        self._rows.add(
            positions,
            {"counts": np.array(own, dtype=np.int64), "peer": np.array(peer, dtype=np.int64)},
        )

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """Five scores: BLEU-1..4, then sacrebleu."""
        columns = self._rows.columns()
        n = len(self._rows)
        signature = f"case:lc|tok:wordpunct|smooth:none|nrefs:1|n:{n}"
        names = [f"bleu_{order}" for order in range(1, ORDERS + 1)]
        signatures = [f"bleu|order:1-{order}|{signature}" for order in range(1, ORDERS + 1)]
        names.append("sacrebleu")
        signatures.append(f"sacrebleu|scale:100|{_sacrebleu_signature()}|n:{n}")
        if n == 0:
            return [
                _score(name, None, None, 0, s) for name, s in zip(names, signatures, strict=True)
            ]
        drawn = resample_weights(n).astype(np.float64)
        own, peer = (np.asarray(columns[name], dtype=np.float64) for name in ("counts", "peer"))
        once = np.append(
            corpus_bleu(own.sum(axis=0, keepdims=True))[0], _sacrebleu_score(peer.sum(axis=0))
        )
        resampled = np.column_stack(
            [corpus_bleu(drawn @ own), [_sacrebleu_score(row) for row in drawn @ peer]]
        )
        return [
            _score(name, float(once[i]), percentile_interval(resampled[:, i]), n, signatures[i])
            for i, name in enumerate(names)
        ]

    def statistics(self) -> Mapping[str, NDArray[generic]]:
        """Counts, one column each: ``bleu.hyp_len``, ``bleu.match_1``, ``bleu.sacrebleu_…`` …."""
        orders = range(1, ORDERS + 1)
        names = [
            "hyp_len",
            "ref_len",
            *(f"match_{o}" for o in orders),
            *(f"total_{o}" for o in orders),
        ]
        prefixes = {"counts": self.name, "peer": f"{self.name}.sacrebleu"}
        return {
            f"{prefixes[kind]}.{name}": values[:, number]
            for kind, values in self._rows.columns().items()
            for number, name in enumerate(names)
        }


def _score(
    name: str, value: float | None, interval: tuple[float, float] | None, n: int, signature: str
) -> Score:
    return Score(
        name=name,
        value=value,
        reason=None if n else "no study was scored",
        ci95=interval,
        n=n,
        higher_is_better=True,
        signature=signature,
    )


@lru_cache(maxsize=2)
def _sacrebleu(effective_order: bool) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=effective_order)


def _sacrebleu_signature() -> str:
    from sacrebleu import __version__

    tokenizer = _sacrebleu(False).tokenizer_signature
    return f"nrefs:1|case:mixed|eff:no|tok:{tokenizer}|smooth:exp|version:{__version__}"


def _sacrebleu_counts(hypothesis: str, reference: str) -> list[int]:
    """The same ten numbers, by sacrebleu's own tokenizer and counting."""
    # effective_order does not change the counts; without it sacrebleu warns at every sentence.
    found = _sacrebleu(True).sentence_score(hypothesis, [reference])
    return [found.sys_len, found.ref_len, *found.counts, *found.totals]


def _sacrebleu_score(counts: NDArray[np.float64]) -> float:
    """Summed counts [10] -> sacrebleu's corpus score, 0 to 100."""
    hyp_len, ref_len, *rest = (round(count) for count in counts.tolist())
    matches, totals = rest[:ORDERS], rest[ORDERS:]
    found = _sacrebleu(False).compute_bleu(matches, totals, hyp_len, ref_len, smooth_method="exp")
    return float(found.score)
