"""What is known of a sentence while its phrases are read from left to right.

The open clause, the lists that may go on, and the words that wait for the phrase they belong to.
"""

from codixr_bench.labeler import words as k
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.lists import Place
from codixr_bench.labeler.phrases import Phrase


class Clause:
    """Subject, be-verb without a predicate, predicate, object: words' numbers, -1 is none yet."""

    __slots__ = ("copula", "exists", "object", "predicate", "subject")

    def __init__(self) -> None:
        self.subject = self.copula = self.predicate = self.object = -1
        self.exists = False
        """Whether "there" opened it."""

    @property
    def root(self) -> int:
        """The word that stands for the clause."""
        if self.predicate >= 0:
            return self.predicate
        return self.copula if self.copula >= 0 else self.subject


class OpenSentence:
    """A sentence, as far as it is read."""

    def __init__(self, g: Graph, phrases: list[Phrase]) -> None:
        self.g = g
        self.phrases = phrases
        self.clause = Clause()
        self.places: list[Place] = []
        """Lists that may go on, innermost last."""
        self.preposition = -1
        self.separator = ""
        """A comma or a coordinator since the last phrase."""
        self.separator_at = 0
        self.adverbs: list[tuple[int, str]] = []
        """Adverbs that wait for the phrase they belong to."""
        self.last = -1
        """The head of the last phrase."""
        self.relative = False
        """A "which" or "who" since the last phrase."""
        self.explained = -1
        """The noun of a sentence without a verb that a relative clause with a "may" explains."""
        self.excepted = -1
        """The noun of "aside from ..." before the first clause: it hangs on its predicate."""
        self.preferred = -1
        """What stands before "rather than"."""

    def is_fragment(self) -> bool:
        """Whether the sentence is a noun so far, without a verb."""
        clause = self.clause
        return clause.predicate < 0 and clause.copula < 0 and not clause.exists

    def fragment_head(self) -> int:
        """The noun that such a sentence is about; behind its number in a list, if it has one."""
        g, subject = self.g, self.clause.subject
        if subject >= 0 and g.kinds[subject] == k.NUMBER:
            for word, relation in g.dependants[subject]:
                if relation == "dep":
                    return word
        return subject

    def next_word(self, word: int) -> str:
        """The word behind the one with this number, or ''."""
        return self.g.words[word + 1] if word + 1 < len(self.g.words) else ""

    def close_clause(self) -> None:
        """A be-verb without a predicate is its own."""
        if self.clause.copula >= 0 and self.clause.predicate < 0:
            self.set_predicate(self.clause.copula)

    def open_clause(self) -> None:
        """Begin a clause of its own."""
        self.close_clause()
        self.clause = Clause()

    def set_predicate(self, head: int) -> None:
        """Make a word the predicate, and link the subject to it."""
        clause = self.clause
        clause.predicate = head
        if self.excepted >= 0:
            self.g.link(head, self.excepted, "nmod:except")
            self.excepted = -1
        if clause.subject >= 0:
            passive = self.g.under(head, "auxpass")
            self.g.link(head, clause.subject, "nsubjpass" if passive else "nsubj")

    def set_copular(self, head: int) -> None:
        """A noun or an adjective is the predicate of the be-verb before it."""
        g, copula = self.g, self.clause.copula
        g.link(head, copula, "auxpass" if g.kinds[head] == k.PARTICIPLE else "cop")
        for dependant, relation in g.dependants[copula]:
            g.link(head, dependant, relation)
        for governor, relation in list(g.governors[copula]):
            if governor != head:
                g.link(governor, head, relation)
        self.clause.copula = -1
        self.set_predicate(head)

    def set_passive(self, head: int) -> None:
        """A participle takes the place of the verb before it: "remains" in "remains obscured"."""
        g, verb, subject = self.g, self.clause.predicate, self.clause.subject
        g.link(head, verb, "auxpass")
        for dependant, relation in g.dependants[verb]:
            if dependant != subject:
                g.link(head, dependant, relation)
        self.set_predicate(head)

    def attach_adverbs(self, head: int) -> None:
        """Link the waiting adverbs to ``head``."""
        for word, relation in self.adverbs:
            self.g.link(head, word, relation)
        self.adverbs.clear()

    def punctuation(self, i: int, mark: str) -> None:
        """A comma may separate; a colon or semicolon ends the clause."""
        if mark in ":;":
            self.open_clause()
            self.places = []
            self.separator = ""
            self.preposition = -1
        elif mark in ",(-":
            self.separator = self.separator or ","
            self.separator_at = i
