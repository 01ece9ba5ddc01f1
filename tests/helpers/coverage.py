"""Simulated studies with a known truth, and how often the intervals hold it.

Each family draws R repetitions of n studies at once and gives the interval's ends and the truth;
the intervals are the very functions that a run calls. A repetition without a positive or without a
negative is drawn again, as a class without one has no score.
"""

from functools import cache

import numpy as np
from scipy.stats import norm

from codixr_bench.metrics.bleu import bleu_interval, corpus_bleu
from codixr_bench.statistics.auroc_interval import auroc
from codixr_bench.statistics.class_intervals import auroc_intervals, f1_intervals
from codixr_bench.statistics.effective_draws import by_patient, ratio_interval
from codixr_bench.statistics.f1_interval import f1
from helpers.coverage_cells import Drawn, Group

SIZES = (64, 200, 2000)
PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


# --- who is present ---


def patients_of(n):
    """1 to 6 studies a patient, 2.2 on the mean, as in MIMIC-CXR's test split: [n]."""
    sizes = np.random.default_rng(5).choice([1, 1, 1, 2, 2, 3, 4, 6], size=n)
    return np.repeat(np.arange(n), sizes)[:n]


def some_present(rng, rounds, n, prevalence, patients=None, stays=0.0):
    """[R, n]; a patient's studies share one draw with the chance ``stays``."""
    present = np.zeros((rounds, n), bool)
    open_ = np.arange(rounds)
    while len(open_):
        drawn = rng.random((len(open_), n)) < prevalence
        if patients is not None:
            shared = rng.random((len(open_), patients.max() + 1)) < prevalence
            drawn = np.where(rng.random(drawn.shape) < stays, shared[:, patients], drawn)
        present[open_] = drawn
        count = drawn.sum(axis=1)
        open_ = open_[(count == 0) | (count == n)]
    return present


def rarer_of(present, absent=None, patients=None):
    absent = ~present if absent is None else absent
    return np.minimum(
        *((by_patient(kind.astype(float), patients) > 0).sum(axis=-1) for kind in (present, absent))
    )


# --- AUROC of a class ---


def auroc_of(shape, truth):
    """Normal scores; ``spread``: the present ones have another spread; ``seen``: seen or guessed;
    ``grades``: five grades; ``exponential``."""
    shift = norm.ppf(truth) * np.sqrt(2)

    def family(rng, rounds, n, prevalence):
        present = some_present(rng, rounds, n, prevalence)
        true = truth
        if shape == "normal":
            scores = rng.normal(size=present.shape) + shift * present
        elif shape.startswith("spread"):
            sd = float(shape.removeprefix("spread"))
            scores = rng.normal(size=present.shape)
            scores = np.where(present, scores * sd + norm.ppf(truth) * np.hypot(1, sd), scores)
        elif shape == "exponential":
            scores = rng.exponential(size=present.shape) * np.where(
                present, truth / (1 - truth), 1.0
            )
        elif shape == "seen":
            scores = rng.random(present.shape)
            scores[present & (rng.random(present.shape) < 2 * truth - 1)] = 2.0
        else:
            cuts = np.array([-0.5, 0.5, 1.5, 2.5])
            scores = np.searchsorted(cuts, rng.normal(size=present.shape) + shift * present)
            scores = scores.astype(float)
            of_present, of_absent = (
                np.diff(np.concatenate([[0.0], norm.cdf(cuts - s), [1.0]])) for s in (shift, 0.0)
            )
            under = np.cumsum(of_absent) - 0.5 * of_absent
            true = float(of_present @ under)
        found = auroc(scores, present, ~present)
        return Drawn(*found.bounds, np.array(true), rarer_of(present))

    return family


def auroc_of_patients(truth, alike=0.5, stays=0.8):
    shift = norm.ppf(truth) * np.sqrt(2)

    def family(rng, rounds, n, prevalence):
        patients = patients_of(n)
        present = some_present(rng, rounds, n, prevalence, patients, stays)
        own = rng.normal(size=(rounds, patients.max() + 1))[:, patients]
        scores = np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=present.shape)
        scores += shift * present
        found = auroc(scores, present, ~present, patients)
        return Drawn(*found.bounds, np.array(truth), rarer_of(present, patients=patients))

    return family


# --- F1 of a class ---


def f1_of(hit, false, patients=False, alike=0.5, stays=0.8):
    """A present case is claimed with the chance ``hit``, an absent one with ``false`` times the
    prevalence."""

    def family(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        present = some_present(rng, rounds, n, prevalence, whose, stays)
        chance = rng.random(present.shape)
        if patients:
            own = rng.normal(size=(rounds, whose.max() + 1))[:, whose]
            chance = norm.cdf(
                np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=present.shape)
            )
        wrong = min(1.0, false * prevalence)
        claimed = chance < np.where(present, hit, wrong)
        found = f1(claimed, present, ~present, whose)
        jaccard = prevalence * hit / (prevalence + (1 - prevalence) * wrong)
        true = 2 * jaccard / (1 + jaccard)
        return Drawn(*found.bounds, np.array(true), rarer_of(present, patients=whose))

    return family


