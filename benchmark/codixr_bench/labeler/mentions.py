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
        at = sentence.find(text)
        while at >= 0:
            found.append(Mention(at, at + length, observation, phrase))
            at = sentence.find(text, at + length)
    return [m for m in found if not _is_undone(m, sentence)] if found else found


def _is_undone(mention: Mention, sentence: str) -> bool:
    """Whether a phrase of ``NOT_WHEN`` overlaps the mention."""
    for text in NOT_WHEN.get(mention.observation, ()):
        # Any place of the phrase that overlaps lies in this window.
        low, high = mention.start - len(text) + 1, mention.end + len(text) - 1
        if text in sentence[max(low, 0) : high]:
            return True
    return False
