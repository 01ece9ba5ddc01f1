"""Lists of findings: where one ends, what closes it, and what its members share.

Here most of the original's labels are won. "No a, b or c" denies all three, "a or b" makes both
uncertain, "a and b" leaves both as they are; a noun behind a comma may also open a clause of its
own. Members share their first member's place in the sentence, and its "no", whatever joins them:
as in the original, "no a but b" denies b too.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from codixr_bench.labeler import phrases as p
from codixr_bench.labeler import words as k
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.phrases import PLACES, RATHER_THAN, Phrase
from codixr_bench.labeler.words import word_set

DENYING = "conj:negcc"
"""The relation of b to a in "a, but not b" and "a rather than b"."""
LOOK_AHEAD = 24
"""Phrases; it keeps the time linear."""
STATES = word_set("normal clear unremarkable stable unchanged intact enlarged negative")
"""Behind a noun, these are a whole statement: "heart size normal"."""
VERDICTS = word_set("exclude obscure")
"""So are the participles of these: "pneumonia not excluded"."""

_SHARED = frozenset(("aux", "cop", "neg", "amod"))
_NOT_WHERE = frozenset(("nmod:with", "nmod:for", "nmod:to", "dobj"))
_PASSING = frozenset(("appos", "nmod:of", "dep"))
_AMOUNTS = frozenset(("area", "amount", "combination"))


class Place(NamedTuple):
    """Where the first member of an open list stands."""

    first: int
    governor: int
    relation: str


def closing_coordinator(phrases: Sequence[Phrase], comma: int) -> str:
    """The coordinator that ends the list which a comma opens or goes on with, or ''."""
    for phrase in phrases[comma + 1 : comma + LOOK_AHEAD]:
        kind = phrase.kind
        if kind == k.COORDINATOR:
            return "" if phrase.lemma == RATHER_THAN else phrase.lemma
        if kind in "VTWSI" or (kind == k.PUNCTUATION and phrase.lemma in ";:."):
            return ""
        if kind == p.NOUN and phrase.no:
            return ""
    return ""


def has_serial_comma(phrases: Sequence[Phrase], comma: int) -> bool:
    """Whether the list has a comma before its coordinator too: "a, b, or c"."""
    before = phrases[comma]
    for phrase in phrases[comma + 1 : comma + LOOK_AHEAD]:
        if phrase.kind == k.COORDINATOR:
            return before.kind == k.PUNCTUATION
        before = phrase
    return False


def has_verb(phrases: Sequence[Phrase], noun: int, separator: str) -> bool:
    """Whether the noun phrase at ``noun`` is the subject of a verb, or of a state behind it."""
    behind = True
    before = p.NOUN
    for phrase in phrases[noun + 1 : noun + LOOK_AHEAD]:
        kind = phrase.kind
        if kind == p.VERB:
            # "due to edema or effusion, has increased": a verb behind a comma has another subject.
            return before != k.PUNCTUATION or separator in ("", ",", "but")
        if kind == p.ADJECTIVE and before != k.PREPOSITION:  # not "on the left"
            return behind and (phrase.lemma in STATES or phrase.lemma in VERDICTS)
        if kind == k.COORDINATOR and separator not in ("", ",", "but"):
            return False
        if kind == k.NOT:
            continue
        before = kind
        if kind == p.NOUN and phrase.no:
            return False
        is_comma = kind == k.PUNCTUATION and phrase.lemma in ",()-"
        if not is_comma and kind not in "PNRCJ":
            return False
        behind = False
    return False


def place_for(g: Graph, places: Sequence[Place], noun: int) -> Place:
    """The innermost list of the noun's own kind: findings with findings, places with places."""
    is_place = g.words[noun] in PLACES
    for place in reversed(places):
        says_where = g.words[place.first] in PLACES and place.relation not in _NOT_WHERE
        if says_where == is_place:
            return place
    return places[-1]


def share_places(g: Graph) -> None:
    """Every member of a list stands where its first member stands."""
    for first, dependants in enumerate(g.dependants):
        members = [link for link in dependants if link[1].startswith("conj:")]
        for member, relation in members:
            if relation != DENYING:
                for governor, above in list(g.governors[first]):
                    if above.startswith(("nsubj", "dobj", "nmod")):
                        g.link(governor, member, above)


def spread(g: Graph) -> None:
    """The original's extra links, two rounds: what lists and appositions inherit."""
    for _ in range(2):
        links = list(_inherited(g))
        if not links:
            return
        for governor, dependant, relation in links:
            g.link(governor, dependant, relation)


def _inherited(g: Graph) -> Iterator[tuple[int, int, str]]:
    words, kinds = g.words, g.kinds
    for one, dependants in enumerate(g.dependants):
        for _, relation in dependants:
            if relation in _PASSING or relation.startswith("conj"):
                break
        else:
            continue
        denials = [(word, below) for word, below in dependants if below == "neg"]
        # Whatever the coordinator, "but" too.
        shared = [
            (word, below)
            for word, below in dependants
            if below in _SHARED or (below == "case" and words[word] == "without")
        ]
        for other, relation in dependants:
            inherited = shared
            if relation == "appos":
                # "opacity, atelectasis": the second noun has the first one's place, and its "no".
                for governor, above in g.governors[one]:
                    yield governor, other, above
                inherited = denials
            elif relation == "nmod:of":
                if g.lemmas[one] in _AMOUNTS:
                    for governor, above in g.governors[one]:
                        yield governor, other, above
                inherited = denials
            elif kinds[one] != k.NOUN or kinds[other] != k.NOUN:
                continue
            elif relation == "dep":
                for word, below in g.dependants[other]:
                    if below == "neg":
                        yield one, word, below
                continue
            elif not relation.startswith("conj"):
                continue
            for word, below in inherited:
                yield other, word, below
