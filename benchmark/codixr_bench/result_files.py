"""Where result files are, what they are called, and how they are read: as a stranger's would be.

The JSON of a result, a submission or printed rows has no NaN, no name twice, and is not too big or
too deep; anything doubtful is an InputError that never repeats what the file holds.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from codixr.errors import InputError

RESULT_NAME = "result.json"
"""A run's scores, in its folder."""
STATISTICS_NAME = "statistics.parquet"
"""What each study contributes, beside it."""

LARGEST = 1_000_000
"""Bytes of a result file; the largest of ours has under 60,000."""
DEEPEST = 12
"""Levels of brackets; a submission has eight."""
_M = TypeVar("_M", bound=BaseModel)


class WrongFieldsError(InputError):
    """A file whose JSON does not fit its schema; ``details`` are pydantic's, without any value."""

    def __init__(self, what: str, error: ValidationError) -> None:
        self.details = error.errors(include_url=False, include_input=False)
        super().__init__(f"{what} does not fit its schema")


def result_file(path: Path) -> Path:
    """The result file itself: ``path``, or the one in the run's folder ``path``."""
    return path / RESULT_NAME if path.is_dir() else path


def result_files(path: Path) -> list[Path]:
    """``path``, or all result files below a folder, sorted; InputError where there is none."""
    found = sorted(path.rglob(RESULT_NAME)) if path.is_dir() else [path]
    if not found:
        raise InputError(f"'{path}' holds no {RESULT_NAME}; make one with `codixr-bench run`")
    return found


def read_bytes(path: Path, what: str, *, largest: int = LARGEST) -> bytes:
    """At most one byte more than ``largest`` of a file; InputError when it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(largest + 1)
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}") from error


def parse(kind: type[_M], raw: Any, what: str) -> _M:
    """``raw`` strictly as a ``kind``.

    Raises WrongFieldsError, which repeats no value, since that may be text; InputError for what no
    JSON can hold.
    """
    try:
        return kind.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise WrongFieldsError(what, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: not a result: {type(error).__name__}") from error


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
            raise ValueError("a key stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, and the numbers of a result are finite")


def _number(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a whole number of more than 20 digits")
    return int(digits)
