"""Faults of reports that the court shows, by rules on words: for any English chest reports.

Which sentences state a finding, and which deny one, the track's default labeler says.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from codixr.data.exchanges import SEVERITIES, SIDES, ZONES, exchanged
from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr_bench.comparing.fault import (
    OF_STUDIES,
    SHARES,
    Fault,
    Outputs,
    another_patients,
    on_all,
    on_some,
    one_for_many,
)
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import Labeler, load_labeler
from codixr_bench.labeler.labels import ABSENT, PRESENT, UNCERTAIN, Labels

Draw = np.random.Generator
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_TEN = [OBSERVATIONS.index(name) for name in PATHOLOGIES]
MADE_UP = {
    "Pneumothorax": "moderate right pneumothorax.",
    "Pleural Effusion": "moderate left pleural effusion.",
    "Cardiomegaly": "moderate cardiomegaly.",
    "Consolidation": "moderate left lower lobe consolidation.",
    "Edema": "moderate pulmonary edema.",
    "Lung Lesion": "large nodule in the right upper zone.",
}
REWORDINGS = (
    (r"\bthere is an? ", "a "),
    (r"\bthe heart size is normal", "normal heart size"),
    (r"\bthe mediastinal contours are normal", "normal mediastinal contours"),
    (r"\bthe lungs are clear", "clear lungs"),
    (r"\bno ([\w ]+?) or ([\w ]+?)(?=[.,])", r"no \2 or \1"),
    (r"\bcardiomegaly is (\w+)", r"\1 cardiomegaly"),
    (r"\bunchanged\b", "stable"),
    (r"\bcannot be excluded", "not excluded"),
    (r"\bunremarkable\b", "normal"),
)
"""Other words for the same."""


def sides(report: str, grade: float, rng: Draw) -> str:
    """Right for left, and left for right."""
    return exchanged(report, SIDES)


def severities(report: str, grade: float, rng: Draw) -> str:
    """Mild for severe, large for small."""
    return exchanged(report, SEVERITIES)


def zones(report: str, grade: float, rng: Draw) -> str:
    """Upper for lower."""
    return exchanged(report, ZONES)


def denied(report: str, grade: float, rng: Draw) -> str:
    """One finding is denied."""
    return _with_one(report, PRESENT, _negated, rng)


def affirmed(report: str, grade: float, rng: Draw) -> str:
    """One sentence "no …" loses its "no"."""
    return _with_one(report, ABSENT, lambda s: re.sub(r"^no (focal )?", "", s, flags=re.I), rng)


def left_out(report: str, grade: float, rng: Draw) -> str:
    """A sentence that states a finding is left out."""
    return _with_one(report, PRESENT, lambda sentence: "", rng)


def made_up(report: str, grade: float, rng: Draw) -> str:
    """A finding more, stated at the end."""
    labels = _labels(report)
    free = [
        text
        for name, text in MADE_UP.items()
        if labels[OBSERVATIONS.index(name)] not in (PRESENT, UNCERTAIN)
    ]
    return f"{report} {free[int(rng.integers(len(free)))]}" if free else report


def reworded(report: str, grade: float, rng: Draw) -> str:
    """Other words for the same."""
    for pattern, other in REWORDINGS:
        report = re.sub(pattern, other, report, flags=re.I)
    return report


def reversed_order(report: str, grade: float, rng: Draw) -> str:
    """The last sentence first."""
    return " ".join(reversed(_sentences(report)))


def upper_case(report: str, grade: float, rng: Draw) -> str:
    """In capitals."""
    return report.upper()


def masked(report: str, grade: float, rng: Draw) -> str:
    """That share of the words is masked, as in de-identified reports: ``___``."""
    return re.sub(r"\w+", lambda m: "___" if rng.random() < grade else m[0], report)


def cut_short(report: str, grade: float, rng: Draw) -> str:
    """That share of the words is missing at the end."""
    words = report.split()
    return " ".join(words[: max(1, round((1.0 - grade) * len(words)))])


def repeated(report: str, grade: float, rng: Draw) -> str:
    """The last word again and again."""
    words = report.split()
    return " ".join([*words, *words[-1:] * int(grade)])


def _with_one(report: str, says: int, change: Callable[[str], str], rng: Draw) -> str:
    """The report with one of its sentences changed: one that states a finding, or denies one."""
    sentences = _sentences(report)
    places = [i for i, one in enumerate(sentences) if _says(one) == says and change(one) != one]
    if not places:
        return report
    place = places[int(rng.integers(len(places)))]
    sentences[place] = change(sentences[place])
    return " ".join(filter(None, sentences))


def _negated(sentence: str) -> str:
    for pattern, other in (
        (r"\bthere (is|are) (an? )?", r"there \1 no "),
        (r"\b(is|are) ", r"\1 not "),
    ):
        if re.search(pattern, sentence, flags=re.I):
            return re.sub(pattern, other, sentence, count=1, flags=re.I)
    return f"no {sentence}"


def _says(sentence: str) -> int | None:
    """PRESENT for a finding stated or suspected, ABSENT where all are denied, else None."""
    labels = [_labels(sentence)[i] for i in _TEN]
    if any(label in (PRESENT, UNCERTAIN) for label in labels):
        return PRESENT
    return ABSENT if ABSENT in labels else None


def _sentences(report: str) -> list[str]:
    return _SENTENCES.split(report.strip())


@lru_cache(maxsize=65536)
def _labels(text: str) -> Labels:
    return _labeler().label([text])[0]


@lru_cache(maxsize=1)
def _labeler() -> Labeler:
    return load_labeler(DEFAULT)


def _fault(
    name: str,
    make: Callable[[Outputs, float], list[Any]],
    grades: tuple[float, ...] = SHARES,
    unit: str = OF_STUDIES,
    *,
    harmless: bool = False,
) -> Fault:
    return Fault(name, True, grades, unit, make, harmless)


REPORT_FAULTS = (
    _fault("finding denied", on_some(denied)),
    _fault("denial affirmed", on_some(affirmed)),
    _fault("side exchanged", on_some(sides)),
    _fault("severity exchanged", on_some(severities)),
    _fault("zone exchanged", on_some(zones)),
    _fault("finding left out", on_some(left_out)),
    _fault("finding made up", on_some(made_up)),
    _fault("words masked", on_all(masked), (0.1, 0.25, 0.5), "share of words"),
    _fault("cut short", on_all(cut_short), (0.25, 0.5, 0.75), "share of words"),
    _fault("last word repeated", on_all(repeated), (4, 16, 128), "times"),
    _fault("another patient's report", another_patients),
    _fault("one report for many", one_for_many),
    _fault("reworded", on_some(reworded), harmless=True),
    _fault("sentences in another order", on_some(reversed_order), harmless=True),
    _fault("upper case", on_some(upper_case), harmless=True),
)
