"""``codixr-bench``: the table of its commands, and what every command has in common.

Standard output holds the table, or JSON with ``--json``; progress and notes go to stderr. Exit
codes: 0 fine, 1 failed, 2 bad input, 130 interrupted (143 by SIGTERM, 129 by SIGHUP), 141 where the
reader of a pipe went away. A command's module is imported when it is called, and imports what is
heavy when it runs: ``--help`` answers at once.
"""

import argparse
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from codixr import collector, messages
from codixr.arguments import Parser
from codixr.atomic import is_disk_full, no_space
from codixr.closed_pipe import end_quietly
from codixr.completion import HELP, SHELLS, completion
from codixr.errors import InputError
from codixr.extras import missing_extra
from codixr.own_files import explained
from codixr.quoting import discreet
from codixr.user_paths import is_name_too_long, name_too_long
from codixr_bench.commands.redirection import recover, undo
from codixr_bench.registry import names, unknown
from codixr_bench.runs.crash import ModelError
from codixr_bench.runs.supervision import Interrupted, kept_or_not, supervised

PROGRAM = "codixr-bench"
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("codixr_bench.commands.run", "generate samples and score them"),
    "generate": ("codixr_bench.commands.generate", "only make the samples"),
    "score": (
        "codixr_bench.commands.score",
        "score samples: a run's, or a folder another program made",
    ),
    "fid": (
        "codixr_bench.commands.fid",
        "the distance between two sets of pictures, outside of any track",
    ),
    "label": (
        "codixr_bench.commands.label",
        "CheXpert's fourteen labels of reports, as the original's",
    ),
    "compare": (
        "codixr_bench.commands.compare",
        "the paired difference of every score of two results",
    ),
    "check": (
        "codixr_bench.commands.check",
        "is a checkpoint worse than another? exit code 0, 1, or 2",
    ),
    "reproduce": (
        "codixr_bench.commands.reproduce",
        "fetch, prepare, run every task, tables II to V, and a bundle that verify checks",
    ),
    "reproduce-row": (
        "codixr_bench.commands.reproduce_row",
        "make some samples of a row anew: are its statistics theirs?",
    ),
    "table": (
        "codixr_bench.commands.table",
        "a table of the paper: its printed rows, and your results",
    ),
    "reconcile": (
        "codixr_bench.commands.reconcile",
        "the paper's averages that don't follow from its cells",
    ),
    "audit": (
        "codixr_bench.commands.audit",
        "anybody's printed table: averages that can't follow, unequal n, unclear differences",
    ),
    "court": (
        "codixr_bench.commands.court",
        "what each metric sees and is blind to: real outputs with planted faults",
    ),
    "utility": (
        "codixr_bench.commands.utility",
        "what generated studies are worth for training, beside real ones",
    ),
    "subgroups": (
        "codixr_bench.commands.subgroups",
        "every score by sex, age, view …, and the gaps between groups",
    ),
    "submit": (
        "codixr_leaderboard.commands.submit",
        "check results, and put them where the leaderboard reads them",
    ),
    "verify": (
        "codixr_leaderboard.commands.verify",
        "check results as the leaderboard does; exit code 0 or 1",
    ),
    "site": ("codixr_leaderboard.commands.site", "the leaderboard's static pages"),
    "plot": (
        "codixr_bench.commands.plot",
        "draw one score of several results, with intervals, as SVG",
    ),
    "figure": (
        "codixr_bench.commands.figure",
        "the paper's figures 1 and 3 from runs, as PNG and PDF",
    ),
    "readers": (
        "codixr_bench.commands.readers",
        "a blind reader study: a page of pairs from a run, and its score",
    ),
    "show": (
        "codixr_bench.commands.show",
        "print a result file: scores, settings, signatures",
    ),
    "export": (
        "codixr_bench.commands.export",
        "results as a model card of the hub, or as runs of wandb or mlflow",
    ),
    "new-model": (
        "codixr_bench.commands.new_model",
        "write a small package with a model of your own",
    ),
    "tasks": ("codixr_bench.commands.tasks", "list the tasks and their groups"),
    "models": ("codixr_bench.commands.models", "list the models"),
    "metrics": ("codixr_bench.commands.metrics", "list the metrics"),
    "backbones": (
        "codixr_bench.commands.backbones",
        "list the metrics' networks and their weights",
    ),
    "fetch": (
        "codixr_bench.commands.fetch",
        "published weights, models and data: the list, the plan, the download",
    ),
    "doctor": ("codixr_bench.commands.doctor", "say what is installed and what can run here"),
}
"""Name -> its module, with ``add_arguments(parser)`` and ``main(parsed)``; what it does."""
CALLS_PLUG_INS = {"run", "generate", "score", "court", "reproduce"}
_EXAMPLES = """\
examples:
  codixr-bench run --task 'L+T->F' --model codixr
  codixr-bench run --task paper --model codixr --limit 32
  codixr-bench score --samples my_pictures --task 'L+T->F'

Quote the task: an unquoted > is a redirection to your shell.
"""


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""
        ...

    def main(self, parsed: argparse.Namespace) -> int:
        """Run the command; returns the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    From the command line (``argv`` is None), what calls plug-ins runs in a process of its own.
    """
    if argv is not None:
        return _main(list(argv))
    arguments = sys.argv[1:]
    with collector.of_a_command():
        if arguments and arguments[0] in CALLS_PLUG_INS:
            return supervised(PROGRAM, lambda: _main(arguments))
        return _main(arguments)


