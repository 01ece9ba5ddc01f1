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


_UNDOING = {
    observation: (tuple({" ".join(other.split()[:2]) for other in others}), others)
    for observation, others in NOT_WHEN.items()
}
"""Observation -> how the phrases of ``NOT_WHEN`` begin, and the phrases."""


def find_mentions(sentence: str, *, once: bool = False) -> list[Mention]:
    """All mentions of a cleaned sentence, by observation and phrase; ``once``: one a phrase."""
    found = []
    for text, length, observation, phrase in [known for known in _PHRASES if known[0] in sentence]:
        undoing = _undoing(sentence, observation)
        at = sentence.find(text)
        while at >= 0:
            end = at + length
            if not undoing or not any(_overlaps(other, sentence, at, end) for other in undoing):
                found.append(Mention(at, end, observation, phrase))
                if once:
                    break
            at = sentence.find(text, end)
    return found


def _undoing(sentence: str, observation: str) -> list[str]:
    """The phrases in the sentence that can undo a mention of the observation."""
    if observation not in _UNDOING:
        return []
    beginnings, others = _UNDOING[observation]
    for beginning in beginnings:
        if beginning in sentence:
            return [other for other in others if other in sentence]
    return []


def _overlaps(other: str, sentence: str, start: int, end: int) -> bool:
    """Whether ``other`` stands somewhere over the characters ``start`` to ``end``."""
    return other in sentence[max(start - len(other) + 1, 0) : end + len(other) - 1]
