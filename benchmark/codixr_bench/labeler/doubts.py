"""Tests behind the doubts of ``cues.py``: is this word of a mention said to be uncertain?

Each takes a sentence's graph and the number of a word; ``v`` is a word one link away, ``u`` two,
``t`` three.
"""

from codixr_bench.labeler import words as k
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.words import word_set

_NO = word_set("no")
_PRIOR = word_set("prior")
_CAN = word_set("may maybe might could would can possibly")
_MODAL = word_set("may maybe might could would")
_DOUBT = word_set(
    "possible possibly presumably probable questionable suspect suspected suspicious question"
)
_STEADY = word_set("stable unchanged")
_AROUND_HEART = (
    "cardiomediastin",
    "pericardial",
    "mediastin",
    "contour",
    "configuration",
    "silhouette",
    "size",
    "heart",
    "shadow",
)
_NAMED = ("nsubj", "nsubjpass", "dobj")
_APPEARANCE = word_set("appearance")
_BE = word_set("be")
_BORDERLINE = word_set("borderline")
_CANNOT = word_set("cannot")
_CLEARLY = word_set("clearly")
_CLINICALLY = word_set("clinically")
_CONCERN = word_set("concern suspicion suspicious worrisome concerning")
_DIFFERENTIAL = word_set("differential")
_MAY_COULD_WOULD = word_set("may could would")
_MAY_MIGHT_COULD = word_set("may might could")
_NEW = word_set("new")
_POORLY_OR_INCOMPLETELY = word_set("poorly incompletely")
_POSSIBLY = word_set("possibly")
_QUESTION_OR_SUGGESTION = word_set("question suggestion")
_STAND_FOR = word_set("represent reflect indicate include")
_STABLE = word_set("stable")
_VASCULAR = word_set("vascular")
_VASCULAR_OR_PULMONARY = word_set("vascular pulmonary")


def not_excluded(g: Graph, w: int) -> bool:
    """ "exclude", itself denied, governs it."""
    return any(
        g.lemmas[v] == "exclude" and (g.has(v, _CANNOT) or g.under(v, "neg"))
        for v, _ in g.governors[w]
    )


def no_new(g: Graph, w: int) -> bool:
    """ "no" and "new" stand together before it, its noun, or "area of" it."""
    if g.has(w, _NEW) and g.has(w, _NO):
        return True
    return any(
        (g.words[v] == "new" and g.has(v, _NO))
        or ((relation == "compound" or g.lemmas[v] == "area") and g.has(v, _NEW) and g.has(v, _NO))
        for v, relation in g.governors[w]
    )


def _is_around_heart(g: Graph, w: int) -> bool:
    return g.words[w].startswith(_AROUND_HEART)


def stable(g: Graph, w: int) -> bool:
    """A heart or mediastinum word is stable or unchanged."""
    if not _is_around_heart(g, w):
        return False
    return g.has(w, _STEADY, "amod") or any(
        (relation == "nsubj" and g.words[v] in _STEADY)
        or (relation == "nmod:of" and g.words[v] == "appearance" and g.has(v, _STABLE))
        for v, relation in g.governors[w]
    )


def no_change(g: Graph, w: int) -> bool:
    """There is no change in, or of, a heart or mediastinum word."""
    return _is_around_heart(g, w) and any(
        g.lemmas[v] == "change" and g.under(v, "neg") for v, _ in _around(g, w)
    )


def similar_to_prior(g: Graph, w: int) -> bool:
    """A heart or mediastinum word is similar to a prior examination's."""
    return _is_around_heart(g, w) and any(
        g.words[v] == "similar"
        and any(
            r == "nmod:to" and (g.words[u] == "prior" or g.has(u, _PRIOR))
            for u, r in g.dependants[v]
        )
        for v, _ in _around(g, w)
    )


def _around(g: Graph, w: int) -> list[tuple[int, str]]:
    return g.dependants[w] + g.governors[w]


def borderline(g: Graph, w: int) -> bool:
    """The heart's size is borderline."""
    return g.words[w].startswith("heart") and any(
        r == "compound" and g.words[v] == "size" and g.has(v, _BORDERLINE)
        for v, r in g.governors[w]
    )


def doubted(g: Graph, w: int) -> bool:
    """A doubting word hangs on it: "possible", "probable", "suspicious"."""
    return g.has(w, _DOUBT)


def may_be(g: Graph, w: int) -> bool:
    """ "may" or its like stands before it, or it may be present, or may appear."""
    if g.has(w, _MODAL):
        return True
    return any(
        (g.lemmas[v] == "be" and g.has(v, _MAY_COULD_WOULD))
        or (g.lemmas[v] == "present" and g.has(v, _CAN, "aux"))
        or (r == "nsubj" and g.lemmas[v] == "appear" and g.has(v, _CAN))
        for v, r in g.governors[w]
    )


def may_represent(g: Graph, w: int) -> bool:
    """It is what something may represent, reflect, indicate or include."""
    for v, relation in g.governors[w]:
        lemma = g.lemmas[v]
        if relation == "dobj" and lemma in _STAND_FOR and g.has(v, _CAN):
            return True
        if lemma == "reflect" and g.has(v, _POSSIBLY):
            return True
        if lemma == "presence" and any(
            r == "dobj" and g.lemmas[u] in _STAND_FOR and g.has(u, _CAN) for u, r in g.governors[v]
        ):
            return True
    return False


