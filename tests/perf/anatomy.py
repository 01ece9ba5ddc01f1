"""The anatomy scores of models that must differ: prints the table of docs/metrics/anatomy.md.

Real studies, retrieval, real views of different studies, mirrored, upside down, textures, one body
for all; and runs of `codixr-bench run --task T->F+L` (--run), also a pair of runs that made F and L
apart (--apart).

    python tests/perf/anatomy.py [--n 2000] [--run DIR] [--apart DIR_F DIR_L]
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metrics.anatomy import ANATOMY
from codixr_bench.model import Sample
from codixr_bench.models.retrieval import RetrievalModel
from codixr_bench.runs.stored_studies import StoredStudies
from codixr_bench.task import Task
from codixr_bench.track import Track

F, L, T = Modality
TASK, GIVEN = Task.parse("T->F+L"), Task.parse("F->L")
BATCH = 64
NAMES = ("anatomy_agreement", "anatomy_plausible[F]", "anatomy_plausible[L]")


def row(name: str, studies: Sequence[Study], samples: Sequence[Sample], task: Task = TASK) -> None:
    """Print a row of the table."""
    track = Track.load("phantom")
    found = {}
    for metric in ANATOMY.metrics(task, track):
        for first in range(0, len(studies), BATCH):
            some = slice(first, first + BATCH)
            positions = range(first, first + len(studies[some]))
            metric.update(positions, studies[some], samples[some])
        found |= {score.name: score for score in metric.compute()}
    cells = []
    for column in NAMES:
        name_of_one, _, view = column.partition("[")
        alone = not view or view[0] in task.outputs
        score = found.get(column) or (found.get(name_of_one) if alone else None)
        if score is None or score.value is None:
            cells.append("")
        else:
            low, high = score.ci95 or (score.value, score.value)
            cells.append(f"{score.value:.3f} [{low:.3f}, {high:.3f}]")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def made(studies: Sequence[Study], change: Callable[[np.ndarray], np.ndarray]) -> list[Sample]:
    """Both real views, changed."""
    return [{v: np.ascontiguousarray(change(s.get(v))) for v in (F, L)} for s in studies]


def textures(n: int) -> Iterator[Sample]:
    """Smooth noise of a chest's greys."""
    rng = np.random.default_rng(0)
    for _ in range(n):
        two = []
        for _ in (F, L):
            smooth = gaussian_filter(rng.standard_normal((1, 64, 64)), (0, 4, 4))
            two.append(np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1).astype(np.float32))
        yield {F: two[0], L: two[1]}


def looked_up(studies: Sequence[Study], task: Task) -> list[Sample]:
    """The nearest training study's outputs."""
    model = RetrievalModel()
    model.prepare(Track.load("phantom").training(limit=model.train_limit), task)
    conditions = [{m: s.get(m) for m in task.inputs} for s in studies]
    return model.generate(conditions, task, [0] * len(studies))  # type: ignore[arg-type]


def stored(folder: Path, n: int) -> list[Sample]:
    """What a run made."""
    store = StoredStudies.open(folder, None).store
    chunks = range(-(-n // store.record.chunk_size))
    return [sample for chunk in chunks for sample in store.read(chunk)][:n]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="studies of the test split")
    parser.add_argument("--run", type=Path, action="append", default=[])
    parser.add_argument("--apart", type=Path, nargs=2, action="append", default=[])
    parsed = parser.parse_args()
    data = Track.load("phantom").dataset("test", parsed.n)
    for view in (F, L):
        data.images(view)
    studies = [data[i] for i in range(parsed.n)]
    real = made(studies, lambda x: x)
    print(f"| pictures, n = {parsed.n:,} | {' | '.join(f'`{n}`' for n in NAMES)} |")
    print("|---|---|---|---|")
    row("real", studies, real)
    row("retrieval, T→F+L", studies, looked_up(studies, TASK))
    row("retrieval, F→L", studies, looked_up(studies, GIVEN), GIVEN)
    others = [{F: a[F], L: b[L]} for a, b in zip(real, [*real[1:], real[0]], strict=True)]
    row("real, the views of two studies", studies, others)
    row("real, mirrored", studies, made(studies, lambda x: x[..., ::-1]))
    row("real, upside down", studies, made(studies, lambda x: x[:, ::-1]))
    row("textures", studies, list(textures(parsed.n)))
    row("one study's pictures for all", studies, [real[0]] * parsed.n)
    mean = {v: np.mean([one[v] for one in real], axis=0) for v in (F, L)}
    row("the mean pictures", studies, [mean] * parsed.n)
    for folder in parsed.run:
        run = StoredStudies.open(folder, None)
        name = f"{run.record.model}, {str(run.task).replace('->', '→')}"
        row(name, studies, stored(folder, parsed.n), run.task)
    for frontal, lateral in parsed.apart:
        two = zip(*(stored(folder, parsed.n) for folder in (frontal, lateral)), strict=True)
        name = f"{StoredStudies.open(frontal, None).record.model}, its views made apart"
        row(name, studies, [{F: a[F], L: b[L]} for a, b in two])


if __name__ == "__main__":
    main()
