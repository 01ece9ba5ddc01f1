"""Do several outputs describe one patient? Three tables: made in turn, together, and apart.

    python tests/perf/coupling.py [--checkpoint DIR] [--pairs 96] [--studies 400]
        [--draws 4]

1. T->F+L from one normal report: what the text leaves open, correlation over the pairs, beside real
   pairs of normal studies. The diaphragm's height (the mean of both sides) and the width inside the
   ribs are read by the shipped anatomy estimators; the body's width, front to back in L, is counted
   in pixels that are not air, below the shoulders.
2. From nothing, F+L: micro-F1 of the findings that the judges read in one view against those in
   the other, beside shuffled pairs.
3. L->F+T of test studies, each a few times: micro-F1 of what the judge reads in F against what the
   labeler reads in T, minus that of outputs made apart, with a paired bootstrap interval over
   studies. One draw of each study alone leaves the sampler's luck in the interval.

In turn: each output is a prompt for those after it. Together: each attends to the others'
environment vectors at every step, as in the paper.
"""

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codixr import CoDiXRPipeline
from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.anatomy_estimator import load_estimator
from codixr.data.phantom.judge import CLASSES, load_judge
from codixr.data.phantom.measures import measure_names
from codixr.modality import Modality
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler

F, L, T = Modality.F, Modality.L, Modality.T
PLAIN = "No acute cardiopulmonary abnormality."
FINDINGS = [CLASSES.index(name) for name in PATHOLOGIES]
BATCH = 48
RESAMPLES = 2000
AIR = 0.1
"""What is darker lies outside of the body, of white; below the shoulders nothing inside is."""
JOINT = ("in-turn", "together")
Labels = NDArray[np.bool_]


@torch.no_grad()
def findings(pictures: Tensor, view: Modality) -> Labels:
    """Which pathologies the judge reads in each picture [N, 1, S, S]: bool [N, 10]."""
    judge = load_judge(view)
    limits = torch.tensor([judge.thresholds[name] for name in CLASSES])
    seen = torch.sigmoid(judge.model(pictures.float())) >= limits
    found: Labels = seen[:, FINDINGS].numpy()
    return found


