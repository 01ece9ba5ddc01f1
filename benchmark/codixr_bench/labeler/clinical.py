"""The labeler ``chexpert-clinical``: CheXpert's words, read as a radiologist would.

It has the vocabulary of ``chexpert-rules`` and other logic where the original is known to be
wrong: "no effusion but mild edema" is an edema, "not seen" and "resolved" are absent, "evaluate
for" is not a finding, and a heart that is only named is not enlarged
(``clinical_structures.py``). Abbreviations are read (``clinical_text.py``); cues have a scope in
words (``clinical_cues.py``). Published numbers were not made with it: it never is the default.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from codixr_bench.labeler import CLINICAL
from codixr_bench.labeler.clinical_cues import VERBS, Cues, Kind, find_cues
from codixr_bench.labeler.clinical_structures import states
from codixr_bench.labeler.clinical_text import sentences
from codixr_bench.labeler.labels import (
    ABSENT,
    PRESENT,
    UNCERTAIN,
    Evidence,
    Labels,
    aggregate,
    evidence,
)
from codixr_bench.labeler.mentions import Mention, find_mentions
from codixr_bench.labeler.vocabulary import VERSION, Phrase

_BY_STATE = frozenset(("Cardiomegaly", "Enlarged Cardiomediastinum"))
_FINDINGS_OF_SIZE = frozenset(("cardiomegaly", "enlarged heart"))
_CONGESTION = frozenset(
    ("vascular congestion", "pulmonary congestion", "vascular prominence", "indistinctness")
)
"""It may become an edema, or stand beside one."""
_NOT_A_FINDING = {
    "Support Devices": (
        r"tubercul\w*|plate-?like|end-?plates?|(?:kerley b|septal|fissural?|pleural|skin|reticular)"
        r" lines?|recoil\w*|eggshell|hilar plate"
        r"|suppor(?:t|ts|ted|ting|tive)\b(?! (?:device|apparatus|equipment|line|tube))"
    ),
    "Lung Lesion": r"lumpectomy|breast (?:carcinoma|mass)|body mass|mass effect|muscle mass",
    "Atelectasis": r"(?:vertebral|compression|body|bodies)\s(?:\w+\s)?collapse",
    "Edema": r"(?:soft tissue|chest wall|subcutaneous|bone marrow|cerebral) edema",
    "Pleural Other": r"(?:pulmonary|interstitial|lung|cystic) fibrosis",
    "Pneumonia": r"granulomatous (?:infection|disease)|infectious or inflammatory arth\w*",
}
"""Observation -> words in which one of its phrases means something else."""
_ELSEWHERE = {name: re.compile(pattern) for name, pattern in _NOT_A_FINDING.items()}
_EITHER = re.compile(r"\b(?:or|versus)\b")
_REMOVAL = re.compile(r"\w*\s?removal\b")
"""Behind a device: "after chest tube removal"."""
_OPACITIES = frozenset(("Lung Opacity", "Consolidation", "Lung Lesion"))
_MAY_BE_EITHER = re.compile(r",? which (?:may|might|could) \w+ .{0,120}\bversus\b")
_BEGINNING = 400
"""Characters in which a sentence without a verb names what such a clause explains."""


class Read(NamedTuple):
    """A mention with its label; None: not a finding of this film."""

    mention: Mention
    label: int | None
    why: str


class ClinicalReading:
    """Labels by the clinical reading."""

    name = CLINICAL
    version = VERSION
    tells_absent = True

    def label(self, reports: Sequence[str]) -> list[Labels]:
        """The labels of each report."""
        return [label_report(report) for report in reports]


def label_report(report: str) -> Labels:
    """A report's labels."""
    return aggregate([_cached(sentence) for sentence in sentences(report)], quirk=False)


def _evidence(sentence: str) -> Evidence:
    return evidence(
        [
            (read.mention.observation, read.mention.phrase.text, read.label)
            for read in read_sentence(sentence)
            if read.label is not None
        ],
        failure=False,
    )


