"""The benchmark from Python: ``evaluate`` a model, ``compare`` two results, ``load_result``.

The same code and files as the commands ``run`` and ``compare``. Bad input is an
``codixr.errors.InputError`` whose message names the cure.
"""

import base64
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from codixr.errors import InputError
from codixr_bench.comparing.comparison import Comparison, compare_all
from codixr_bench.comparing.side import load_sides
from codixr_bench.model import Conditions, Content, GenerativeModel
from codixr_bench.result import Result
from codixr_bench.runs.finish import GRID_NAME, ScoredRun
from codixr_bench.runs.one_task import run_task
from codixr_bench.runs.options import RunOptions
from codixr_bench.runs.plain_model import PlainModel
from codixr_bench.runs.processes import current_processes
from codixr_bench.runs.request import open_request
from codixr_bench.statistics.significance import holm
from codixr_bench.task import Task

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

Answer = Content | dict[str, Content]
"""One output, or one a modality: ``{"F": picture, "L": picture}``."""
Model = str | GenerativeModel | Callable[[Conditions], Answer]


class Results:
    """What ``evaluate`` gives: one result a task, and the run's files.

    In a notebook it shows itself as a table and a grid.
    """

    def __init__(self, runs: Sequence[ScoredRun], folder: Path, holder: Any = None) -> None:
        self._runs = tuple(runs)
        self.folder = folder
        """The run's folder; of a group, one folder a task in it. Temporary unless ``out`` is given.
        """
        # A temporary folder lives as long as its holder.
        self._holder = holder

    def __iter__(self) -> Iterator[Result]:
        return (run.result for run in self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, task: str) -> Result:
        """The result of a task, however it is spelled; KeyError for one that was not run."""
        name = Task.parse(task).name
        for result in self:
            if result.task == name:
                return result
        raise KeyError(task)

    def to_frame(self) -> "pd.DataFrame":
        """One row a score: task, model, score, value, low, high, n, skill, …."""
        import pandas as pd

        return pd.DataFrame([row for result in self for row in _rows(result)])

    def table(self) -> str:
        """Every score, as ``codixr-bench show`` prints it, 80 columns wide."""
        from rich.console import Console

        from codixr_bench.show.table import print_summary, print_table

        text = io.StringIO()
        console = Console(file=text, width=80)
        for run in self._runs:
            print_table(run.result, run.scale, console)
        if len(self._runs) > 1:
            print_summary(list(self), [r for run in self._runs for r in run.scale], console)
        return text.getvalue()

    def grid(self, task: str | None = None) -> "Image.Image":
        """Conditions, generated and real side by side, of the first task or the one named.

        InputError on a track of real patients, where no grid is drawn unasked.
        """
        from PIL import Image

        wanted = self._runs[0].result.task if task is None else self[task].task
        run = next(run for run in self._runs if run.result.task == wanted)
        path = run.folder / GRID_NAME
        if not path.is_file():
            raise InputError(
                f"there is no grid of {wanted}: track '{run.result.track.name}' has real patients; "
                "evaluate(..., show_content=True) draws it"
            )
        with Image.open(path) as picture:
            picture.load()
            return picture

    def save(self, folder: str | Path) -> Path:
        """Copy the run's files, samples included, to a new or empty folder; returns it."""
        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise InputError(f"'{target}' is there already: give another folder")
        shutil.copytree(self.folder, target, dirs_exist_ok=True)
        return target

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        html = str(self.to_frame()[_SHOWN].to_html(index=False, float_format="{:.4g}".format))
        for run in self._runs[:1]:
            path = run.folder / GRID_NAME
            if path.is_file():
                picture = base64.b64encode(path.read_bytes()).decode()
                html += f'<img alt="{run.result.task}" src="data:image/png;base64,{picture}">'
        return html


