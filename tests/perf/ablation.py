"""The two ablations on the phantom track, from shared encoders: one table each.

``python tests/perf/ablation.py condition_mix --out DIR --steps N`` trains the denoisers of F and L
twice, text-only and with all subsets, and scores the six image tasks of each; ``condition_fusion``
does so for the mean of the conditions and one token a condition (F, L and T, all nine tasks).
Encoders, VAEs and what a variant does not train come from ``--run``: a checkpoint, or a folder of
``codixr train all``; by default the embedded checkpoint. The same command goes on where it was
stopped; what is trained, made or scored already is not done again.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from codixr import cli
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.checkpoint_info import checkpoint_sha256, embedded_checkpoint
from codixr.model.components import BUILDERS, INDEX
from codixr_bench import cli as bench
from codixr_bench.comparing.comparison import Difference, compare
from codixr_bench.comparing.side import load_sides
from codixr_bench.result import Result
from codixr_bench.result_files import RESULT_NAME
from codixr_bench.show.number import number
from codixr_bench.task import PAPER_TASKS, Task

VARIANTS = {
    "condition_mix": ("text-only", "all-subsets"),
    "condition_fusion": ("mean", "tokens"),
}
IMAGES = ("auroc_macro", "fid_phantom")
REPORTS = ("bleu_1", "bleu_4", "label_f1_micro")


def main(words: Sequence[str] | None = None) -> int:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ablation", choices=VARIANTS)
    parser.add_argument("--run", type=Path, help="where the encoders come from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True, help="steps of each denoiser")
    parser.add_argument("--limit", type=int, default=2000, help="test studies (default 2000)")
    parser.add_argument("--train-limit", type=int, help="training studies (default all)")
    parser.add_argument("--task", action="append", help="this task only; may be repeated")
    parser.add_argument("--set", action="append", default=[], help="as codixr train's")
    options = parser.parse_args(words)
    try:
        print(ablate(options))
    except InputError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 2
    return 0


def ablate(options: argparse.Namespace) -> str:
    """The table."""
    variants = VARIANTS[options.ablation]
    run = source(options.run or embedded_checkpoint())
    asked = {Task.parse(text) for text in options.task or ()}
    tasks = [
        task
        for task in PAPER_TASKS
        if (options.ablation == "condition_fusion" or Modality.T not in task.outputs)
        and (not asked or task in asked)
    ]
    settings = ["start=scratch", f"steps={options.steps}", "refine_steps=0", *options.set]
    models = [
        train(run, options.out / v, [f"{options.ablation}={v}", *settings], options.train_limit)
        for v in variants
    ]
    lines = [
        f"| task | score | {variants[0]} | {variants[1]} | {variants[1]} − {variants[0]} |",
        "|---" * 5 + "|",
    ]
    for task in tasks:
        pair = [score(model, task, options.limit) for model in models]
        lines += rows(task, *pair)
    return "\n".join(lines)


def source(folder: Path) -> Path:
    """The checkpoint in a folder: what ``train all`` exported there, or the folder itself."""
    for place in (folder / "model", folder):
        if (place / INDEX).is_file() and all((place / name).is_dir() for name in BUILDERS):
            return place
    raise InputError(
        f"--run {folder}: holds no whole checkpoint; give one, or a folder of `codixr train all`"
    )


def train(run: Path, out: Path, settings: list[str], limit: int | None) -> Path:
    """A variant's checkpoint."""
    fusion = settings[0].startswith("condition_fusion")
    for stage in ("image-ldm", "report-ldm") if fusion else ("image-ldm",):
        words = ["train", stage, "--preset=tiny", "--data=phantom", f"--out={out}"]
        words += [f"--init={run}", *(f"--set={setting}" for setting in settings)]
        call(cli.main, [*words, *([f"--limit={limit}"] if limit else [])])
    for part in BUILDERS:
        if not (out / part).is_dir():
            half = out / f".{part}.part"  # an interrupted copy must not pass for a whole one
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(run / part, half)
            half.rename(out / part)
    return out


def score(model: Path, task: Task, limit: int) -> Path:
    """The folder with a task's result; of this checkpoint and n it is made once."""
    folder = model / "results" / task.folder
    if (folder / RESULT_NAME).is_file():
        found = Result.load(folder / RESULT_NAME)
        asked = (checkpoint_sha256(model), limit)
        if (found.model.checkpoint_sha256, found.track.n) == asked:
            return folder
    words = ["run", "--task", task.name, f"--model=codixr:{model}", f"--limit={limit}"]
    call(bench.main, [*words, f"--out={folder}"])
    return folder


def rows(task: Task, first: Path, second: Path) -> list[str]:
    """A line a score: both values and the paired difference, with 95 % intervals."""
    name = task.name
    sides = [load_sides(folder)[name] for folder in (second, first)]
    wanted = REPORTS if Modality.T in task.outputs else IMAGES
    comparison = compare(sides[0], sides[1], wanted)
    found = {one.name: one for one in comparison.differences}
    lines = []
    for wanted_name in wanted:
        old, new = (side.result.score(wanted_name) for side in reversed(sides))
        cells = [cell(wanted_name, old), cell(wanted_name, new)]
        cells.append(difference(found.get(wanted_name)))
        arrow = "↑" if old is None or old.higher_is_better else "↓"
        lines.append(f"| {name} | {wanted_name} {arrow} | {' | '.join(cells)} |")
    return lines


def cell(name: str, found: object) -> str:
    """``0.9123 [0.9001, 0.9240]``."""
    value, interval = getattr(found, "value", None), getattr(found, "ci95", None)
    if value is None:
        return "not scored"
    text = number(name, value)
    return f"{text} [{', '.join(number(name, edge) for edge in interval)}]" if interval else text


def difference(found: Difference | None) -> str:
    """``+0.0123 [-0.0010, +0.0240]``."""
    if found is None:
        return "not compared"
    edges = ", ".join(number(found.name, edge, sign=True) for edge in found.interval())
    return f"{number(found.name, found.value, sign=True)} [{edges}]"


def call(command: Callable[[list[str]], int], words: list[str]) -> None:
    """Run one of our commands, its output to stderr; stop when it fails."""
    with redirect_stdout(sys.stderr):
        code = command(words)
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    sys.exit(main())
