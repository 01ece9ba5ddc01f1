"""A sentence as words with links: who governs whom, and how.

The relations are those of Universal Dependencies 1, in which the original labeler's rules think:
``nsubj`` a subject, ``amod`` an adjective before its noun, ``neg`` its "no" or "not", ``nmod:of``
a noun behind "of", ``conj:or`` a later member of a list that "or" closes.
"""

import re
from bisect import bisect_left, bisect_right

from codixr_bench.labeler.words import read_word

_CONTRACTED = r"can(?='t\b)|[a-z]+(?=n't\b)|n?'t\b"
"""Two words each: "is n't", "can 't"."""
_WORD = re.compile(_CONTRACTED + r"|[a-z0-9](?:[a-z0-9'/-]*[a-z0-9])?|\S")

Link = tuple[int, str]
"""The number of a word, and the relation."""


class Graph:
    """Words of a cleaned sentence, numbered from 0, and the links between them."""

    __slots__ = ("dependants", "ends", "governors", "kinds", "lemmas", "starts", "words")

    def __init__(self, sentence: str) -> None:
        found = list(_WORD.finditer(sentence))
        self.words = [word[0] for word in found]
        self.starts = [word.start() for word in found]
        self.ends = [word.end() for word in found]
        read = [read_word(word) for word in self.words]
        self.kinds = [kind for kind, _ in read]
        self.lemmas = [lemma for _, lemma in read]
        self.governors: list[list[Link]] = [[] for _ in found]
        self.dependants: list[list[Link]] = [[] for _ in found]

    def link(self, governor: int, dependant: int, relation: str) -> None:
        """Set a link, unless the two words are linked already."""
        if governor < 0 or governor == dependant:
            return
        above = self.governors[dependant]
        for known, _ in above:
            if known == governor:
                return
        above.append((governor, relation))
        self.dependants[governor].append((dependant, relation))

    def under(self, word: int, relation: str) -> bool:
        """Whether ``word`` has a dependant by this relation."""
        return relation in [found for _, found in self.dependants[word]]

    def has(self, word: int, lemmas: frozenset[str], relation: str = "") -> bool:
        """Whether one of ``lemmas`` depends on ``word``, by ``relation`` if one is given."""
        names = self.lemmas
        for dependant, found in self.dependants[word]:
            if names[dependant] in lemmas and (not relation or found == relation):
                return True
        return False

    def at(self, start: int, end: int) -> list[int]:
        """The words that overlap the characters ``start`` to ``end``."""
        return list(range(bisect_right(self.ends, start), bisect_left(self.starts, end)))
