"""How the phrases of a sentence hang together: clauses, what modifies what, and lists.

One pass from left to right over the phrases, with a short look ahead. What decides is always the
same: a noun behind a preposition belongs to the noun before it, a noun behind "and", "or" or a
comma joins a list or opens a clause of its own if a verb follows, a verb takes the noun before it
as its subject and the one behind it as its object.

What a list's members share is in ``lists.py``.
"""

from codixr_bench.labeler import phrases as p
from codixr_bench.labeler import words as k
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.lists import (
    STATES,
    Place,
    closing_coordinator,
    has_serial_comma,
    has_verb,
    place_for,
    share_places,
    spread,
)
from codixr_bench.labeler.phrases import PLACES, Phrase, find_phrases
from codixr_bench.labeler.words import word_set

MAX_WORDS = 399
"""A longer sentence gets no links, and its mentions no cue: the original's parser stops there."""
_PLACING = word_set(
    "nmod:in nmod:on nmod:at nmod:within nmod:near nmod:along nmod:over nmod:overlying "
    "nmod:throughout"
)
_HEDGES = frozenset(("possibly", "probably", "presumably", "likely"))


class Clause:
    """Subject, be-verb that waits for its predicate, predicate, object; -1 is none yet."""

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


def link_words(g: Graph) -> None:
    """Set all the links of a sentence."""
    if len(g.words) <= MAX_WORDS:
        Clauses(g, find_phrases(g)).link()
        share_places(g)
        spread(g)