@torch.no_grad()
def open_measures(pictures: Tensor, view: Modality) -> dict[str, NDArray[np.float64]]:
    """The diaphragm's height, the body's and the chest's width, as shares of a picture's side."""
    rows = load_estimator(view).model(pictures.float()).double().numpy()
    at = {name: k for k, name in enumerate(measure_names(view))}
    diaphragm = rows[:, [at["diaphragm_right"], at["diaphragm_left"]]].mean(1)
    high = pictures.shape[-2]
    trunk = pictures[:, 0, 3 * high // 8 : 3 * high // 4].float()
    return {
        "diaphragm's height": diaphragm,
        "body's width": (trunk > AIR).double().mean((1, 2)).numpy(),
        "width inside the ribs": rows[:, at["chest_width"]],
    }


def micro_f1(a: Labels, b: Labels, weights: NDArray[np.float64] | None = None) -> float:
    """2 TP / (2 TP + FP + FN) over all cells [N, k]; symmetric."""
    w = np.ones(len(a)) if weights is None else weights
    both = float(w @ (a & b).sum(1))
    either = float(w @ (a.sum(1) + b.sum(1)))
    return 2 * both / either if either else float("nan")


def made(
    pipe: CoDiXRPipeline, prompts: dict[str, Any], outputs: str, seed: int = 0, **how: Any
) -> Any:
    """What the pipeline makes, pictures as float32 [N, 1, S, S]."""
    return pipe(prompts, outputs, seed=seed, output_type="pt", batch_size=BATCH, **how)


def from_one_report(pipe: CoDiXRPipeline, pairs: int) -> None:
    """Table 1."""
    text = {"T": PLAIN}
    ways = {how: made(pipe, text, "F+L", num_images=pairs, joint=how).images for how in JOINT}
    ways["apart"] = {v: made(pipe, text, str(v), num_images=pairs).images[v] for v in (F, L)}
    data = PhantomDataset("test")
    normal = [i for i, row in enumerate(data.label_matrix(PATHOLOGIES)) if not row.any()][:pairs]
    ways["real"] = {
        v: torch.from_numpy(data.images(v)[normal].copy())[:, None] / 255.0 for v in (F, L)
    }
    print(f"T->F+L, {pairs} pairs of one report: correlation of F and L")
    print(" " * 24 + "".join(f"{how:>10}" for how in ways))
    columns = [{v: open_measures(pictures[v], v) for v in (F, L)} for pictures in ways.values()]
    for name in columns[0][F]:
        values = [float(np.corrcoef(c[F][name], c[L][name])[0, 1]) for c in columns]
        print(f"{name:24}" + "".join(f"{value:10.2f}" for value in values), flush=True)


def from_nothing(pipe: CoDiXRPipeline, count: int) -> None:
    """Table 2."""
    print(f"\nfrom nothing, {count} F+L: micro-F1 of their findings, and of shuffled pairs'")
    for how in JOINT:
        images = made(pipe, {}, "F+L", num_images=count, joint=how).images
        seen = {v: findings(images[v], v) for v in (F, L)}
        rng = np.random.default_rng(0)
        pairs = [micro_f1(seen[F], seen[L][rng.permutation(count)]) for _ in range(100)]
        print(f"{how:20}{micro_f1(seen[F], seen[L]):10.3f}{np.mean(pairs):10.3f}", flush=True)


def from_lateral(pipe: CoDiXRPipeline, studies: int, draws: int) -> None:
    """Table 3: rows are studies, then the same studies of the next draw."""
    data = PhantomDataset("test")
    given = {"L": list(torch.from_numpy(data.images(L)[:studies].copy())[:, None] / 255.0)}
    labeler = load_labeler(DEFAULT)
    places = [OBSERVATIONS.index(name) for name in PATHOLOGIES]

    def read(reports: list[str]) -> Labels:
        return np.array([[row[k] == 1 for k in places] for row in labeler.label(reports)])

    def apart_once(seed: int) -> tuple[Labels, Labels]:
        images = made(pipe, given, "F", seed).images[F]
        return findings(images, F), read(made(pipe, given, "T", seed).reports)

    def joint_once(seed: int, how: str) -> tuple[Labels, Labels]:
        both = made(pipe, given, "F+T", seed, joint=how)
        return findings(both.images[F], F), read(both.reports)

    def joined(each: list[tuple[Labels, Labels]]) -> tuple[Labels, Labels]:
        return np.concatenate([a for a, _ in each]), np.concatenate([b for _, b in each])

    apart = joined([apart_once(seed) for seed in range(draws)])
    print(f"\nL->F+T, {studies} studies, {draws} of each: micro-F1 of F's findings against T's,")
    print("minus apart's")
    print(f"{'apart':20}{micro_f1(*apart):10.3f}")
    for how in JOINT:
        pairs = joined([joint_once(seed, how) for seed in range(draws)])
        rng = np.random.default_rng(0)
        differences = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(studies, size=studies)
            weights = np.tile(np.bincount(drawn, minlength=studies).astype(float), draws)
            differences.append(micro_f1(*pairs, weights) - micro_f1(*apart, weights))
        low, high = np.percentile(differences, [2.5, 97.5])
        value = micro_f1(*pairs)
        more = f"{value - micro_f1(*apart):+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"{how:20}{value:10.3f}  {more}", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="default: the embedded one")
    parser.add_argument("--pairs", type=int, default=96)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--draws", type=int, default=4, help="of each study, in the last table")
    options = parser.parse_args()
    pipe = CoDiXRPipeline.from_pretrained(options.checkpoint)
    pipe.set_progress_bar_config(disable=True)
    from_one_report(pipe, options.pairs)
    from_nothing(pipe, options.studies)
    from_lateral(pipe, options.studies, options.draws)


if __name__ == "__main__":
    main()
