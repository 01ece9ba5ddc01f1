"""The two ablations on the phantom track, from shared encoders: one table each.

``python tests/perf/ablation.py condition_mix --run RUN --out DIR --steps N`` trains the denoisers
of F and L twice, text-only and with all subsets, and scores the six image tasks of each;
``condition_fusion`` does so for the mean of the conditions and one token a condition (F, L and T,
all nine tasks). RUN is a folder that ``codixr train`` has trained all stages in: encoders and VAEs
come from there, and so do the parts that a variant does not train.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

VARIANTS = {
    "condition_mix": ("text-only", "all-subsets"),
    "condition_fusion": ("mean", "tokens"),
}
IMAGE_TASKS = ("T->F", "L->F", "L+T->F", "T->L", "F->L", "F+T->L")
REPORT_TASKS = ("F->T", "L->T", "F+L->T")
SCORES = {
    "F": ("auroc_macro", "fid_phantom"),
    "L": ("auroc_macro", "fid_phantom"),
    "T": ("bleu_1", "bleu_4"),
}


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ablation", choices=VARIANTS)
    parser.add_argument("--run", type=Path, required=True, help="folder with every stage finished")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True, help="steps of each denoiser")
    parser.add_argument("--limit", type=int, default=2000, help="test studies (default 2000)")
    parser.add_argument(
        "--train-limit", type=int, help="training studies (default all), for a trial"
    )
    parser.add_argument(
        "--task", action="append", choices=IMAGE_TASKS + REPORT_TASKS, help="these tasks only"
    )
    options = parser.parse_args()
    tasks = IMAGE_TASKS if options.ablation == "condition_mix" else IMAGE_TASKS + REPORT_TASKS
    if options.task:
        tasks = tuple(task for task in tasks if task in options.task)
    found = {}
    for variant in VARIANTS[options.ablation]:
        settings = {options.ablation: variant, "start": "scratch", "steps": str(options.steps)}
        model = train(options.run, options.out / variant, settings, options.train_limit)
        for task in tasks:
            found[variant, task] = score(model, options.out / variant, task, options.limit)
    print(table(found, VARIANTS[options.ablation], tasks))


def train(run: Path, out: Path, settings: dict[str, str], limit: int | None) -> Path:
    """A variant's checkpoint; what is finished already is not done again."""
    stages = ["image-ldm", "report-ldm"] if "condition_fusion" in settings else ["image-ldm"]
    for stage in stages:
        command = f"codixr.cli train {stage} --preset tiny --data phantom --out {out}"
        command += f" --init {run / 'model'}" + (f" --limit {limit}" if limit else "")
        call([*command.split(), *(f"--set={key}={value}" for key, value in settings.items())])
    for part in ("report_vae", "denoiser_t", "image_vae", "prompt_encoder"):
        if not (out / part).is_dir():
            shutil.copytree(run / "model" / part, out / part)
    return out


def score(model: Path, out: Path, task: str, limit: int) -> dict[str, list[float]]:
    """Score name -> value, low and high of the interval."""
    folder = out / "results" / task.replace("->", "-to-")
    command = f"codixr_bench.cli run --model codixr:{model} --limit {limit} --out {folder}"
    call([*command.split(), "--task", task])
    result = json.loads((folder / "result.json").read_text())
    wanted = SCORES[task[-1]]
    return {
        s["name"]: [s["value"], *(s["ci95"] or [])] for s in result["scores"] if s["name"] in wanted
    }


def table(
    found: dict[tuple[str, str], dict[str, list[float]]],
    variants: tuple[str, ...],
    tasks: tuple[str, ...],
) -> str:
    """A line a task and score."""
    lines = [f"| task | score | {' | '.join(variants)} |", "|---" * (2 + len(variants)) + "|"]
    for task in tasks:
        for name in SCORES[task[-1]]:
            cells = [_cell(found[variant, task].get(name)) for variant in variants]
            lines.append(f"| {task} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(numbers: list[float] | None) -> str:
    if numbers is None:
        return "not scored"
    value, *interval = numbers
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def call(words: list[str]) -> None:
    """Run one of our commands; stop when it fails."""
    subprocess.run([sys.executable, "-m", *words], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
