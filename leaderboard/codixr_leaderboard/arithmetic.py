"""Does a result's own arithmetic hold? F1, BLEU and averages again, from the counts beside them.

Micro AUROC, Fréchet distances and agreements can't be recomputed from aggregates. On a track of
real patients small cells are hidden (``small_cells.py``), and what needs one isn't recomputed.
"""

import math
from collections.abc import Iterator, Mapping

from codixr.data.labels import OBSERVATIONS
from codixr_bench.result import Result
from codixr_bench.score import ClassScore, Score
from codixr_leaderboard.accepted import track_of

CLOSE = 1e-6
"""What a recomputed value may differ by."""
_AVERAGES = ("micro", "macro", "weighted")
_NO_FINDING = OBSERVATIONS[0]
Found = Iterator[tuple[str, str]]


def arithmetic_problems(result: Result) -> Found:
    """(field, reason) of every number that does not follow from the others."""
    simulated = track_of(result).simulated
    by_name = {score.name: score for score in result.scores}
    for name, score in by_name.items():
        base, bracket, view = name.partition("[")
        if base.startswith("bleu_") or base == "sacrebleu":
            yield from _bleu(score, base)
        family, _, average = base.rpartition("_")
        kind = family.rpartition("_")[2]
        if average == "macro" and kind in ("f1", "auroc"):
            yield from _family(by_name, family, f"{bracket}{view}", simulated=simulated)
        elif average in _AVERAGES and kind in ("f1", "auroc") and score.value is not None:
            macro = f"{family}_macro{bracket}{view}"
            if macro not in by_name:
                yield f"scores.{name}", f"it needs {macro}, and its classes, beside it"
    yield from _same_order(by_name)


def _family(scores: Mapping[str, Score], family: str, suffix: str, *, simulated: bool) -> Found:
    """Macro, weighted and micro of one family, and each class."""
    macro = scores[f"{family}_macro{suffix}"]
    where = f"scores.{macro.name}"
    classes = macro.per_class
    is_f1 = family.endswith("f1")
    if not classes:
        if macro.value is not None:
            yield f"{where}.per_class", "a macro average needs its classes"
        return
    for name, one in classes.items():
        if is_f1:
            yield from _f1_class(f"{where}.per_class.{name}", one, macro.n, simulated=simulated)
        if one.n_pos is not None and one.n_neg is not None and one.n_pos + one.n_neg > macro.n:
            yield f"{where}.per_class.{name}.n_pos", "more labels than studies"
        other = scores.get(f"{'auroc' if is_f1 else 'f1'}_macro{suffix}")
        twin = (
            other.per_class.get(name) if other is not None and family in ("f1", "auroc") else None
        )
        if twin is not None and (twin.n_pos, twin.n_neg) != (one.n_pos, one.n_neg):
            yield f"{where}.per_class.{name}.n_pos", "AUROC and F1 are of other labels"
    if any(one.n_pos is None or one.n_neg is None for one in classes.values()):
        return
    defined = {name: one for name, one in classes.items() if one.value is not None}
    averaged = [
        one.value
        for name, one in defined.items()
        if one.value is not None and (family != "label_f1" or name != _NO_FINDING)
    ]
    if averaged:
        yield from _differs(macro, sum(averaged) / len(averaged), "the mean of its classes")
    positives = sum(one.n_pos or 0 for one in defined.values())
    weighted = scores.get(f"{family}_weighted{suffix}")
    if weighted is not None and positives:
        value = sum((one.value or 0.0) * (one.n_pos or 0) for one in defined.values()) / positives
        yield from _differs(weighted, value, "its classes weighted by positives")
    micro = scores.get(f"{family}_micro{suffix}")
    counts = [one.counts for one in classes.values()]
    if is_f1 and micro is not None and all(c is not None for c in counts):
        total = {k: sum(c[k] for c in counts if c) for k in ("tp", "fp", "fn")}
        yield from _differs(micro, _f1(total), "the F1 of its classes' summed counts")


