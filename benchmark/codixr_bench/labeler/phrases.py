"""The phrases of a sentence: nouns with what stands before them, verbs with their auxiliaries.

One pass from left to right; a phrase's inner links are set on the way. A noun phrase ends at its
last noun; an adjective behind the noun ("heart size normal") is a phrase of its own.
"""

from codixr_bench.labeler import words as k
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.words import word_set

NOUN, VERB, ADJECTIVE, GERUND, INFINITIVE = "N", "V", "J", "G", "I"
"""Kinds of phrases; the others are single words and keep their word's kind."""

RATHER_THAN = "rather than"
"""The lemma of the coordinator; what stands behind it is denied."""

_STARTS_NOMINAL = frozenset("DXQNJE#")
_AUXILIARIES = frozenset("MHB")
_VERBAL = frozenset("MHBV")

BEHIND_NOUN = word_set(
    "seen noted identified visualized demonstrated removed resolved appreciated compared obtained "
    "described suspected excluded evaluated obscured projected given unchanged improved cleared "
    "placed present evident apparent normal clear unremarkable stable intact negative absent "
    "suspicious consistent compatible suggestive secondary due greater similar worrisome enlarged "
    "related superimposed adjacent upper top borderline"
)
"""Behind a noun, these begin a new phrase: they say something of the noun."""
TAKING_OBJECTS = word_set(
    "obscuring suggesting representing reflecting indicating demonstrating showing causing "
    "involving simulating mimicking containing projecting measuring extending producing displacing "
    "compressing traversing crossing entering considering excluding favoring including seeing "
    "using comparing raising giving making depicting confirming revealing evaluating assessing "
    "correlating outlining abutting exceeding approaching overlying"
)
"""Behind a noun or first in a sentence, these take the next noun as their object."""
_BEFORE_ADJECTIVE_ING = ("X", "D", "J", "#")
_MAYBE_BEFORE_ADJECTIVE_ING = ("", "P", "C", ".", "V", "E")
_SIDES = frozenset(("right", "left", "bilateral"))
PLACES = word_set(
    "lung lungs lobe lobes base bases apex apices hemithorax angle spine aorta region side left "
    "right chest svc atrium ventricle junction thorax hilum hila zone midlung lingula ribs rib "
    "diaphragm hemidiaphragm xxxx quadrant wall view views radiograph mediastinum exam examination "
    "study comparison spaces space sulcus fissure position carina trachea vein neck abdomen age "
    "size tissues"
)
"""Nouns that say where: they share lists with each other, not with findings."""
REMARK_MARKS = frozenset(",(-")
"""They, or a preposition, open a remark between "may" and its verb."""
REMARK_WORDS = 16
"""No longer remark is looked through; it keeps the time linear."""
ADJECTIVES_AHEAD = 24
"""Words; no longer list of adjectives is looked through, for the same reason."""
_CAUSES = frozenset(("due", "secondary"))
_COORDINATORS = frozenset(("and", "or", "but"))
_BETWEEN_ADJECTIVES = _COORDINATORS | {","}
FINITE = word_set("is are was were been being am")
"""These don't stand behind "may"."""
_BEFORE_NOUN = {"X": "neg", "D": "det", "J": "amod", "E": "amod", "#": "nummod"}
_BEFORE_ADJECTIVE = {"X": "neg", "!": "neg", "D": "det", "R": "advmod"}


class Phrase:
    """A phrase: its kind, its head, its first word, the head's lemma, whether "no" begins it."""

    __slots__ = ("head", "kind", "lemma", "no", "start")

    def __init__(self, kind: str, head: int, start: int, lemma: str, no: bool = False) -> None:
        self.kind = kind
        self.head = head
        self.start = start
        self.lemma = lemma
        self.no = no