def may_have_appearance(g: Graph, w: int) -> bool:
    """It may have this appearance."""
    return any(
        g.lemmas[v] == "have" and g.has(v, _MAY_MIGHT_COULD) and g.has(v, _APPEARANCE)
        for v, _ in g.governors[w]
    )


def may_be_due_to(g: Graph, w: int) -> bool:
    """Something may be due, or related, to it."""
    return any(
        r == "nmod:to" and g.lemmas[v] in ("due", "relate") and g.has(v, _CAN)
        for v, r in g.governors[w]
    )


def secondary_to(g: Graph, w: int) -> bool:
    """Something is secondary to it."""
    return any(r == "nmod:to" and g.lemmas[v] == "secondary" for v, r in g.governors[w])


def compatible_with(g: Graph, w: int) -> bool:
    """Behind a verb "be", "compatible" is a doubt of its own; "consistent" needs a "may"."""
    for v, relation in g.governors[w]:
        if relation == "nmod:with":
            if g.lemmas[v] == "compatible" and (g.has(v, _CAN) or g.has(v, _BE)):
                return True
            if g.lemmas[v] == "consistent" and g.has(v, _CAN):
                return True
    return False


def concern_for(g: Graph, w: int) -> bool:
    """It stands behind "concern for", "suspicious for" and the like.

    In "concern for fracture dedicated films" too: no comma parts it from the next noun phrase.
    """
    heads = [w]
    for v, relation in g.governors[w]:
        if relation == "compound" and any(kind in "JE" for kind in g.kinds[w + 1 : v]):
            heads.append(v)
    return any(
        r == "nmod:for" and g.lemmas[v] in _CONCERN for head in heads for v, r in g.governors[head]
    )


def suspected(g: Graph, w: int) -> bool:
    """It is suspected."""
    return any(g.lemmas[v] == "suspect" and r in _NAMED for v, r in g.governors[w])


def considered(g: Graph, w: int) -> bool:
    """Not as an order: "consider pneumonia" alone decides nothing."""
    return any(
        r == "dobj"
        and g.lemmas[v] in ("consider", "favor", "question")
        and (bool(g.governors[v]) or g.under(v, "nsubj"))
        for v, r in g.governors[w]
    )


def question_of(g: Graph, w: int) -> bool:
    """It stands behind "question of", "suggestion of", or under "possible"."""
    return any(
        (r == "nmod:of" and g.lemmas[v] in _QUESTION_OR_SUGGESTION) or g.lemmas[v] == "possible"
        for v, r in g.governors[w]
    )


def differential(g: Graph, w: int) -> bool:
    """A differential diagnosis includes it."""
    return any(
        r == "dobj"
        and g.lemmas[v] == "include"
        and any(g.lemmas[u] == "diagnosis" and g.has(u, _DIFFERENTIAL) for u, _ in g.dependants[v])
        for v, r in g.governors[w]
    )


def poorly_seen(g: Graph, w: int) -> bool:
    """It is not, or poorly, evaluated, visualized, appreciated or clearly seen."""
    for v, _ in _around(g, w):
        lemma = g.lemmas[v]
        if lemma in ("evaluate", "visualize") and g.under(v, "neg"):
            return True
        if lemma == "see" and g.under(v, "neg") and g.has(v, _CLEARLY):
            return True
    return any(
        (g.lemmas[v] == "evaluate" and g.has(v, _POORLY_OR_INCOMPLETELY))
        or (g.lemmas[v] == "appreciate" and g.under(v, "neg"))
        for v, _ in g.governors[w]
    )


def obscured(g: Graph, w: int) -> bool:
    """ "obscure" governs it, whichever side it is."""
    return any(g.lemmas[v] == "obscure" for v, _ in g.governors[w])


def correlate_for(g: Graph, w: int) -> bool:
    """One should correlate clinically for it."""
    for v, relation in g.governors[w]:
        if relation == "nmod:for" and g.lemmas[v] == "correlate" and g.has(v, _CLINICALLY):
            return True
        if relation == "nmod:of" and g.lemmas[v] in ("evidence", "sign", "symptom"):
            for u, above in g.governors[v]:
                if above == "nmod:for" and (
                    (g.lemmas[u] == "correlate" and g.has(u, _CLINICALLY))
                    or (g.lemmas[u] == "correlation" and g.lemmas[v] == "symptom")
                ):
                    return True
    return False


_EITHER = frozenset(("conj:or", "list:or", "conj:versus", "list:versus"))


def either(g: Graph, w: int) -> bool:
    """It is a member of a list with "or" or "versus", or an adjective beside an "or"."""
    if any(relation in _EITHER for _, relation in _around(g, w)):
        return True
    beside = g.words[max(w - 1, 0)] == "or" or g.words[w + 1 : w + 2] == ["or"]
    return beside and g.kinds[w] == k.ADJECTIVE


def congestion(g: Graph, w: int) -> bool:
    """Words for congestion, which are uncertain by themselves."""
    word = g.words[w]
    return (
        word == "indistinctness"
        or (word == "congestion" and g.has(w, _VASCULAR_OR_PULMONARY))
        or (word == "prominence" and g.has(w, _VASCULAR))
    )
