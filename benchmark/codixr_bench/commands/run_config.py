"""A run as a YAML file: ``run --config run.yaml``, and the file that a result prints.

Keys are the options of ``run`` without their dashes: ``task``, ``model``, ``samples-per-study``
(or ``samples_per_study``). What stands on the command line wins over the file.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr.errors import InputError
from codixr.own_files import explained
from codixr_bench.registry import family_of, unknown
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_bench.track import Track

OPTION = "--config"
_NOT_IN_A_FILE = {OPTION, "--help"}


def expand(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """``arguments`` with what the file of ``--config`` says put before them.

    InputError for a file that cannot be read, and for a key or value that ``run`` hasn't: the
    message names the file.
    """
    found = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    found.add_argument(OPTION, type=Path)
    try:
        path = found.parse_known_args(list(arguments))[0].config
    except argparse.ArgumentError as error:
        raise InputError(str(error)) from error
    if path is None:
        return list(arguments)
    words: list[str] = []
    try:
        for key, value in _read(path).items():
            words += _words(key, value, parser, path)
    except InputError as error:
        given = argparse.Namespace(config=path)
        raise explained(error, "codixr-bench run --config", given) from error
    return [*words, *arguments]


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config '{path}' cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = "" if where is None else f", line {where.line + 1}"
        raise InputError(f"--config '{path}'{line}: not YAML") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"--config '{path}': write a line an option, e.g. task: L+T->F")
    return {str(key): value for key, value in content.items()}


def _words(key: str, value: Any, parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """One line of the file as words of the command line."""
    options = parser._option_string_actions
    option = f"--{key.replace('_', '-')}"
    if option not in options or option in _NOT_IN_A_FILE:
        known = [name[2:] for name in options if name.startswith("--")]
        known = [name for name in known if f"--{name}" not in _NOT_IN_A_FILE]
        raise unknown("option", key, known, where=f" in '{path}'")
    action = options[option]
    if value is None:
        return []
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"'{path}', {key}: write true or false")
        return [option] if value else []
    if isinstance(value, bool | dict):
        raise InputError(f"'{path}', {key}: write a text or a number")
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        parser._get_value(action, text)
    except argparse.ArgumentError as error:
        raise InputError(f"'{path}', {key}: {error.message}") from error
    return [f"{option}={text}"]


def as_config(result: Result) -> str:
    """The YAML of a run that makes ``result`` again; what no option says stands in comments.

    InputError for samples that another program made: no run makes them again.
    """
    import yaml

    if "seed" not in result.generation:
        raise InputError(
            f"the samples of '{result.model.name}' were made by another program: score them with "
            "`codixr-bench score --samples DIR`; there is no run to repeat"
        )
    track = Track.of_version(result.track.name, result.track.version)
    content: dict[str, Any] = {
        "task": result.task,
        "model": result.model.name,
        "track": result.track.name,
        "split": result.track.split,
    }
    if result.track.n != track.splits.get(result.track.split):
        content["limit"] = result.track.n
    content["seed"] = result.generation["seed"]
    if (several := result.generation.get("samples_per_study")) is not None:
        content["samples-per-study"] = several
    content["metrics"] = _metrics(result, track)
    if (labeler := _labeler(result)) not in (None, track.backbones.get("report_labels")):
        content["labeler"] = labeler
    return "\n".join([*_comments(result, track), yaml.safe_dump(content, sort_keys=False)])


def _comments(result: Result, track: Track) -> list[str]:
    lines = [
        f"# codixr {result.code.version}, {result.code.commit or 'no commit known'}",
        f"# studies {result.track.fingerprint}",
        f"# model {result.model.name} {result.model.version}",
    ]
    if result.model.checkpoint_sha256 is not None:
        lines.append(
            f"# checkpoint {result.model.checkpoint_sha256}; one of your own is given as "
            f"model: {result.model.name}:DIR"
        )
    own = {k: v for k, v in result.generation.items() if k not in ("seed", "samples_per_study")}
    if own:
        lines.append(f"# the model's settings: {', '.join(f'{k} {v}' for k, v in own.items())}")
    if not track.simulated:
        lines.append("# data: DIR    (where the track's data are, if they are not installed)")
    return lines


def _metrics(result: Result, track: Track) -> list[str]:
    """What to ask for by --metrics: the track's own by their family, the others by their name."""
    task, found = Task.parse(result.task), dict[str, None]()
    for score in result.scores:
        family = family_of(score.name)
        if family is None:
            raise InputError(
                f"no metric here makes '{score.name}': install the plug-in that the run had"
            )
        if family.name in track.metric_names and _is_whole(result, track, family.name):
            found[family.name] = None
            continue
        name = score.name.partition("[")[0]
        if any(name.startswith(f"{known}_") for known in found):
            continue  # made beside it
        try:
            track.metrics(task, (name,))
            found[name] = None
        except InputError:
            found[family.name] = None
    return list(found)


def _is_whole(result: Result, track: Track, family: str) -> bool:
    """Whether the result has scores of every metric that a family makes unasked."""
    names = {score.name for score in result.scores}
    metrics = track.metrics(Task.parse(result.task), (family,))
    return len(metrics) < 2 or all(metric.name in names for metric in metrics)


def _labeler(result: Result) -> str | None:
    """Who read the reports, by a signature; None where nothing was read."""
    for score in result.scores:
        for part in score.signature.split("|"):
            if part.startswith("labeler:"):
                return part.removeprefix("labeler:").partition("@")[0]
    return None