def find_phrases(g: Graph) -> list[Phrase]:
    """All phrases in order."""
    kinds, words = g.kinds, g.words
    n = len(kinds)
    _read_participles(g)
    _read_adverbs(g)
    phrases: list[Phrase] = []
    waiting: list[int] = []
    i = 0
    while i < n:
        kind = kinds[i]
        following = kinds[i + 1] if i + 1 < n else ""
        if kind == k.NO and following and words[i + 1] == "longer":
            g.link(i + 1, i, "neg")
            phrases.append(Phrase(k.ADVERB, i + 1, i, "longer"))
            i += 2
        elif kind in _STARTS_NOMINAL:
            i = _nominal(g, i, phrases)
        elif kind in _VERBAL or (kind == k.NOT and following in _VERBAL):
            i = _verbal(g, i, phrases, VERB, waiting)
        elif kind == k.PREPOSITION and words[i] == "to" and _is_infinitive(g, i + 1):
            i = _verbal(g, i + 1, phrases, INFINITIVE, waiting)
        elif words[i] == "rather" and following and words[i + 1] == "than":
            phrases.append(Phrase(k.COORDINATOR, i, i, RATHER_THAN))
            i += 2
        else:
            phrases.append(Phrase(kind, i, i, words[i]))
            i += 1
    return phrases


def _read_participles(g: Graph) -> None:
    """Words in -ing before a noun are adjectives: "no expanding pneumothorax".

    A verb that takes an object stays a verb, unless it stands behind "no" or an adjective;
    "appearing" always does ("no suspicious appearing nodule"), as in the original.
    """
    kinds, words = g.kinds, g.words
    if k.GERUND not in kinds and "overlying" not in words:
        return
    for i in range(len(kinds) - 2, -1, -1):
        if kinds[i] != k.GERUND and words[i] != "overlying":
            continue
        if words[i] == "appearing":
            continue
        j = i - 1
        while j > 0 and kinds[j] == k.ADVERB:
            j -= 1  # "no rapidly expanding pneumothorax"
        before = kinds[j] if i else ""
        joined = kinds[i + 1] == k.COORDINATOR and kinds[i + 2 : i + 3] in (["J"], ["E"])
        if kinds[i + 1] not in "NJE#" and not (joined and before in _BEFORE_ADJECTIVE_ING):
            continue
        if before in _BEFORE_ADJECTIVE_ING or (
            words[i] not in TAKING_OBJECTS
            and (before in _MAYBE_BEFORE_ADJECTIVE_ING or (i > 1 and kinds[i - 2] == k.THERE))
        ):
            kinds[i] = k.ADJECTIVE


def _read_adverbs(g: Graph) -> None:
    """ "in part" and "at least partly" are adverbs: "may in part represent", "due in part to"."""
    kinds, words = g.kinds, g.words
    if "part" not in words and "least" not in words:
        return
    for i in range(len(kinds) - 2, -1, -1):
        pair = words[i], words[i + 1]
        following = words[i + 2] if i + 2 < len(words) else ""
        if (pair == ("in", "part") and following != "of") or (
            pair == ("at", "least") and kinds[i + 2 : i + 3] == [k.ADVERB]
        ):
            kinds[i] = kinds[i + 1] = k.ADVERB


def _is_infinitive(g: Graph, i: int) -> bool:
    """Whether a verb follows, adverbs before it or not: "to completely exclude"."""
    kinds = g.kinds
    while i < len(kinds) and kinds[i] == k.ADVERB:
        i += 1
    return i < len(kinds) and kinds[i] in "VB"


