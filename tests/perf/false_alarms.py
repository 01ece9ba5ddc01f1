"""``python tests/perf/false_alarms.py [--view L --draws 200 --pool 2000]``: honest ones, warned of.

The honest model is the best there can be: for each evaluated study another simulated person with
the same findings, and another wording of them. A draw is n of the first test studies. What networks
and searches say of each picture is computed once and kept under ``$CODIXR_CACHE``; a draw only
computes scores from it; ``repeats_image`` is searched for anew in each. ``served_share`` and the
diversities need no draw: no honest picture is strange, and honest ratios are far above .4. The
scores of anatomy warn of nothing.
"""

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.cache import VIEWS
from codixr.data.phantom.case import STREAM_WORDS, sample_case, study_rng
from codixr.data.phantom.dataset import SPLIT_STARTS, VERSION
from codixr.data.phantom.grammar import write_report
from codixr.data.phantom.render import render_case
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.backbones.second_judge import second_judge_pass
from codixr_bench.metrics.altered_copies import LOOKED_AT as ALTERED_LOOKED_AT
from codixr_bench.metrics.altered_copies import PINNED as ALTERED_PINNED
from codixr_bench.metrics.altered_search import AlteredSearch, weighed_by
from codixr_bench.metrics.auroc import auroc_without_each
from codixr_bench.metrics.copied_reports import COPIES_REPORT, CopiesReport
from codixr_bench.metrics.copies import COPIES_IMAGE, PINNED
from codixr_bench.metrics.judge_gap import JUDGE_GAP
from codixr_bench.metrics.own_wording import OwnWording
from codixr_bench.metrics.picture_search import PictureSearch
from codixr_bench.metrics.plain_gap import macro_auroc
from codixr_bench.metrics.plain_reader import PlainReader
from codixr_bench.metrics.repeated_pictures import MOST, repeated
from codixr_bench.metrics.sums import mean_of_studies
from codixr_bench.metrics.training_search import FEW
from codixr_bench.runs.warnings import above_real
from codixr_bench.score import Score
from codixr_bench.statistics.influence import influence_of
from codixr_bench.statistics.influence_interval import influence_interval, standard_error
from codixr_bench.statistics.skill import Measured

OTHER = 7003
"""The seed of the other persons."""
SIZES = (64, 200, 400, 1000)
Arrays = dict[str, np.ndarray]