_cached = lru_cache(maxsize=32_768)(_evidence)


def read_sentence(sentence: str) -> list[Read]:
    """The mentions of a sentence (``clinical_text.sentences``), each with its label and why."""
    mentions = [m for m in find_mentions(sentence) if _is_finding(m, sentence)]
    sizes = [
        Read(
            Mention(s.start, s.end, s.observation, Phrase(sentence[s.start : s.end], "")),
            s.label,
            s.word,
        )
        for s in states(sentence)
    ]
    if not mentions:
        return sizes
    cues = find_cues(sentence)
    places = sorted({(m.start, m.end) for m in mentions})
    explained = _explained(sentence)
    return sizes + [_read(m, sentence, cues, places, explained) for m in mentions]


def _explained(sentence: str) -> int:
    """How far "opacity, which may represent a versus b" names what a and b explain; 0 for none."""
    found = _MAY_BE_EITHER.search(sentence, 0, _BEGINNING)
    if found is None or VERBS & set(sentence[: found.start()].split()):
        return 0
    return found.start()


def _is_finding(mention: Mention, sentence: str) -> bool:
    observation = mention.observation
    if observation in _BY_STATE and mention.phrase.text not in _FINDINGS_OF_SIZE:
        return False
    if (pattern := _ELSEWHERE.get(observation)) is None:
        return True
    start, end = max(0, mention.start - 40), mention.end + 40
    return not any(
        match.start() < mention.end and mention.start < match.end()
        for match in pattern.finditer(sentence, start, end)
    )


def _read(
    mention: Mention,
    sentence: str,
    cues: Cues,
    places: list[tuple[int, int]],
    explained: int,
) -> Read:
    if mention.observation == "Support Devices" and (
        removal := _REMOVAL.match(sentence, mention.end)
    ):
        return Read(mention, ABSENT, removal[0])
    after = cues.after(mention.end)
    before = cues.before(mention.start)
    kinds = {cue.kind: cue for cue in reversed(before)}
    if after is not None and after.kind == Kind.DOUBTED and Kind.DENIES not in kinds:
        return Read(mention, UNCERTAIN, after.text)
    if after is not None and after.kind == Kind.DENIED:
        return Read(mention, ABSENT, after.text)
    if cue := kinds.get(Kind.DENIES):
        return Read(mention, ABSENT, cue.text)
    if cue := kinds.get(Kind.ASKS):
        return Read(mention, None, cue.text)
    if cue := kinds.get(Kind.DOUBTS):
        return Read(mention, UNCERTAIN, cue.text)
    if mention.end <= explained:
        return Read(mention, UNCERTAIN, "versus")
    if word := _is_one_of_two(mention, sentence, places):
        return Read(mention, UNCERTAIN, word)
    if mention.phrase.text in _CONGESTION:
        return Read(mention, UNCERTAIN, mention.phrase.text)
    return Read(mention, PRESENT, "")


def _is_one_of_two(mention: Mention, sentence: str, places: list[tuple[int, int]]) -> str:
    """The "or" or "versus" between this finding and the next or the last one, or ''."""
    at = bisect_left(places, (mention.start, mention.end))
    ends = [end for _, end in places[max(at - 4, 0) : at] if end <= mention.start]
    if ends and (word := _joined(sentence[ends[-1] : mention.start], comma=True)):
        return word
    following = next((start for start, _ in places[at : at + 5] if start >= mention.end), -1)
    behind = sentence[mention.end : following if following >= 0 else mention.end + 12]
    if following < 0 and not re.match(r"\w*(?: \w+)? (?:or|versus) ", behind):
        return ""
    return _joined(behind, comma=mention.observation not in _OPACITIES)


def _joined(between: str, *, comma: bool) -> str:
    if len(between) > _BEGINNING:
        return ""
    either = _EITHER.search(between)
    if either is None or VERBS & set(between.split()):
        return ""
    if "," in between and not comma:
        return ""
    return either[0]
