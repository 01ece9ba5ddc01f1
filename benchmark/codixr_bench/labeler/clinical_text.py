"""A report's text for the clinical reading: abbreviations in words, sentences that a person sees.

Otherwise than for the original's reading, "w/o" is "without", "PTX" a pneumothorax, a decimal point
ends nothing, an item of a list is a sentence, and a blanked word (``XXXX``, ``___``) is left out.
"""

import re

ABBREVIATIONS = {
    "w/o": "without", "w/out": "without", "c/f": "concern for", "i/s/o": "in the setting of",
    "wnl": "within normal limits", "neg": "negative", "w/": "with ",
    "c/w": "consistent with", "s/p": "after", "r/o": "rule out",
    "b/l": "bilateral", "d/t": "due to", "2/2": "due to", "h/o": "history of", "e/o": "evidence of",
    "f/u": "follow up", "vs.": "versus", "vs": "versus", "ptx": "pneumothorax", "pna": "pneumonia",
    "ett": "endotracheal tube", "ngt": "nasogastric tube", "ogt": "orogastric tube",
    "cvl": "central venous catheter", "cvc": "central venous catheter", "eff": "effusion",
    "effs": "effusions", "atx": "atelectasis", "consol": "consolidation", "infil": "infiltrate",
    "can't": "cannot", "can not": "cannot", "isn't": "is not", "aren't": "are not", "hx": "history",
    "and/or": "or",
}  # fmt: skip
"""What is written short, in words."""

LONGEST = 2_000
"""Characters of a sentence; the rest of a longer one is read by itself."""
_SHORT = re.compile(
    r"(?<![a-z0-9])(?:"
    + "|".join(
        re.escape(short) + ("" if short.endswith(("/", ".")) else r"(?![a-z0-9/])")
        for short in sorted(ABBREVIATIONS, key=len, reverse=True)
    )
    + ")"
)
MASK = re.compile(r"\[\*\*[^\]]{0,80}\]|\bx{3,}\b|_{2,}")
"""A blanked word, in lower case: MIMIC-III's [** … **], OpenI's XXXX, MIMIC-CXR's ___."""
_BULLET = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+")
_NUMBERED = re.compile(r"\s\d{1,2}[.)]\s(?=\s*[a-z])")
_DASHED = re.compile(r"\s[-*•]\s")
_SLASH = re.compile(r"(?<=[a-z])/(?=[a-z])")
_ASKED = re.compile(r"(?:^|\s)\?\s*(?=[a-z])")
"""A question mark before a finding."""
_END = re.compile(r"[.?!;](?=\s|$)|(?<=[a-z]{3})\.(?=[a-z]{2})")
_KEPT = re.compile(r"\b(?:dr|mr|mrs|ms|approx|st|e\.g|i\.e|a\.m|p\.m|[a-z]|\d+)$")

_NUMBER_OF = re.compile(r"\bno\.\s?\d")
"""Not as in "Pneumothorax: No."."""


def sentences(text: str) -> list[str]:
    """The sentences of a report, in lower case and single blanks, without their full stops."""
    found: list[str] = []
    for item in _items(text.lower()):
        for part in _NUMBERED.split(item):
            plain = _SHORT.sub(lambda short: ABBREVIATIONS[short[0]], MASK.sub(" ", part))
            plain = " ".join(_SLASH.sub(" or ", _ASKED.sub(" possible ", plain)).split())
            for sentence in _split(plain.encode("ascii", "ignore").decode()):
                found += _pieces(sentence)
    return found


def _items(text: str) -> list[str]:
    """Paragraphs, and the items of lists."""
    items: list[list[str]] = [[]]
    for line in text.splitlines():
        line = line.strip()
        bullet = _BULLET.match(line)
        if bullet or not line:
            items.append([])
        if bullet and line[0] in "-*•":
            items += [[part] for part in _DASHED.split(line[bullet.end() :])]
        else:
            items[-1].append(line[bullet.end() :] if bullet else line)
    return [" ".join(lines) for lines in items if lines]


def _pieces(sentence: str) -> list[str]:
    """The sentence, in pieces where it is so long that nobody wrote it as one."""
    pieces = []
    while len(sentence) > LONGEST:
        cut = sentence.rfind(" ", 0, LONGEST) + 1 or LONGEST
        pieces.append(sentence[:cut])
        sentence = sentence[cut:]
    return [*pieces, sentence]


def _split(text: str) -> list[str]:
    found = []
    start = 0
    for end in _END.finditer(text):
        before = text[max(start, end.start() - 12) : end.start()]
        number = _NUMBER_OF.match(text, max(end.start() - 2, 0))
        if end[0] == "." and end.end() < len(text) and (number or _KEPT.search(before)):
            continue
        found.append(text[start : end.start()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]
