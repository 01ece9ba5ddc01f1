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
from codixr_bench.labeler.lists import share_places, spread
from codixr_bench.labeler.nouns import noun
from codixr_bench.labeler.open_sentence import OpenSentence
from codixr_bench.labeler.phrases import RATHER_THAN, find_phrases
from codixr_bench.labeler.predicates import adjective, adverb, subordinate, verb

MAX_WORDS = 399
"""A longer sentence gets no links, and its mentions no cue: the original's parser stops there."""


def link_words(g: Graph) -> None:
    """Set all the links of a sentence."""
    if len(g.words) <= MAX_WORDS:
        _read_phrases(OpenSentence(g, find_phrases(g)))
        share_places(g)
        spread(g)


def _read_phrases(s: OpenSentence) -> None:
    """Go through the phrases."""
    for i, phrase in enumerate(s.phrases):
        kind = phrase.kind
        if kind == p.NOUN:
            noun(s, i, phrase)
        elif kind == k.PUNCTUATION:
            s.punctuation(i, phrase.lemma)
        elif kind == k.PREPOSITION:
            s.preposition = phrase.head
            if s.last >= 0:
                s.attach_adverbs(s.last)
        elif kind == p.VERB:
            verb(s, phrase)
        elif kind == p.ADJECTIVE:
            adjective(s, i, phrase)
        elif kind == k.COORDINATOR:
            s.separator, s.separator_at = phrase.lemma, i
            if phrase.lemma == RATHER_THAN and (s.clause.predicate >= 0 or s.places):
                s.preferred = s.last  # not in "old rather than new fracture"
        elif kind in (k.ADVERB, k.NOT):
            adverb(s, i, phrase)
        elif kind in (p.GERUND, p.INFINITIVE):
            subordinate(s, phrase)
        elif kind == k.RELATIVE:
            s.relative = True
            s.preposition = -1  # "some of which may represent": "of" is the relative word's
        elif kind == k.THERE:
            if s.clause.root >= 0:
                s.open_clause()
            s.clause.exists = True
            s.separator = ""
            s.places = []
        elif kind == k.SUBORDINATOR:
            s.open_clause()
            s.separator = ""
            s.places = []
    if s.last >= 0:
        s.attach_adverbs(s.last)
    s.close_clause()
