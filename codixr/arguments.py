"""What the commands share in reading their arguments: kinds of numbers, and a request's fields."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

R = TypeVar("R")


def filled(kind: Callable[..., R], options: argparse.Namespace, **made: Any) -> R:
    """A dataclass whose fields are ``made``, or else the arguments of the same names."""
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{n: made[n] if n in made else getattr(options, n) for n in names})


def add_json(parser: argparse._ActionsContainer) -> None:
    """``--json``, which every command of both programs has."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of text")


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
