"""Result: what a run leaves behind, as ``result.json`` (schema version 1).

Aggregates only. Names are short and of one line, numbers are finite, and there is no other field:
no text, picture or identifier of a study can fit in. Two runs of the same thing differ in
``timings`` and nowhere else. Importing this needs no torch.
"""

import json
import math
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic import model_validator as validator

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr_bench.result_files import (
    WrongFieldsError,
    parse,
    read_bytes,
    read_strict,
    result_file,
)
from codixr_bench.score import ResultWarning, Score
from codixr_bench.task import Task

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SCHEMA_VERSION = 1


def _no_boolean(value: Any) -> Any:
    # To Python true is 1.
    if isinstance(value, bool):
        raise ValueError("a whole number")
    return value


SchemaVersion = Annotated[Literal[1], BeforeValidator(_no_boolean)]
PACKAGES = ("torch", "numpy", "scipy", "diffusers", "transformers", "sacrebleu")
"""Libraries whose version can change a number."""

_NAME = r"^[^\W_][\w .+:/@(),-]{0,79}$"
_VALUE = r"^[^\r\n]{0,100}$"
_DIGEST = r"^[0-9a-f]{64}$"
_WORDS = {
    _NAME: "use a name of 1 to 80 letters, digits, spaces and _ . + : / @ ( ) , -",
    _VALUE: "use one line of at most 100 characters",
    _DIGEST: "a sha256 has 64 hexadecimal digits",
}
Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A short name of one line, e.g. of a model: ``my_lab/xray-2.1``."""
Value = Annotated[str, StringConstraints(pattern=_VALUE)]
"""A short setting of one line."""
Digest = Annotated[str, StringConstraints(pattern=_DIGEST)]
"""A sha256, hexadecimal."""
Seconds = Annotated[float, Field(ge=0)]
MAX_LINE = 300
_CURE = "make it again with `codixr-bench score` or `run`"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackInfo(_Part):
    """The evaluated studies."""

    name: Name
    version: Name
    fingerprint: Digest
    """sha256 of the recipe of the studies; equal at two sites with equal data."""
    split: Literal["train", "val", "test", "secret"]
    n: int = Field(ge=1)
    """Studies evaluated."""
    key_sha256: Digest | None = None
    """Of a secret split's key, which tells the split without giving it away."""


class ModelInfo(_Part):
    """What made the samples."""

    name: Name
    version: Name
    checkpoint_sha256: Digest | None = None
    """None for a model without a checkpoint."""


class Coverage(_Part):
    """How many of the samples were scored."""

    expected: int = Field(ge=1)
    scored: int = Field(ge=0)


class Environment(_Part):
    """Where it ran, in kind: no host, user or path."""

    python: Name
    platform: Name
    """System, processor family and C library, e.g. ``Linux-x86_64-glibc2.36``."""
    packages: dict[Name, Name]
    device: Name | None = None
    """Where networks computed: ``cpu``, ``cuda (NVIDIA H200)``; None in results of before."""


class CrossCheck(_Part):
    """A score beside the same one by the library that the field trusts, from the same samples."""

    name: Value
    """Of the score."""
    library: Value = ""
    """With its version; empty where none computes it."""
    ours: float | None
    ours_by_its_convention: float | None = None
    """Our code's value by the library's definition, where ours is another; this one is held
    against ``theirs`` then."""
    theirs: float | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    agrees: bool | None = None
    """None where the library gives no value: then ``reason`` says why."""
    convention: Value = ""
    """The library's definition, where ours is another."""
    reason: Value | None = None


class Spread(_Part):
    """How much a score varies with the model's own noise, where a study has several samples."""

    name: Value
    """Of the score."""
    within_study: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of a study's share of the score between its samples (root mean square
    over the studies); None where the score doesn't say what a study does to it."""
    between_seeds: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of the whole score between the sets of first, second, … samples."""


class Code(_Part):
    """What ran."""

    version: Name
    """Of the package ``codixr``."""
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Of the repository it ran from; None outside one."""


