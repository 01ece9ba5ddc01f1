"""``codixr-bench figure triplet|prompt RUN…``: the paper's figures 1 and 3 from runs."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.arguments import add_json, at_least
from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Content

if TYPE_CHECKING:
    from codixr_bench.runs.stored_studies import StoredStudies
    from codixr_bench.show.figure import Panel

_WORDS = {Modality.F: "frontal", Modality.L: "lateral", Modality.T: "report"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``figure``."""
    parser.add_argument(
        "kind",
        choices=tuple(_KINDS),
        metavar="triplet|prompt",
        help="triplet: the three parts of a study, given and generated (the paper's figure 1); "
        "prompt: what several models make of the same inputs (figure 3)",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="runs' folders, of one task and studies"
    )
    parser.add_argument(
        "--position",
        type=at_least(0),
        action="append",
        metavar="P",
        help="which studies of the split, from 0; repeatable (default: 0)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FILE",
        help="its name without an ending: FILE.png and FILE.pdf are written",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument(
        "--show-content", action="store_true", help="draw studies of real patients too"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Draw, and print the files' paths; exit code 0."""
    from codixr_bench.runs.stored_studies import StoredStudies
    from codixr_bench.show.figure import FORMATS, draw

    opened = [StoredStudies.open(folder, parsed.data) for folder in parsed.runs]
    for run in opened:
        run.refuse_to_show(asked=parsed.show_content)
    _refuse_unlike(opened)
    positions: list[int] = parsed.position or [0]
    rows = _KINDS[parsed.kind](opened, positions)
    files = draw(rows, _caption(opened, positions))
    to: Path = parsed.to
    stem = to.with_suffix("") if to.suffix[1:] in FORMATS else to
    make_folder(stem.parent)
    written = []
    for form, content in files.items():
        path = stem.with_name(f"{stem.name}.{form}")
        write_atomically(path, content)
        written.append(str(path))
    print(json.dumps({"files": written}, indent=2) if parsed.json else "\n".join(written))
    return 0


def _refuse_unlike(runs: "Sequence[StoredStudies]") -> None:
    first = runs[0].record
    for run in runs[1:]:
        one = run.record
        for what, mine, others in (
            ("task", one.task, first.task),
            ("track", one.track, first.track),
            ("split", one.split, first.split),
        ):
            if mine != others:
                raise InputError(f"'{one.model}' is of the {what} {mine}, the first of {others}")


def _triplet(runs: "Sequence[StoredStudies]", positions: list[int]) -> "list[list[Panel]]":
    """A row a run and study: frontal, lateral, report; the run's outputs, else the study's own."""
    from codixr_bench.show.figure import Panel

    rows = []
    for run in runs:
        made, studies = run.samples(positions), run.studies(positions)
        for sample, study in zip(made, studies, strict=True):
            row = []
            for modality in Modality:
                content, how = study.get(modality), "real"
                if modality in run.task.outputs:
                    content, how = sample[modality], f"by {run.record.model}"
                elif modality in run.task.inputs:
                    how = "given"
                row.append(Panel(content, f"{_WORDS[modality]}, {how}"))
            rows.append(row)
    return rows


def _prompt(runs: "Sequence[StoredStudies]", positions: list[int]) -> "list[list[Panel]]":
    """A row a study: its inputs, every model's outputs, and the real ones; heads above the first.

    A model that is there twice is told apart by its version, or by the seed of its run.
    """
    from codixr_bench.show.figure import Panel

    task = runs[0].task
    made = [run.samples(positions) for run in runs]
    names = _names(runs)
    rows = []
    for at, study in enumerate(runs[0].studies(positions)):
        cells: list[tuple[str, Content | None]] = [
            (f"{_WORDS[m]}, given", study.get(m)) for m in task.inputs
        ]
        for name, samples in zip(names, made, strict=True):
            cells += [(_head(task.outputs, m, name), samples[at][m]) for m in task.outputs]
        cells += [(_head(task.outputs, m, "real"), study.get(m)) for m in task.outputs]
        rows.append([Panel(content, head if at == 0 else "") for head, content in cells])
    return rows


def _head(outputs: Sequence[Modality], modality: Modality, name: str) -> str:
    return name if len(outputs) == 1 else f"{name}, {_WORDS[modality]}"


def _names(runs: "Sequence[StoredStudies]") -> list[str]:
    ways: tuple[Callable[[StoredStudies], str], ...] = (
        lambda run: run.record.model,
        lambda run: f"{run.record.model} {run.record.model_version}",
        lambda run: f"{run.record.model}, seed {run.record.seed}",
    )
    for way in ways:
        names = [way(run) for run in runs]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


_KINDS = {"triplet": _triplet, "prompt": _prompt}


def _caption(runs: "Sequence[StoredStudies]", positions: list[int]) -> str:
    """What it shows of which studies, and the checkpoints."""
    first = runs[0]
    kind = "simulated" if first.track.simulated else "patients"
    makers = []
    for run in runs:
        digest = run.record.checkpoint_sha256
        known = "" if digest is None else f", checkpoint {digest[:8]}"
        makers.append(f"{run.record.model} {run.record.model_version}{known}")
    which = ", ".join(map(str, positions))
    seeds = ", ".join(map(str, dict.fromkeys(run.record.seed for run in runs)))
    return (
        f"{first.record.task} · {first.track.name} ({kind}) {first.record.split} {which} · "
        f"seed {seeds} · {'; '.join(dict.fromkeys(makers))}"
    )
