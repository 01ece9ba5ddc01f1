"""Tests behind the denials of ``cues.py``: is this word of a mention said to be absent?

Each takes a sentence's graph and the number of a word; ``v`` is a word one link away, ``u`` two,
``t`` three.
"""

from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.lists import DENYING
from codixr_bench.labeler.words import word_set

_NO = word_set("no")
_WITHOUT = word_set("without")
_NO_OR_WITHOUT = _NO | _WITHOUT
_NORMAL = word_set("normal normally unremarkable")
_ACTIVE = ("nsubj", "dobj")
_AT_OR_WITHIN = word_set("at within")
_CLEAR = word_set("clear")
_GONE = word_set("history free disappearance resolution drainage removal")
_INTERVAL = word_set("interval")
_PREVIOUSLY = word_set("previously")
_REMOVE = word_set("remove")
_UPPER = word_set("upper")


def no(g: Graph, w: int) -> bool:
    """The word has a "no" or "not" of its own, or from its list."""
    return any(relation == "neg" or g.words[v] == "no" for v, relation in g.dependants[w])


def part_of_denied(g: Graph, w: int) -> bool:
    """The noun it belongs to has one: "infectious" in "no infectious process"."""
    for v, relation in g.governors[w]:
        if relation == "compound" and g.under(v, "neg"):
            return True
        if relation == "amod" and g.has(v, _NO, "neg"):
            return True
    return False


def without(g: Graph, w: int) -> bool:
    """ "without" stands before it."""
    return g.has(w, _WITHOUT, "case") or any(r == "nmod:without" for _, r in g.governors[w])


def beside_denied_or(g: Graph, w: int) -> bool:
    """Its noun is joined by "or" to something that has a "no"."""
    return any(
        relation == "conj:or" and g.has(first, _NO)
        for v, _ in g.governors[w]
        for first, relation in g.governors[v]
    )


def no_evidence(g: Graph, w: int) -> bool:
    """It stands behind "no evidence of", "without finding of", "no focus of" and the like."""
    for v, relation in g.governors[w]:
        lemma = g.lemmas[v]
        if relation in ("nmod:of", "nmod:for"):
            if lemma == "evidence" and g.under(v, "neg"):
                return True
            if lemma in ("evidence", "finding") and (
                g.has(v, _WITHOUT) or any(r == "nmod:without" for _, r in g.governors[v])
            ):
                return True
            if lemma in ("focus", "development") and g.has(v, _NO_OR_WITHOUT):
                return True
        if relation == "nmod:to" and lemma == "moderate" and g.under(v, "neg"):
            return True
        if relation == "amod" and any(
            r == "nmod:of"
            and g.lemmas[u] == "evidence"
            and (g.under(u, "neg") or g.has(u, _WITHOUT, "case"))
            for u, r in g.governors[v]
        ):
            return True
    return False


def nothing_to_suggest(g: Graph, w: int) -> bool:
    """Only where a verb holds them together: "no finding to suggest" alone denies nothing."""
    for v, _ in g.governors[w]:
        if g.lemmas[v] in ("suggest", "explain"):
            for u, relation in g.governors[v]:
                if g.kinds[u] in "VB" and any(
                    g.kinds[t] == "N" and g.has(t, _NO) for t, _ in g.dependants[u]
                ):
                    return True
                if g.kinds[u] == "N" and relation != "acl:to" and g.has(u, _NO):
                    return True
    return False


def normal(g: Graph, w: int) -> bool:
    """ "normal" or "unremarkable" is linked to the word itself."""
    return g.has(w, _NORMAL) or any(g.lemmas[v] in _NORMAL for v, _ in g.governors[w])


def beside_normal(g: Graph, w: int) -> bool:
    """The noun above is normal: its other parts, and whatever else hangs on it, become absent."""
    for v, relation in g.governors[w]:
        if g.has(v, _NORMAL, "amod"):
            return True
        for u, above in g.governors[v]:
            if g.lemmas[u] in _NORMAL and (
                above == "nsubj" or (above == "dep" and relation == "amod")
            ):
                return True
    return False


def appears_normal(g: Graph, w: int) -> bool:
    """Its verb, or the noun "appearance", carries the "normal"."""
    return any(
        g.lemmas[v] in ("appear", "appearance", "remain") and g.has(v, _NORMAL)
        for v, _ in g.governors[w]
    )


def _normal_limit(g: Graph, v: int) -> bool:
    return g.lemmas[v] == "limit" and g.has(v, _NORMAL)


def _at_upper_limit(g: Graph, v: int) -> bool:
    return (
        g.lemmas[v] == "limit"
        and g.has(v, _UPPER)
        and g.has(v, _NORMAL, "nmod:of")
        and g.has(v, _AT_OR_WITHIN, "case")
    )