def _main(arguments: list[str]) -> int:
    try:
        code = _in_words(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return end_quietly()
    return code


def _in_words(arguments: list[str]) -> int:
    """Run one command; what goes wrong is a line on stderr and an exit code."""
    note = ""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show an arrow shows a question mark instead.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        arguments, redirection = recover(arguments)
        if arguments and not arguments[0].startswith("-"):
            command, parsed = parse(arguments)
            if redirection is not None:
                undo(redirection)
                note = redirection.advice
            code = _call(arguments[0], command, parsed)
        else:
            code = _without_command(arguments)
    except SystemExit as done:
        # argparse's, after --help: a command's own is told in `_call`.
        code = done.code if isinstance(done.code, int) else 0
    except InputError as error:
        messages.error(PROGRAM, discreet(str(error), arguments))
        code = 2
    except ModuleNotFoundError as error:
        if (line := missing_extra(error, f"{PROGRAM} {arguments[0]}")) is None:
            raise
        messages.error(PROGRAM, line)
        code = 2
    except ModelError as error:
        print(error.trace, file=sys.stderr)
        messages.failure(PROGRAM, f"{error}; {kept_or_not(error)}")
        code = 1
    except KeyboardInterrupt as error:
        messages.say(PROGRAM, f"interrupted; {kept_or_not(error)}")
        code = error.exit_code if isinstance(error, Interrupted) else 130
    except OSError as error:
        if is_name_too_long(error):
            line = discreet(name_too_long(error), arguments)
        elif is_disk_full(error):
            line = str(no_space(Path(error.filename or ".")))
        else:
            raise
        messages.error(PROGRAM, line)
        code = 2
    if note:
        messages.note(PROGRAM, note)
    return code


def _call(name: str, command: Command, parsed: argparse.Namespace) -> int:
    try:
        return command.main(parsed)
    except InputError as error:
        raise explained(error, f"{PROGRAM} {name}", parsed) from error
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich ends the program over one
            return end_quietly()
        messages.failure(PROGRAM, f"a plug-in ended the program (SystemExit: {error.code})")
        return 1


def parse(arguments: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """The command that ``arguments`` begin with, and its own ones, parsed; InputError."""
    name, *rest = arguments
    command = load(name)
    parser = parser_of(name, command)
    if (expand := getattr(command, "expand", None)) is not None:
        rest = expand(rest, parser)
    # Intermixed: `table II --own RESULT` is what people write.
    return command, parser.parse_intermixed_args(rest)


def load(name: str) -> Command:
    """A command's module; InputError, with a guess, for a name that isn't in the table."""
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    command: Command = importlib.import_module(COMMANDS[name][0])
    return command


def parser_of(name: str, command: Command | None = None) -> argparse.ArgumentParser:
    """The parser of one command; no other command's module is imported."""
    parser = Parser(prog=f"{PROGRAM} {name}", description=COMMANDS[name][1], allow_abbrev=False)
    (command or load(name)).add_arguments(parser)
    return parser


def _without_command(arguments: Sequence[str]) -> int:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [-h] [--version] [--print-completion SHELL] COMMAND ...",
        description="Evaluate any-to-any generation of chest X-rays and reports (CoDi_XR).",
        epilog=f"commands (each with a --help of its own):\n{listed}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--print-completion", choices=SHELLS, help=HELP)
    parsed = parser.parse_args(arguments)
    if parsed.print_completion is not None:
        print(completion(_whole_parser(), parsed.print_completion, _names()))
        return 0
    if not parsed.version:
        raise InputError(f"no command: {' · '.join(COMMANDS)}")
    from importlib.metadata import version

    print(f"{PROGRAM} {version('codixr')}")
    return 0


def _whole_parser() -> argparse.ArgumentParser:
    """All commands in one parser: what a shell completes by. Imports every command's module."""
    parser = Parser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--print-completion", choices=SHELLS, help=HELP)
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (_, what) in COMMANDS.items():
        load(name).add_arguments(commands.add_parser(name, help=what, allow_abbrev=False))
    return parser


def _names() -> dict[str, list[str]]:
    """What stands behind an option: names that this installation knows."""
    from codixr_bench.task import GROUPS

    tasks = [task.name for task in GROUPS["all"]]
    return {
        "--model": names("models"),
        "--track": names("tracks"),
        "--task": [*GROUPS, *tasks],
        "--split": ["train", "val", "test", "secret"],
    }


if __name__ == "__main__":
    sys.exit(main())
