"""What a file of ours is, by what it holds, so that a command that is given another can say so.

Only asked where a command failed: nothing is refused that could be read.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codixr.errors import InputError
from codixr.user_paths import is_there

LARGEST = 5_000_000
"""Bytes of a file that is looked into; the largest of ours, a row's, has 400,000."""


@dataclass(frozen=True)
class Kind:
    """What a file is, and the commands that take it, as they are typed."""

    name: str
    taken_by: tuple[str, ...] = ()


_BENCH = "codixr-bench"
_RUN_READERS = tuple(
    f"{_BENCH} {name}" for name in
    ("show", "compare", "check", "subgroups", "table", "plot", "export", "submit", "verify",
     "reproduce-row")
)  # fmt: skip
_SAMPLE_READERS = tuple(
    f"{_BENCH} {name}" for name in ("score --samples", "figure", "readers make", "utility", "fid")
)
RUN = Kind("the folder of a run", (*_RUN_READERS, *_SAMPLE_READERS))
SAMPLES = Kind("the folder of a run that isn't scored", _SAMPLE_READERS)
RUNS = Kind(
    "a folder of runs' folders",
    tuple(f"{_BENCH} {name}" for name in ("compare", "check", "table", "export")),
)
ROWS = Kind("the leaderboard's folder of rows", (f"{_BENCH} site", f"{_BENCH} verify"))
CHECKPOINT = Kind(
    "a checkpoint's folder",
    (f"{_BENCH} run --model codixr:DIR", "codixr generate --checkpoint", "codixr info --checkpoint",
     "codixr train --init"),
)  # fmt: skip
PREPARED = Kind(
    "a folder of prepared data",
    (f"{_BENCH} run --data", f"{_BENCH} fid", "codixr train --data", "codixr info --data",
     "codixr prepare --verify"),
)  # fmt: skip
BUNDLE = Kind("the bundle of a reproduction", (f"{_BENCH} verify",))
RESULT = Kind("a run's result", _RUN_READERS)
ROW = Kind(
    "a row of the leaderboard, with a model's results",
    tuple(f"{_BENCH} {name}" for name in ("show", "verify", "export", "reproduce-row")),
)
STATISTICS = Kind("a run's statistics, read with the result.json beside them", ())
CHUNK = Kind("a run's samples", (f"{_BENCH} fid",))
SHARD = Kind("a shard of prepared data, read with its folder", (f"{_BENCH} fid",))
JUNIT = Kind("what `codixr-bench check --format junit` said, for a CI server", ())
TOLD = Kind("what `codixr-bench check --json` said, for a program", ())
COMPARED = Kind("what `codixr-bench compare --json` said, for a program", ())
PAGE = Kind("a page for a browser", ())
CONFIG = Kind("the options of a run", (f"{_BENCH} run --config",))
RECIPE = Kind("a track's recipe", (f"{_BENCH} run --track",))
LOCK = Kind("the lock file of published weights, which `codixr-bench fetch` has of its own", ())
KEY = Kind("the key of a blind reader study", (f"{_BENCH} readers score",))
ANSWERS = Kind("a reader's answers", (f"{_BENCH} readers score",))
SCORED = Kind("the digest of a finished run, read with its folder", ())
RECORD = Kind("how a run's samples were made, read with their folder", ())
INDEX = Kind("the index of a checkpoint; give its folder", ())
MANIFEST = Kind("the manifest of prepared data; give its folder", ())
LABELS = Kind("a file of labels", (f"{_BENCH} label --compare",))

_BY_KEYS: tuple[tuple[frozenset[str], Kind], ...] = tuple(
    (frozenset(keys.split()), kind)
    for keys, kind in (
        ("schema_version model results", ROW),
        ("schema_version task track scores", RESULT),
        ("verdict alpha scores", TOLD),
        ("study items output", KEY),
        ("study reader answers", ANSWERS),
        ("_class_name", INDEX),
        ("format_version shards", MANIFEST),
        ("name version splits primary", RECIPE),
        ("name kind files licence", LOCK),
        ("task differences notes", COMPARED),
        ("task model", CONFIG),
    )
)
"""The keys that tell a JSON or YAML file, the more telling ones first."""
_BY_NAME = {
    "scored.json": SCORED,
    "run.json": RECORD,
    "report.html": PAGE,
    "bundle.json": Kind("the index of a bundle; give its folder"),
}


