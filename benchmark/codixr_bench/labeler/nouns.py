"""Where a noun phrase belongs: subject, object, behind a preposition, or a list's next member."""

from codixr_bench.labeler import phrases as p
from codixr_bench.labeler import words as k
from codixr_bench.labeler.lists import (
    DENYING,
    VERDICTS,
    Place,
    closing_coordinator,
    has_serial_comma,
    has_verb,
    place_for,
)
from codixr_bench.labeler.open_sentence import OpenSentence
from codixr_bench.labeler.phrases import PLACES, RATHER_THAN, Phrase
from codixr_bench.labeler.words import word_set

_PLACING = word_set(
    "nmod:in nmod:on nmod:at nmod:within nmod:near nmod:along nmod:over nmod:overlying "
    "nmod:throughout"
)
_EXCEPTING = frozenset(("aside", "apart", "except"))
_HEDGES = frozenset(("possibly", "probably", "presumably", "likely"))


def noun(s: OpenSentence, i: int, phrase: Phrase) -> None:
    """Find a noun phrase its place."""
    g, clause, head = s.g, s.clause, phrase.head
    s.attach_adverbs(head)
    preferred = s.preferred
    s.preferred = -1
    g.link(preferred, head, DENYING)
    if s.relative and has_verb(s.phrases, i, ""):
        # "a base in which effusion is suspected": a subject of the clause's own
        s.relative = False
        s.open_clause()
        s.clause.subject = head
        s.places = [Place(head, -1, "root")]
    elif s.preposition >= 0:
        behind_preposition(s, head)
    elif s.separator:
        joins(s, i, phrase)
    elif clause.exists and clause.predicate >= 0 and clause.subject < 0:
        clause.subject = head
        g.link(clause.predicate, head, "nsubj")
        s.places = [Place(head, clause.predicate, "nsubj")]
    elif clause.copula >= 0 and clause.predicate < 0:
        if phrase.lemma == "xxxx" and s.next_word(head) == "within":
            g.kinds[head] = k.PARTICIPLE  # a blanked "maintained" or its like
        s.set_copular(head)
        s.places = [Place(head, -1, "root")]
    elif clause.predicate >= 0 and clause.object < 0 and g.kinds[clause.predicate] in "VGHE":
        clause.object = head
        g.link(clause.predicate, head, "dobj")
        s.places = [Place(head, clause.predicate, "dobj")]
    elif clause.root < 0:
        clause.subject = head
        s.places = [Place(head, -1, "root")]
    elif has_verb(s.phrases, i, s.separator):
        s.open_clause()
        s.clause.subject = head
        s.places = [Place(head, -1, "root")]
    else:
        relation = "parataxis" if phrase.no else "dep"
        if g.lemmas[head] != "limit":
            g.link(s.last, head, relation)
        s.places.append(Place(head, s.last, relation))
    if preferred >= 0:
        s.places.append(Place(head, preferred, DENYING))
    s.separator = ""
    s.last = head


def behind_preposition(s: OpenSentence, head: int) -> None:
    """A noun behind a preposition belongs to what stands before."""
    g, clause = s.g, s.clause
    word = g.words[s.preposition]
    g.link(head, s.preposition, "case")
    s.preposition = -1
    if clause.copula >= 0 and clause.predicate < 0 and not clause.exists:
        s.set_copular(head)
        s.places = [Place(head, -1, "root")]
        return
    site = s.last
    if site < 0:
        if g.words[0] in _EXCEPTING:
            s.excepted = head
            return
        clause.subject = head
        s.places = [Place(head, -1, "root")]
        return
    if word != "of" and s.separator:
        site = clause.root if clause.root >= 0 else site
        if s.separator != "," and clause.predicate >= 0 and g.kinds[site] in "JE":
            # "stable and within normal limits"
            g.link(site, head, f"conj:{s.separator}")
            s.places.append(Place(head, -1, "root"))
            return
    elif word in ("without", "within"):
        # They speak of the finding, not of the place behind it.
        places = s.places
        while len(places) > 1 and places[-1].first == site and g.words[site] in PLACES:
            places.pop()
            site = places[-1].first
    if word in ("within", "at") and g.lemmas[head] == "limit" and clause.predicate < 0:
        site = s.places[0].first if s.places else site
    relation = f"nmod:{word}"
    if (
        word == "within"
        and g.lemmas[head] == "limit"
        and (clause.predicate, "dep") in g.governors[site]
    ):
        # "the size is large, vessels within normal limits": the parser takes it for the size's.
        site = clause.predicate
    g.link(site, head, relation)
    s.places.append(Place(head, site, relation))


