"""``--print-completion SHELL`` of both programs: what a shell needs to complete their commands."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")
HELP = "print what a shell needs to complete commands, options and files, and exit"


def completion(
    parser: argparse.ArgumentParser, shell: str, names: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The script for ``shell``, by shtab.

    Args:
        parser: of the whole program, its commands as subparsers; it is changed.
        shell: of ``SHELLS``.
        names: option -> what to offer for it, e.g. ``--model`` -> the models by name.
    """
    import shtab

    for one in _parsers(parser):
        for action in one._actions:
            if action.type is Path:
                is_folder = "DIR" in str(action.metavar) and "|" not in str(action.metavar)
                action.complete = shtab.DIRECTORY if is_folder else shtab.FILE  # type: ignore[attr-defined]
            for option in action.option_strings:
                if names is not None and option in names:
                    action.choices = tuple(names[option])
    script: str = shtab.complete(parser, shell)
    return script


def print_and_exit(build: Callable[[], argparse.ArgumentParser]) -> type[argparse.Action]:
    """An action that prints the completion of the parser that ``build`` makes, and exits."""

    class PrintCompletion(argparse.Action):
        def __call__(
            self,
            parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: Any,
            option_string: str | None = None,
        ) -> None:
            print(completion(build(), values))
            parser.exit(0)

    return PrintCompletion


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """``parser`` and those of its commands, and of theirs."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for one in action.choices.values() for inner in _parsers(one)]
    return found
