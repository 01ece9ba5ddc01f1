"""Report files of every shape that MIMIC-CXR has, around a simulated impression."""

import textwrap
from collections.abc import Callable

_TITLE = "                                 FINAL REPORT"
_LINE = " ______________________________________________________________________________"
_EXAM = " EXAMINATION:  CHEST (PA AND LAT)"
_WHY = " INDICATION:  ___ year old simulated person with cough.  // pneumonia?"


def _section(header: str, text: str) -> str:
    """``header: text``, wrapped and indented as in the real files."""
    lines = textwrap.wrap(f"{header}:  {text}" if header else text, 74)
    return "\n".join(f" {line}" for line in lines)


def _file(*parts: str) -> str:
    return "\n \n".join(parts) + "\n"


def _plain(text: str) -> tuple[str, str]:
    findings = _section("FINDINGS", "Two views of a simulated chest.")
    return _file(_TITLE, _EXAM, _WHY, findings, _section("IMPRESSION", text)), text


def _under(header: str) -> Callable[[str], tuple[str, str]]:
    return lambda text: (_file(_TITLE, _WHY, _section(header, text)), text)


def _addendum(text: str) -> tuple[str, str]:
    first = _section("ADDENDUM", "The word 'left' was mistyped.")
    body = _file(_TITLE, _EXAM, _section("IMPRESSION", text))
    return f"{_LINE}\n{first}\n{_LINE}\n{body}", text


def _wet_read(text: str) -> tuple[str, str]:
    wet = _section("WET READ", "___ 8:31 PM. No change.")
    return _file(wet, _TITLE, _WHY, _section("IMPRESSION", text)), text


def _two(text: str) -> tuple[str, str]:
    first = _section("IMPRESSION", "Preliminary: see below.")
    return _file(_TITLE, first, _section("IMPRESSION", text)), text


def _empty_second(text: str) -> tuple[str, str]:
    return _file(_TITLE, _section("IMPRESSION", text), " IMPRESSION: ", " "), text


def _own_line(text: str) -> tuple[str, str]:
    return _file(_TITLE, _WHY, " IMPRESSION: \n \n" + _section("", text)), text


def _windows(text: str) -> tuple[str, str]:
    return _plain(text)[0].replace("\n", "\r\n"), text


def _removed(text: str) -> tuple[str, str]:
    said = f"{text} Findings were told to Dr. ___ at ___."
    return _file(_TITLE, _section("IMPRESSION", said)), said


def _findings_only(text: str) -> tuple[str, str]:
    return _file(_TITLE, _EXAM, _section("FINDINGS", text)), ""


def _last_paragraph(text: str) -> tuple[str, str]:
    return _file(_TITLE, _EXAM + "\n" + _WHY, _section("", text)), ""


def _no_header(text: str) -> tuple[str, str]:
    return _file(_TITLE, _section("", text)), ""


def _not_indented(text: str) -> tuple[str, str]:
    return f"{_TITLE}\n\nIMPRESSION:  {text}\n", ""


_SHAPES: dict[str, Callable[[str], tuple[str, str]]] = {
    "impression": _plain,
    "conclusion": _under("CONCLUSION"),
    "impression again": _plain,
    "findings and impression": _under("FINDINGS AND IMPRESSION"),
    "addendum": _addendum,
    "findings only": _findings_only,
    "wet read": _wet_read,
    "two impressions": _two,
    "empty second impression": _empty_second,
    "last paragraph": _last_paragraph,
    "header on its own line": _own_line,
    "misspelt": _under("IMPRESSON"),
    "no header": _no_header,
    "Windows lines": _windows,
    "removed names": _removed,
    "header not indented": _not_indented,
    "a third plain one": _plain,
}
SHAPES: tuple[str, ...] = tuple(_SHAPES)


def shape_report(shape: str, text: str) -> tuple[str, str]:
    """A report file around an impression, and the impression that it then has (may be empty)."""
    return _SHAPES[shape](text)
