"""What ``reproduce`` is asked for, opened; all that is cheap is checked first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codixr import messages
from codixr.data import openi
from codixr.errors import InputError
from codixr_bench.backbones.published import FOLDERS, PublishedBackbone
from codixr_bench.registry import load_model, names, unknown
from codixr_bench.reproduce.sources import SOURCES, Source
from codixr_bench.runs.one_task import refuse_early
from codixr_bench.runs.options import RunOptions, open_track
from codixr_bench.task import Task, parse_tasks
from codixr_bench.track import Track

REFERENCES = ("real", "constant", "noise")
"""Models that need no training studies and no checkpoint: what is run unasked."""


@dataclass(frozen=True)
class Reproduction:
    """A table to be made again."""

    track: Track
    """As it is with its pictures."""
    source: Source | None
    """Where its data come from; None where ``data`` is given, or nothing is read."""
    asked_task: str
    """Tasks and groups, as they were asked for, with commas."""
    tasks: tuple[Task, ...]
    """Those of it that the track can score."""
    specs: dict[str, str]
    """A model's folder name -> how it was asked for."""
    serves: dict[str, tuple[Task, ...]]
    """The same -> the tasks that it can run here."""
    out: Path
    options: RunOptions
    backbones: tuple[str, ...]
    """Published networks that its metrics use."""

    @property
    def given(self) -> dict[str, Path]:
        """Files of one's own, by the network's name."""
        return dict(self.options.weights)

    @property
    def assets(self) -> tuple[str, ...]:
        """What has to be fetched, by the lock file's names."""
        of_data = () if self.source is None else (self.source.asset,)
        networks = (asset_of(name) for name in self.backbones if name not in self.given)
        return tuple(dict.fromkeys((*of_data, *networks)))

    def run_folder(self, model: str, task: Task) -> Path:
        """Where one run's files go."""
        return self.out / "runs" / model / task.folder


def asset_of(backbone: str) -> str:
    """The lock file's name of a network's weights: two ways to read pictures share a folder."""
    return FOLDERS[0] if backbone in FOLDERS else backbone


def open_reproduction(
    track_name: str, task: str, specs: Sequence[str], out: Path, options: RunOptions
) -> Reproduction:
    """Check everything before the first byte is fetched.

    InputError: an unknown track, task, model or metric; two models of one name; a track whose data
    can be neither fetched nor made and aren't given.
    """
    if track_name not in names("tracks"):
        raise unknown("track", track_name, names("tracks"))
    source = None if options.data_dir is not None else SOURCES.get(track_name)
    track = open_track(track_name, options)
    if source is not None:
        track = track.once_prepared()
    elif not track.simulated and options.data_dir is None:
        raise InputError(
            f"reproduce {track_name}: its data can't be fetched; prepare them (docs/data.md) and "
            f"give the folder with --data DIR. Fetched are: {', '.join(SOURCES)}"
        )
    known = track.task_names()
    parts = [part.strip() for part in task.split(",") if part.strip()]
    groups = [(part, parse_tasks(part)) for part in parts]
    asked = tuple(dict.fromkeys(one for _, found in groups for one in found))
    tasks = tuple(one for one in asked if one.name in known)
    if not tasks:
        raise InputError(f"track '{track_name}' has no task of '{task}': {', '.join(known)}")
    if source is not None:
        openi.find_archive()  # reports and views, of an installed package
    if options.data_dir is not None:
        track.dataset(options.split, options.limit, options.data_dir)
    loaded, serves = _loaded(specs, tasks, track, options)
    return Reproduction(
        track=track,
        source=source,
        asked_task=",".join(
            found[0].name if len(found) == 1 else part.lower() for part, found in groups
        ),
        tasks=tasks,
        specs=loaded,
        serves=serves,
        out=out,
        options=replace(options, out=None),
        backbones=_backbones(track, tasks, options.metrics),
    )


def _loaded(
    specs: Sequence[str], tasks: Sequence[Task], track: Track, options: RunOptions
) -> tuple[dict[str, str], dict[str, tuple[Task, ...]]]:
    """Each model is loaded once, and let go: a wrong one is told before hours of download."""
    found: dict[str, str] = {}
    serves: dict[str, tuple[Task, ...]] = {}
    for spec in dict.fromkeys(specs):
        model = load_model(spec)
        name = _folder(model.name)
        if name in found:
            raise InputError(
                f"--models: '{found[name]}' and '{spec}' are both called '{name}'; reproduce them "
                "one at a time, each with an --out of its own"
            )
        found[name] = spec
        faults: list[InputError] = []
        served = []
        for task in tasks:
            try:
                refuse_early(model, task, track)
                track.metrics(task, options.metrics)
            except InputError as error:
                if str(error) not in map(str, faults):
                    messages.note("codixr-bench", f"left out: {error}")
                faults.append(error)
            else:
                served.append(task)
        if not served:
            raise faults[0]
        serves[name] = tuple(served)
    if not found:
        raise InputError("--models names none; leave it out for the reference points")
    return found, serves


def _folder(name: str) -> str:
    """Of a model in the bundle, whatever letters its name has."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "-", name).lstrip("._+-")
    return plain[:80] or "model"


def _backbones(track: Track, tasks: Sequence[Task], wanted: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    faults: list[InputError] = []
    for task in tasks:
        try:
            metrics = track.metrics(task, wanted)
        except InputError as error:
            faults.append(error)  # a metric of reports scores nothing of a picture
            continue
        for metric in metrics:
            for holder in (metric, getattr(metric, "classifier", None)):
                network = getattr(holder, "backbone", None)
                if isinstance(network, PublishedBackbone):
                    found[network.backbone] = None
    if len(faults) == len(tasks):
        raise faults[0]
    return tuple(found)
