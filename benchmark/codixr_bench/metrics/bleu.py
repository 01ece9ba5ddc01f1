"""Corpus BLEU of generated reports (Table IV), equal to NLTK's, and sacrebleu's beside it.

``bleu_k``: Papineni et al. 2002, orders 1..k with equal weights, one reference, no smoothing,
lower-cased, NLTK's ``wordpunct_tokenize``, in [0, 1]. ``sacrebleu``: the library's default BLEU,
0 to 100 as it is always quoted. An empty report counts as empty, it is never skipped. Counts are
kept by study, so that resampling is addition.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import regex  # type: ignore[import-untyped]
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.metric import About, Columns, Facts, Peer, PeerScore, Problems
from codixr_bench.metrics.peers import CLOSE, Pairs, ReportPeer, library
from codixr_bench.metrics.reports import WRONG_WORDS, report_pairs
from codixr_bench.metrics.sums import SummedFamily
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.effective_draws import Bounds, by_patient
from codixr_bench.statistics.product_interval import product_interval

if TYPE_CHECKING:
    from sacrebleu.metrics import bleu as sacrebleu_library

ORDERS = 4
_PEER_ORDERS = 4
"""Of sacrebleu."""
_CLOSE = 1e-6
"""What a value recomputed from its counts may differ by, as a share of the scale."""
_WORD = regex.compile(r"\w+|[^\w\s]+")
"""NLTK's WordPunctTokenizer and its engine, without the three seconds that importing NLTK takes."""

Counts = NDArray[np.int64]


def tokenize(report: str) -> list[str]:
    """Lower-cased words and runs of punctuation, as NLTK's ``wordpunct_tokenize`` cuts them."""
    tokens: list[str] = _WORD.findall(report.lower())
    return tokens


def ngram_counts(
    hypothesis: Sequence[str], reference: Sequence[str], *, at_least: int = 1
) -> list[int]:
    """A study's share in BLEU: [hypothesis tokens, reference tokens, matches 1..4, n-grams 1..4].

    A hypothesis shorter than an order counts ``at_least`` n-grams of it: one, as in NLTK's
    ``modified_precision``.
    """
    matches, totals = [], []
    for order in range(1, ORDERS + 1):
        made, true = (
            Counter(zip(*(tokens[i:] for i in range(order)), strict=False))
            for tokens in (hypothesis, reference)
        )
        matches.append(sum(min(count, true[ngram]) for ngram, count in made.items()))
        totals.append(max(at_least, made.total()))
    return [len(hypothesis), len(reference), *matches, *totals]