def within_limits(g: Graph, w: int) -> bool:
    """ "within normal limits" hangs on the word, or on its verb."""
    below = g.dependants[w]
    if any(_normal_limit(g, v) for v, _ in below):
        return True
    if len(below) > 1 and any(r == "nmod:within" and g.lemmas[v] == "limit" for v, r in below):
        return True
    return any(
        relation in _ACTIVE
        and any(r == "nmod:within" and _normal_limit(g, u) for u, r in g.dependants[v])
        for v, relation in g.governors[w]
    )


def is_within_limits(g: Graph, w: int) -> bool:
    """Of a noun's first words only: "heart" in "heart size is within normal limits"."""
    for v, relation in g.governors[w]:
        if relation == "nsubj" and _at_upper_limit(g, v):
            return True
        for u, above in g.governors[v]:
            if above == "nsubj" and (
                _at_upper_limit(g, u)
                or (
                    g.lemmas[u] == "limit"
                    and g.has(u, _NORMAL, "amod")
                    and g.has(u, _AT_OR_WITHIN, "case")
                )
            ):
                return True
            if g.lemmas[u] in ("show", "demonstrate", "present") and any(
                r == "nmod:within" and _normal_limit(g, t) for t, r in g.dependants[u]
            ):
                return True
    return False


def gone(g: Graph, w: int) -> bool:
    """It stands behind "resolution of", "history of", "free of" and the like."""
    return any(r == "nmod:of" and g.lemmas[v] in _GONE for v, r in g.governors[w])


def clear_of(g: Graph, w: int) -> bool:
    """ "clear", the verb or the adjective, governs it."""
    for v, relation in g.governors[w]:
        lemma = g.lemmas[v]
        if lemma == "clear":
            return True
        if lemma == "clearing" and relation in ("nmod:of", "nmod:without"):
            return not g.under(v, "neg")
    return g.has(w, _CLEAR)


def negative_for(g: Graph, w: int) -> bool:
    """It stands behind "negative for"."""
    return any(r == "nmod:for" and g.lemmas[v] == "negative" for v, r in g.governors[w])


def removed(g: Graph, w: int) -> bool:
    """It was removed."""
    return g.has(w, _REMOVE) or any(g.lemmas[v] in _REMOVE for v, _ in g.governors[w])


def has_resolved(g: Graph, w: int) -> bool:
    """It has resolved; "resolved" without "has" decides nothing."""
    return any(
        r == "nsubj" and g.lemmas[v] == "resolve" and g.under(v, "aux") and not g.under(v, "neg")
        for v, r in g.governors[w]
    )


def with_resolution(g: Graph, w: int) -> bool:
    """ "interval resolution" hangs on it."""
    return any(g.lemmas[v] == "resolution" and g.has(v, _INTERVAL) for v, _ in g.dependants[w])


def is_absent(g: Graph, w: int) -> bool:
    """It is the subject of "absent"."""
    return any(r == "nsubj" and g.lemmas[v] == "absent" for v, r in g.governors[w])


def no_longer_seen(g: Graph, w: int) -> bool:
    """It is no longer seen; "not seen" decides nothing."""
    return any(
        relation == "nsubjpass"
        and g.lemmas[v] == "see"
        and any(g.words[u] == "no" or g.has(u, _NO, "neg") for u, _ in g.dependants[v])
        for v, relation in g.governors[w]
    )


def seen_before(g: Graph, w: int) -> bool:
    """It was previously demonstrated or visualized."""
    return any(
        r in ("dobj", "nsubjpass")
        and g.lemmas[v] in ("demonstrate", "visualize")
        and g.has(v, _PREVIOUSLY)
        for v, r in g.governors[w]
    )


def rather_than(g: Graph, w: int) -> bool:
    """It stands behind "rather than", or in a list whose first member does."""
    return any(
        relation == DENYING
        or (relation.startswith("conj:") and any(above == DENYING for _, above in g.governors[v]))
        for v, relation in g.governors[w]
    )


def excluded(g: Graph, w: int) -> bool:
    """ "exclude" governs it."""
    return any(g.lemmas[v] == "exclude" for v, _ in g.governors[w])


def rule_out(g: Graph, w: int) -> bool:
    """As an order only: "cannot rule out" and "to rule out" decide nothing."""
    return any(
        relation == "nmod:out"
        and g.lemmas[v] == "rule"
        and not g.under(v, "neg")
        and not g.under(v, "aux")
        and (v == 0 or g.words[v - 1] != "to")
        for v, relation in g.governors[w]
    )


def obscured_silhouette(g: Graph, w: int) -> bool:
    """Something obscures a silhouette with a word of its own; "is obscured" is a doubt."""
    return (
        g.lemmas[w] == "silhouette"
        and bool(g.dependants[w])
        and any(r in _ACTIVE and g.lemmas[v] == "obscure" for v, r in g.governors[w])
    )
