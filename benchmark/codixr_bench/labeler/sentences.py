"""A report's text as the labeler reads it: cleaned, lower case, cut into sentences.

Notable, all as in the original: a slash between letters becomes "or"; a blank follows every comma
and full stop, so that "1.5 cm" falls apart into two sentences; lines are joined; ":" and ";" never
end a sentence. Sentences are cut where NLTK's Punkt (Kiss & Strunk 2006) cuts English of lower
case, without its download: after ".", "?" and "!", but not after an abbreviation, a list number or
a single letter that a word or a mark (``, : ; ! ? .``) follows.
"""

import re

from codixr_bench.labeler.words import word_set

_SLASH = re.compile(r"(?<=[a-z])/(?=[a-z])")
_EMPTY_SENTENCE = re.compile(r"\. +\.")
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_SPACED = str.maketrans({",": ", ", ".": ". "})

ABBREVIATIONS = word_set(
    "vs dr mr mrs ms st jr sr prof gen col sen rep lt adm inc corp co ltd bros "
    "ct pa va ft mg ill wash calif mich minn conn okla ave yr ch "
    "jan feb aug sept oct nov dec tues wed thurs"
)
"""Words after which a full stop ends nothing: what a report can hold of Punkt's English ones."""

_END = re.compile(r"[.?!][\"')\]}]*(?= |$)")
_CLOSING = re.compile(r" [\"')\]}]+(?= |$)")
_MARK = re.compile(r"[,:;]|[.?!](?= |$)")
"""A word of its own for Punkt, and no beginning of a sentence."""
_NUMBER = re.compile(r"[.,]?\d[\d.,-]*$")
_INSIDE = re.compile(r"[()\[\]{}\";:*@]")
"""Where Punkt cuts a run of characters into words: "10:30" ends with the word "30"."""


def clean(text: str) -> str:
    """The text in lower case, of printable ASCII, with single blanks."""
    text = text.lower().replace("and/or", "or")
    text = _SLASH.sub(" or ", text).replace("..", ".")
    text = " ".join(text.translate(_SPACED).split())
    return _NOT_PRINTABLE.sub("", _EMPTY_SENTENCE.sub(".", text))


def split(text: str) -> list[str]:
    """The sentences of a cleaned text."""
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(text):
        stop = end.end()
        if stop <= start:
            continue
        if end[0] == ".":
            run = text[max(start, text.rfind(" ", start, stop) + 1) : stop - 1]
            word = run if run.isalpha() else _INSIDE.split(run)[-1].lstrip("-#&`,")
            if _goes_on(word, text, stop + 1):
                continue
        if closing := _CLOSING.match(text, stop):
            stop = closing.end()
        sentences.append(text[start:stop])
        start = stop + 1
    if start < len(text):
        sentences.append(text[start:])
    return sentences


def _goes_on(word: str, text: str, following: int) -> bool:
    """Whether a full stop after ``word`` ends no sentence, given where the next word begins."""
    if word in ABBREVIATIONS:
        return True
    is_item = (len(word) == 1 and word.isalpha()) or _NUMBER.match(word) is not None
    if not is_item:
        return False
    return text[following : following + 1].isalpha() or bool(_MARK.match(text, following))
