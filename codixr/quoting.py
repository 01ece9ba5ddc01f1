"""What a message may quote of a command line: no report, and not all of an argument without end."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from codixr.user_paths import can_be_a_name

LONGEST = 255
"""Bytes of an argument, or of a part of one, that are quoted whole."""
_TELLING = 8
"""Letters of a report that are looked for on their own: fewer may be a word of the message's."""
_REPORT = re.compile(r"\s*(?:--from=)?\s*[TR]\s*=(?!@)(?P<text>.*)", re.IGNORECASE | re.DOTALL)
_PARTS = re.compile(r"[=:,+@]")


def discreet(message: str, arguments: Sequence[str]) -> str:
    """``message`` without the reports among ``arguments``, and with long ones cut short.

    A report is what stands behind ``T=`` or ``R=``, unless it is a file's name (``T=@FILE``).
    """
    hidden = {}
    for word in arguments:
        if (report := _REPORT.fullmatch(word)) is not None:
            text = report["text"]
            if text.strip():
                hidden[word] = f"{word[: len(word) - len(text)]}…"
            if len(text.strip()) >= _TELLING:
                hidden[text.strip()] = "…"
        for part in [word] if report is not None else _parts(word):
            if len(part.encode("utf-8", "surrogateescape")) > LONGEST and not _is_path(part):
                hidden.setdefault(part, _short(part))
    for text in sorted(hidden, key=len, reverse=True):
        for form in {text, repr(text)[1:-1], " ".join(text.split())}:
            if 0 < len(form) <= len(message):
                whole = re.compile(rf"(?<!\w){re.escape(form)}(?!\w)", re.IGNORECASE)
                found = (
                    whole if len(form) < _TELLING else re.compile(re.escape(form), re.IGNORECASE)
                )
                message = hidden[text].join(found.split(message))
    return message


def gives_a_report(arguments: Sequence[str]) -> bool:
    """Whether a report's own text is among ``arguments``."""
    return any(_REPORT.fullmatch(word) for word in arguments)


def _parts(word: str) -> Iterator[str]:
    """An argument, what stands behind its separators, and what stands between two of them."""
    yield word
    for found in islice(_PARTS.finditer(word), 8):
        yield word[found.end() :]
        yield word[: found.start()]
    yield from _PARTS.split(word)


def _is_path(text: str) -> bool:
    """Whether a file may lie there: a path of names that are each short enough, without blanks."""
    return "/" in text and not re.search(r"\s", text) and can_be_a_name(Path(text))


def _short(text: str) -> str:
    """The beginning of a long name, and its end where it is a path; nothing of a sentence."""
    count = f"({len(text)} characters)"
    if re.search(r"\s", text):
        return f"… {count}"
    return f"{text[:30]}…{text[-30:] if '/' in text else ''} {count}"
