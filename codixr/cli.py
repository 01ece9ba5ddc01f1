"""The command `codixr`: a table of commands, each in a file of its own, its arguments included.

Heavy imports wait until a command needs them: --help answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from codixr import __version__, messages
from codixr.commands import convert, generate, info, init, prepare, train
from codixr.errors import InputError

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
    """Run one command; returns the exit code: 0 fine, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        code: int = COMMANDS[options.command].run(options)
        return code
    except InputError as error:
        messages.error(f"codixr {options.command}", str(error))
        return 2
    except KeyboardInterrupt:
        messages.failure(f"codixr {options.command}", "interrupted")
        return 130
    except BrokenPipeError:  # `codixr info | head`: nobody reads on
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codixr",
        description="Any-to-any generation of chest X-rays and reports (CoDi_XR).",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"codixr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
