"""Where a sentence speaks of an observation: plain substring search, all hits kept."""

from typing import NamedTuple

from codixr_bench.labeler.vocabulary import NOT_WHEN, VOCABULARY, Phrase


class Mention(NamedTuple):
    """One hit of one phrase; characters ``start`` to ``end`` of the sentence."""

    start: int
    end: int
    observation: str
    phrase: Phrase


_PHRASES = [
    (phrase.text, len(phrase.text), observation, phrase)
    for observation, phrases in VOCABULARY.items()
    for phrase in phrases
]


def find_mentions(sentence: str) -> list[Mention]:
    """All mentions of a cleaned sentence, by observation and phrase."""
    found = []
    for text, length, observation, phrase in _PHRASES:
        if text not in sentence:
            continue
        undoing = [other for other in NOT_WHEN.get(observation, ()) if other in sentence]
        at = sentence.find(text)
        while at >= 0:
            end = at + length
            if not any(_overlaps(other, sentence, at, end) for other in undoing):
                found.append(Mention(at, end, observation, phrase))
            at = sentence.find(text, end)
    return found


def _overlaps(other: str, sentence: str, start: int, end: int) -> bool:
    """Whether ``other`` stands somewhere over the characters ``start`` to ``end``."""
    return other in sentence[max(start - len(other) + 1, 0) : end + len(other) - 1]