def _nominal(g: Graph, first: int, phrases: list[Phrase]) -> int:
    """Read a noun phrase, or adjectives without a noun; returns the word after it."""
    kinds, words = g.kinds, g.words
    n = len(kinds)
    behind = bool(phrases) and phrases[-1].kind in (VERB, NOUN)
    noun = -1
    pairs: list[tuple[int, int, str]] = []
    i = first
    while i < n:
        kind = kinds[i]
        if kind == k.NOUN or (kind == k.NUMBER and noun < 0):
            noun = i
        elif kind == k.PRONOUN:
            noun = i
            i += 1
            break
        elif kind in "DX":
            if i > first and kinds[i - 1] not in "DX":
                break
        elif kind in "JE":
            if noun >= 0 and _begins_new(g, first, i, noun):
                break
            if i > first and words[i] in _CAUSES and words[i + 1 : i + 2] == ["to"]:
                break  # "not excluded | due to overlying tubes"
        elif kind == k.ADVERB:
            if noun >= 0 or i + 1 >= n or kinds[i + 1] not in "JEN":
                break
        elif kind in "C." and noun < 0 and (not behind or kinds[first] in "DX"):
            # "stable and unremarkable contour", "acute, displaced fractures"
            after = _after_separator(g, first, i)
            if after < 0:
                break
            last = after
            while kinds[last] in "JER":
                last += 1
            pairs.append((i - 1, last - 1, words[after - 1]))
            i = after
            continue
        else:
            break
        i += 1
    if noun < 0:
        return _without_noun(g, first, i, phrases)
    return _noun(g, first, noun, pairs, phrases)


def _begins_new(g: Graph, first: int, i: int, noun: int) -> bool:
    """Whether the adjective at ``i``, behind ``noun``, begins a phrase of its own."""
    words = g.words
    before = words[i - 1]
    if (
        before == "xxxx"
        and g.kinds[first] == k.NO
        and i + 1 < len(words)
        and g.kinds[i + 1] in "NJ"
    ):
        return False  # a blanked word: "no xxxx suspicious nodule"
    if words[i] == "normal" and words[i + 1 : i + 2] == ["limits"]:
        return False  # "within" forgotten
    if words[i] in BEHIND_NOUN or words[noun] == "change":
        return True
    return words[i] in _SIDES and noun == i - 1 and before not in PLACES


def _after_separator(g: Graph, first: int, i: int) -> int:
    """Where adjectives go on behind "and", "or", "but" or a comma at ``i``; -1 if they do not.

    They do where a noun ends them, however many there are: "focal, segmental or lobar opacity".
    """
    kinds, words = g.kinds, g.words
    if words[i] not in _BETWEEN_ADJECTIVES or i == first or kinds[i - 1] not in "JE":
        return -1
    after = _over_separator(words, i)
    end = after
    last = min(i + ADJECTIVES_AHEAD, len(kinds))
    while end < last:
        start = end
        while end < last and kinds[end] in "JER":
            end += 1
        if end == last:
            return -1
        if kinds[end] == k.NOUN:
            goes_on = end > start or (
                words[end].endswith("ing") and kinds[end + 1 : end + 2] == [k.NOUN]
            )
            return after if goes_on else -1
        if end == start or words[end] not in _BETWEEN_ADJECTIVES:
            return -1
        end = _over_separator(words, end)
    return -1


def _over_separator(words: list[str], i: int) -> int:
    """The word behind a separator, which may be a comma and a coordinator."""
    serial = words[i] == "," and i + 1 < len(words) and words[i + 1] in _COORDINATORS
    return i + 2 if serial else i + 1


def _without_noun(g: Graph, first: int, end: int, phrases: list[Phrase]) -> int:
    kinds, words = g.kinds, g.words
    if all(kinds[i] in "DX" for i in range(first, end)):
        if kinds[first] == k.NO:
            phrases.append(Phrase(k.ADVERB, first, first, "no", no=True))
            return end
        phrases.append(Phrase(NOUN, first, first, words[first]))
        return first + 1
    head = end - 1
    while head > first and kinds[head] not in "JE":
        head -= 1
    no = False
    for i in range(first, end):
        no = no or kinds[i] == k.NO
        if i != head and kinds[i] not in "C.":
            g.link(head, i, _BEFORE_ADJECTIVE.get(kinds[i], "dep"))
    phrases.append(Phrase(ADJECTIVE, head, first, g.lemmas[head], no))
    return end


