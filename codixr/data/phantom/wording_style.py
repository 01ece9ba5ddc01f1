"""How a text looks: full or telegraphic, cased, in sections, numbered, abbreviated, misspelt.

Abbreviations and typos change no label; a labeler that reads words may miss them, so a text tells
whether it has any (``Look.odd``).
"""

from dataclasses import dataclass

import numpy as np

from codixr.data.phantom.wording_places import one_of

ABBREVIATIONS = (
    ("right upper lobe", "rul"),
    ("right middle lobe", "rml"),
    ("right lower lobe", "rll"),
    ("left upper lobe", "lul"),
    ("left lower lobe", "lll"),
    ("pneumothorax", "ptx"),
    ("bilateral ", "b/l "),
    ("pleural effusion", "pl effusion"),
    (" with ", " w/ "),
    (" without ", " w/o "),
    ("without ", "w/o "),
    ("right ", "rt "),
    ("left ", "lt "),
    ("right ", "r "),
    ("left ", "l "),
    ("pneumonia", "pna"),
    ("no evidence of", "neg for"),
    ("consistent with", "c/w"),
    ("cardiomegaly", "cmg"),
    ("endotracheal tube", "ett"),
    ("nasogastric tube", "ngt"),
    ("cardiomediastinal", "cm"),
)
SHORTENED = (
    ("there is no ", "no "),
    ("there is a ", ""),
    ("there is an ", ""),
    ("there is ", ""),
    ("there are ", ""),
    ("the ", ""),
    (" is ", " "),
    (" are ", " "),
)
HEADS = (
    ("findings: {}", ""),
    ("impression: {}", ""),
    ("impression: {}", ""),
    ("findings: {} impression: {}", "twice"),
    ("findings and impression: {}", ""),
    ("conclusion: {}", ""),
    ("chest: {}", ""),
    ("report: {}", ""),
)
KEYBOARD = "qwertyuiopasdfghjklzxcvbnm"


@dataclass(frozen=True, slots=True)
class Look:
    """How one text is written."""

    telegraphic: bool = False
    case: str = "sentence"
    numbered: bool = False
    head: int | None = None
    stop: bool = True
    joiner: str = ". "
    abbreviated: bool = False
    misspelt: bool = False

    @property
    def odd(self) -> bool:
        """Whether a labeler that reads words may miss something."""
        return self.abbreviated or self.misspelt


PLAIN = Look()


def draw_look(rng: np.random.Generator, odd: float = 0.1) -> Look:
    """A look; ``odd`` is the share of texts with abbreviations or typos, half and half."""
    r = rng.random(8)
    case = "sentence" if r[0] < 0.7 else "lower" if r[0] < 0.88 else "upper"
    return Look(
        telegraphic=bool(r[1] < 0.12),
        case=case,
        numbered=bool(r[2] < 0.08),
        head=int(rng.integers(len(HEADS))) if r[3] < 0.1 else None,
        stop=bool(r[4] < 0.85),
        joiner="; " if r[5] < 0.02 else ".\n" if r[5] < 0.07 else ". ",
        abbreviated=bool(r[6] < odd / 2),
        misspelt=bool(r[6] > 1 - odd / 2),
    )


def typo(text: str, rng: np.random.Generator) -> str:
    """One slip in one word of five letters or more: two swapped, one lost, doubled or another."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    i = long[int(rng.integers(len(long)))]
    word, at = words[i], int(rng.integers(1, len(words[i]) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif kind == 1:
        word = word[:at] + word[at + 1 :]
    elif kind == 2:
        word = word[:at] + word[at] + word[at:]
    else:
        word = word[:at] + KEYBOARD[int(rng.integers(26))] + word[at + 1 :]
    words[i] = word
    return " ".join(words)


def _shorten(sentence: str) -> str:
    padded = f" {sentence}"
    for long, short in SHORTENED:
        padded = (
            padded.replace(f" {long}", f" {short}")
            if long[0] != " "
            else padded.replace(long, short)
        )
    return padded.strip()


def _abbreviate(
    sentence: str, rng: np.random.Generator, abbreviations: tuple[tuple[str, str], ...]
) -> str:
    for long, short in abbreviations:
        if long in sentence and rng.random() < 0.6:
            sentence = sentence.replace(long, short)
    return sentence


def lay_out(
    sentences: list[str],
    look: Look,
    rng: np.random.Generator,
    abbreviations: tuple[tuple[str, str], ...] = ABBREVIATIONS,
) -> str:
    """The sentences, lower case and without full stops, as one text."""
    if look.telegraphic:
        sentences = [_shorten(s) for s in sentences]
    if look.abbreviated:
        sentences = [_abbreviate(s, rng, abbreviations) for s in sentences]
    if look.misspelt:
        for _ in range(1 + int(rng.random() < 0.3)):
            at = int(rng.integers(len(sentences)))
            sentences = [typo(s, rng) if i == at else s for i, s in enumerate(sentences)]
    if look.case == "sentence":
        sentences = [s[:1].upper() + s[1:] for s in sentences]
    numbered = look.numbered and len(sentences) > 1
    if numbered:
        sentences = [f"{i + 1}. {s}" for i, s in enumerate(sentences)]
    joiner = ". " if numbered else look.joiner
    text = joiner.join(sentences) + ("." if look.stop or numbered else "")
    if look.head is not None:
        head, twice = HEADS[look.head]
        text = (
            head.format(text, text)
            if twice and len(sentences) < 4
            else (HEADS[1][0] if twice else head).format(text)
        )
        if look.case == "sentence":
            text = one_of((text, text[:1].upper() + text[1:], text), rng)
            for name in ("findings:", "impression:", "conclusion:"):
                text = text.replace(name, name.upper())
    return text.upper() if look.case == "upper" else text