def main() -> None:
    """Print a table: code, and the share of draws with it for each n."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--pool", type=int, default=2000, help="test studies that are drawn from")
    parser.add_argument("--view", type=Modality, default=Modality.F, choices=list(VIEWS))
    arguments = parser.parse_args()
    draws, pool = arguments.draws, arguments.pool
    kept = prepared(pool, arguments.view)
    reports = reports_of(pool)
    sizes = [n for n in SIZES if 2 * n <= pool]
    print("| code | what it looks at | " + " | ".join(f"n = {n}" for n in sizes) + " |")
    print("|---|---|" + "---:|" * len(sizes))
    found: dict[tuple[str, str], list[str]] = {}
    for n in sizes:
        seen: Counter[tuple[str, str]] = Counter()
        for draw in range(draws):
            some = np.random.default_rng((n, draw)).permutation(pool)[:n]
            seen.update(set(warned(kept, reports, some)))
        for key in LOOKED_AT:
            null = n < FEW and key[1] in SEARCHED
            found.setdefault(key, []).append("null" if null else f"{seen[key]} of {draws}")
    for (code, what), cells in found.items():
        print(f"| `{code}` | `{what}` | {' | '.join(cells)} |")


LOOKED_AT = (
    ("judge_gap", "judge_gap"),
    ("judge_gap", "plain_gap"),
    ("above_real", "auroc_macro"),
    ("copies", "copies_image"),
    ("copies_of_test", "copies_of_test_image"),
    ("copies", "copies_altered_image"),
    ("copies_of_test", "copies_of_test_altered_image"),
    ("collapse", "repeats_image"),
    ("copies", "copies_report"),
    ("copies_of_test", "own_wording"),
)
SEARCHED = (
    "plain_gap",
    "copies_image",
    "copies_of_test_image",
    "copies_altered_image",
    "copies_of_test_altered_image",
)
"""Null under ``FEW`` studies, where nothing is searched or learned unasked."""


def warned(kept: Arrays, reports: Arrays, some: np.ndarray) -> Iterator[tuple[str, str]]:
    """(code, score) of every warning that these studies give."""
    drawn = {name: values[some] for name, values in kept.items()}
    yield from of_judges(drawn)
    yield from of_copies(drawn, some)
    repeats = repeated(drawn["pictures made"], drawn["pictures real"])
    if repeats is not None and mean_of_studies(repeats.astype(np.float64))[1][0] > MOST:
        yield "collapse", "repeats_image"
    yield from of_reports(reports, some)


def of_judges(drawn: Arrays) -> Iterator[tuple[str, str]]:
    """What the judges' answers give: gaps between them, and scores above the real pictures'."""
    labels = drawn["labels"]
    n, known = len(labels), labels >= 0
    right = {
        f"{judge} {of}": ((drawn[f"{judge} says {of}"] == (labels == 1)) & known).sum(axis=1)
        / np.maximum(known.sum(axis=1), 1)
        for judge in ("first", "second")
        for of in ("made", "real")
    }
    lead = right["first made"] - right["second made"] - right["first real"] + right["second real"]
    value, half = float(lead.mean()), 1.959964 * standard_error(lead - lead.mean())[0]
    scores = {"judge_gap": scored("judge_gap", value, (value - half, value + half), n)}
    signs = {"first made": 1, "plain made": -1, "first real": -1, "plain real": 1}
    parts = [(sign, macro_auroc(drawn[name], labels)) for name, sign in signs.items()]
    # Under 200 studies nothing is learned from training pictures, and there is no plain_gap.
    if n >= FEW:
        value = sum(sign * part[0] for sign, part in parts if part is not None)
        influence = np.sum([sign * part[1] for sign, part in parts if part is not None], axis=0)
        scores["plain_gap"] = scored("plain_gap", value, influence_interval(value, influence), n)
    for warning in JUDGE_GAP.warnings(scores):
        yield from ((warning.code, name) for name in scores if name in warning.message)
    sides = []
    for of in ("made", "real"):
        macro = auroc_without_each(drawn[f"first {of}"].astype(np.float64), labels).macro
        one = influence_of(macro)
        sides.append({"auroc_macro": Measured(one.value, one.by_study)})
    if all(np.isfinite(side["auroc_macro"].by_study).all() for side in sides):
        yield from ((warning.code, "auroc_macro") for warning in above_real(*sides))


def of_copies(drawn: Arrays, some: np.ndarray) -> Iterator[tuple[str, str]]:
    """What the search for copies gives; under 200 studies nothing is searched."""
    if len(some) < FEW:
        return
    # Near studies of the whole split count where they are in the draw.
    near = drawn["near"] & np.isin(drawn["where"], some)
    looked = np.unique(np.linspace(0, len(some) - 1, ALTERED_LOOKED_AT).astype(int))
    shares = {
        "copies_image": drawn["copied"],
        "copies_of_test_image": drawn["own"] | near,
        "copies_altered_image": drawn["altered"][looked],
        "copies_of_test_altered_image": drawn["own altered"][looked],
    }
    for name, flags in shares.items():
        interval = mean_of_studies(flags.astype(np.float64))[1]
        score = scored(name, flags.mean(), interval, len(flags))
        yield from ((warning.code, name) for warning in COPIES_IMAGE.warnings({name: score}))


def of_reports(reports: Arrays, some: np.ndarray) -> Iterator[tuple[str, str]]:
    """The warnings of the reports' rows."""
    copied, words = CopiesReport(), OwnWording()
    copied.absent = words.absent = None
    copied._rows.add(range(len(some)), {"row": reports["copied"][some]})
    words._rows.add(range(len(some)), {"row": reports["words"][some]})
    found = {score.name: score for score in (*copied.compute(), *words.compute())}
    for warning in COPIES_REPORT.warnings(found):
        yield warning.code, "own_wording" if "own_wording" in warning.message else "copies_report"