def _noun(
    g: Graph, first: int, noun: int, pairs: list[tuple[int, int, str]], phrases: list[Phrase]
) -> int:
    kinds = g.kinds
    verb = -1 if any(phrase.kind == VERB for phrase in phrases) else _misread(g, first, noun)
    head = noun if verb < 0 else verb - 1
    no = False
    for i in range(first, head):
        kind = kinds[i]
        if kind in "C.":
            continue
        no = no or kind == k.NO
        if kind == k.ADVERB:
            of = i + 1
            while of < head and kinds[of] == k.ADVERB:
                of += 1
            g.link(of, i, "advmod")
        else:
            g.link(head, i, _BEFORE_NOUN.get(kind, "compound"))
    for one, other, coordinator in pairs:
        if kinds[one] in "JE" and kinds[other] in "JE":
            g.link(one, other, f"conj:{coordinator}")
    phrases.append(Phrase(NOUN, head, first, g.words[head], no))
    if verb < 0:
        return noun + 1
    kinds[verb] = k.VERB
    phrases.append(Phrase(VERB, verb, verb, g.words[verb]))
    return verb + 1


def _misread(g: Graph, first: int, noun: int) -> int:
    """A word inside a noun phrase that the original's parser takes for its verb; -1 for none.

    "No acute | displaced | rib fracture", "no focal air | space | consolidation": the finding
    becomes the verb's object, and "no" does not reach it. A sentence with a verb of its own
    ("... are noted") is read right.
    """
    words = g.words
    for i in range(first + 1, noun):
        if words[i] == "displaced" and g.kinds[i - 1] == k.ADJECTIVE:
            return i
        if (
            words[i] == "space"
            and words[i - 1] == "air"
            and first == 0
            and i > first + 2
            and words[first] == "no"
            and words[i + 1].startswith("consolidat")
            and not any(kind in _AUXILIARIES for kind in g.kinds[noun:])
        ):
            return i
    return -1


def _verbal(g: Graph, first: int, phrases: list[Phrase], kind: str, waiting: list[int]) -> int:
    """Read auxiliaries, adverbs and a main verb; returns the word after them.

    What stands before a remark goes to ``waiting``, and from there to the verb behind the remark.
    """
    kinds = g.kinds
    auxiliaries = [word for word in waiting if kinds[word] in _AUXILIARIES]
    adverbs = [word for word in waiting if kinds[word] not in _AUXILIARIES]
    waiting.clear()
    verb = -1
    i = first
    while i < len(kinds):
        here = kinds[i]
        if here in _AUXILIARIES:
            auxiliaries.append(i)
        elif here in "R!":
            adverbs.append(i)
        elif here == k.VERB or (here == k.PARTICIPLE and auxiliaries):
            verb = i
            i += 1
            break
        else:
            break
        i += 1
    if verb < 0 and auxiliaries and kinds[auxiliaries[-1]] == k.MODAL and _goes_on(g, i):
        waiting += auxiliaries + adverbs
        return i
    # Adverbs behind the last auxiliary belong to what follows.
    while verb < 0 and adverbs and adverbs[-1] == i - 1 and kinds[adverbs[-1]] == k.ADVERB:
        adverbs.pop()
        i -= 1
    if verb < 0:
        verb = auxiliaries.pop() if auxiliaries else first
    passive = kinds[verb] == k.PARTICIPLE
    for auxiliary in auxiliaries:
        g.link(verb, auxiliary, "auxpass" if passive and kinds[auxiliary] == k.BE else "aux")
    for adverb in adverbs:
        g.link(verb, adverb, "neg" if kinds[adverb] == k.NOT else "advmod")
    phrases.append(Phrase(kind, verb, first, g.lemmas[verb]))
    return i


def _goes_on(g: Graph, i: int) -> bool:
    """Whether a "may" gets its verb behind a remark at ``i``: "may, in this setting, represent"."""
    kinds, words = g.kinds, g.words
    if i >= len(kinds) or (kinds[i] != k.PREPOSITION and words[i] not in REMARK_MARKS):
        return False
    for here in range(i, min(i + REMARK_WORDS, len(kinds))):
        if kinds[here] in "VB":
            return words[here - 1] != "to" and words[here] not in FINITE
        if kinds[here] in "MHTW" or words[here] in ":;":
            return False
    return False
