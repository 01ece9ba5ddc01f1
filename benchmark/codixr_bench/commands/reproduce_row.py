"""``codixr-bench reproduce-row FILE --model SPEC``: are a row's statistics those of its model?"""

import argparse
import json
import re
import secrets
from datetime import date
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, at_least, positive
from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr_bench.commands.options import add_model, model_arguments
from codixr_bench.comparing.reproduction import (
    ACCOUNT,
    EQUAL_SHARE,
    Compared,
    Reproduction,
    digest,
)
from codixr_bench.result import Result, current_environment, load_results
from codixr_bench.result_files import parse, read_bytes, read_strict, result_file
from codixr_bench.task import Task, parse_tasks

PROGRAM = "codixr-bench"
RECORDS = "reproduced.json"
SHOWN = 3
"""Columns that are named, of those that differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``reproduce-row``."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="leaderboard/results/TRACK/MODEL.json, or a run's"
    )
    add_model(parser)
    parser.add_argument("--task", metavar="TASK", help="one task, or a group; default: all there")
    parser.add_argument(
        "--studies", type=positive, default=64, metavar="N", help="of each task (default: 64)"
    )
    parser.add_argument(
        "--choice", type=at_least(0), metavar="SEED", help="which studies; default: by chance"
    )
    parser.add_argument(
        "--record", metavar="ACCOUNT", help=f"add what came of it to MODEL/{RECORDS}, as yours"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print a line a task; exit code 1 where one differs."""
    from codixr_bench.registry import load_model
    from codixr_bench.runs.reproducing import differences_of, reproduce, statistics_beside

    file = result_file(parsed.file)
    if parsed.record is not None:
        _check_record(file, parsed.record)
    results = _chosen(load_results(file), parsed.task)
    beside = {r.task: statistics_beside(file, Task.parse(r.task)) for r in results}
    model = load_model(parsed.model, model_arguments(parsed.model_arg))
    choice = secrets.randbelow(1 << 32) if parsed.choice is None else parsed.choice
    messages.note(PROGRAM, f"the studies are those of --choice {choice}")
    records, is_equal = [], True
    lacking: dict[str, list[str]] = {}
    for result in results:
        for difference in differences_of(model, result):
            messages.note(PROGRAM, f"{result.task}: {difference}")
        found = reproduce(model, result, beside[result.task], parsed.studies, choice).compared
        is_equal &= found.is_equal
        if not parsed.json:
            print(_line(result, found))
        records.append(
            {
                "task": result.task,
                "model_version": result.model.version,
                "statistics_sha256": digest(beside[result.task].read_bytes()),
                "by": parsed.record or "nobody",
                "on": date.today().isoformat(),
                **_machine(),
                "studies": len(found.equal),
                "equal": int(found.equal.sum()),
            }
        )
        lacking[result.task] = list(found.lacking)
    written = None if parsed.record is None else _record(file, records)
    if parsed.json:
        content = {
            "choice": choice,
            "is_equal": is_equal,
            "tasks": records,
            "not_compared": lacking,
        }
        content["record"] = None if written is None else str(written)
        print(json.dumps(content, indent=2))
    elif written is not None:
        print(written)
    return 0 if is_equal else 1


def _chosen(results: list[Result], task: str | None) -> list[Result]:
    if task is None:
        return results
    wanted = {one.name for one in parse_tasks(task)}
    found = [result for result in results if result.task in wanted]
    if not found:
        raise InputError(
            f"--task {task}: the file has results of {', '.join(r.task for r in results)}"
        )
    return found


def _line(result: Result, found: Compared) -> str:
    count, of = int(found.equal.sum()), len(found.equal)
    verdict = "equal" if found.is_equal else "differs"
    line = f"{result.task}: {verdict}, {count} of {of} studies are equal"
    if not found.is_equal:
        line += f" ({EQUAL_SHARE:.0%} are needed)"
    if found.differing:
        shown = [f"{name} in {n}" for name, n in found.differing[:SHOWN]]
        line += f"; most often: {', '.join(shown)}"
    if found.lacking:
        line += f"; not compared, because the row lacks them: {_some(found.lacking)}"
    return line


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _machine() -> dict[str, str]:
    """What made the samples: cuda where this process has used it."""
    import torch

    environment = current_environment()
    on_cuda = torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0
    return {
        "device": "cuda" if on_cuda else "cpu",
        "platform": environment.platform,
        "torch": environment.packages["torch"],
    }


def _check_record(file: Path, account: str) -> None:
    """Before any sample: InputError for an account that can't be one, or a file that is no row."""
    if not re.fullmatch(ACCOUNT, account):
        raise InputError("--record: an account has up to 39 letters, digits and hyphens")
    if not file.with_suffix("").is_dir():
        raise InputError(f"--record: '{file}' is no row of the leaderboard with statistics")
    raw = read_strict(read_bytes(file, f"'{file}'"), f"'{file}'")
    if isinstance(raw, dict) and raw.get("owner") == account:
        messages.note(PROGRAM, "--record: the row's own owner; only others' attempts count")


def _record(file: Path, fresh: list[dict[str, object]]) -> Path:
    """Add records to those beside a row."""
    path = file.with_suffix("") / RECORDS
    before: list[object] = []
    if path.is_file():
        raw = read_strict(read_bytes(path, f"'{path}'"), f"'{path}'")
        before = list(raw["reproductions"]) if isinstance(raw, dict) else []
    both = [parse(Reproduction, one, f"'{path}'") for one in (*before, *fresh)]
    content = {"reproductions": [one.model_dump(mode="json") for one in both]}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
    return path
