"""What the commands share in reading their arguments: kinds of numbers, and a request's fields."""

import argparse
import difflib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from codixr.errors import InputError
from codixr.user_paths import LONGEST_NAME, can_be_a_name

R = TypeVar("R")
DTYPES = ("auto", "float32", "bfloat16", "float16")


class Parser(argparse.ArgumentParser):
    """A wrong argument is one line, as any other bad input; a misspelt one comes with a guess."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        wrong = message.removeprefix("unrecognized arguments: ").split("=")[0].split()
        if message.startswith("unrecognized") and wrong and wrong[0].startswith("--"):
            message += _guess(wrong[0], self._option_string_actions)
        raise InputError(f"{message} (see `{self.prog} --help`)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; no argument may hold a NUL, which no file's name and no report has."""
        if any("\0" in word for word in args or ()):
            self.error("an argument holds a NUL character; leave it out")
        return super().parse_known_args(args, namespace)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """As argparse's; a path that no file can have is refused here, once for all commands."""
        value = super()._get_value(action, arg_string)
        if isinstance(value, Path) and not can_be_a_name(value):
            raise argparse.ArgumentError(
                action,
                f"'{value.name}' can't be the name of a file or folder, which has at most "
                f"{LONGEST_NAME} bytes; give a shorter one",
            )
        return value

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            said = f"'{value}' is none of {', '.join(known)}{_guess(str(value), known)}"
            raise argparse.ArgumentError(action, said)


def closest(wrong: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that ``wrong`` was meant to be: letters exchanged, or else a likeness."""
    names = list(known)
    exchanged = [name for name in names if sorted(name) == sorted(wrong)]
    close = exchanged or difflib.get_close_matches(wrong, names, n=1, cutoff=cutoff)
    return close[0] if close else None


def _guess(wrong: str, known: Iterable[str]) -> str:
    name = closest(wrong, known)
    return "" if name is None else f"; did you mean {name}?"


def filled(kind: Callable[..., R], options: argparse.Namespace, **made: Any) -> R:
    """A dataclass whose fields are ``made``, or else the arguments of the same names."""
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{n: made[n] if n in made else getattr(options, n) for n in names})


def add_json(parser: argparse._ActionsContainer) -> None:
    """``--json``, which every command of both programs has."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of text")


def add_device(parser: argparse._ActionsContainer) -> None:
    """``--device``, of every command that computes with networks."""
    parser.add_argument(
        "--device",
        type=device,
        default="auto",
        metavar="DEVICE",
        help="auto (default): CUDA where there is any, else Apple's MPS, else the CPU; or cpu, "
        "cuda, cuda:1, mps",
    )


def add_dtype(parser: argparse._ActionsContainer) -> None:
    """``--dtype``, of a command that calls a model."""
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="type of the model's weights; auto (default): float32 on the CPU, elsewhere as they "
        "are stored",
    )


def device(text: str) -> str:
    """The type of an argument that names a device; whether it is here is asked when it is used."""
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is none of auto, cpu, cuda, cuda:1, mps")
    return text


def output_folder(text: str) -> Path:
    """The type of an argument that names a folder to write into: one that is there, or can be."""
    path = Path(text)
    if not can_be_a_name(path):
        return path  # which the parser refuses
    there = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
    if there.exists() and not there.is_dir():
        raise argparse.ArgumentTypeError(f"'{there}' is a file; give a folder")
    return path


def number_or_auto(text: str) -> "int | Literal['auto']":
    """The type of an argument that counts something, or is ``auto``."""
    return "auto" if text == "auto" else positive(text)


def integer(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return parse


def at_least(low: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number of ``low`` or more, below 2**63."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value < 2**63:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of {low} or more")
        return value

    return parse


positive = at_least(1)
"""The type of an argument that counts something: a whole number of 1 or more."""


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument that is a number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
        if not low <= value <= high:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return parse


def share(text: str) -> float:
    """The type of an argument that is a number between 0 and 1, neither of them."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 0 and 1")
    return value
