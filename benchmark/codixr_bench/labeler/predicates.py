"""What a verb, or an adjective without a noun, says, and of which word."""

from codixr_bench.labeler import phrases as p
from codixr_bench.labeler import words as k
from codixr_bench.labeler.lists import STATES, VERDICTS
from codixr_bench.labeler.nouns import behind_preposition
from codixr_bench.labeler.open_sentence import Clause, OpenSentence
from codixr_bench.labeler.phrases import Phrase
from codixr_bench.labeler.words import word_set

_PASSIVE = word_set(
    "appear appears appeared remain remains remained seem seems seemed become becomes became"
)
"""Before a participle these are auxiliaries: "remains obscured" is as "is obscured"."""
_WHOLLY = frozenset(("altogether", "quite"))
"""Adverbs of degree that don't end in -ly."""


def verb(s: OpenSentence, phrase: Phrase) -> None:
    """A verb opens its clause's predicate, or a further clause."""
    g, clause, head = s.g, s.clause, phrase.head
    s.attach_adverbs(head)
    is_be = phrase.lemma == "be"
    if s.relative:
        s.relative = False
        if s.is_fragment() and g.under(head, "aux"):
            s.explained = s.fragment_head()
        s.clause = Clause()
        if is_be:
            s.clause.copula = head
        else:
            s.clause.predicate = head
        g.link(s.last, head, "acl:relcl")
        s.separator = ""
        s.last = head
        return
    if clause.predicate >= 0 or clause.copula >= 0:
        subject = clause.subject if s.separator else s.last
        root = clause.root
        s.open_clause()
        clause = s.clause
        clause.subject = subject
        joined = s.separator not in ("", ",")
        g.link(root, head, f"conj:{s.separator}" if joined else "dep")
    if clause.exists:
        clause.predicate = head
    elif is_be:
        clause.copula = head
    else:
        s.set_predicate(head)
    s.separator = ""
    s.places = []
    s.last = head


def adverb(s: OpenSentence, i: int, phrase: Phrase) -> None:
    """An adverb waits for its word; a "not" belongs to an adverb of degree that follows it."""
    following = s.phrases[i + 1] if i + 1 < len(s.phrases) else None
    if (
        phrase.kind == k.NOT
        and following is not None
        and following.kind == k.ADVERB
        and (following.lemma.endswith("ly") or following.lemma in _WHOLLY)
    ):
        # "not entirely excluded", without a verb
        s.g.link(following.head, phrase.head, "neg")
        return
    negates = phrase.kind == k.NOT or phrase.no
    s.adverbs.append((phrase.head, "neg" if negates else "advmod"))


def adjective(s: OpenSentence, i: int, phrase: Phrase) -> None:
    """An adjective without a noun: a predicate, or an afterthought to the last word."""
    g, clause, head = s.g, s.clause, phrase.head
    joined = s.separator not in ("", ",")
    waits = clause.predicate < 0 <= clause.subject and not s.separator
    s.attach_adverbs(head)
    if s.preposition >= 0:
        behind_preposition(s, head)
    elif clause.copula >= 0 and clause.predicate < 0:
        s.set_copular(head)
    elif (
        s.last == clause.predicate >= 0
        and g.kinds[head] == k.PARTICIPLE
        and g.words[s.last] in _PASSIVE
    ):
        s.set_passive(head)
    elif s.last == clause.predicate >= 0 and g.lemmas[s.last] in ("appear", "remain"):
        g.link(s.last, head, "xcomp")
    elif joined and clause.predicate >= 0 and g.kinds[clause.predicate] in "JE":
        g.link(clause.predicate, head, f"conj:{s.separator}")
        if clause.subject >= 0:
            g.link(head, clause.subject, "nsubj")
    elif (
        waits
        and g.lemmas[head] in VERDICTS
        and s.places[-1:]
        and s.places[-1].relation == "nmod:with"
    ):
        # "atelectasis, with pneumonia not excluded"
        g.link(head, s.places[-1].first, "nsubj")
    elif waits and (
        g.words[head] in STATES or g.lemmas[head] in VERDICTS or _takes_infinitive(s, i)
    ):
        s.set_predicate(head)
    elif s.last >= 0:
        behind = "acl" if g.kinds[head] == k.PARTICIPLE else "amod"
        g.link(s.last, head, "dep" if s.separator else behind)
    elif clause.subject < 0:
        clause.subject = head
    s.separator = ""
    s.last = head


def _takes_infinitive(s: OpenSentence, i: int) -> bool:
    return i + 1 < len(s.phrases) and s.phrases[i + 1].kind == p.INFINITIVE


def subordinate(s: OpenSentence, phrase: Phrase) -> None:
    """A verb in -ing, or behind "to": it modifies what stands before it."""
    g, clause, head = s.g, s.clause, phrase.head
    s.attach_adverbs(head)
    inner = Clause()
    if phrase.kind == p.GERUND:
        g.link(s.last, head, "acl")
    elif clause.exists and clause.predicate >= 0:
        g.link(clause.predicate, head, "advcl")
    else:
        verbal = s.last >= 0 and g.kinds[s.last] in "VJEG"
        g.link(s.last, head, "xcomp" if verbal else "acl:to")
        if clause.predicate >= 0 <= clause.subject and g.kinds[s.last] == k.ADJECTIVE:
            # "an effusion is difficult to exclude": the subject is the infinitive's too.
            g.link(head, clause.subject, "nsubj")
    if phrase.lemma == "be":
        inner.copula = head
        inner.subject = clause.subject
    else:
        inner.predicate = head
    s.clause = inner
    s.separator = ""
    s.places = []
    s.last = head
