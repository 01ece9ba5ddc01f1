"""The 95 % intervals hold the true value 93 to 97 times in 100, for each family, in simulation."""

import os
from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import norm

from codixr_bench.metrics.auroc import average_auroc
from codixr_bench.metrics.bleu import corpus_bleu
from codixr_bench.metrics.per_class import average_f1
from codixr_bench.statistics.bootstrap import percentile_interval, resample_weights

N = 400
ROUNDS = int(os.environ.get("CODIXR_ROUNDS", "300"))
SHARES = np.linspace(0.08, 0.4, 10)
SHIFT = 1.2


def classified(rng, n):
    """Scores and labels [n, 10]: present cases lie SHIFT above absent ones, normal both."""
    present = rng.random((n, 10)) < SHARES
    return rng.normal(size=(n, 10)) + SHIFT * present, present.astype(np.int8)


def auroc_macro(rng, weights):
    scores, labels = classified(rng, weights.shape[1])
    return average_auroc(scores, labels, weights).macro, float(norm.cdf(SHIFT / np.sqrt(2)))


def f1_macro(rng, weights):
    scores, labels = classified(rng, weights.shape[1])
    cut = 0.6
    hit, false = norm.sf(cut - SHIFT), norm.sf(cut)
    true = 2 * SHARES * hit / (SHARES * hit + (1 - SHARES) * false + SHARES)
    return average_f1(scores >= cut, labels, weights).macro, float(true.mean())


def label_f1_micro(rng, weights):
    # Eleven observations of one report depend on each other: a careless report misses several.
    shares = np.append(SHARES, 0.3)
    n = weights.shape[1]
    real = rng.random((n, 11)) < shares
    careful = rng.random((n, 1)) < 0.5
    made = rng.random((n, 11)) < np.where(real, np.where(careful, 0.9, 0.5), 0.05)
    hits = shares.sum() * 0.7
    true = 2 * hits / (hits + 0.05 * (1 - shares).sum() + shares.sum())
    return average_f1(made, real.astype(np.int8), weights).micro, float(true)


def counts_of(rng, n):
    """BLEU's counts of n reports: lengths, matches and totals of orders 1 to 4; [n, 10]."""
    made, true = 8 + rng.poisson(12, n), 8 + rng.poisson(13, n)
    totals = np.column_stack([made - k for k in range(4)])
    # A good report matches in all orders.
    quality = rng.beta(6, 3, n)
    matches = [rng.binomial(totals[:, k], quality ** (k + 1)) for k in range(4)]
    return np.column_stack([made, true, *matches, totals]).astype(np.float64)


@lru_cache(maxsize=1)
def true_bleu_4():
    """Of so many reports that nothing is left to chance."""
    total = counts_of(np.random.default_rng(1), 1_000_000).sum(axis=0, keepdims=True)
    return float(corpus_bleu(total)[0, 3])


def bleu_4(rng, weights):
    return corpus_bleu(weights @ counts_of(rng, weights.shape[1]))[:, 3], true_bleu_4()


@pytest.mark.slow
@pytest.mark.parametrize("family", [auroc_macro, f1_macro, label_f1_micro, bleu_4])
def test_intervals_cover_the_true_value(family):
    rng = np.random.default_rng(5)
    weights = resample_weights(N)
    inside = 0
    for _ in range(ROUNDS):
        drawn, true = family(rng, weights.astype(float) if family is bleu_4 else weights)
        low, high = percentile_interval(drawn)
        inside += low <= true <= high
    print(f"\n{family.__name__}: {inside} of {ROUNDS} = {inside / ROUNDS:.3f}")
    assert 0.93 <= inside / ROUNDS <= 0.97


def test_the_simulated_truth_is_that_of_many_studies():
    rng = np.random.default_rng(0)
    once = np.ones((1, 100_000), dtype=np.int16)
    for family in (auroc_macro, f1_macro, label_f1_micro, bleu_4):
        value, true = family(rng, once)
        assert value[0] == pytest.approx(true, abs=0.005)