def kind_of(path: Path) -> Kind | None:
    """What ``path`` is; None where it isn't there, or isn't ours. Never raises."""
    try:
        return _folder(path) if path.is_dir() else _file(path)
    except Exception:  # whatever is wrong with it is the command's to say
        return None


def explained(error: InputError, command: str, parsed: argparse.Namespace) -> InputError:
    """``error``, or what the wrong file is, where the error is about a file that is another's.

    Never raises: what it can't explain stays as it is.

    Args:
        error: what the command said.
        command: as it is typed, e.g. ``codixr-bench check``.
        parsed: its arguments.
    """
    try:
        return _explained(error, command, parsed)
    except Exception:
        return error


def _explained(error: InputError, command: str, parsed: argparse.Namespace) -> InputError:
    words = [*command.split(), *([parsed.step] if hasattr(parsed, "step") else [])]
    command = " ".join(words)
    for path in _paths(parsed):
        kind = kind_of(path)
        if kind is None or path.name not in str(error):
            continue
        if any(taker.split()[: len(words)] == words for taker in kind.taken_by):
            continue
        taken = f"; these take it: {', '.join(kind.taken_by)}" if kind.taken_by else ""
        return InputError(
            f"'{path}' is {kind.name}, and `{command}` takes another kind of file "
            f"(see `{command} --help`){taken}"
        )
    return error


def _paths(parsed: argparse.Namespace) -> Iterator[Path]:
    """The files and folders that stand in the arguments, those to be written left out."""
    for name, value in vars(parsed).items():
        if name in ("out", "to", "output", "report", "html", "plot", "cache"):
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Path):
                yield one
            elif isinstance(one, str):
                # F=FILE, T=@FILE, codixr:FOLDER
                last = one.replace("=", ":").rpartition(":")[2].removeprefix("@")
                yield from (Path(text) for text in {one, last} if text and is_there(text))


def _folder(path: Path) -> Kind | None:
    if (path / "result.json").is_file():
        return RUN
    if (path / "bundle.json").is_file():
        return BUNDLE
    if (path / "model_index.json").is_file():
        return CHECKPOINT
    if (path / "manifest.json").is_file():
        return PREPARED
    if any(path.glob("samples*/run.json")) or (path / "run.json").is_file():
        return SAMPLES
    if any(path.glob("*/result.json")) or any(path.glob("*/*/result.json")):
        return RUNS
    first = next(iter(sorted(path.glob("*/*.json"))), None)
    return ROWS if first is not None and _file(first) is ROW else None


def _file(path: Path) -> Kind | None:
    if path.name in _BY_NAME:
        return _BY_NAME[path.name]
    if path.suffix == ".parquet":
        return _parquet(path)
    if not path.is_file() or path.stat().st_size > LARGEST:
        return None
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".json", ".yaml", ".yml"):
        return _keyed(_loaded(text, path.suffix))
    if '<testsuite name="codixr-bench check"' in text[:300]:
        return JUNIT
    if text[:15].lower() == "<!doctype html>":
        return PAGE
    head = text.partition("\n")[0]
    return LABELS if "No Finding,Enlarged Cardiomediastinum,Cardiomegaly" in head else None


def _loaded(text: str, suffix: str) -> Any:
    if suffix == ".json":
        return json.loads(text)
    import yaml

    return yaml.safe_load(text)


def _keyed(content: Any) -> Kind | None:
    """By the names of its fields; a list is what its first part is."""
    if isinstance(content, list):
        content = content[0] if content else None
    if not isinstance(content, dict):
        return None
    return next((kind for keys, kind in _BY_KEYS if keys <= content.keys()), None)


def _parquet(path: Path) -> Kind | None:
    import pyarrow.parquet as pq

    names = set(pq.read_schema(path).names)
    if {"study_id", "frontal", "labels"} <= names:
        return SHARD
    if "position" in names and names <= {"position", "F", "L", "T"}:
        return CHUNK
    return STATISTICS if any(name.partition(".")[1] for name in names) else None
