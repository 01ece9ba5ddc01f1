"""Read JSON that a stranger sent: no NaN, no name twice, not too big, not too deep."""

import json
from typing import Any

from codixr.errors import InputError

LARGEST = 1_000_000
"""Bytes of a result file; the largest of ours has under 60,000."""
DEEPEST = 12
"""Levels of brackets; a submission has eight."""


def read_strict(content: bytes, what: str, *, largest: int = LARGEST) -> Any:
    """The value in ``content``; InputError, which names ``what``, for anything doubtful."""
    if len(content) > largest:
        raise InputError(
            f"{what} has {len(content):,} bytes; a result file has at most {largest:,}"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text (byte {error.start})") from error
    if _depth(text) > DEEPEST:
        raise InputError(f"{what} has brackets in brackets, more than {DEEPEST} levels deep")
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_number
        )
    except ValueError as error:
        raise InputError(f"{what} is not strict JSON: {error}") from error


def _depth(text: str) -> int:
    """Levels of brackets, those in strings counted too: an upper bound."""
    deepest = level = 0
    for character in text:
        if character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of a result")


def _number(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a whole number of more than 20 digits")
    return int(digits)
