"""A track: everything that makes numbers comparable, read from a recipe in ``data_manifests``.

A recipe's keys: ``name``, ``version``, ``title``; ``reader`` (module:function, ``readers.py``);
``source`` (what, files with sha256, licence); ``simulated``; ``shows_content`` (whether pictures
and text of studies may be drawn unasked); ``modalities`` that can be read here; ``image_size``
(side of the square pictures, or null); ``splits`` (name -> number of studies); ``split_rule``,
``preprocessing``; ``labels`` (policy, observations, meaning); ``backbones`` of the metrics;
``metrics`` (names of the registry); ``primary`` (output -> the scores to look at first);
``prepared`` (the recipe for a prepared folder, where that is another one); ``secret_reader`` (what
opens a split by a key); ``submissions`` (what a checker who has no data must know of the test
split: ``n``, ``fingerprint``, ``least``, ``signatures``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

import yaml

from codixr.data.dataset import StudyDataset
from codixr.data.study import SPLITS
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.hooks import uses_conditions
from codixr_bench.metric import MakesSeveral
from codixr_bench.model import GenerativeModel
from codixr_bench.registry import (
    TRACKS,
    family_of,
    load_family,
    load_object,
    names,
    plugged_in,
    unknown,
)
from codixr_bench.task import GROUPS, Task

if TYPE_CHECKING:
    from codixr_bench.metric import Metric

_PACKAGE = Path(__file__).parent
_FOLDERS = (_PACKAGE / "data_manifests", _PACKAGE.parent.parent / "data_manifests")
"""In an installed wheel, and in the repository."""


@dataclass(frozen=True)
class Submissions:
    """What a result that is sent in has to say of the track's test split."""

    n: int | None = None
    """Studies of the whole split; None where each site prepares its own."""
    fingerprint: str | None = None
    """Of the split; None where it depends on a site's data: then each has its own table."""
    least: int = 100
    """Studies a result must have where ``n`` is None."""
    signatures: Mapping[str, str] = field(default_factory=dict)
    """Score family and output (``fid_phantom F``) -> the parts its signature has to hold."""