# --- averages over classes ---

WIDTH = 10


def several_present(rng, rounds, n, prevalence, whose=None, spread=0.5, together=0.3):
    """[R, 10, n] and the classes' prevalences: findings of half to one and a half of it, that share
    a study's (or patient's) illness."""
    shares = prevalence * np.linspace(1 - spread, 1 + spread, WIDTH)
    ill = shared_by(rng, rounds, n, whose)
    drawn = np.sqrt(together) * ill + np.sqrt(1 - together) * rng.normal(size=(rounds, WIDTH, n))
    return drawn < norm.ppf(shares)[:, None], shares


def shared_by(rng, rounds, n, whose):
    """A normal number a study, or a patient: [R, 1, n]."""
    if whose is None:
        return rng.normal(size=(rounds, 1, n))
    return rng.normal(size=(rounds, 1, whose.max() + 1))[..., whose]


def averages_truth(values, weights, present):
    """Macro and weighted over the classes with both kinds of labels: [R] each."""
    count = present.sum(axis=-1)
    defined = (count > 0) & (count < present.shape[-1])
    with np.errstate(invalid="ignore"):
        macro = (defined * values).sum(axis=-1) / defined.sum(axis=-1)
        weighted = (defined * values * weights).sum(axis=-1) / (defined * weights).sum(axis=-1)
    return macro, weighted, defined.any(axis=-1)


AVERAGES = ("micro", "macro", "weighted")


