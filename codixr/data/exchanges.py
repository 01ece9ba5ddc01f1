"""Words of reports for one another: the other side, zone or severity, so that a report is wrong."""

import re
from collections.abc import Mapping

SIDES = {
    "right middle lobe": "lingula",
    "lingula": "right middle lobe",
    "right": "left",
    "left": "right",
}
SEVERITIES = {
    "minimal": "severe",
    "mild": "severe",
    "moderate": "severe",
    "severe": "mild",
    "marked": "mild",
    "trace": "large",
    "tiny": "large",
    "small": "large",
    "large": "small",
    "massive": "small",
}
ZONES = {
    "lingula": "left upper lobe",
    "middle lobe": "upper lobe",
    "upper": "lower",
    "lower": "upper",
    "mid": "upper",
    "apical": "basilar",
    "basilar": "apical",
    "basal": "apical",
    "apex": "base",
    "base": "apex",
    "apices": "bases",
    "bases": "apices",
}


def exchanged(report: str, words: Mapping[str, str]) -> str:
    """The report with every one of ``words`` exchanged; upper case stays."""
    return _pattern(words).sub(lambda m: _as(m[0], words[m[0].lower()]), report)


def one_exchanged(report: str, words: Mapping[str, str]) -> list[str]:
    """For each place with one of ``words``, the report with that one exchanged."""
    return [
        report[: m.start()] + _as(m[0], words[m[0].lower()]) + report[m.end() :]
        for m in _pattern(words).finditer(report)
    ]


def _pattern(words: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", flags=re.I)


def _as(old: str, new: str) -> str:
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new