class Clauses:
    """Links the phrases of one sentence."""

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

    def link(self) -> None:
        """Go through the phrases."""
        for i, phrase in enumerate(self.phrases):
            kind = phrase.kind
            if kind == p.NOUN:
                self.noun(i, phrase)
            elif kind == k.PUNCTUATION:
                self.punctuation(i, phrase.lemma)
            elif kind == k.PREPOSITION:
                self.preposition = phrase.head
                if self.last >= 0:
                    self.attach_adverbs(self.last)
            elif kind == p.VERB:
                self.verb(phrase)
            elif kind == p.ADJECTIVE:
                self.adjective(phrase)
            elif kind == k.COORDINATOR:
                self.separator, self.separator_at = phrase.lemma, i
            elif kind in (k.ADVERB, k.NOT):
                negates = kind == k.NOT or phrase.no
                self.adverbs.append((phrase.head, "neg" if negates else "advmod"))
            elif kind in (p.GERUND, p.INFINITIVE):
                self.subordinate(phrase)
            elif kind == k.RELATIVE:
                self.relative = True
            elif kind == k.THERE:
                if self.clause.root >= 0:
                    self.open_clause()
                self.clause.exists = True
                self.separator = ""
                self.places = []
            elif kind == k.SUBORDINATOR:
                self.open_clause()
                self.separator = ""
                self.places = []
        if self.last >= 0:
            self.attach_adverbs(self.last)
        self.close_clause()

    # Clauses

    def close_clause(self) -> None:
        """Give a be-verb that waits in vain the predicate: itself."""
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

    def attach_adverbs(self, head: int) -> None:
        """Link the waiting adverbs to ``head``."""
        for word, relation in self.adverbs:
            self.g.link(head, word, relation)
        self.adverbs.clear()

    # Phrases

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

    def noun(self, i: int, phrase: Phrase) -> None:
        """Find a noun phrase its place."""
        g, clause, head = self.g, self.clause, phrase.head
        self.attach_adverbs(head)
        if self.preposition >= 0:
            self.behind_preposition(head)
        elif self.separator:
            self.joins(i, phrase)
        elif clause.exists and clause.predicate >= 0 and clause.subject < 0:
            clause.subject = head
            g.link(clause.predicate, head, "nsubj")
            self.places = [Place(head, clause.predicate, "nsubj")]
        elif clause.copula >= 0 and clause.predicate < 0:
            self.set_copular(head)
            self.places = [Place(head, -1, "root")]
        elif clause.predicate >= 0 and clause.object < 0 and g.kinds[clause.predicate] in "VGHE":
            clause.object = head
            g.link(clause.predicate, head, "dobj")
            self.places = [Place(head, clause.predicate, "dobj")]
        elif clause.root < 0:
            clause.subject = head
            self.places = [Place(head, -1, "root")]
        elif has_verb(self.phrases, i, self.separator):
            self.open_clause()
            self.clause.subject = head
            self.places = [Place(head, -1, "root")]
        else:
            relation = "parataxis" if phrase.no else "dep"
            if g.lemmas[head] != "limit":
                g.link(self.last, head, relation)
            self.places.append(Place(head, self.last, relation))
        self.separator = ""
        self.last = head

    def behind_preposition(self, head: int) -> None:
        """A noun behind a preposition belongs to what stands before."""
        g, clause = self.g, self.clause
        word = g.words[self.preposition]
        g.link(head, self.preposition, "case")
        self.preposition = -1
        if clause.copula >= 0 and clause.predicate < 0 and not clause.exists:
            self.set_copular(head)
            self.places = [Place(head, -1, "root")]
            return
        site = self.last
        if site < 0:
            clause.subject = head
            self.places = [Place(head, -1, "root")]
            return
        if word != "of" and self.separator:
            site = clause.root if clause.root >= 0 else site
            if self.separator != "," and clause.predicate >= 0 and g.kinds[site] in "JE":
                # "stable and within normal limits"
                g.link(site, head, f"conj:{self.separator}")
                self.places.append(Place(head, -1, "root"))
                return
        elif word in ("without", "within"):
            # They speak of the finding, not of the place behind it.
            places = self.places
            while len(places) > 1 and places[-1].first == site and g.words[site] in PLACES:
                places.pop()
                site = places[-1].first
        if word in ("within", "at") and g.lemmas[head] == "limit" and clause.predicate < 0:
            site = self.places[0].first if self.places else site
        relation = f"nmod:{word}"
        g.link(site, head, relation)
        self.places.append(Place(head, site, relation))

    def joins(self, i: int, phrase: Phrase) -> None:
        """A noun behind a comma or a coordinator: a clause's subject, or a list's next member."""
        g, clause, head = self.g, self.clause, phrase.head
        closing = self.separator
        if closing == ",":
            closing = closing_coordinator(self.phrases, self.separator_at)
        if has_verb(self.phrases, i, self.separator) and not self.shares_verb(phrase, closing):
            self.open_clause()
            self.clause.subject = head
            self.places = [Place(head, -1, "root")]
            return
        if not self.places:
            if clause.root >= 0:
                g.link(clause.root, head, "dep")
            else:
                clause.subject = head
            self.places = [Place(head, clause.root, "dep")]
            return
        first = self.places[0].first
        if phrase.no:
            if self.separator == ",":
                g.link(clause.root if clause.root >= 0 else first, head, "parataxis")
            else:
                g.link(first, head, f"conj:{closing}")
            self.places = [Place(head, -1, "root")]
            return
        if self.explains(head, closing):
            g.link(first, head, "dep")
            self.places = [Place(head, -1, "root")]
            return
        place = place_for(g, self.places, head)
        while self.places[-1] is not place:
            self.places.pop()
        g.link(place.first, head, self.list_relation(head, closing, place))

    def list_relation(self, head: int, closing: str, place: Place) -> str:
        """How the member ``head`` is linked to the first member of the list at ``place``."""
        g = self.g
        of_negative = place.relation == "nmod:for" and g.words[place.governor] == "negative"
        if not closing:
            return "dep" if of_negative else "appos"
        if closing == "but" and any(g.words[w] == "not" for w, _ in g.dependants[head]):
            return "conj:negcc"
        if of_negative and (
            any(r.startswith("list:") for _, r in g.dependants[place.first])
            or (self.separator == "," and not has_serial_comma(self.phrases, self.separator_at))
        ):
            # "negative for a, b or c": only a is denied; with a comma before "or", all are.
            return f"list:{closing}"
        return f"conj:{closing}"

    def explains(self, head: int, closing: str) -> bool:
        """Whether a noun behind a comma explains the first one: "opacity at the base, a or b"."""
        if self.separator != ",":
            return False
        g, first = self.g, self.places[0]
        if any(g.words[word] in _HEDGES for word, _ in g.dependants[head]):
            return True
        return (
            closing in ("or", "versus")
            and self.places[-1].relation in _PLACING
            and first.relation in ("root", "nsubj")
            and not g.under(first.first, "neg")
            and not has_serial_comma(self.phrases, self.separator_at)
        )

    def shares_verb(self, phrase: Phrase, closing: str) -> bool:
        """Whether a noun before a verb is one more subject of it, with those before."""
        g, clause = self.g, self.clause
        if clause.predicate >= 0 or clause.copula >= 0 or clause.subject < 0:
            return False
        if self.separator != "," or (closing and g.kinds[self.last] not in "JE"):
            return True
        return (
            len(self.places) == 1
            and g.kinds[self.last] == k.NOUN
            and not phrase.no
            and g.words[phrase.start] != "the"
            and not g.under(clause.subject, "neg")
        )

    def verb(self, phrase: Phrase) -> None:
        """A verb opens its clause's predicate, or a further clause."""
        g, clause, head = self.g, self.clause, phrase.head
        self.attach_adverbs(head)
        is_be = phrase.lemma == "be"
        if self.relative:
            self.relative = False
            self.clause = Clause()
            if is_be:
                self.clause.copula = head
            else:
                self.clause.predicate = head
            g.link(self.last, head, "acl:relcl")
            self.separator = ""
            self.last = head
            return
        if clause.predicate >= 0 or clause.copula >= 0:
            subject = clause.subject if self.separator else self.last
            root = clause.root
            self.open_clause()
            clause = self.clause
            clause.subject = subject
            joined = self.separator not in ("", ",")
            g.link(root, head, f"conj:{self.separator}" if joined else "dep")
        if clause.exists:
            clause.predicate = head
        elif is_be:
            clause.copula = head
        else:
            self.set_predicate(head)
        self.separator = ""
        self.places = []
        self.last = head

    def adjective(self, phrase: Phrase) -> None:
        """An adjective without a noun: a predicate, or an afterthought to the last word."""
        g, clause, head = self.g, self.clause, phrase.head
        joined = self.separator not in ("", ",")
        waits = clause.predicate < 0 <= clause.subject and not self.separator
        self.attach_adverbs(head)
        if self.preposition >= 0:
            self.behind_preposition(head)
        elif clause.copula >= 0 and clause.predicate < 0:
            self.set_copular(head)
        elif self.last == clause.predicate >= 0 and g.lemmas[self.last] in ("appear", "remain"):
            g.link(self.last, head, "xcomp")
        elif joined and clause.predicate >= 0 and g.kinds[clause.predicate] in "JE":
            g.link(clause.predicate, head, f"conj:{self.separator}")
            if clause.subject >= 0:
                g.link(head, clause.subject, "nsubj")
        elif waits and g.words[head] in STATES:
            self.set_predicate(head)
        elif self.last >= 0:
            behind = "acl" if g.kinds[head] == k.PARTICIPLE else "amod"
            g.link(self.last, head, "dep" if self.separator else behind)
        elif clause.subject < 0:
            clause.subject = head
        self.separator = ""
        self.last = head

    def subordinate(self, phrase: Phrase) -> None:
        """A verb in -ing, or behind "to": it modifies what stands before it."""
        g, clause, head = self.g, self.clause, phrase.head
        self.attach_adverbs(head)
        inner = Clause()
        if phrase.kind == p.GERUND:
            g.link(self.last, head, "acl")
        elif clause.exists and clause.predicate >= 0:
            g.link(clause.predicate, head, "advcl")
        else:
            verbal = self.last >= 0 and g.kinds[self.last] in "VJEG"
            g.link(self.last, head, "xcomp" if verbal else "acl:to")
        if phrase.lemma == "be":
            inner.copula = head
            inner.subject = clause.subject
        else:
            inner.predicate = head
        self.clause = inner
        self.separator = ""
        self.places = []
        self.last = head
