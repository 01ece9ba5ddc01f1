"""The command `codixr`: a table of commands, each in a file of its own, its arguments included.

Heavy imports wait until a command needs them: --help answers at once.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from codixr import __version__, messages
from codixr.closed_pipe import end_quietly
from codixr.commands import convert, generate, info, init, prepare, train
from codixr.completion import HELP, SHELLS, print_and_exit
from codixr.errors import InputError
from codixr.extras import missing_extra
from codixr.own_files import explained

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
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _main(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return end_quietly()


def _main(given: Sequence[str]) -> int:
    options = _parser(given).parse_args(given)
    try:
        code: int = COMMANDS[options.command].run(options)
        return code
    except InputError as error:
        program = f"codixr {options.command}"
        messages.error(program, str(explained(error, program, options)))
        return 2
    except ModuleNotFoundError as error:
        if (line := missing_extra(error, f"codixr {options.command}")) is None:
            raise
        messages.error(f"codixr {options.command}", line)
        return 2
    except KeyboardInterrupt:
        messages.failure(f"codixr {options.command}", "interrupted")
        return 130


class _Parser(argparse.ArgumentParser):
    """A guess beside what is wrong: for an option of the command that was given, for a command."""

    given: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        super().error(message + self._guess(message))

    def _guess(self, message: str) -> str:
        parser: argparse.ArgumentParser = self
        known: list[str] = list(_commands_of(self))
        wrong = next((word for word in self.given if not word.startswith("-")), "")
        if message.startswith("unrecognized arguments: "):
            wrong = message.removeprefix("unrecognized arguments: ").split()[0].partition("=")[0]
            for word in self.given:
                parser = _commands_of(parser).get(word, parser)
            known = [name for name in parser._option_string_actions if name.startswith("--")]
        elif "invalid choice" not in message or wrong in known:
            return ""
        close = difflib.get_close_matches(wrong, known, n=1)
        return f"; did you mean {close[0]}?" if close else ""


def _commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _parser(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="codixr",
        description="Any-to-any generation of chest X-rays and reports (CoDi_XR).",
        allow_abbrev=False,
    )
    parser.given = given
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