class Result(_Part):
    """One model on one task of one track."""

    schema_version: SchemaVersion = 1
    task: Value
    """Canonical, e.g. ``L+T->F``."""
    track: TrackInfo
    model: ModelInfo
    generation: dict[Name, bool | int | float | Value | None]
    """seed, and the model's own settings: steps, guidance, …."""
    coverage: Coverage
    scores: tuple[Score, ...]
    environment: Environment
    timings: dict[Name, Seconds]
    """Seconds of each part, e.g. ``generate``, ``score``; every time of the run is here."""
    code: Code
    spread: tuple[Spread, ...] = ()
    """Of each score, where a study has several samples (``--samples-per-study``)."""
    cross_check: tuple[CrossCheck, ...] = ()
    """Each score beside its library's; written by ``score --cross-check`` only."""
    warnings: tuple[ResultWarning, ...] = ()
    """Why a reader should doubt it; absent from results before version 0.3."""

    @validator(mode="after")
    def _makes_sense(self) -> Self:
        try:
            canonical = Task.parse(self.task).name
        except InputError as error:
            raise ValueError(f"task: {error}") from error
        if canonical != self.task:
            raise ValueError(f"task: write it as '{canonical}'")
        names = [score.name for score in self.scores]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"scores: {', '.join(sorted(twice))} more than once")
        for where, value in _leaves(self.model_dump()):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{where}: {value} is not a finite number")
            if isinstance(value, str) and (len(value) > MAX_LINE or not value.isprintable()):
                raise ValueError(f"{where}: more than one line of {MAX_LINE} characters")
        for score in self.scores:
            if (score.value is None) != (score.reason is not None):
                raise ValueError(f"scores.{score.name}: a reason belongs to a null, and only there")
        return self

    def score(self, name: str) -> Score | None:
        """The score called ``name``, or None."""
        return next((score for score in self.scores if score.name == name), None)

    def content(self, *, timings: bool = True) -> dict[str, Any]:
        """What ``result.json`` holds; optional parts only where they hold something.

        ``timings=False`` leaves them out.
        """
        left_out = set() if timings else {"timings"}
        left_out |= {part for part in ("spread", "cross_check") if not getattr(self, part)}
        left_out |= {"warnings"} - self.model_fields_set
        found = self.model_dump(mode="json", exclude=left_out)
        if self.environment.device is None:
            del found["environment"]["device"]
        if self.track.key_sha256 is None:
            del found["track"]["key_sha256"]
        return found

    def to_json(self, *, timings: bool = True) -> bytes:
        """UTF-8 JSON of ``content``; equal results give equal bytes."""
        content = self.content(timings=timings)
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()

    def save(self, path: Path) -> None:
        """Write ``path``, whole or not at all; InputError when the disk is full or refuses."""
        write_atomically(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a result file, or the one in a run's folder.

        Raises InputError that names the file, the field and the cure: no such file, not JSON, NaN,
        a field that is unknown, missing or wrong, or another schema version.
        """
        file = result_file(path)
        what = f"result '{file}'"
        try:
            return cls.from_raw(read_strict(read_bytes(file, what), what), what)
        except WrongFieldsError as error:
            raise InputError(f"{what}: {_first_problem(error.details)}; {_CURE}") from error
        except InputError as error:
            raise InputError(f"{error}; {_CURE}") from error

    @classmethod
    def from_raw(cls, raw: Any, what: str) -> Self:
        """A result from what its JSON holds.

        Raises WrongFieldsError with every field that doesn't fit, or InputError where it isn't a
        result of this schema version at all.
        """
        if not isinstance(raw, dict) or "schema_version" not in raw:
            raise InputError(f"{what} is not a result file: it has no schema_version")
        if isinstance(raw.get("results"), list):
            raise InputError(
                f"{what} is a row of the leaderboard, of {len(raw['results'])} results: "
                "`codixr-bench show` and `load_results` read it"
            )
        if (version := raw["schema_version"]) != SCHEMA_VERSION:
            said = version if isinstance(version, int) else "that isn't a whole number"
            raise InputError(
                f"{what} has schema version {said}, this program reads {SCHEMA_VERSION}: it is of "
                "another version of codixr"
            )
        return parse(cls, raw, what)


def load_results(path: Path) -> list[Result]:
    """The results in a file: a run's one, or all newest ones of a leaderboard's file.

    Raises InputError as ``Result.load`` does.
    """
    file = result_file(path)
    raw = read_strict(read_bytes(file, f"result '{file}'"), f"result '{file}'")
    if not isinstance(raw, dict) or not isinstance(raw.get("results"), list):
        return [Result.load(path)]
    found = []
    for number, one in enumerate(raw["results"]):
        what = f"'{file}', results.{number}"
        try:
            found.append(Result.from_raw(one, what))
        except WrongFieldsError as error:
            raise InputError(f"{what}: {_first_problem(error.details)}") from error
    return found


def make_result(
    *,
    task: Task,
    track: TrackInfo,
    model: ModelInfo,
    generation: Mapping[str, str | int | float | bool | None],
    coverage: Coverage,
    scores: Sequence[Score],
    timings: Mapping[str, float],
    spread: Sequence[Spread] = (),
    cross_check: Sequence[CrossCheck] = (),
    warnings: Sequence[ResultWarning] = (),
    device: str | None = None,
) -> Result:
    """A result of this process: environment and code are filled in, but for the ``device``.

    Raises InputError that names the field which cannot stand in a result, e.g. a model's name of
    two lines.
    """
    try:
        return Result(
            task=task.name,
            track=track,
            model=model,
            generation=dict(generation),
            coverage=coverage,
            scores=tuple(scores),
            environment=current_environment().model_copy(update={"device": device}),
            timings=dict(timings),
            code=current_code(),
            spread=tuple(spread),
            cross_check=tuple(cross_check),
            warnings=tuple(warnings),
        )
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise InputError(f"this run makes no valid result: {_first_problem(details)}") from error


@lru_cache(maxsize=1)
def current_environment() -> Environment:
    """This interpreter, kind of machine, and the libraries that can change a number."""
    parts = (platform.system(), platform.machine(), "".join(platform.libc_ver()))
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform="-".join(filter(None, parts)) or "unknown",
        packages=packages,
    )


@lru_cache(maxsize=1)
def current_code() -> Code:
    """The package's version, and the commit of the repository that holds this file."""
    try:
        version = metadata.version("codixr")
    except metadata.PackageNotFoundError:
        version = "0"
    return Code(version=version, commit=_commit())


def _commit() -> str | None:
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        # Installed into somebody else's repository, its commit is not ours.
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


def _first_problem(problems: "Sequence[ErrorDetails]") -> str:
    """``field: what is wrong``, without the value itself."""
    # A setting fails once for every type it may have: the text's rule is the one to tell.
    first = next((p for p in problems if p["type"] == "string_pattern_mismatch"), problems[0])
    where = ".".join(str(part) for part in first["loc"] if part != "constrained-str")
    wrong = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        wrong = _WORDS.get(first["ctx"]["pattern"], wrong)
    return f"{where}: {wrong}" if where else wrong


def _leaves(content: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything but mappings and lists."""
    if isinstance(content, Mapping):
        items: Iterator[tuple[Any, Any]] = iter(content.items())
    elif isinstance(content, list | tuple):
        items = iter(enumerate(content))
    else:
        yield where, content
        return
    for key, value in items:
        yield from _leaves(value, f"{where}.{key}" if where else str(key))