def scored(name: str, value: float, interval: tuple[float, float], n: int) -> Score:
    """A score with what warnings read of it."""
    return Score(name=name, value=float(value), ci95=interval, n=n, higher_is_better=False,
                 signature=name)  # fmt: skip


def kept_in(name: str) -> Path:
    """Where what was computed once is kept."""
    root = Path(os.environ.get("CODIXR_CACHE") or Path.home() / ".cache" / "codixr")
    root.mkdir(parents=True, exist_ok=True)
    return root / f"false-alarms-v{VERSION}-{name}.npz"


def honest(pool: int) -> Arrays:
    """Both views of another person with the findings of each study, uint8 [pool, 64, 64]."""
    file = kept_in(f"pictures-{pool}")
    if not file.is_file():
        start, made = SPLIT_STARTS["test"], []
        for i in range(start, start + pool):
            made.append(np.stack(render_case(sample_case(0, i), OTHER, i, 64)))
        views = np.stack(made)
        np.savez(file, **{str(view): views[:, at] for at, view in enumerate(VIEWS)})
    return dict(np.load(file))


def prepared(pool: int, view: Modality) -> Arrays:
    """What judges, the linear reader and the searches say of the real and the honest pictures."""
    file = kept_in(f"{view}-{pool}")
    if file.is_file():
        return dict(np.load(file))
    test, train = PhantomDataset("test", limit=pool), PhantomDataset("train")
    sides = {"real": np.asarray(test.images(view)), "made": honest(pool)[str(view)]}
    known = np.asarray(train.images(view)).astype(np.float32) / np.float32(255)
    search, reader = PictureSearch(), PlainReader(view, PATHOLOGIES)
    search.learn(known)
    reader.learn(search, train.label_matrix(PATHOLOGIES))
    found: Arrays = {"labels": test.label_matrix(PATHOLOGIES)}
    judges = {"first": judge_pass(view), "second": second_judge_pass(view), "plain": reader}
    for of, stored in sides.items():
        pictures = stored.astype(np.float32) / np.float32(255)
        found[f"pictures {of}"] = pictures
        for name, judge in judges.items():
            said = [judge.probabilities(pictures[i : i + 100, None]) for i in range(0, pool, 100)]
            found[f"{name} {of}"] = np.concatenate(said)
            found[f"{name} says {of}"] = found[f"{name} {of}"] >= judge.thresholds
    made, real = found["pictures made"], found["pictures real"]
    limits = PINNED["phantom", VERSION, 64, view, False]
    looks = search.looks(made)
    evaluated, places = search.among(real), np.arange(pool)
    found["copied"] = search.nearest(looks).distance < limits.copy
    found["copied"] |= search.mixes(looks) < limits.mix
    among = evaluated.nearest(looks, leave_out=places)
    found["near"], found["where"] = among.distance < limits.copy, among.place
    found["own"] = evaluated.to(looks, places) < limits.copy
    bent, altered = AlteredSearch(), ALTERED_PINNED["phantom", VERSION, 64, view]
    bent.learn(known)
    nearest = bent.nearest(made)
    found["altered"] = altered.of(nearest)
    found["own altered"] = weighed_by(nearest.usual, bent.to(made, real)) < altered.bent
    np.savez(file, **found)
    return found


def reports_of(pool: int) -> Arrays:
    """The rows of the reports' metrics, for other wordings of the same cases."""
    test, train = PhantomDataset("test", limit=pool), PhantomDataset("train")
    start, made = SPLIT_STARTS["test"], []
    for i in range(start, start + pool):
        made.append(write_report(sample_case(0, i), study_rng(OTHER, i, STREAM_WORDS)))
    copied, words = CopiesReport(), OwnWording()
    copied.learn(train, test)
    words.learn(train)
    rows = []
    for real, report in zip(test.reports(), made, strict=True):
        assert words._wordings is not None
        rows.append(words._wordings.gain(real, report))
    copied.update(range(pool), [test[0]] * pool, [{Modality.T: report} for report in made])
    return {"copied": copied._table(), "words": np.array(rows)}


if __name__ == "__main__":
    main()