def corpus_bleu(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Summed counts [R, 2 + 2 k] (``ngram_counts``) -> cumulative BLEU-1..k, [R, k]."""
    made, true = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    orders = (counts.shape[1] - 2) // 2
    matches, totals = counts[:, 2 : 2 + orders], counts[:, 2 + orders :]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_precision = np.log(matches / totals)
        brevity = np.where(made > true, 0.0, 1.0 - true / made)
        # Without a single token both are -inf or NaN: BLEU is 0.
        mean = np.cumsum(log_precision, axis=1) / np.arange(1, orders + 1)
        scores = np.exp(mean + brevity[:, None])
    scores[matches[:, 0] == 0] = 0.0
    return np.asarray(scores, dtype=np.float64)


def bleu_interval(
    rows: NDArray[np.number], order: int, patients: NDArray[np.integer] | None = None
) -> Bounds:
    """95 % of BLEU-``order``, from ``ngram_counts`` of each report.

    Args:
        rows: [..., n, 2 + 2 k].
        order: 1 to k.
        patients: [n], the number of each report's patient; None: each is one of its own.
    """
    counts = by_patient(np.moveaxis(rows, -1, -2).astype(np.float64), patients)
    orders = (rows.shape[-1] - 2) // 2
    made, true = counts[..., 0, :], counts[..., 1, :]
    matches = counts[..., 2 : 2 + order, :]
    totals = counts[..., 2 + orders : 2 + orders + order, :]
    words, wanted = made.sum(axis=-1, keepdims=True), true.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        short = words < wanted
        brevity = np.where(short, np.exp(1.0 - wanted / words), 1.0)
        moved = np.where(short & (words > 0), (made * wanted / words - true) / words, 0.0)
    return product_interval(matches, totals, brevity[..., 0], moved)


def sacrebleu_score(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Summed counts [R, 10] -> sacrebleu's corpus BLEU (0 to 100, ``smooth:exp``), [R].

    Its ``BLEU.compute_bleu`` for R corpora at once, in the same order of operations, at most 100.
    """
    made, true = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    matches, totals = counts[:, 2 : 2 + _PEER_ORDERS], counts[:, 2 + _PEER_ORDERS :]
    zero = (matches == 0) & (totals > 0)
    doubled = 2.0 ** np.cumsum(zero, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(zero, 100.0 / (doubled * totals), 100.0 * matches / totals)
        logs = np.log(precision)
        mean = sum(logs[:, order] for order in range(_PEER_ORDERS)) / _PEER_ORDERS
        brevity = np.where(made < true, np.exp(1.0 - true / made), 1.0)
        scores = brevity * np.exp(mean)
    scores[(totals == 0).any(axis=1) | (matches[:, 0] == 0)] = 0.0
    # The exponential of the mean of equal logarithms may be a little over 100.
    return np.asarray(np.minimum(scores, 100.0), dtype=np.float64)


def count_names(orders: int) -> tuple[str, ...]:
    """Names of ``ngram_counts``: ``hyp_len``, ``ref_len``, ``match_1`` …, ``total_1`` …."""
    numbers = range(1, orders + 1)
    return (
        "hyp_len",
        "ref_len",
        *(f"match_{order}" for order in numbers),
        *(f"total_{order}" for order in numbers),
    )


def _facts() -> dict[str, Facts]:
    facts = {
        f"bleu_{order}": Facts(
            higher_is_better=True,
            about=About.REPORT,
            lowest=0.0,
            highest=1.0,
            primary=order == 4,
            place={1: 30, 4: 31}.get(order),
        )
        for order in range(1, ORDERS + 1)
    }
    peer = Facts(higher_is_better=True, about=About.REPORT, lowest=0.0, highest=100.0, decimals=2)
    return facts | {"sacrebleu": peer}


class Bleu(SummedFamily):
    """``bleu_1`` … ``bleu_4`` and ``sacrebleu`` of generated reports."""

    name = "bleu"
    card = "bleu.md"
    scores = _facts()
    columns = (*count_names(ORDERS), *(f"sacrebleu.{n}" for n in count_names(_PEER_ORDERS)))
    of_studies = ("ref_len", "sacrebleu.ref_len")
    sees = MappingProxyType(dict.fromkeys(scores, WRONG_WORDS))
    ci = "product-mid-p"

    def rows(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> NDArray[np.int64]:
        """Counts by our tokenizer, then by sacrebleu's; InputError as ``report_pairs``."""
        return np.array(
            [
                ngram_counts(tokenize(made), tokenize(true)) + _sacrebleu_counts(made, true)
                for true, made in report_pairs(positions, studies, samples)
            ],
            dtype=np.int64,
        )

    def formula(self, sums: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
        """BLEU-1 to 4, then sacrebleu."""
        own = len(count_names(ORDERS))
        return np.column_stack([corpus_bleu(sums[:, :own]), sacrebleu_score(sums[:, own:])])

    def intervals(
        self, rows: NDArray[np.generic], patients: NDArray[np.integer] | None
    ) -> list[Interval | None]:
        """Of BLEU-1 to 4 and sacrebleu, from each report's counts (``bleu_interval``)."""
        own = len(count_names(ORDERS))
        found = [
            bleu_interval(np.asarray(part), order, patients)
            for part, orders in (
                (rows[:, :own], range(1, ORDERS + 1)),
                (rows[:, own:], (_PEER_ORDERS,)),
            )
            for order in orders
        ]
        ends: list[Interval | None] = [(float(low), float(high)) for low, high in found]
        low, high = found[-1]
        smoothed = float(sacrebleu_score(np.asarray(rows[:, own:]).sum(axis=0, keepdims=True))[0])
        ends[-1] = min(100.0 * float(low), smoothed), max(100.0 * float(high), smoothed)
        return ends

    def signature(self, name: str) -> str:
        """Tokens, case, smoothing, references; sacrebleu's own words for its score."""
        if name == "sacrebleu":
            return f"sacrebleu|scale:100|{_sacrebleu_signature()}"
        return f"bleu|order:1-{_order(name)}|case:lc|tok:wordpunct|smooth:none|nrefs:1"

    def peer(self) -> Peer:
        """NLTK's ``corpus_bleu``, and sacrebleu's."""
        return ReportPeer(_by_libraries)

    def counts(self, name: str, columns: Columns) -> dict[str, int]:
        """Summed lengths, matches and n-grams of the score's orders."""
        prefix = f"{self.name}.sacrebleu" if name == "sacrebleu" else self.name
        found = {count: columns.get(f"{prefix}.{count}") for count in count_names(_order(name))}
        return {count: int(np.sum(c)) for count, c in found.items() if c is not None}

    def column_faults(self, columns: Columns) -> Problems:
        """Counts that no report has, study by study: as the sums' arithmetic, and stricter."""
        for prefix in (self.name, f"{self.name}.sacrebleu"):
            found = [columns.get(f"{prefix}.{count}") for count in count_names(ORDERS)]
            if any(column is None for column in found):
                continue
            made, real, *rest = (np.asarray(column, dtype=np.int64) for column in found)
            matches, totals = rest[:ORDERS], rest[ORDERS:]
            for order, (match, total) in enumerate(zip(matches, totals, strict=True)):
                where, length = f"{prefix}.match_{order + 1}", made - order
                most = np.minimum(total, np.maximum(real - order, 0))
                if (match < 0).any() or (match > most).any():
                    yield where, "more matches than n-grams, or than the reference has"
                if not np.isin(total - np.maximum(length, 0), (0, 1)).all():
                    yield f"{prefix}.total_{order + 1}", "n-grams that no report of its length has"
            if any((more < less).any() for more, less in pairwise(matches)):
                yield f"{prefix}.match_1", "more matches of a longer n-gram than of a shorter"

    def arithmetic(self, scores: Mapping[str, Score], *, simulated: bool) -> Problems:
        """The value of each score from its counts; BLEU-1 to 4 share theirs."""
        for score in scores.values():
            yield from _recomputed(score)
        bleu = [name for name in self.scores if name in scores and name != "sacrebleu"]
        for name in bleu[:-1]:
            whole = scores[bleu[-1]]
            if any(whole.counts.get(key) != count for key, count in scores[name].counts.items()):
                yield f"scores.{name}.counts", f"not those of {whole.name}"

    def signature_faults(self, score: Score) -> Iterator[str]:
        """The order stands in it."""
        yield from super().signature_faults(score)
        said = f"order:1-{_order(score.name)}"
        if score.name != "sacrebleu" and said not in score.signature.split("|"):
            yield f"it does not say {said}"


BLEU = Bleu()


def _by_libraries(pairs: Pairs) -> list[PeerScore]:
    import warnings

    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.bleu_score import corpus_bleu as nltk_bleu

    references, made = zip(*pairs, strict=True)
    tokens = [[wordpunct_tokenize(text.lower()) for text in texts] for texts in (references, made)]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of orders without a match, where it gives 0 as we do
        for order in range(1, ORDERS + 1):
            value = nltk_bleu([[one] for one in tokens[0]], tokens[1], [1 / order] * order)
            found.append(PeerScore(f"bleu_{order}", library("nltk") or "nltk", float(value), CLOSE))
    peer = _sacrebleu(False).corpus_score(list(made), [list(references)]).score
    found.append(PeerScore("sacrebleu", library("sacrebleu") or "sacrebleu", peer, 100 * CLOSE))
    return found


def _order(name: str) -> int:
    return _PEER_ORDERS if name == "sacrebleu" else int(name.removeprefix("bleu_"))


def _recomputed(score: Score) -> Problems:
    """What is wrong with a score's counts, or with its value beside them."""
    where, counts = f"scores.{score.name}", score.counts
    if score.value is None:
        return
    orders = _order(score.name)
    names = count_names(orders)
    if set(counts) != set(names):
        yield f"{where}.counts", "missing or more than lengths, matches and n-grams of its orders"
        return
    matches, totals = (
        [counts[f"{kind}_{order}"] for order in range(1, orders + 1)] for kind in ("match", "total")
    )
    if min(counts.values()) < 0 or any(m > t for m, t in zip(matches, totals, strict=True)):
        yield f"{where}.counts", "more matches than n-grams, or a count below 0"
        return
    if matches[0] > min(counts["hyp_len"], counts["ref_len"]):
        yield f"{where}.counts", "more matches than words"
        return
    # A report loses at most one n-gram from an order to the next; an empty one counts as one.
    if not 0 <= totals[0] - counts["hyp_len"] <= score.n or any(
        not 0 <= more - less <= score.n for more, less in pairwise(totals)
    ):
        yield f"{where}.counts", "n-grams that no set of this many reports has"
        return
    if any(more < less for more, less in pairwise(matches)):
        yield f"{where}.counts", "more matches of a longer n-gram than of a shorter"
        return
    row = np.array([[counts[name] for name in names]])
    peer = score.name == "sacrebleu"
    value = float(sacrebleu_score(row)[0] if peer else corpus_bleu(row)[0, -1])
    if abs(score.value - value) > _CLOSE * (100 if peer else 1):
        yield f"{where}.value", f"{score.value:.4f}, and its counts give {value:.4f}"


@lru_cache(maxsize=2)
def _sacrebleu(effective_order: bool) -> "sacrebleu_library.BLEU":
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
