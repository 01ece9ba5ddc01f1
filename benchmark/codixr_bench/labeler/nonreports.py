"""Whether a text is a chest report in English at all.

The labeler gives No Finding to any text without a mention, gibberish too; a model that writes none
of radiology's words must not be praised for healthy patients. A report in another language shares
words with ours ("pneumothorax"), but most of its words are unknown. A model that is caught in a
loop writes one phrase again and again: "line line line ..." is no device.
"""

import re
from functools import lru_cache

from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.mentions import find_mentions
from codixr_bench.labeler.sentences import clean, split
from codixr_bench.labeler.vocabulary import VOCABULARY
from codixr_bench.labeler.words import in_lexicon, word_set

_STEMS = (
    "chest lung pulmon cardi heart pleur thora mediast hilar radiograph x-ray abnormal disease "
    "finding acute normal clear unremarkable change examination evidence impression interval "
    "negative diaphragm hemidiaphragm airspace effusion adenopathy lymph"
)
_MORE = (
    "vascular contour size limit lobe base apex apic volume spine bony osseous structure process "
    "view film costophrenic angle rib tip place status post previous compar aort ventric tissue "
    "silhouette noted seen identif demonstrat visual recommend follow further clinical correlat "
    "report patient level position trachea region side area tortuous postop surgical sternotomy "
    "clip wire degenerative cardiopulmonary intrathoracic stable improv worsen develop superimpos"
)
_OTHER_LANGUAGES = word_set(
    "de la el los las del una uno hay para izquierdo derecha derecho izquierda der das und ist "
    "kein keine keinen mit ohne des im eine ein nicht links rechts zeigt pas le les du et sans est "
    "une au aux dans sur droit gauche il lo di della dei senza non si nel che dos das os um uma "
    "nao sem geen het een niet met van brak"
)
"""Small words of Spanish, German, French, Italian, Portuguese and Dutch."""
_WORD = re.compile(rf"\b(?:{'|'.join(_STEMS.split())})")
_BEGINNINGS = (
    *_STEMS.split(),
    *_MORE.split(),
    *{word for phrases in VOCABULARY.values() for p in phrases for word in p.text.split()},
    "xxx",
)
_LETTERS = re.compile(r"[^\W\d_]+")
_LETTERS_OR_DIGITS = re.compile(r"\w+")
_ENOUGH_WORDS = 4
_KNOWN_SHARE = 0.45
"""Of the words, less the share of other languages': of OpenI's 7,346 sections none has less."""
_LONGEST = 20_000
"""Characters by which a text's language is told."""
_MISSING = frozenset(("nan", "none", "null", "na", "n/a", "<na>", "nat", "#n/a"))


_MASKED = re.compile(r"x{2,}|_+")
"""A word that was taken out, as public reports show it; several may stand in a row."""
_LOOPED_SHARE = 0.5
"""Of a text's words, from which on a loop is all that it says."""
_LOOPED_WORD, _LOOPED_PHRASE = 6, 3
"""Times in a row. In OpenI's 7,346 sections a word stands 2 times in a row at most, and a phrase of
two words or more begins a third time once, and never ends it."""
_LONGEST_PHRASE = 64
"""Words."""


def is_missing(text: str) -> bool:
    """Whether the text is how a program writes a missing value."""
    return text.strip().lower() in _MISSING


def is_report(text: str, labels: Labels | None = None) -> bool:
    """Whether the text reads like a chest report in English.

    It mentions an observation, or uses a word that chest reports use, most of its words are known,
    and it is not one phrase again and again. ``labels``: the text's own, where there are any; they
    tell whether it mentions anything.
    """
    cleaned = clean(text)
    if not _WORD.search(cleaned):
        if labels is not None:
            if labels[0] is not None and all(label is None for label in labels[1:]):
                return False
        elif not any(find_mentions(s) for s in split(cleaned)):
            return False
    return is_english(text) and not is_loop(text)


def is_loop(text: str) -> bool:
    """Whether half of a text's words or more are one phrase, again and again."""
    found = _LETTERS_OR_DIGITS.findall(text[:_LONGEST].lower())
    words = [word for word in found if not _MASKED.fullmatch(word)]
    n, numbers = len(words), {word: i for i, word in enumerate(dict.fromkeys(words))}
    # A loop of half of the words, three times or more, leaves at most two thirds of them distinct.
    if n < _LOOPED_PHRASE or 3 * len(numbers) > 2 * n:
        return False
    row = [numbers[word] for word in words]
    for period in range(1, min(_LONGEST_PHRASE, n // _LOOPED_PHRASE) + 1):
        times = _LOOPED_WORD if period == 1 else _LOOPED_PHRASE
        least = max(times * period, _LOOPED_SHARE * n)
        run = 0
        for one, before in zip(row[period:], row, strict=False):
            run = run + 1 if one == before else 0
            if run + period >= least:
                return True
    return False


def is_english(text: str) -> bool:
    """Whether enough of a text's words are known; a text of few words is not judged."""
    words = _LETTERS.findall(text[:_LONGEST].lower())
    if len(words) < _ENOUGH_WORDS:
        return True
    known = sum(map(_is_known, words)) - sum(word in _OTHER_LANGUAGES for word in words)
    return known >= _KNOWN_SHARE * len(words)


@lru_cache(maxsize=65536)
def _is_known(word: str) -> bool:
    return (
        in_lexicon(word) or word.startswith(_BEGINNINGS) or (word.endswith("ly") and len(word) > 4)
    )
