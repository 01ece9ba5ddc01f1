"""A report's words as the training reports write them, whatever hides that they are the same.

Upper case, stops, other spellings, abbreviations ("rt", "mod.", "b/l"), number words and small
slips hide nothing: a word that no training report has is read as the training word that it is
short for, or all but equal to. What is left is a word of nobody's.
"""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

from codixr_bench.labeler.sentences import clean, split

_WORD = re.compile(r"[a-z0-9]+")
_SLASHED = (
    (re.compile(r"\bw/o\b"), "without"),
    (re.compile(r"\bw/(?=\s|$)"), "with"),
    (re.compile(r"\bb/l\b"), "bilateral"),
    (re.compile(r"\bc/w\b"), "consistent with"),
    (re.compile(r"\br/o\b"), "rule out"),
    (re.compile(r"\bs/p\b"), "status post"),
)
"""Before a slash between letters becomes "or"."""
SHORT = {
    "rul": "right upper lobe",
    "rml": "right middle lobe",
    "rll": "right lower lobe",
    "lul": "left upper lobe",
    "lll": "left lower lobe",
    "bilat": "bilateral",
    "rt": "right",
    "r": "right",
    "lt": "left",
    "l": "left",
    "ptx": "pneumothorax",
    "pna": "pneumonia",
    "cmg": "cardiomegaly",
    "ett": "endotracheal tube",
    "ngt": "nasogastric tube",
    "cvc": "central line",
    "neg": "no",
    "nl": "normal",
    "wnl": "within normal limits",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
"""What the letters alone don't tell, and number words; only for words of no training report."""
_SHORTEST = 2
_LONGEST_ABBREVIATION = 6
_ALMOST = 0.8
"""Of ``difflib``: two letters of ten may be other ones."""


class WordReader:
    """Reads words as training reports write them.

    Args:
        often: the training reports' words, and how often each is there.
    """

    def __init__(self, often: Counter[str]) -> None:
        self._often = often
        self._by_letter: dict[str, list[str]] = {}
        # The commonest first: of two words that an abbreviation may be, it is that.
        for word, _ in sorted(often.items(), key=lambda one: (-one[1], one[0])):
            self._by_letter.setdefault(word[0], []).append(word)
        self._read: dict[str, tuple[str, ...]] = {}

    def knows(self, word: str) -> bool:
        """Whether a training report has the word."""
        return word in self._often

    def read(self, word: str) -> tuple[str, ...]:
        """The training words that it stands for; itself where it stands for none."""
        if word in self._often:
            return (word,)
        if word not in self._read:
            self._read[word] = self._find(word)
        return self._read[word]

    def pieces(self, text: str) -> list[tuple[str, ...]]:
        """The words of each sentence; a stop behind an abbreviation ends none."""
        found: list[tuple[str, ...]] = []
        goes_on = False
        for words in pieces_of(text):
            read = tuple(one for word in words for one in self.read(word))
            if goes_on:
                found[-1] += read
            else:
                found.append(read)
            goes_on = (
                self.read(words[-1]) != (words[-1],) and len(words[-1]) <= _LONGEST_ABBREVIATION
            )
        return found

    def _find(self, word: str) -> tuple[str, ...]:
        if word in SHORT:
            return tuple(SHORT[word].split())
        some = self._by_letter.get(word[0], ())
        if len(word) >= _SHORTEST:
            for one in some:
                short = len(word) <= _LONGEST_ABBREVIATION and _stands_in(word, one)
                if short or one.startswith(word):
                    return (one,)
        return tuple(get_close_matches(word, some, 1, _ALMOST)) or (word,)


def pieces_of(text: str) -> list[tuple[str, ...]]:
    """The words of each sentence, of letters and digits alone, as they are."""
    text = text.lower()
    for short, long in _SLASHED:
        text = short.sub(long, text)
    found = (tuple(_WORD.findall(sentence)) for sentence in split(clean(text)))
    return [words for words in found if words]


def counted(reports: Iterable[Iterable[tuple[str, ...]]]) -> Counter[str]:
    """How often each word is in the sentences of some reports."""
    return Counter(word for report in reports for words in report for word in words)


def _stands_in(short: str, word: str) -> bool:
    """Whether all letters of ``short`` stand in the word, in their order."""
    letters = iter(word)
    return len(short) < len(word) and all(letter in letters for letter in short)
