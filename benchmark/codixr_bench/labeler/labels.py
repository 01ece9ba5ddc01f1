"""From a report's mentions to its fourteen labels."""

from collections.abc import Mapping
from typing import NamedTuple

from codixr.data.labels import OBSERVATIONS

PRESENT, ABSENT, UNCERTAIN = 1, 0, -1

Labels = tuple[int | None, ...]
"""One label an observation, in the order of ``OBSERVATIONS``: 1, 0, -1, or None: not mentioned."""

_BITS = {ABSENT: 1, UNCERTAIN: 2, PRESENT: 4}
ALL_BITS = 7
"""Mentions with each of the three labels: more of them change nothing."""
_OF_BITS: Mapping[int, int | None] = {
    0: None,
    1: ABSENT,
    2: UNCERTAIN,
    4: PRESENT,
    1 | 2: UNCERTAIN,
    1 | 4: PRESENT,
    2 | 4: PRESENT,
    # As in the original: absent beside uncertain makes uncertain, whatever else there is.
    1 | 2 | 4: UNCERTAIN,
}
_NO_FINDING = OBSERVATIONS.index("No Finding")
_CARDIOMEGALY = OBSERVATIONS.index("Cardiomegaly")
_SUPPORT_DEVICES = OBSERVATIONS.index("Support Devices")
_FAILURE = frozenset(("chf", "heart failure"))
"""Edema phrases that also make the heart's size uncertain, unless they are denied."""


class Evidence(NamedTuple):
    """What a sentence says, ready to be added up."""

    bits: tuple[tuple[int, int], ...] = ()
    """(observation's index, which labels its mentions have), without No Finding."""
    finding: bool = False
    """Whether it forbids the label No Finding."""


def evidence(mentions: list[tuple[str, str, int]], *, failure: bool = True) -> Evidence:
    """Sum up (observation, phrase, label) of a sentence's mentions.

    ``failure``: heart failure makes the heart's size uncertain, as in the original.
    """
    bits: dict[int, int] = {}
    finding = False
    for observation, phrase, label in mentions:
        index = OBSERVATIONS.index(observation)
        if label != ABSENT:
            finding = finding or index != _SUPPORT_DEVICES
            if failure and phrase in _FAILURE:
                bits[_CARDIOMEGALY] = bits.get(_CARDIOMEGALY, 0) | _BITS[UNCERTAIN]
        if index != _NO_FINDING:
            bits[index] = bits.get(index, 0) | _BITS[label]
    return Evidence(tuple(bits.items()), finding)


def aggregate(sentences: list[Evidence], *, quirk: bool = True) -> Labels:
    """The report's labels.

    ``quirk``: absent beside uncertain makes uncertain even where it is present too.
    """
    total = [0] * len(OBSERVATIONS)
    finding = False
    for sentence in sentences:
        finding = finding or sentence.finding
        for index, bits in sentence.bits:
            total[index] |= bits
    labels = [_OF_BITS[bits] if quirk or bits != ALL_BITS else PRESENT for bits in total]
    labels[_NO_FINDING] = None if finding else PRESENT
    return tuple(labels)