def _f1_class(where: str, one: ClassScore, n: int, *, simulated: bool) -> Found:
    counts = one.counts
    if counts is None:
        if simulated:
            yield f"{where}.counts", "missing: tp, fp, fn and tn let a reader recompute F1"
        return
    if set(counts) != {"tp", "fp", "fn", "tn"} or min(counts.values()) < 0:
        yield f"{where}.counts", "they are tp, fp, fn and tn, none below 0"
        return
    if (one.n_pos, one.n_neg) != (counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]):
        yield f"{where}.counts", "they don't add up to n_pos and n_neg"
    both = bool(one.n_pos) and bool(one.n_neg)
    if both != (one.value is not None):
        yield f"{where}.value", "a class has an F1 when it has labels of both kinds, and only then"
    elif one.value is not None and abs(one.value - _f1(counts)) > CLOSE:
        yield f"{where}.value", f"{one.value:.4f}, and its counts give {_f1(counts):.4f}"


def _f1(counts: Mapping[str, int]) -> float:
    whole = 2 * counts["tp"] + counts["fp"] + counts["fn"]
    return 2 * counts["tp"] / whole if whole else 0.0


def _differs(score: Score, value: float, what: str) -> Found:
    if score.value is None:
        yield f"scores.{score.name}.value", f"null, and {what} is {value:.4f}"
    elif abs(score.value - value) > CLOSE:
        yield f"scores.{score.name}.value", f"{score.value:.4f}, and {what} is {value:.4f}"


def _bleu(score: Score, base: str) -> Found:
    where = f"scores.{score.name}"
    if score.value is None:
        return
    order = 4 if base == "sacrebleu" else int(base.removeprefix("bleu_"))
    orders = range(1, order + 1)
    wanted = {"hyp_len", "ref_len", *(f"{k}_{o}" for k in ("match", "total") for o in orders)}
    counts = score.counts
    if set(counts) != wanted:
        yield f"{where}.counts", "missing or more than lengths, matches and n-grams of its orders"
        return
    matches = [counts[f"match_{o}"] for o in orders]
    totals = [counts[f"total_{o}"] for o in orders]
    if min(counts.values()) < 0 or any(m > t for m, t in zip(matches, totals, strict=True)):
        yield f"{where}.counts", "more matches than n-grams, or a count below 0"
        return
    if matches[0] > min(counts["hyp_len"], counts["ref_len"]):
        yield f"{where}.counts", "more matches than words"
        return
    if base == "sacrebleu":
        value = _sacrebleu(matches, totals, counts["hyp_len"], counts["ref_len"])
    else:
        value = _corpus_bleu(matches, totals, counts["hyp_len"], counts["ref_len"])
    if abs(score.value - value) > CLOSE * (100 if base == "sacrebleu" else 1):
        yield f"{where}.value", f"{score.value:.4f}, and its counts give {value:.4f}"


def _corpus_bleu(matches: list[int], totals: list[int], made: int, true: int) -> float:
    """Papineni et al. 2002, no smoothing: any order without a match makes it 0."""
    if not all(matches) or not made:
        return 0.0
    mean = sum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / len(matches)
    return math.exp(mean + (0.0 if made > true else 1.0 - true / made))


def _sacrebleu(matches: list[int], totals: list[int], made: int, true: int) -> float:
    from sacrebleu.metrics.bleu import BLEU

    found = BLEU.compute_bleu(matches, totals, made, true, smooth_method="exp")
    return float(found.score)


def _same_order(scores: Mapping[str, Score]) -> Found:
    """BLEU-1 to 4 are of the same reports, so they share their counts."""
    whole = scores.get("bleu_4")
    for order in (1, 2, 3):
        one = scores.get(f"bleu_{order}")
        if one is None or whole is None:
            continue
        if any(whole.counts.get(key) != count for key, count in one.counts.items()):
            yield f"scores.{one.name}.counts", "not those of bleu_4"