class Compared:
    """What ``compare`` gives: each score's difference, first - second."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self.comparisons = tuple(comparisons)

    def to_frame(self) -> "pd.DataFrame":
        """One row a score: both values, the difference, its interval and p-values."""
        import pandas as pd

        found = [one for comparison in self.comparisons for one in comparison.differences]
        corrected = holm([one.p_value for one in found])
        return pd.DataFrame(
            [
                {
                    "task": one.task,
                    "score": one.name,
                    "first": one.first,
                    "second": one.second,
                    "difference": one.value,
                    "low": one.interval()[0],
                    "high": one.interval()[1],
                    "p": one.p_value,
                    "p_holm": p,
                    "paired": one.paired,
                    "higher_is_better": one.higher_is_better,
                    "n": one.n,
                }
                for one, p in zip(found, corrected, strict=True)
            ]
        )

    @property
    def notes(self) -> list[str]:
        """What a reader should know: what is not compared, or made otherwise."""
        return [note for comparison in self.comparisons for note in comparison.notes]

    def __repr__(self) -> str:
        return str(self.to_frame().to_string(index=False))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4g}".format))


_SHOWN = ["task", "model", "score", "value", "low", "high", "n"]


def evaluate(
    model: Model,
    tasks: str = "L+T->F",
    track: str = "phantom",
    *,
    split: str = "test",
    limit: int | None = None,
    seed: int = 0,
    samples_per_study: int = 1,
    metrics: str | Sequence[str] = (),
    batch_size: int | Literal["auto"] = 64,
    device: str = "auto",
    dtype: str = "auto",
    data: str | Path | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    show_content: bool = False,
    progress: bool = True,
) -> Results:
    """Generate and score, as ``codixr-bench run`` does.

    Args:
        model: what ``--model`` takes; an object with ``generate`` (``model.py``); or any callable
            that takes a study's conditions, e.g. ``{"L": picture, "T": text}`` with pictures
            float32 [1, H, W] in [0, 1], and returns a picture [H, W] or [1, H, W] in [0, 1], a
            text, or a mapping of both. A callable with a parameter ``seed`` gets the study's seed,
            one with ``task`` the task.
        tasks: a task, e.g. ``L+T->F``, or a group: ``paper``, ``joint``, ``all``.
        track: which data, by name or recipe.
        split: of the track.
        limit: the first so many studies only.
        seed: of the run; a study's noise follows from it and from what the study is.
        samples_per_study: scores are the mean over so many samples of each study.
        metrics: names of those wanted, or ``"bleu,rouge"``; all of the track's by default.
        batch_size: studies a call of ``generate``; ``auto`` halves it where memory runs out.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``: where it computes.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``: of the model's weights.
        data: the folder of a track that needs one.
        out: where the files go; a temporary folder by default (``Results.save`` keeps it).
        name: what to call a callable; its own name by default.
        show_content: draw the grid on a track of real patients too.
        progress: show a bar on stderr.

    Raises:
        InputError: whatever the command ends with exit code 2 for.
        runs.crash.ModelError: the model crashed; it names the study's position.
    """
    holder = None
    if out is None:
        holder = tempfile.TemporaryDirectory(prefix="codixr-")
        out = holder.name
    options = RunOptions(
        split=split,
        limit=limit,
        data_dir=None if data is None else Path(data),
        seed=seed,
        samples_per_study=samples_per_study,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        metrics=tuple(metrics.split(",") if isinstance(metrics, str) else metrics),
        out=Path(out),
        show_content=show_content,
        progress=progress,
    )
    processes = current_processes()
    request = open_request(tasks, track, _opened(model, name), options, processes)
    runs = [
        run_task(request.model, task, request.track, options, processes, request.folder(task))
        for task in request.tasks
    ]
    return Results([run for run in runs if run is not None], Path(out), holder)


def compare(first: Results | str | Path, second: Results | str | Path) -> Compared:
    """Every score's difference between two results on the same studies: the command ``compare``.

    Each is a ``Results``, a result file, or a run's folder. Raises InputError for results of other
    tasks, tracks, studies or signatures.
    """
    sides = [
        load_sides(one.folder if isinstance(one, Results) else Path(one)) for one in (first, second)
    ]
    return Compared(compare_all(sides[0], sides[1]))


def load_result(path: str | Path) -> Result:
    """The result in a ``result.json`` or a run's folder; InputError for a file that is none."""
    return Result.load(Path(path))


def _opened(model: Model, name: str | None) -> str | GenerativeModel:
    if isinstance(model, str):
        return model
    if hasattr(model, "generate"):
        return cast("GenerativeModel", model)
    if callable(model):
        return PlainModel(model, name)
    raise InputError(
        f"model: a {type(model).__name__} is not a name of `codixr-bench models`, an object with "
        "generate, or a callable"
    )


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    spreads = {one.name: one for one in result.spread}
    for score in result.scores:
        low, high = score.ci95 or (None, None)
        row = {
            "task": result.task,
            "track": result.track.name,
            "model": result.model.name,
            "score": score.name,
            "value": score.value,
            "low": low,
            "high": high,
            "n": score.n,
            "higher_is_better": score.higher_is_better,
            "skill": score.skill.value if score.skill else None,
            "reason": score.reason,
            "signature": score.signature,
        }
        if spreads:
            row["within_study"] = spreads[score.name].within_study
            row["between_seeds"] = spreads[score.name].between_seeds
        yield row
