"""How few sampling steps are enough: `python tests/perf/steps.py [--checkpoint DIR] --studies 500`.

Samples one task with each scheduler and number of steps, and scores it as `codixr-bench run` does.
Steps are enough where `fid_phantom` lies inside the bootstrap interval of the reference, DDIM with
200 steps. `--guidance 1,1.5,2 --split val` compares guidance scales instead: choose those, too, on
validation studies. Runs are kept in --out and not repeated, so that an interrupted table goes on.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codixr_bench.models.codixr import CoDiXRModel
from codixr_bench.result import Result
from codixr_bench.runs.one_task import RunOptions, run_task
from codixr_bench.runs.processes import Processes
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track

REFERENCE = ("DDIMScheduler", 200)
CANDIDATES = {
    "DDIMScheduler": (50, 20, 10),
    "DPMSolverMultistepScheduler": (20, 12, 8, 6, 4),
    "UniPCMultistepScheduler": (12, 8, 6, 4),
}


@dataclass(frozen=True)
class Row:
    """One way to sample, and what it gave."""

    scheduler: str
    steps: int
    guidance: float
    result: Result

    def score(self, family: str) -> Score | None:
        """The score whose name begins with ``family``, if the task has one."""
        return next((s for s in self.result.scores if s.name.startswith(family)), None)

    def line(self) -> str:
        """A line of the table."""
        cells = (
            f"{self.scheduler.removesuffix('Scheduler'):22}{self.steps:>6}{self.guidance:>10.3g}"
        )
        for family in ("fid_phantom", "auroc_macro", "label_f1_micro", "bleu_4"):
            if (score := self.score(family)) is not None and score.value is not None:
                low, high = score.ci95 or (float("nan"),) * 2
                cells += f"   {family} {score.value:.3f} [{low:.3f}, {high:.3f}]"
        return f"{cells}   {self.result.timings['generate']:.0f} s"


def main() -> None:
    """Print the table line by line, and the verdict."""
    options = _parser().parse_args()
    for name in options.tasks.split(","):
        print(f"\n{name} · {options.split}, {options.studies} studies")
        rows = []
        for scheduler, steps, guidance in _wanted(options):
            rows.append(_run(options, Task.parse(name), scheduler, steps, guidance))
            print(rows[-1].line(), flush=True)
        if options.guidance is None and rows[0].score("fid_phantom") is not None:
            print(_verdict(rows))


def _verdict(rows: list[Row]) -> str:
    reference = rows[0].score("fid_phantom")
    assert reference is not None
    assert reference.ci95 is not None
    low, high = reference.ci95
    enough = [
        row
        for row in rows[1:]
        if (score := row.score("fid_phantom")) and low <= (score.value or -1) <= high
    ]
    if not enough:
        return "none lies in the reference's interval"
    best = min(enough, key=lambda row: row.result.timings["generate"])
    fewest = min(enough, key=lambda row: row.steps)
    return (
        f"inside [{low:.2f}, {high:.2f}]: fewest steps {fewest.scheduler} {fewest.steps}, "
        f"fastest {best.scheduler} {best.steps}"
    )


def _wanted(options: argparse.Namespace) -> Iterator[tuple[str | None, int | None, float | None]]:
    if options.guidance is not None:
        for scale in options.guidance.split(","):
            yield options.scheduler, options.steps, float(scale)
        return
    yield (*REFERENCE, None)
    for scheduler, counts in CANDIDATES.items():
        for steps in counts:
            yield scheduler, steps, None


def _run(
    options: argparse.Namespace,
    task: Task,
    scheduler: str | None,
    steps: int | None,
    guidance: float | None,
) -> Row:
    """Sample and score, or read what an earlier run found."""
    model = CoDiXRModel(options.checkpoint, steps=steps, guidance=guidance, scheduler=scheduler)
    scheduler, steps = str(model.settings["scheduler"]), int(model.settings["steps"])
    scale = float(model.settings["guidance"])
    sha, name = (model.checkpoint_sha256 or "")[:8], f"{scheduler}-{steps}-g{scale:g}"
    folder = options.out / sha / f"{options.split}-{options.studies}" / task.folder / name
    if not (folder / "result.json").exists():
        track = Track.load("phantom")
        wanted = RunOptions(split=options.split, limit=options.studies, progress=False)
        began = time.perf_counter()
        run_task(model, task, track, wanted, Processes(), folder)
        print(f"{name}: {time.perf_counter() - began:.0f} s in all", file=sys.stderr)
    return Row(scheduler, steps, scale, Result.load(folder / "result.json"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded one")
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--split", default="test", choices=["val", "test"])
    parser.add_argument("--tasks", default="T->F", help="e.g. 'T->F,F->T'")
    parser.add_argument("--guidance", help="compare these scales instead, e.g. 1,1.5,2,2.5,3")
    parser.add_argument("--scheduler", help="for --guidance; default: the checkpoint's")
    parser.add_argument("--steps", type=int, help="for --guidance; default: the checkpoint's")
    parser.add_argument("--out", type=Path, default=Path("runs/steps"))
    return parser


if __name__ == "__main__":
    main()
