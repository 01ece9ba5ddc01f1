"""What a report says of its findings beside their names: side, zone, severity; and its devices.

A rule reader on top of the default labeler: a word for a side, a zone or a grade belongs to the
findings that its part of the sentence states. Parts end at commas, "and", "with" and their like; a
part without a finding ("…, moderate", "… in the right lower lobe") belongs to the finding before
it. A finding without a place of its own shares that of its sentence ("right basal opacity,
pneumonia"). What is denied or in doubt has no attributes.

Notable:
- A finding on the right and on the left is bilateral: one statement, a side of its own.
- Grades are three: mild (small, trace), moderate, severe (large, marked). A nodule is mild when
  small and moderate when large, a mass is severe, as in the simulated reports.
- A device's side belongs to the device, not to the sides of findings.
- "Right atrium" and the like are no sides.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from codixr.data.labels import PATHOLOGIES
from codixr_bench.labeler.labels import PRESENT
from codixr_bench.labeler.rules import explain_sentence
from codixr_bench.labeler.sentences import clean, split

VERSION = "1"
"""Changes with every word and rule here; it stands in the signature of every score."""
ATTRIBUTES = ("side", "zone", "severity", "device")


class Statement(NamedTuple):
    """One attribute of one finding or device."""

    attribute: str
    bearer: str
    """An observation, or a device."""
    value: str
    """Of a device its side, where it is said and the device has one; else empty."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b")


_SIDES = {
    "right": _words("right|rul|rml|rll|middle lobe"),
    "left": _words("left|lul|lll|lingula|lingular"),
}
_BOTH = _words(
    "bilateral|bilaterally|both|biapical|bibasilar|bibasal|"
    "(?:upper|lower) lobes|lungs|(?:lung )?bases|apices|perihilar regions|mid zones"
)
_NO_SIDE = _words(
    "(?:right|left)[ -](?:atri\\w+|ventric\\w+|heart|main(?:stem)?|hilar|hilum|shift\\w*)|"
    "(?:to|towards?) the (?:right|left)|right paratracheal stripe"
)
_ZONES = {
    "upper": _words(
        "upper(?: lobes?| zones?| lungs?)?|apical|apex|apices|biapical|rul|lul|suprahilar"
    ),
    "mid": _words("mid|middle lobe|midlungs?|perihilar|lingula|lingular|rml"),
    "lower": _words(
        "lower(?: lobes?| zones?| lungs?)?|bases?|basal|basilar|bibasilar|bibasal|infrahilar|"
        "retrocardiac|rll|lll"
    ),
}
_GRADES = {
    "mild": _words("mild|mildly|minimal|minimally|slight|slightly|small|tiny|trace|minor|subtle"),
    "moderate": _words("moderate|moderately|moderate-sized"),
    "severe": _words("severe|severely|marked|markedly|large|massive|extensive|huge"),
}
_DEVICES = {
    "endotracheal tube": _words("endotracheal|et tube|ett|tracheal tube"),
    "nasogastric tube": _words(
        "nasogastric|orogastric|enteric tube|ng tube|ngt|og tube|ogt|dobhoff|feeding tube"
    ),
    "central line": _words(
        "central (?:venous )?(?:line|catheter)s?|picc|ij|internal jugular|subclavian|"
        "port-a-cath|portacath|venous catheter|hickman|swan-ganz"
    ),
    "pacemaker": _words("pacemaker|pacer|pacing|icd|aicd|cardioverter|defibrillator"),
}
_GONE = _words(
    "no|without|removed|removal|absent|negative for|no longer|withdrawn|extubated|possible"
)
_CUT = re.compile(r"[,;:.]|\b(?:and|with|but|plus|versus|vs|or|overlying|obscuring)\b")

PLACED = frozenset(PATHOLOGIES) - {"Cardiomegaly", "Enlarged Cardiomediastinum", "Edema"}
"""Observations with a side."""
ZONED = PLACED - {"Pleural Effusion"}
SIDED_DEVICES = frozenset(("central line", "pacemaker"))


