"""Reports as radiologists write them: many wordings of what the phantom can show, for prompts.

``sample_meaning`` draws what a text is to say, ``word`` writes it, and ``case_of`` gives a whole
case that it stands for. The references of the phantom track stay those of ``grammar``. Labels are
known by construction; texts with abbreviations or typos are marked.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import wording_around as around
from codixr.data.phantom import wording_denied as denied
from codixr.data.phantom import wording_findings as findings
from codixr.data.phantom import wording_more as more
from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom import wording_other as beside
from codixr.data.phantom.case import Case
from codixr.data.phantom.wording_lexicon import PLAIN, Lexicon
from codixr.data.phantom.wording_meaning import (
    CENTRAL,
    FLUID_OR_AIR,
    Meaning,
    Mention,
    briefly,
    case_of,
    chance,
    is_bare,
    meaning_of,
    sample_bare,
    sample_meaning,
    sample_pair,
)
from codixr.data.phantom.wording_places import one_of
from codixr.data.phantom.wording_style import draw_look, lay_out
from codixr.data.phantom.wording_writer import Writer

__all__ = [
    "Meaning",
    "Mention",
    "Wording",
    "case_of",
    "rewordings",
    "sample_bare",
    "sample_meaning",
    "sample_pair",
    "spelt_words",
    "word",
    "words_of",
]

UNSAID = 0.4
"""How often a study's other wordings leave an extent unsaid that a bare name stands for."""
ODD = 0.05
"""The share of them with abbreviations or typos."""
COMMAS, MORE_COMMAS = 0.1, 0.18
"""How often a wide lexicon's sentences are one, with commas between them; where it may be odd."""
WISHED = 0.06
"""How often it is somebody's wish."""
TOLD = 0.25
"""How often a wide lexicon's text tells who, why, when or how."""
NO_STOP = 0.25
"""How often a wide lexicon's text loses its last full stop, beside those that have none anyhow."""
BEHIND_FINDINGS = 0.5
"""How often a wide lexicon names a device in the sentence of what is there."""
RAISED = 0.3
"""How often a wide lexicon calls an atelectasis of the middle zone one of the upper."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A text, and the labels that it says: 1, 0 or -1; an observation that it leaves out isn't in.

    ``odd``: it has abbreviations or typos, which a labeler of words may miss.
    """

    text: str
    labels: dict[str, int]
    odd: bool = False


def _together(w: Writer, rng: np.random.Generator) -> None:
    """The sentences of all findings."""
    rest = list(w.meaning.mentions)
    if chance(rng, 0.5):
        rest = [rest[i] for i in rng.permutation(len(rest))]
    heart, edema = w.meaning.find("Cardiomegaly"), w.meaning.find("Edema")
    if heart is not None and not heart.certain and edema is not None and edema.certain:
        text = one_of(findings.HEART_FAILURE, rng).format(sev=w.extent(edema, "severity"))
        w.say(text, {"Edema": 1, "Cardiomegaly": -1})
        rest = [m for m in rest if m not in (heart, edema)]
    opacity = w.meaning.find("Lung Opacity")
    if w.around and opacity is None:
        opacity = w.meaning.find("Consolidation")
    causes = [m for m in rest if m.observation in ("Pneumonia", "Atelectasis")]
    if opacity is not None and opacity.certain and causes:
        cause = causes[0]
        same = (cause.side, cause.zone) in ((opacity.side, opacity.zone), (None, None))
        if same and (not cause.certain or chance(rng, 0.6)):
            w.cause(opacity, cause)
            rest = [m for m in rest if m not in (opacity, cause)]
    air, fluid = (w.meaning.find(name) for name in FLUID_OR_AIR[::-1])
    one = air and fluid and (air.side, air.grade, True) == (fluid.side, fluid.grade, air.certain)
    if w.around and air and one and air.side and chance(rng, 0.5):
        more.air_and_fluid(w, air)
        rest = [m for m in rest if m not in (air, fluid)]
    doubts = [m for m in rest if not m.certain]
    if len(doubts) == 2 and doubts[0].observation == "Atelectasis" and opacity in (None, doubts[1]):
        w.either(*doubts)
        rest = [m for m in rest if m not in doubts]
    while rest:
        m = rest.pop(0)
        if rest and m.certain and rest[0].certain and chance(rng, 0.3):
            w.pair(m, rest.pop(0))
        else:
            w.mention(m)
            if m.side in ("left", "right") and m.observation in FLUID_OR_AIR and chance(rng, 0.05):
                other = "left" if m.side == "right" else "right"
                noun = normal.DENIABLE[m.observation][0]
                w.say(f"no {other} {noun}", {m.observation: 0})


