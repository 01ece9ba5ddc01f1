"""``python tests/perf/scores.py``: scores with intervals beside a bootstrap by the peer.

The peer is timed on a few resamples, and its time for all is that many times longer. Processor
seconds, so that neighbours count less.
"""

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

RESAMPLES = 1000


def main() -> None:
    """Measure both, and print a line each."""
    warnings.simplefilter("ignore")
    print(f"{'what':42}{'ours, s':>10}{'peer, s':>10}{'ratio':>8}  target")
    for what, ours, peer, target in (
        ("AUROC + F1, 10 x 11,000, with intervals", *classification(), "≥ 50 x"),
        ("BLEU-1..4, 3,921 impressions, intervals", *bleu(), "≥ 100 x"),
    ):
        print(f"{what:42}{ours:>10.2f}{peer:>10.0f}{peer / ours:>8.0f}  {target}", flush=True)


def classification() -> tuple[float, float]:
    """Ten classes, 11,000 studies, 2 to 18 % present, a tenth unknown; sklearn in a loop."""
    from sklearn.metrics import f1_score, roc_auc_score

    from codixr_bench.metrics.auroc import average_auroc
    from codixr_bench.metrics.per_class import average_f1
    from codixr_bench.statistics.class_intervals import auroc_intervals, f1_intervals

    rng = np.random.default_rng(0)
    n, k = 11_000, 10
    present = rng.random((n, k)) < np.linspace(0.02, 0.18, k)
    labels = np.where(rng.random((n, k)) < 0.1, -1, present).astype(np.int8)
    scores = (rng.normal(size=(n, k)) + 1.5 * present).round(3)
    predicted = scores > 1.0
    once, known = np.ones((1, n), dtype=np.int16), ((labels == 1).T, (labels == 0).T)

    def ours() -> None:
        average_auroc(scores, labels, once)
        auroc_intervals(scores.T, *known)
        average_f1(predicted, labels, once)
        f1_intervals(predicted.T, *known)

    def peer() -> None:
        again = rng.integers(n, size=n)
        y, s, p = labels[again], scores[again], predicted[again]
        for c in range(k):
            known = y[:, c] >= 0
            roc_auc_score(y[known, c], s[known, c])
            f1_score(y[known, c], p[known, c])
        known = y >= 0
        roc_auc_score(y[known], s[known])
        f1_score(y[known], p[known])

    return _median(ours, 3), _median(peer, 5) * RESAMPLES


def bleu() -> tuple[float, float]:
    """Real impressions against the next one; NLTK on tokenised reports, four orders."""
    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.bleu_score import corpus_bleu

    from codixr.data.openi import OpenIDataset
    from codixr.modality import Modality
    from codixr_bench.metrics.bleu import BLEU
    from codixr_bench.metrics.sums import SummedMetric
    from codixr_bench.model import Sample

    dataset = OpenIDataset()
    studies = [dataset[i] for i in range(len(dataset))]
    reports = [study.report or "" for study in studies]
    samples: list[Sample] = [{Modality.T: report} for report in (*reports[1:], reports[0])]

    def ours() -> None:
        metric = SummedMetric(BLEU)
        metric.update(range(len(studies)), studies, samples)
        metric.compute()

    def peer() -> None:
        made, true = (
            [wordpunct_tokenize(text.lower()) for text in side]
            for side in ([str(sample[Modality.T]) for sample in samples], reports)
        )
        for order in range(1, 5):
            corpus_bleu([[text] for text in true], made, [1 / order] * order)

    return _median(ours, 3), _median(peer, 3) * RESAMPLES


def _median(job: Callable[[], None], times: int) -> float:
    values = []
    for _ in range(times):
        began = time.process_time()
        job()
        values.append(time.process_time() - began)
    return statistics.median(values)


if __name__ == "__main__":
    main()