class _Part:
    """A stretch of a sentence: its words, and the findings it states."""

    def __init__(self, text: str, stated: frozenset[str], silent: bool) -> None:
        self.stated = stated
        self.silent = silent
        """It mentions findings, and states none: its words are about what isn't there."""
        plain = _NO_SIDE.sub(" ", text)
        self.sides = {side for side, found in _SIDES.items() if found.search(plain)}
        if _BOTH.search(plain) and not self.sides:
            self.sides = set(_SIDES)
        self.zones = {zone for zone, found in _ZONES.items() if found.search(text)}
        self.grades = {grade for grade, found in _GRADES.items() if found.search(text)}
        self.mass = bool(re.search(r"\bmass(?:es)?\b", text))
        self.nodule = bool(re.search(r"\bnodul", text))

    def take(self, other: "_Part") -> None:
        """Add the words of a part that states nothing itself."""
        self.sides |= other.sides
        self.zones |= other.zones
        self.grades = self.grades or other.grades

    @property
    def placed(self) -> bool:
        return bool(self.sides or self.zones)


@lru_cache(maxsize=1024)
def read_attributes(report: str) -> frozenset[Statement]:
    """All that a report states of sides, zones, severities and devices."""
    found: set[Statement] = set()
    for sentence in split(clean(report)):
        found |= _of_sentence(sentence)
    return frozenset(found)


@lru_cache(maxsize=32_768)
def _of_sentence(sentence: str) -> frozenset[Statement]:
    return frozenset((*_of_findings(sentence), *_of_devices(sentence)))


def _of_findings(sentence: str) -> Iterator[Statement]:
    found = [
        (one.mention.start, one.mention.end, one.mention.observation, one.label == PRESENT)
        for one in explain_sentence(sentence)
        if one.mention.observation in PATHOLOGIES
    ]
    if not any(present for *_, present in found):
        return
    for part in _joined(_parts(sentence, found)):
        for bearer in sorted(part.stated):
            if bearer in PLACED and part.sides:
                side = "bilateral" if len(part.sides) == 2 else min(part.sides)
                yield Statement("side", bearer, side)
            if bearer in ZONED:
                yield from (Statement("zone", bearer, zone) for zone in sorted(part.zones))
            if grade := _grade(part, bearer):
                yield Statement("severity", bearer, grade)


def _parts(sentence: str, found: list[tuple[int, int, str, bool]]) -> list[_Part]:
    # A cut inside a mention ("heart size and …" never is) would tear it apart.
    cuts = [
        (cut.start(), cut.end())
        for cut in _CUT.finditer(sentence)
        if not any(start < cut.end() and cut.start() < end for start, end, *_ in found)
    ]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(sentence)]
    parts = []
    for start, end in zip(starts, ends, strict=True):
        here = [(name, present) for a, b, name, present in found if a < end and start < b]
        stated = frozenset(name for name, present in here if present)
        parts.append(_Part(sentence[start:end], stated, bool(here) and not stated))
    return parts


def _joined(parts: list[_Part]) -> list[_Part]:
    """The parts that state findings, with the words of those that mention none."""
    stating: list[_Part] = []
    waiting: list[_Part] = []
    last: _Part | None = None
    for part in parts:
        if part.stated:
            for one in waiting:
                part.take(one)
            waiting.clear()
            stating.append(part)
            last = part
        elif part.silent:
            waiting.clear()
            last = None
        elif last is not None:
            last.take(part)
        else:
            waiting.append(part)
    # A place stands once for all the findings of a sentence.
    places = [part for part in stating if part.placed]
    for part in stating:
        if not part.placed and places:
            nearest = min(places, key=lambda one: abs(stating.index(one) - stating.index(part)))
            part.sides, part.zones = set(nearest.sides), set(nearest.zones)
    return stating


def _grade(part: _Part, bearer: str) -> str | None:
    """The grade of a finding; the graver of two ("mild to moderate")."""
    found = next((grade for grade in ("severe", "moderate", "mild") if grade in part.grades), None)
    if bearer == "Lung Lesion":
        if part.mass and found != "mild":
            return "severe"
        if part.nodule and found == "severe":
            return "moderate"
    return found


def _of_devices(sentence: str) -> Iterator[Statement]:
    if _GONE.search(sentence):
        return
    for text in _CUT.split(sentence):
        plain = _NO_SIDE.sub(" ", text)
        for device, words in _DEVICES.items():
            if not words.search(text):
                continue
            sides = [side for side, found in _SIDES.items() if found.search(plain)]
            said = len(sides) == 1 and device in SIDED_DEVICES
            yield Statement("device", device, sides[0] if said else "")