def _beside(w: Writer, absent: set[str], rng: np.random.Generator) -> None:
    """What is absent and normal: nothing of it, a sentence, or several."""
    kind = rng.random()
    count = 0 if kind < 0.35 else 1 if kind < 0.6 else int(rng.integers(2, 5))
    for _ in range(count):
        if w.lexicon.lines and chance(rng, 0.08):
            w.line(w.lexicon.lines, absent)
            continue
        which = int(rng.integers(8))
        if which < 3:
            w.denial(absent)
        elif which == 3:
            w.line(normal.NORMAL_HEART, absent)
        elif which == 4:
            w.line(normal.NORMAL_LUNGS, absent)
        elif which == 5:
            w.line(normal.NORMAL_PLEURA, absent)
        else:
            w.line(normal.NORMAL_MEDIASTINUM if which == 6 else normal.NORMAL_BOTH, absent)


def _more(w: Writer, absent: set[str], rng: np.random.Generator, odd: float) -> None:
    """What is absent or normal, and other things, behind the findings."""
    mentions = w.meaning.mentions
    if mentions and all(m.certain for m in mentions) and chance(rng, 0.12):
        w.without(absent)
    if not mentions and chance(rng, 0.55):
        w.say(one_of(w.lexicon.normal_chest, rng), {})
    elif mentions and chance(rng, 0.14):
        w.say(one_of(normal.ACUTE_ONLY, rng), {})
    _beside(w, absent, rng)
    _aside(w, rng, odd)


def _aside(w: Writer, rng: np.random.Generator, odd: float) -> None:
    """Things that the phantom does not draw, and remarks."""
    if chance(rng, 0.22):
        for _ in range(1 + int(rng.random() < 0.3)):
            others = w.lexicon.others
            other = others[int(rng.integers(len(others)))]
            w.say(other.text, dict(other.says))
            w.blocked = w.blocked or other.blocks
    if chance(rng, 0.12):
        w.say(one_of(beside.REMARKS, rng), {}, reports=False)
    if chance(rng, 0.6 * odd):
        w.say(beside.made_up(rng), {}, reports=False)


def _one_side(meaning: Meaning) -> str:
    """The side of a text whose findings are all on one, and leave the other lung clear; or ""."""
    sides = {m.side for m in meaning.mentions if m.observation not in CENTRAL}
    edema = meaning.find("Edema") is not None
    certain = all(m.certain for m in meaning.mentions)
    return sides.pop() or "" if len(sides) == 1 and certain and not edema else ""


def _told(sentences: list[str], rng: np.random.Generator) -> list[str]:
    """The sentences with circumstances beside them, and as somebody's wish, at times."""
    if chance(rng, TOLD):
        at = int(rng.integers(len(sentences)))
        if chance(rng, 0.5):
            sentences = [*sentences[:at], around.circumstance(rng), *sentences[at:]]
        else:
            changed = around.beside(sentences[at], rng)
            sentences = [changed if i == at else s for i, s in enumerate(sentences)]
    if chance(rng, WISHED):
        sentences = [around.request(sentences[0], rng), *sentences[1:]]
    return sentences


def _raised(meaning: Meaning, rng: np.random.Generator) -> Meaning:
    """The same with some atelectasis of the middle zone said to be above: none is drawn there."""
    mentions = (
        replace(m, zone="upper")
        if m.observation == "Atelectasis" and m.zone == "mid" and chance(rng, RAISED)
        else m
        for m in meaning.mentions
    )
    return replace(meaning, mentions=tuple(mentions))


def _said_otherwise(w: Writer, rng: np.random.Generator) -> list[str]:
    """The sentences with some places and phrases in other words, or in British spelling."""
    changed = []
    for sentence in w.sentences:
        for usual, other in w.lexicon.rephrased:
            if usual in sentence and chance(rng, 0.15):
                sentence = sentence.replace(usual, other)
        changed.append(sentence)
    if not w.unlisted or chance(rng, 0.5):
        return changed
    for usual, other in w.lexicon.spellings:
        respelt = [sentence.replace(usual, other) for sentence in changed]
        w.odd, changed = w.odd or respelt != changed, respelt
    return changed