def auroc_averages(patients=False, level=(0.65, 0.95), alike=0.3):
    """Ten classes of unlike difficulty; a study's picture is clear, or not, for all of them."""
    values = np.linspace(*level, WIDTH)
    shift = norm.ppf(values) * np.sqrt(2)

    def draw(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        present, shares = several_present(rng, rounds, n, prevalence, whose)
        clear = shared_by(rng, rounds, n, whose)
        scores = np.sqrt(alike) * clear + np.sqrt(1 - alike) * rng.normal(size=present.shape)
        scores += shift[:, None] * present
        # A present case is of a class as often as the class is; absent ones score all alike.
        micro = np.array(shares @ values / shares.sum())
        found = auroc_intervals(scores, present, ~present, whose)
        return averages_of(found, micro, values, shares, present, whose)

    return draw


def f1_averages(patients=False, hit=(0.4, 0.9), false=0.5):
    """Ten classes of unlike difficulty; a careless study misses several of them."""
    hits = np.linspace(*hit, WIDTH)

    def draw(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        present, shares = several_present(rng, rounds, n, prevalence, whose)
        careless = shared_by(rng, rounds, n, whose)
        chance = norm.cdf(np.sqrt(0.3) * careless + np.sqrt(0.7) * rng.normal(size=present.shape))
        wrong = np.minimum(1.0, false * shares)
        predicted = chance < np.where(present, hits[:, None], wrong[:, None])
        whole = shares + (1 - shares) * wrong
        jaccard = shares * hits / whole
        pooled = (shares * hits).sum() / whole.sum()
        micro = np.array(2 * pooled / (1 + pooled))
        found = f1_intervals(predicted, present, ~present, whose)
        return averages_of(found, micro, 2 * jaccard / (1 + jaccard), shares, present, whose)

    return draw


def averages_of(found, micro, values, shares, present, whose):
    """A ``Drawn`` each of ``AVERAGES``; repetitions without any defined class are left out."""
    macro, weighted, any_ = averages_truth(values, shares, present)
    least = rarer_of(present, patients=whose).min(axis=-1)
    truths = {"micro": np.broadcast_to(micro, any_.shape), "macro": macro, "weighted": weighted}
    drawn = []
    for average in AVERAGES:
        low, high = getattr(found, average)
        drawn.append(Drawn(low[any_], high[any_], truths[average][any_], least[any_]))
    return tuple(drawn)


# --- reports ---


def mean_of(usual, rare, patients=False, stays=0.8):
    """A number in [0, 1] a report: Beta ``usual``, and ``rare`` in a share of them; None is 0."""

    def family(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        few = some_present(rng, rounds, n, prevalence, whose, stays)
        values = np.where(
            few, rng.beta(*rare, few.shape), rng.beta(*usual, few.shape) if usual else 0
        )
        mean = rare[0] / sum(rare)
        rest = usual[0] / sum(usual) if usual else 0.0
        truth = prevalence * mean + (1 - prevalence) * rest
        sums = by_patient(values, whose), by_patient(np.ones_like(values), whose)
        return Drawn(*ratio_interval(*sums), np.array(truth), rarer_of(few, patients=whose))

    return family


def share_of(patients=False, stays=0.8):
    def family(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        few = some_present(rng, rounds, n, prevalence, whose, stays)
        sums = by_patient(few.astype(float), whose), by_patient(np.ones(few.shape), whose)
        return Drawn(*ratio_interval(*sums), np.array(prevalence), rarer_of(few, patients=whose))

    return family


def counts_of(rng, present, kind):
    """BLEU's counts [10, ...] of reports: a good report matches in all orders.

    ``mixed``: the present ones are worse; ``sparse``: only they match in orders 3 and 4.
    """
    made, true = 8 + rng.poisson(12, present.shape), 8 + rng.poisson(13, present.shape)
    good, bad = rng.beta(9, 2, present.shape), rng.beta(3, 5, present.shape)
    quality = np.where(present, bad, good) if kind == "mixed" else rng.beta(6, 3, present.shape)
    totals = [made - k for k in range(4)]
    matches = [rng.binomial(totals[k], quality ** (k + 1)) for k in range(4)]
    if kind == "sparse":
        matches[2], matches[3] = matches[2] * present, matches[3] * present
    return np.stack([made, true, *matches, *totals]).astype(float)


@cache
def mean_counts(kind):
    """Counts of a report without and with what the prevalence is of; nothing is left to chance."""
    rng = np.random.default_rng(1)
    return [counts_of(rng, np.full(400_000, there), kind).mean(axis=1) for there in (False, True)]


def bleu_of(kind, order=4, patients=False, stays=0.8):
    def family(rng, rounds, n, prevalence):
        whose = patients_of(n) if patients else None
        present = some_present(rng, rounds, n, prevalence, whose, stays)
        counts = counts_of(rng, present, kind)
        ends = bleu_interval(np.moveaxis(counts, 0, -1), order, whose)
        usual, other = mean_counts(kind)
        total = (1 - prevalence) * usual + prevalence * other
        true = float(corpus_bleu(total[None])[0, order - 1])
        return Drawn(*ends, np.array(true), rarer_of(present, patients=whose))

    return family


# --- all of them ---


def _one(label, draw):
    """A family with studies of its own."""
    return Group((label,), draw)


GROUPS = (
    _one("AUROC .75", auroc_of("normal", 0.75)),
    _one("AUROC .9", auroc_of("normal", 0.9)),
    _one("AUROC .97", auroc_of("normal", 0.97)),
    _one("AUROC .9, seen or guessed", auroc_of("seen", 0.9)),
    _one("AUROC .75, present twice as spread", auroc_of("spread2", 0.75)),
    _one("AUROC .9, exponential", auroc_of("exponential", 0.9)),
    _one("AUROC, five grades", auroc_of("grades", 0.9)),
    _one("AUROC .85, patients", auroc_of_patients(0.85)),
    _one("F1, hit .7", f1_of(0.7, 0.5)),
    _one("F1, hit .95", f1_of(0.95, 0.05)),
    _one("F1, hit .1", f1_of(0.1, 1.0)),
    _one("F1, hit .7, patients", f1_of(0.7, 0.5, True)),
    Group(tuple(f"AUROC {a}" for a in AVERAGES), auroc_averages(), WIDTH),
    Group(tuple(f"AUROC {a}, patients" for a in AVERAGES), auroc_averages(True), WIDTH),
    Group(tuple(f"F1 {a}" for a in AVERAGES), f1_averages(), WIDTH),
    Group(tuple(f"F1 {a}, patients" for a in AVERAGES), f1_averages(True), WIDTH),
    _one("share", share_of()),
    _one("share, patients", share_of(True)),
    _one("mean of reports", mean_of((6, 3), (2, 6))),
    _one("mean of reports, most 0", mean_of(None, (2, 2))),
    _one("mean of reports, patients", mean_of((6, 3), (2, 6), True)),
    *(_one(f"BLEU-{order}", bleu_of("mixed", order)) for order in (1, 2, 3, 4)),
    _one("BLEU-4, few match", bleu_of("sparse")),
    _one("BLEU-4, patients", bleu_of("mixed", 4, True)),
)


def table(cells):
    """(family, n, prevalence) -> cell, as the Markdown table of docs/metrics/intervals.md."""
    heads = [f"{prevalence:.0%}" for prevalence in PREVALENCES]
    lines = [
        f"| family | n | {' | '.join(heads)} |",
        f"|---|---|{'---|' * len(heads)}",
    ]
    for label in (label for group in GROUPS for label in group.labels):
        for n in SIZES:
            shown = [_shown(cells[label, n, prevalence]) for prevalence in PREVALENCES]
            lines.append(f"| {label} | {n:,} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _shown(cell):
    """Its coverage, or a dash for one that was not measured."""
    return "–" if cell is None else f"{cell.covered:.3f}".removeprefix("0")
