"""The command `codixr`: a table of commands, each in a file of its own, its arguments included.

Heavy imports wait until a command needs them: --help answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from codixr import __version__, collector, messages
from codixr.arguments import Parser
from codixr.closed_pipe import end_quietly
from codixr.commands import convert, generate, info, init, prepare, train
from codixr.completion import HELP, SHELLS, print_and_exit
from codixr.errors import InputError
from codixr.extras import missing_extra
from codixr.own_files import explained
from codixr.quoting import discreet, gives_a_report
from codixr.user_paths import is_name_too_long, name_too_long

COMMANDS: dict[str, ModuleType] = {
    "generate": generate,
    "info": info,
    "prepare": prepare,
    "train": train,
    "convert": convert,
    "init": init,
}
"""Each module has ``add_parser(commands)``, and ``run(options)``, which returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 fine, 2 bad input, 130 interrupted, 141 when the reader of its output went away.
    """
    if arguments is None:
        with collector.of_a_command():
            return _closing(sys.argv[1:])
    return _closing(arguments)


def _closing(given: Sequence[str]) -> int:
    try:
        try:
            return _main(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return end_quietly()


def _main(given: Sequence[str]) -> int:
    try:
        options = _parsed(given)
    except InputError as error:
        messages.error("codixr", discreet(str(error), given))
        return 2
    try:
        code: int = COMMANDS[options.command].run(options)
        return code
    except InputError as error:
        program = f"codixr {options.command}"
        messages.error(program, discreet(str(explained(error, program, options)), given))
        return 2
    except OSError as error:
        if not is_name_too_long(error):
            raise
        messages.error(f"codixr {options.command}", discreet(name_too_long(error), given))
        return 2
    except ModuleNotFoundError as error:
        if (line := missing_extra(error, f"codixr {options.command}")) is None:
            raise
        messages.error(f"codixr {options.command}", line)
        return 2
    except KeyboardInterrupt:
        messages.failure(f"codixr {options.command}", "interrupted")
        return 130


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """The options; InputError, of the command that was given, for one that it doesn't have."""
    parser: argparse.ArgumentParser = _parser()
    options, unknown = parser.parse_known_args(given)
    if unknown:
        spoken = any(len(word.split()) > 1 for word in unknown)
        if spoken or gives_a_report(given):  # a loose word may be a report's: it isn't quoted
            loose, unknown = len(unknown), [word for word in unknown if word.startswith("--")]
            if not unknown:
                raise InputError(
                    f"words that belong to no option: {loose}; quote a text, e.g. --from 'T=some "
                    f"text' (see `codixr {options.command} --help`)"
                )
        for word in given:
            parser = _commands_of(parser).get(word, parser)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="codixr",
        description="Any-to-any generation of chest X-rays and reports (CoDi_XR).",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"codixr {__version__}")
    parser.add_argument(
        "--print-completion",
        action=print_and_exit(_parser),
        choices=SHELLS,
        help=HELP,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