def word(
    meaning: Meaning,
    rng: np.random.Generator,
    odd: float = 0.1,
    lexicon: Lexicon = PLAIN,
    *,
    remarks: bool = True,
) -> Wording:
    """A text that says ``meaning`` and no other finding.

    ``odd`` is the share of texts with abbreviations or typos; 0 for references. Some have a
    sentence of made-up words then, too. A wide lexicon's names that no labeler knows, and British
    spelling, are half of that share; as many texts again deny something behind its name, and more
    of those without a finding; then there are measures and circumstances, too. ``remarks``:
    whether there are sentences that are not about the picture.
    """
    told = lexicon.is_wide and odd > 0
    unlisted = lexicon.is_wide and chance(rng, odd / 2)
    meaning = _raised(meaning, rng) if lexicon.is_wide else meaning
    denies = lexicon.is_wide and chance(rng, odd * (1.4 if meaning.mentions else 2.5))
    w = Writer(meaning, rng, lexicon, unlisted=unlisted, around=told, remarks=remarks)
    alone = False
    if lexicon.is_wide and is_bare(meaning) and chance(rng, 0.6):
        more.state(w)
        alone = chance(rng, 0.6)
    else:
        _together(w, rng)
    for device in meaning.devices:
        side = f"{device.side} " if device.side else ""
        text = one_of(beside.DEVICES[device.kind], rng).format(side=side)
        if lexicon.is_wide and w.sentences and chance(rng, BEHIND_FINDINGS):
            text = w.sentences.pop() + one_of((", ", ", ", "; ", " and "), rng) + text
        w.say(text, {"Support Devices": 1})
    absent = set(PATHOLOGIES) - {m.observation for m in meaning.mentions} - set(w.labels)
    if told and (side := _one_side(meaning)) in ("left", "right") and chance(rng, 0.18):
        more.other_side(w, side)
    if told and "Cardiomegaly" in absent and chance(rng, 0.04):
        w.say(around.ratio(large=False, rng=rng), {"Cardiomegaly": 0})
        w.odd = True
    if denies:
        more.denial_behind(w, absent)
        alone = chance(rng, 0.5)
    if not alone:
        _more(w, absent, rng, odd)
    if not w.reports:
        w.say(one_of(lexicon.normal_chest, rng), {})
    sentences = _said_otherwise(w, rng) if lexicon.is_wide else w.sentences
    if chance(rng, 0.3):
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    if lexicon.is_wide and not denies and chance(rng, MORE_COMMAS if told else COMMAS):
        sentences = [", ".join(sentences)]
    if told:
        sentences = _told(sentences, rng)
    look = draw_look(rng, odd / 2 if lexicon.is_wide else odd)
    if lexicon.is_wide and chance(rng, NO_STOP):
        look = replace(look, stop=False)
    found = any(v != 0 for k, v in w.labels.items() if k not in ("Support Devices", "No Finding"))
    if not (found or w.blocked):
        w.labels["No Finding"] = 1
    text = lay_out(sentences, look, rng, lexicon.abbreviations)
    return Wording(text, w.labels, look.odd or w.odd)


def rewordings(case: Case, rng: np.random.Generator, count: int) -> list[str]:
    """``count`` texts that each say all of a simulated study's findings, extents left out at times.

    Nothing is dropped: what a text does not mention is absent.
    """
    meaning = meaning_of(case)
    return [word(briefly(meaning, rng, UNSAID), rng, ODD).text for _ in range(count)]


def words_of(texts: int, seed: int, lexicon: Lexicon = PLAIN) -> Iterator[str]:
    """Texts that hold the words of this wording, its abbreviations too, for a vocabulary."""
    rng = np.random.default_rng(seed)
    for _ in range(texts):
        plain = not lexicon.is_wide
        yield word(sample_meaning(rng), rng, odd=0.0, lexicon=lexicon, remarks=plain).text
    words = [noun.words for nouns in lexicon.unlisted.values() for noun in nouns]
    words += [
        re.sub(r"{\w+}", " ", text) for own in lexicon.unlisted_sentences.values() for text in own
    ]
    words += [other for _, other in (*lexicon.abbreviations, *lexicon.spellings)]
    if lexicon.is_wide:
        words += denied.words()
        words += [*more.AIR_AND_FLUID, around.GENERAL]
    for _ in range(2):
        yield " ".join(words)


def spelt_words(vocabulary: Collection[str]) -> list[str]:
    """The words of circumstances that a vocabulary hasn't: a tower meets them in pieces."""
    texts = (*around.words(), *beside.REMARKS)
    met = {word for text in texts for word in re.findall("[a-z]{2,}", text)}
    return sorted(met - {*vocabulary})