def joins(s: OpenSentence, i: int, phrase: Phrase) -> None:
    """A noun behind a comma or a coordinator: a clause's subject, or a list's next member."""
    g, clause, head = s.g, s.clause, phrase.head
    closing = s.separator
    if s.excepted >= 0 and closing != ",":
        g.link(s.excepted, head, f"conj:{closing}")
        return
    if closing == ",":
        closing = closing_coordinator(s.phrases, s.separator_at)
    if has_verb(s.phrases, i, s.separator) and not shares_verb(s, i, phrase, closing):
        s.open_clause()
        s.clause.subject = head
        s.places = [Place(head, -1, "root")]
        return
    if not s.places:
        if clause.root >= 0:
            g.link(clause.root, head, "dep")
        else:
            clause.subject = head
        s.places = [Place(head, clause.root, "dep")]
        return
    first = s.places[0].first
    if phrase.no:
        if s.separator == ",":
            g.link(clause.root if clause.root >= 0 else first, head, "parataxis")
        else:
            g.link(first, head, f"conj:{closing}")
        s.places = [Place(head, -1, "root")]
        return
    if explains(s, head, closing):
        g.link(first, head, "dep")
        s.places = [Place(head, -1, "root")]
        return
    place = place_for(g, s.places, head)
    while s.places[-1] is not place:
        s.places.pop()
    relation = list_relation(s, head, closing, place)
    g.link(place.first, head, relation)
    if closing == "versus":
        # "opacity, which may represent a versus b": the parser joins b to the opacity.
        g.link(s.explained, head, "conj:versus")


def list_relation(s: OpenSentence, head: int, closing: str, place: Place) -> str:
    """How the member ``head`` is linked to the first member of the list at ``place``."""
    g = s.g
    of_negative = place.relation == "nmod:for" and g.words[place.governor] == "negative"
    if not closing:
        return "dep" if of_negative else "appos"
    if closing == RATHER_THAN:
        return DENYING
    if closing == "but" and any(g.words[w] == "not" for w, _ in g.dependants[head]):
        return DENYING
    if of_negative and (
        any(r.startswith("list:") for _, r in g.dependants[place.first])
        or (s.separator == "," and not has_serial_comma(s.phrases, s.separator_at))
    ):
        # "negative for a, b or c": only a is denied; with a comma before "or", all are.
        return f"list:{closing}"
    return f"conj:{closing}"


def explains(s: OpenSentence, head: int, closing: str) -> bool:
    """Whether a noun behind a comma explains the first one: "opacity at the base, a or b"."""
    if s.separator != ",":
        return False
    g, first = s.g, s.places[0]
    if any(g.words[word] in _HEDGES for word, _ in g.dependants[head]):
        return True
    if s.places[-1].relation in _PLACING:
        explaining: tuple[str, ...] = ("or", "versus")
    elif (s.clause.exists or s.is_fragment()) and g.kinds[0] != k.NUMBER:
        explaining = ("versus",)
    else:
        return False
    return (
        closing in explaining
        and first.relation in ("root", "nsubj")
        and not g.under(first.first, "neg")
        and not has_serial_comma(s.phrases, s.separator_at)
    )


def shares_verb(s: OpenSentence, i: int, phrase: Phrase, closing: str) -> bool:
    """Whether a noun before a verb is one more subject of it, with those before."""
    g, clause = s.g, s.clause
    if clause.predicate >= 0 or clause.copula >= 0 or clause.subject < 0:
        return False
    if s.separator != "," or (closing and g.kinds[s.last] not in "JE"):
        return True
    following = next((one for one in s.phrases[i + 1 :] if one.kind not in (k.NOT, k.ADVERB)), None)
    if following is not None and following.kind == p.ADJECTIVE and following.lemma in VERDICTS:
        return False
    return (
        len(s.places) == 1
        and g.kinds[s.last] == k.NOUN
        and not phrase.no
        and g.words[phrase.start] != "the"
        and not g.under(clause.subject, "neg")
    )
