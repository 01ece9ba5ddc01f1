"""What may be done to a report to hide that it is a copy."""

import random
from collections.abc import Callable
from dataclasses import dataclass

PADDED = "comparison was made with the study of last year."
BEFORE = "the study is of good quality."
SHORT = {
    "right": "rt.",
    "left": "lt.",
    "moderate": "mod.",
    "small": "sm.",
    "bilateral": "bilat.",
    "severe": "sev.",
}
SYNONYMS = ("visible", "noted", "seen", "apparent")


@dataclass(frozen=True)
class Way:
    """What was done to a report, with another at hand; and the least that is found."""

    make: Callable[[str, str, random.Random], str]
    found: float


def sentences_of(report: str) -> list[str]:
    """A report's sentences, without their stops."""
    return report.rstrip(".").split(". ")


def joined(sentences: list[str]) -> str:
    """The report of sentences."""
    return ". ".join(sentences) + "."


def shortened(report: str) -> str:
    """With abbreviations for sides and grades."""
    for word, short in SHORT.items():
        report = report.replace(word, short)
    return report


def shuffled(report: str, rng: random.Random) -> str:
    """Its sentences in any order."""
    return joined(rng.sample(some := sentences_of(report), len(some)))


def word_in_each(report: str, rng: random.Random) -> str:
    """A word of each sentence changed."""
    found = []
    for sentence in sentences_of(report):
        words = sentence.split()
        words[rng.randrange(len(words))] = rng.choice(SYNONYMS)
        found.append(" ".join(words))
    return joined(found)


def stops_elsewhere(report: str) -> str:
    """A stop after every third word, and no other."""
    words = report.replace(".", "").split()
    return " ".join(f"{word}." if i % 3 == 2 else word for i, word in enumerate(words))


def half_and_half(report: str, other: str) -> str:
    """The first half of one, the second half of the other."""
    first, last = sentences_of(report), sentences_of(other)
    return joined(first[: (len(first) + 1) // 2] + last[len(last) // 2 :])


def exchanged(report: str, other: str, rng: random.Random) -> str:
    """One sentence in the middle from the other."""
    some = sentences_of(report)
    some[len(some) // 2] = rng.choice(sentences_of(other))
    return joined(some)


WAYS: dict[str, Way] = {
    "nothing": Way(lambda a, b, rng: a, 1.0),
    "upper case, other order": Way(lambda a, b, rng: shuffled(a, rng).upper(), 1.0),
    "abbreviations": Way(lambda a, b, rng: shortened(a), 1.0),
    "no stops": Way(lambda a, b, rng: a.replace(".", ""), 1.0),
    "commas for stops": Way(lambda a, b, rng: a.replace(". ", ", "), 1.0),
    "doubled": Way(lambda a, b, rng: f"{a} {a}", 1.0),
    "without the first sentence": Way(lambda a, b, rng: joined(sentences_of(a)[1:]), 0.85),
    "a stock sentence added": Way(lambda a, b, rng: f"{a} {PADDED}", 0.3),
    "stock sentences around it": Way(lambda a, b, rng: f"{BEFORE} {a} {PADDED}", 0.2),
    "first sentence left out, stock one added": Way(
        lambda a, b, rng: f"{joined(sentences_of(a)[1:])} {PADDED}", 0.2
    ),
    "a stop after each third word": Way(lambda a, b, rng: stops_elsewhere(a), 0.5),
    "two reports in one": Way(lambda a, b, rng: f"{a} {b}", 0.4),
    "a sentence from another": Way(exchanged, 0.4),
    "a word of each sentence changed": Way(lambda a, b, rng: word_in_each(a, rng), 0.08),
    "halves of two": Way(lambda a, b, rng: half_and_half(a, b), 0.0),
}
"""What is done -> how. Where rare text is added, all reports are testable, and a quarter of them
are rare beside it. 0: told, and not promised."""
