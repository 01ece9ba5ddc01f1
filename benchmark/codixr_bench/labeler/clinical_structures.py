"""Heart and mediastinum for the clinical reading: their size is a finding only where it is said.

The original's phrases name the structure alone: "the heart" is Cardiomegaly unless something denies
it. Here the words for its state decide: enlarged, normal, borderline, obscured.
"""

import re
from typing import NamedTuple

from codixr_bench.labeler.labels import ABSENT, PRESENT, UNCERTAIN


class State(NamedTuple):
    """What is said of a structure's size."""

    observation: str
    start: int
    end: int
    label: int
    word: str


_HEART = (
    r"(?:heart(?: size)?|cardiac (?:size|silhouettes?|shadow|contours?|enlargement))\b"
    r"(?! (?:failure|disease|valve|rate|border|block|surgery|transplant|catheter|margin))"
)
_MEDIASTINUM = (
    r"(?:cardio)?mediastin(?:um|al (?:silhouettes?|contours?|shadow|configuration|structures|width"
    r"|widening|enlargement))\b"
)
_STRUCTURE = re.compile(rf"(?<![a-z-])(?:(?P<heart>{_HEART})|(?P<mediastinum>{_MEDIASTINUM}))")
_ELSEWHERE = re.compile(
    r"(?:over|overlying|behind|in|within|projects? (?:at|on)|left|right)(?: the)?(?: superior| left"
    r"| right)? $"
)
_STATE = re.compile(
    r"(?P<obscured>obscur\w*|(?:not well|poorly|incompletely) (?:seen|evaluated|assessed"
    r"|visuali[sz]ed|delineated)|difficult to (?:assess|evaluate)"
    r"|cannot be (?:\w+ )?(?:assessed|evaluated))"
    r"|(?P<doubt>borderline|possibl[ey] (?:\w+ )?(?:enlarge|widen)\w*|question\w* (?:\w+ )?"
    r"(?:enlarge|widen)\w*|(?:may|might|could) be (?:\w+ )?(?:enlarged|widened))"
    r"|(?P<normal>(?:at |near )?(?:the )?(?:upper|top)(?: limits?)?(?: of)? normal|normal\w*"
    r"|non-?enlarged|unremarkable|within (?:\w+ )?limits"
    r"|(?:not|no|without|nor|non-?)(?: (?!is|are)\w+){0,3}? ?(?:enlarg\w*|widen\w*|prominen\w*"
    r"|dilated|cardiomegaly|increased))"
    r"|(?P<large>enlarg\w*|widen\w*|increased|large\b|big\b|prominen\w*|dilated|generous)"
)
_BEFORE = re.compile(
    r"((?:\w+(?:ly)? )?(?:\w+ )?(?:(?:non-?)?enlarge[dr]|enlargement of|widening of|widened"
    r"|borderline|normal|prominent|unremarkable|large|obscured|dilated|increased)"
    r"(?: (?:in|of|to))?(?: (?:the|and|size|sized|\w+ly|overall|contour|frontal|cardiac"
    r"|heart|superior|upper|anterior)){0,3} )$"
)
_VERB = re.compile(r"\b(?:is|are|was|were|appears?|remains?|has|have|measures|seems?)\b")
_OTHER = re.compile(
    r"\b(?:lungs?|pulmonary|vascul\w+|vessels|aort\w+|pleural|effusions?|there|hil\w+|bones?|osseous"
    r"|tube|catheter|opacit\w+|no)\b"
)
_NOT_SEEN = re.compile(
    r"(?: \w+)?(?:: ?| (?:is |are )?)(?:not|no longer|none|absent)\b"
    r"(?! (?:well|changed|significantly))"
)
_WINDOW = 160
"""Characters behind the structure that can speak of it."""


def states(sentence: str) -> list[State]:
    """What the sentence says of the size of heart and mediastinum."""
    found = []
    for match in _STRUCTURE.finditer(sentence):
        before = sentence[max(0, match.start() - 60) : match.start()]
        if _ELSEWHERE.search(before) and not before.endswith(("enlarged ", "normal ")):
            continue
        heart = match["heart"] is not None
        observation = "Cardiomegaly" if heart else "Enlarged Cardiomediastinum"
        state = _said_before(before) or _said_behind(sentence, match.end(), match[0])
        if state is not None:
            label, word = state
            found.append(State(observation, match.start(), match.end(), label, word))
    return found


def _said_before(before: str) -> tuple[int, str] | None:
    said = _BEFORE.search(before)
    if said is None:
        return None
    denied = re.search(r"\b(?:no|not|without|nor|non)\b[^,]*$", before[: said.end()])
    state = _STATE.search(before, denied.start() if denied else said.start())
    return None if state is None else _label(state)


def _said_behind(sentence: str, end: int, name: str) -> tuple[int, str] | None:
    if name.endswith(("enlargement", "widening")):
        before = sentence[max(0, end - len(name) - 40) : end - len(name)]
        denied = re.search(r"\b(?:no|without|not|nor)\b[^,;]*$", before)
        denied = denied or _NOT_SEEN.match(sentence, end)
        return (ABSENT, denied[0]) if denied else (PRESENT, name)
    window = sentence[end : end + _WINDOW]
    stop = re.search(r" but |;| which |, (?:there|no|with) ", window)
    if verb := _VERB.search(window):
        other = _OTHER.search(window, verb.end())
    else:
        other = _OTHER.search(window)
        if other and re.match(r"(?: (?:size|and|the|in|is))* ?$|^,? and", window[: other.start()]):
            other = None
    limits = [m.start() for m in (stop, other) if m is not None]
    state = _STATE.search(window, 0, min(limits)) if limits else _STATE.search(window)
    return None if state is None else _label(state)


def _label(state: "re.Match[str]") -> tuple[int, str]:
    if state["obscured"] or state["doubt"]:
        return UNCERTAIN, state[0]
    return (ABSENT if state["normal"] else PRESENT), state[0]
