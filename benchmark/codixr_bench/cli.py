"""``codixr-bench``: run, generate, score, fid, label, compare, check, submit, show, and the lists.

Standard output holds the table, or JSON with ``--json``; progress and notes go to stderr. Exit
codes: 0 fine, 1 failed, 2 bad input, 130 interrupted. Heavy imports stay inside the commands, so
that ``--help`` answers at once.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from codixr import messages
from codixr.atomic import is_disk_full, no_space
from codixr.errors import InputError
from codixr_bench.commands.options import Command, make_parser
from codixr_bench.commands.redirection import recover, undo
from codixr_bench.runs.crash import ModelError

PROGRAM = "codixr-bench"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    note = ""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show an arrow is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        arguments, redirection = recover(arguments)
        parsed = _parser().parse_args(arguments)
        if redirection is not None:
            undo(redirection)
            note = redirection.advice
        command: Command = parsed.command
        code = command(parsed)
        sys.stdout.flush()
    except InputError as error:
        messages.error(PROGRAM, str(error))
        code = 2
    except ModelError as error:
        print(error.trace, file=sys.stderr)
        messages.failure(
            PROGRAM, f"{error}; what was made is kept, and the same command goes on from there"
        )
        code = 1
    except KeyboardInterrupt:
        messages.say(
            PROGRAM, "interrupted; what was made is kept, and the same command goes on from there"
        )
        code = 130
    except BrokenPipeError:
        # The reader of a pipe went away, as `| head` does; do not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        if not is_disk_full(error):
            raise
        messages.error(PROGRAM, str(no_space(Path(error.filename or "."))))
        code = 2
    if note:
        messages.note(PROGRAM, note)
    return code


def _parser() -> argparse.ArgumentParser:
    return make_parser(_COMMANDS, _nothing)


def _nothing(parsed: argparse.Namespace) -> int:
    if parsed.version:
        from importlib.metadata import version

        print(version("codixr"))
        return 0
    raise InputError(
        "no command: run · generate · score · fid · label · compare · check · submit · "
        "verify · show · new-model · tasks · models · metrics · backbones · doctor"
    )


def _run(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.run import run

    return run(parsed)


def _generate(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.run import generate

    return generate(parsed)


def _score(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.run import score

    return score(parsed)


def _fid(parsed: argparse.Namespace) -> int:
    from codixr_bench.runs.picture_distance import fid_command

    return fid_command(parsed)


def _backbones(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.backbones import backbones

    return backbones(as_json=parsed.json)


def _label(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.label import main as label_command

    return label_command(parsed)


def _table(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.table import main as table

    return table(parsed)


def _reconcile(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.reconcile import main as reconcile

    return reconcile(parsed)


def _compare(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.compare import main as compare

    return compare(parsed)


def _check(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.check import main as check

    return check(parsed)


def _submit(parsed: argparse.Namespace) -> int:
    from codixr_leaderboard.commands.submit import main as submit

    return submit(parsed)


def _verify(parsed: argparse.Namespace) -> int:
    from codixr_leaderboard.commands.verify import main as verify

    return verify(parsed)


def _plot(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.plot import main as plot

    return plot(parsed)


def _show(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.show import main as show

    return show(parsed)


def _new_model(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.new_model import new_model_command

    return new_model_command(parsed)


def _tasks(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.metrics import tasks

    return tasks(as_json=parsed.json)


def _models(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.metrics import models

    return models(as_json=parsed.json)


def _metrics(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.metrics import metrics

    return metrics(parsed.track, as_json=parsed.json)


def _doctor(parsed: argparse.Namespace) -> int:
    from codixr_bench.commands.doctor import doctor

    return doctor(as_json=parsed.json)


_COMMANDS: dict[str, Command] = {
    "run": _run,
    "generate": _generate,
    "score": _score,
    "fid": _fid,
    "label": _label,
    "compare": _compare,
    "check": _check,
    "table": _table,
    "submit": _submit,
    "verify": _verify,
    "plot": _plot,
    "show": _show,
    "reconcile": _reconcile,
    "new-model": _new_model,
    "tasks": _tasks,
    "models": _models,
    "metrics": _metrics,
    "backbones": _backbones,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
