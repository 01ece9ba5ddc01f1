"""What a run is asked for, opened: tasks, track and model, everything cheap checked first."""

from dataclasses import dataclass
from pathlib import Path

from codixr import collector, messages
from codixr.errors import InputError
from codixr_bench.backbones import placement
from codixr_bench.hooks import UsesDevice
from codixr_bench.model import GenerativeModel
from codixr_bench.registry import load_model
from codixr_bench.runs.one_task import refuse_early
from codixr_bench.runs.options import RunOptions, open_track, run_folder
from codixr_bench.runs.processes import Processes
from codixr_bench.task import GROUPS, Task, parse_tasks
from codixr_bench.track import Track


@dataclass(frozen=True)
class Request:
    """The tasks that can run here, on one track by one model."""

    tasks: tuple[Task, ...]
    track: Track
    model: GenerativeModel
    options: RunOptions
    is_group: bool
    """Whether a group was asked for: results are then a list, and ``--out`` holds a folder a task.
    """

    def folder(self, task: Task) -> Path:
        """A task's folder."""
        if self.options.out is not None and self.is_group:
            return self.options.out / task.folder
        return run_folder(self.track, task, self.model.name, self.options)


def open_request(
    task: str,
    track_name: str | None,
    model_spec: str | GenerativeModel,
    options: RunOptions,
    processes: Processes,
) -> Request:
    """Open what ``run`` and ``generate`` were asked for; the model by its name, or as an object.

    Of a group, the tasks that cannot run here are left out with a note. Raises InputError when none
    can, and for an unknown task, track, split, metric or model; nothing is written.
    """
    tasks = parse_tasks(task)
    track = open_track(track_name, options)
    faults: list[InputError] = []

    def runs(task: Task, model: GenerativeModel | None = None) -> bool:
        try:
            if model is None:
                track.check(task)
                if options.metrics:
                    track.metrics(task, options.metrics)
            else:
                refuse_early(model, task, track)
        except InputError as error:
            faults.append(error)
            return False
        return True

    possible = [task for task in tasks if runs(task)]
    if not possible:
        raise faults[0]
    track.dataset(options.split, options.limit, options.data_dir)
    model = model_spec
    if isinstance(model, str):
        model = load_model(model, dict(options.model_arguments), options.model_name)
    _place(model, options)
    collector.loaded()
    possible = [task for task in possible if runs(task, model)]
    if not possible:
        raise faults[-1]
    if processes.leads:
        for fault in faults:
            messages.note("codixr-bench", f"left out: {fault}")
    return Request(tuple(possible), track, model, options, task.strip().lower() in GROUPS)


def _place(model: GenerativeModel, options: RunOptions) -> None:
    """Tell the model where and in what type it computes; InputError where it takes no type."""
    if isinstance(model, UsesDevice):
        model.use_device(str(placement.device()), options.dtype)
    elif options.dtype not in ("auto", "float32"):
        raise InputError(
            f"--dtype {options.dtype}: model '{model.name}' computes as it likes (it has no "
            "use_device; see docs/gpu.md)"
        )