@dataclass(frozen=True)
class Track:
    """Data, split, label policy and backbones; results of different tracks share no table."""

    name: str
    version: str
    title: str
    reader: str
    simulated: bool
    shows_content: bool
    modalities: frozenset[Modality]
    image_size: int | None
    splits: Mapping[str, int]
    label_policy: str
    backbones: Mapping[str, str]
    metric_names: tuple[str, ...]
    primary: Mapping[str, tuple[str, ...]]
    """Modality -> the names of its scores to look at first."""
    prepared: str | None = None
    """The recipe that holds when ``--data`` is a prepared folder, where it is another one."""
    secret_reader: str | None = None
    """What opens a split by its key (module:function); None where there is no such split."""
    split_key: Path | None = None
    """The file of that key."""
    labeler_home: Path | None = None
    """Where the original labeler is installed, if it reads the reports."""
    submissions: Submissions = Submissions()
    files: Mapping[str, str] = field(default_factory=dict)
    """Files of other packages that are read in place (``package/…``) -> their sha256."""

    @classmethod
    def load(cls, name: str) -> Self:
        """A built-in or plugged-in track by name, or a recipe by its path.

        Raises InputError for an unknown name (did you mean …?) and for a recipe that is not one.
        """
        if name in TRACKS:
            return cls.read(_manifest(TRACKS[name]))
        if name in plugged_in("tracks"):
            found = load_object(plugged_in("tracks")[name], "track")
            return cls.read(Path(found() if callable(found) else found))
        if name.endswith((".yaml", ".yml")):
            return cls.read(Path(name))
        raise unknown("track", name, names("tracks"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe; InputError names the key that is missing or wrong."""
        try:
            recipe: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"track recipe '{path}' cannot be read: {error}") from error
        if not isinstance(recipe, dict):
            raise InputError(f"track recipe '{path}' is not a YAML mapping")
        try:
            return cls._from_recipe(recipe)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"track recipe '{path}': missing or wrong: {error} (see codixr_bench/track.py)"
            ) from error

    @classmethod
    def _from_recipe(cls, recipe: dict[str, Any]) -> Self:
        size = recipe["image_size"]
        if unknown_splits := set(recipe["splits"]) - set(SPLITS):
            raise ValueError(f"splits {sorted(unknown_splits)}")
        return cls(
            name=str(recipe["name"]),
            version=str(recipe["version"]),
            title=str(recipe["title"]),
            reader=str(recipe["reader"]),
            simulated=bool(recipe["simulated"]),
            shows_content=bool(recipe["shows_content"]),
            modalities=frozenset(Modality(m) for m in recipe["modalities"]),
            image_size=None if size is None else int(size),
            splits=MappingProxyType({str(k): int(v) for k, v in recipe["splits"].items()}),
            label_policy=str(recipe["labels"]["policy"]),
            backbones=MappingProxyType({str(k): str(v) for k, v in recipe["backbones"].items()}),
            metric_names=tuple(map(str, recipe["metrics"])),
            primary=MappingProxyType({k: tuple(v) for k, v in recipe["primary"].items()}),
            prepared=recipe.get("prepared"),
            secret_reader=recipe.get("secret_reader"),
            submissions=Submissions(**recipe.get("submissions", {})),
            files=MappingProxyType(_pinned(recipe.get("source", {}).get("files"))),
        )

    @classmethod
    def of_version(cls, name: str, version: str) -> Self:
        """The track ``name``, by the recipe of that version where it has it, else the usual one."""
        track = cls.load(name)
        if version != track.version and track.prepared is not None:
            other = cls.read(_manifest(track.prepared))
            if other.version == version:
                return other
        return track

    def first_scores(self, task: Task) -> tuple[str, ...]:
        """The names of a task's primary scores, the one that ranks first.

        Of a task with two image outputs they carry ``[F]`` and ``[L]``, as in its result. Empty
        where the track has none for the outputs.
        """
        two = Modality.F in task.outputs and Modality.L in task.outputs
        return tuple(
            f"{name}[{output}]" if two and output.is_image else name
            for output in task.outputs
            for name in self.primary.get(str(output), ())
        )

    def with_data(self, data_dir: Path | None) -> Self:
        """The track as it is with that folder: ``openi`` has pictures when they were prepared."""
        return self.once_prepared() if data_dir and (data_dir / "manifest.json").is_file() else self

    def once_prepared(self) -> Self:
        """The track as it will be when its data are prepared."""
        return self if self.prepared is None else self.read(_manifest(self.prepared))

    def with_labeler(self, name: str | None, home: Path | None) -> Self:
        """The track with another labeler of reports; ``home`` is where the original is installed.

        The scores' signatures say who read.
        """
        if name is None:
            return self
        backbones = MappingProxyType({**self.backbones, "report_labels": name})
        return replace(self, backbones=backbones, labeler_home=home)

    def dataset(
        self, split: str, limit: int | None = None, data_dir: Path | None = None
    ) -> StudyDataset:
        """Open a split, or the first ``limit`` studies of it.

        Raises InputError for an unknown split, a limit below 1, or data that is not there.
        """
        if split == "secret":
            return self._secret(limit)
        known = next((one for one in SPLITS if one == split and one in self.splits), None)
        if known is None:
            raise InputError(
                f"track '{self.name}' has no split '{split}'; it has: {', '.join(self.splits)}"
            )
        if limit is not None and limit < 1:
            raise InputError(f"--limit {limit} leaves no study; use 1 or more")
        if data_dir is not None and not data_dir.exists():
            raise InputError(f"--data: '{data_dir}' does not exist")
        read = load_object(self.reader, "reader")
        dataset: StudyDataset = read(known, limit, data_dir, self.image_size)
        return dataset

    def with_split_key(self, key: Path | None) -> Self:
        """The track with the key of its secret split; None leaves it as it is."""
        return self if key is None else replace(self, split_key=key)

    def _secret(self, limit: int | None) -> StudyDataset:
        if self.secret_reader is None:
            raise InputError(
                f"track '{self.name}' has no split 'secret'; it has: {', '.join(self.splits)}"
            )
        if self.split_key is None:
            raise InputError("--split secret needs --split-key FILE, the keeper's 32 random bytes")
        read = load_object(self.secret_reader, "reader")
        dataset: StudyDataset = read(self.split_key, limit, self.image_size)
        return dataset

    def training(
        self, data_dir: Path | None = None, limit: int | None = None
    ) -> StudyDataset | None:
        """The training split (its first ``limit`` studies), or None where the track has none."""
        return self.dataset("train", limit, data_dir) if "train" in self.splits else None

    def check(self, task: Task, model: GenerativeModel | None = None) -> None:
        """InputError when the track's data cannot serve ``task``, or ``model`` on it.

        A model that ignores its inputs (``uses_conditions = False``) runs without them.
        """
        lacking = [m for m in task.outputs if m not in self.modalities]
        if lacking:
            raise InputError(
                f"track '{self.name}' has no {_nouns(lacking)} on this machine to score "
                f"'{task}' against; its tasks: {', '.join(self.task_names())}"
            )
        lacking = [m for m in task.inputs if m not in self.modalities]
        if lacking and model is not None and uses_conditions(model):
            raise InputError(
                f"model '{model.name}' needs {_nouns(lacking)} for '{task}', and track "
                f"'{self.name}' has none on this machine; models that ignore their inputs "
                "(constant, noise) run there, or use --track phantom"
            )

    def task_names(self) -> list[str]:
        """The benchmark's tasks whose outputs this track can score."""
        return [t.name for t in GROUPS["all"] if set(t.outputs) <= self.modalities]

    def metrics(self, task: Task, wanted: tuple[str, ...] = ()) -> "list[Metric]":
        """New, empty metrics for ``task``: the track's, or those ``wanted`` by name.

        A name is the registry's (``frechet``) or a metric's own (``fid_phantom``). Raises
        InputError for one that is unknown, or that scores nothing in this task.
        """
        known = names("metrics")
        made: list[tuple[str, Metric]] = []
        # A score may be asked for by its own name, of a metric that the track doesn't have unasked.
        extra = [
            family
            for name in wanted
            for family in known
            if name == family or (name not in known and load_family(family).facts(name))
        ]
        for name in dict.fromkeys((*self.metric_names, *extra)):
            made += [(name, metric) for metric in load_family(name).metrics(task, self)]
        # A metric's own name without the view: fid_phantom is both fid_phantom[F] and [L].
        found = [
            (
                {
                    family,
                    metric.name,
                    metric.name.partition("[")[0],
                    *(metric.offers if isinstance(metric, MakesSeveral) else ()),
                },
                metric,
            )
            for family, metric in made
            if metric.applies_to(task)
        ]
        for name in wanted:
            if not any(name in called for called, _ in found):
                family = family_of(name)
                if family is not None and any(family.name in called for called, _ in found):
                    raise InputError(
                        f"'{name}' is one score of the metric '{family.name}', which makes all of "
                        f"its scores at once: write --metrics {family.name}"
                    )
                known_here = dict.fromkeys(name for called, _ in found for name in sorted(called))
                raise unknown(
                    "metric", name, known_here, where=f" for '{task}' on track '{self.name}'"
                )
        # Two families may make the same metric: frechet and inception both make fid_inception.
        chosen: dict[str, Metric] = {}
        asked: dict[str, set[str]] = {}
        for called, metric in found:
            if not wanted or not called.isdisjoint(wanted):
                chosen.setdefault(metric.name, metric)
                asked.setdefault(metric.name, set()).update(called.intersection(wanted))
        for name, metric in chosen.items():
            if isinstance(metric, MakesSeveral):
                # A family's name asks for what it makes by itself, beside what else is named.
                own = {metric.name} if asked[name].intersection(known) else set()
                metric.choose((*asked[name], *own))
        return list(chosen.values())


class Sharing(Protocol):
    """The processes of a run, as what they share work by."""

    @property
    def rank(self) -> int:
        """Of this process, from 0 on."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def gather(self, value: Any) -> list[Any] | None:
        """What every process gave, by rank, in the one that leads; None in the others."""
        ...

    def agree(self, value: bool) -> bool:
        """Whether the value is True in all processes."""
        ...


class Evaluation:
    """The evaluated studies and the track around them: what metrics prepare themselves with.

    Args:
        track: the track.
        dataset: the evaluated studies.
        data_dir: the ``--data`` folder.
        thorough: whether searches may take their time.
        sharing: the processes that prepare together, where there are several.
    """

    def __init__(
        self,
        track: Track,
        dataset: StudyDataset,
        data_dir: Path | None = None,
        *,
        thorough: bool = False,
        sharing: Sharing | None = None,
    ) -> None:
        self.track = track
        self.sharing = sharing
        self.dataset = dataset
        self.thorough = thorough
        self._data_dir = data_dir
        self._opened: dict[tuple[str, int | None], StudyDataset] = {}

    def split(self, name: str, limit: int | None = None) -> StudyDataset:
        """A split of the track, or its first ``limit`` studies: opened once for all metrics.

        Raises InputError as ``Track.dataset``.
        """
        key = (name, limit)
        if key not in self._opened:
            self._opened[key] = self.track.dataset(name, limit, self._data_dir)
        return self._opened[key]

    def training(self) -> StudyDataset | None:
        """The training split, or None where the track has none."""
        return self.split("train") if "train" in self.track.splits else None


def manifest_path(file_name: str) -> Path | None:
    """A file of ``data_manifests``, in an installed wheel or the repository; None without it."""
    found = (folder / file_name for folder in _FOLDERS)
    return next((path for path in found if path.is_file()), None)


def _manifest(file_name: str) -> Path:
    if (path := manifest_path(file_name)) is not None:
        return path
    raise InputError(
        f"the recipe '{file_name}' is not among this installation's data_manifests; "
        "install codixr again"
    )


def _pinned(files: object) -> dict[str, str]:
    """Of the files that a recipe lists, those with a sha256; not every recipe lists any."""
    listed = files if isinstance(files, list) else []
    return {str(one["name"]): str(one["sha256"]) for one in listed if "sha256" in one}


def _nouns(modalities: list[Modality]) -> str:
    words = {Modality.F: "frontal pictures", Modality.L: "lateral pictures", Modality.T: "reports"}
    return " and ".join(words[m] for m in modalities)
