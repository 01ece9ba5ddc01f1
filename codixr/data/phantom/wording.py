"""Reports as radiologists write them: many wordings of what the phantom can show, for prompts.

``sample_meaning`` draws what a text is to say, ``word`` writes it, and ``case_of`` gives a whole
case that it stands for. The references of the phantom track stay those of ``grammar``. Labels are
known by construction; texts with abbreviations or typos are marked.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import wording_findings as findings
from codixr.data.phantom import wording_frames as frames
from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom import wording_other as beside
from codixr.data.phantom.case import Case
from codixr.data.phantom.wording_findings import Noun
from codixr.data.phantom.wording_lexicon import PLAIN, Lexicon
from codixr.data.phantom.wording_meaning import (
    CENTRAL,
    FLUID_OR_AIR,
    Meaning,
    Mention,
    briefly,
    case_of,
    chance,
    meaning_of,
    sample_meaning,
    sample_pair,
)
from codixr.data.phantom.wording_places import LOBES, one_of, place_of, side_alone
from codixr.data.phantom.wording_style import draw_look, lay_out

__all__ = [
    "Meaning",
    "Mention",
    "Wording",
    "case_of",
    "rewordings",
    "sample_meaning",
    "sample_pair",
    "word",
    "words_of",
]

UNSAID = 0.4
"""How often a study's other wordings leave an extent unsaid that a bare name stands for."""
ODD = 0.05
"""The share of them with abbreviations or typos."""
BESIDE = (" with adjacent ", " with underlying ", " with associated ", " and adjacent ", " with ")
"""What joins a finding to one at the same place."""
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


class _Writer:
    """One text while it is written: its sentences, and what they say."""

    def __init__(
        self, meaning: Meaning, rng: np.random.Generator, lexicon: Lexicon, *, unlisted: bool
    ) -> None:
        self.meaning, self.rng, self.lexicon, self.unlisted = meaning, rng, lexicon, unlisted
        self.sentences: list[str] = []
        self.labels: dict[str, int] = {}
        self.blocked = False
        self.reports = False
        """Whether a sentence is about the picture, rather than about technique or advice."""
        self.odd = False
        """Whether it has a name that a labeler doesn't know."""

    def say(self, text: str, labels: dict[str, int], *, reports: bool = True) -> None:
        """Add a sentence. Present beats absent, as in CheXpert's reports."""
        self.sentences.append(" ".join(text.split()))
        self.reports = self.reports or reports
        for name, label in labels.items():
            if self.labels.get(name, 0) == 0 or label == 1:
                self.labels[name] = label

    def extent(self, m: Mention, kind: str) -> str:
        """A word for the extent with its blank; "" where it is open."""
        if m.grade is None:
            return ""
        return one_of(findings.GRADES[kind][m.grade], self.rng) + " "

    def noun(self, m: Mention) -> tuple[str, Noun]:
        """A finding's name with its extent and place, and its noun."""
        rng, name = self.rng, m.observation
        nouns = self.lexicon.nouns[name]
        if name == "Pleural Effusion" and m.side == "bilateral" and chance(rng, 0.9):
            nouns = findings.EFFUSIONS
        if name == "Lung Lesion" and m.grade is not None:
            nouns, extent = self.lexicon.nodules[m.grade], ""
        else:
            extent = self.extent(m, "size" if name in FLUID_OR_AIR else "severity")
        if self.unlisted and chance(rng, 0.7):
            nouns, self.odd = self.lexicon.unlisted[name], True
            if name == "Lung Lesion":
                extent = self.extent(m, "size")
        noun = nouns[int(rng.integers(len(nouns)))]
        if name in CENTRAL:
            return f"{extent}{noun.words}", noun
        if name in FLUID_OR_AIR:
            place = side_alone(m.side, rng) if m.side else place_of(None, None, rng)
        else:
            place = place_of(m.side, m.zone, rng)
        words = f"{place.before} {noun.words}".strip()
        behind = f" {place.behind}" if place.behind else ""
        if extent and place.before and chance(rng, 0.06):
            return f"{place.before} {extent}{noun.words}{behind}", noun
        return f"{extent}{words}{behind}", noun

    def mention(self, m: Mention) -> None:
        """The sentence of one finding."""
        rng, name = self.rng, m.observation
        if not m.certain and name == "Edema" and chance(rng, 0.4):
            return self.say(one_of(frames.CONGESTION, rng), {name: -1})
        own = self.lexicon.sentences.get(name, ())
        if self.unlisted and m.certain and chance(rng, 0.3):
            unlisted = self.lexicon.unlisted_sentences[name]
            if self._own(m, unlisted):
                self.odd = True
                return None
        share = {"Cardiomegaly": 0.55, "Enlarged Cardiomediastinum": 0.5}.get(name, 0.15)
        if m.certain and own and chance(rng, share) and self._own(m, own):
            return None
        words, noun = self.noun(m)
        says = {name: 1 if m.certain else -1} | dict.fromkeys(noun.also, 1 if m.certain else -1)
        still = name in ("Cardiomegaly", "Enlarged Cardiomediastinum")
        if name == "Cardiomegaly" and noun.words == "cardiomegaly":
            still = False
        lexicon = self.lexicon
        choices: tuple[str, ...] = (
            lexicon.hedge_frames
            if not m.certain
            else lexicon.plain_frames
            if still
            else lexicon.frames
        )
        if m.certain and not still and chance(rng, 0.3):
            choices = lexicon.article_frames
        if m.certain and self.unlisted and chance(rng, 0.1):
            choices, self.odd = lexicon.unlisted_frames, True
        text = one_of(choices, rng).format(np=words, a=_article(words, noun), **_verb(noun))
        if text.startswith("there is") and noun.number == "many":
            text = text.replace("there is", "there are", 1)
        return self.say(text, says)

    def _own(self, m: Mention, own: tuple[str, ...]) -> bool:
        """One of the finding's own sentences; False where its place doesn't fit them."""
        rng, name = self.rng, m.observation
        text = one_of(own, rng)
        if "{side}" in text and m.side not in ("left", "right"):
            return False
        if "{lobe}" in text and (m.side, m.zone) not in LOBES:
            return False
        if "{small}" in text and m.grade not in (None, 0):
            return False
        place = place_of(m.side, m.zone, rng)
        while "{at}" in text and place.before:
            place = place_of(m.side, m.zone, rng)
        opaque = any(stem in text for stem in ("opac", "airspace", "infiltrate"))
        also = findings.SENTENCES_ALSO.get(name, ()) if opaque else ()
        text = text.format(
            side=m.side,
            lobe=LOBES.get((m.side or "", m.zone or ""), ("",))[0],
            small=self.extent(m, "size") if "{small}" in text else "",
            at=f" {place.behind}" if place.behind else "",
            adv=self.extent(m, "adverb"),
            sev=self.extent(m, "severity"),
            size=self.extent(m, "size"),
        )
        self.say(text, {name: 1} | dict.fromkeys(also, 1))
        return True

    def pair(self, first: Mention, second: Mention) -> None:
        """Two findings in one sentence."""
        beside = self.lexicon.is_wide and first.side == second.side and first.side is not None
        if beside and second.observation not in CENTRAL and chance(self.rng, 0.5):
            second = replace(second, side=None, zone=None)  # it is where the first one is
        else:
            beside = False
        (words, noun), (other, also) = self.noun(first), self.noun(second)
        if beside:
            joiner = one_of(BESIDE, self.rng)
            labels = dict.fromkeys((first.observation, second.observation, *noun.also), 1)
            return self.say(words + joiner + other, labels | dict.fromkeys(also.also, 1))
        joiner = one_of(
            (" and ", " and ", " with ", ", ", " with associated ", " and a "), self.rng
        )
        if joiner == " and a ":
            joiner = f" and {_article('', also)}".rstrip() + " "
        return self.say(
            words + joiner + other,
            {first.observation: 1, second.observation: 1}
            | dict.fromkeys((*noun.also, *also.also), 1),
        )

    def cause(self, opacity: Mention, cause: Mention) -> None:
        """An opacity and what it is, or may be."""
        words, _ = self.noun(opacity)
        other = one_of(
            {"Atelectasis": ("atelectasis",)}.get(
                cause.observation, ("pneumonia", "pneumonia", "infection")
            ),
            self.rng,
        )
        choices = frames.CAUSES if cause.certain else frames.DOUBTFUL_CAUSES
        text = one_of(choices, self.rng).format(np=words, other=other)
        self.say(text, {opacity.observation: 1, cause.observation: 1 if cause.certain else -1})

    def either(self, first: Mention, second: Mention) -> None:
        """One of two findings at one place."""
        words, _ = self.noun(first)
        nouns = {"Lung Opacity": ("infiltrate", "airspace disease"), "Pneumonia": ("pneumonia",)}
        other = one_of(nouns[second.observation], self.rng)
        joined = one_of(("or", "versus", "or"), self.rng)
        text = one_of(frames.EITHER, self.rng).format_map(
            {"np": words, "or": joined, "other": other}
        )
        self.say(text, {first.observation: -1, second.observation: -1})

    def without(self, absent: set[str]) -> None:
        """Behind the last sentence, one or two absent findings."""
        names = [name for name in normal.DENIABLE if name in absent]
        if not names or any(mark in self.sentences[-1] for mark in (",", " no ", "without")):
            return
        weights = np.array([normal.DENIED_OFTEN[name] for name in names])
        order = np.argsort(self.rng.exponential(size=len(names)) / weights)
        chosen = [names[i] for i in order[: 1 + int(self.rng.random() < 0.3)]]
        denied = " or ".join(one_of(normal.DENIABLE[name], self.rng) for name in chosen)
        text = one_of(frames.WITHOUT, self.rng).format(text=self.sentences.pop(), denied=denied)
        self.say(text, dict.fromkeys(chosen, 0))

    def line(self, lines: tuple[normal.Line, ...], absent: set[str]) -> None:
        """One of the lines that agrees with what is absent, if there is one."""
        line = lines[int(self.rng.integers(len(lines)))]
        if {*line.denies, *line.needs} <= absent:
            self.say(line.text, dict.fromkeys(line.denies, 0))

    def denial(self, absent: set[str]) -> None:
        """ "no A, B or C" of absent findings."""
        rng = self.rng
        names = [name for name in normal.DENIABLE if name in absent]
        if not names:
            return
        weights = np.array([normal.DENIED_OFTEN[name] for name in names])
        count = min(len(names), 1 + int(rng.integers(4)))
        order = np.argsort(rng.exponential(size=len(names)) / weights)[:count]
        chosen = [names[i] for i in order]
        deniable: Mapping[str, tuple[str, ...]] = normal.DENIABLE
        if self.unlisted and chance(rng, 0.4):
            deniable, self.odd = self.lexicon.unlisted_deniable, True
        words = [one_of(deniable[name], rng) for name in chosen]
        if count == 1 and chance(rng, 0.3):
            frame = one_of(normal.DENIALS_OF_ONE, rng)
        elif count == 1 and chosen[0] in (*FLUID_OR_AIR, "Pneumonia", "Edema") and chance(rng, 0.1):
            frame = one_of(normal.RESOLVED, rng)
            words = [deniable[chosen[0]][0]]
        else:
            frame = one_of(self.lexicon.denials, rng)
        last = one_of((" or ", ", or ") if count > 2 else (" or ", " or ", " and "), rng)
        listed = ", ".join(words[:-1]) + last + words[-1] if count > 1 else words[0]
        self.say(frame.format(list=listed), dict.fromkeys(chosen, 0))


def _article(words: str, noun: Noun) -> str:
    if noun.number != "one":
        return words
    return f"{'an' if words[:1] in 'aeiou' and words else 'a'} {words}"


def _verb(noun: Noun) -> dict[str, str]:
    return {"is": "are" if noun.number == "many" else "is"}


def _together(w: _Writer, rng: np.random.Generator) -> None:
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
    causes = [m for m in rest if m.observation in ("Pneumonia", "Atelectasis")]
    if opacity is not None and opacity.certain and causes:
        cause = causes[0]
        same = (cause.side, cause.zone) in ((opacity.side, opacity.zone), (None, None))
        if same and (not cause.certain or chance(rng, 0.6)):
            w.cause(opacity, cause)
            rest = [m for m in rest if m not in (opacity, cause)]
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


def _beside(w: _Writer, absent: set[str], rng: np.random.Generator) -> None:
    """What is absent and normal: nothing of it, a sentence, or several."""
    kind = rng.random()
    count = 0 if kind < 0.35 else 1 if kind < 0.6 else int(rng.integers(2, 5))
    for _ in range(count):
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


def _aside(w: _Writer, rng: np.random.Generator, odd: float) -> None:
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


def _raised(meaning: Meaning, rng: np.random.Generator) -> Meaning:
    """The same with some atelectasis of the middle zone said to be above: none is drawn there."""
    mentions = (
        replace(m, zone="upper")
        if m.observation == "Atelectasis" and m.zone == "mid" and chance(rng, RAISED)
        else m
        for m in meaning.mentions
    )
    return replace(meaning, mentions=tuple(mentions))


def _said_otherwise(w: _Writer, rng: np.random.Generator) -> list[str]:
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
    meaning: Meaning, rng: np.random.Generator, odd: float = 0.1, lexicon: Lexicon = PLAIN
) -> Wording:
    """A text that says ``meaning`` and no other finding.

    ``odd`` is the share of texts with abbreviations or typos; 0 for references. Some have a
    sentence of made-up words then, too. A wide lexicon's names that no labeler knows, and British
    spelling, are half of that share.
    """
    unlisted = lexicon.is_wide and chance(rng, odd / 2)
    meaning = _raised(meaning, rng) if lexicon.is_wide else meaning
    w = _Writer(meaning, rng, lexicon, unlisted=unlisted)
    _together(w, rng)
    for device in meaning.devices:
        side = f"{device.side} " if device.side else ""
        w.say(one_of(beside.DEVICES[device.kind], rng).format(side=side), {"Support Devices": 1})
    absent = set(PATHOLOGIES) - {m.observation for m in meaning.mentions} - set(w.labels)
    if meaning.mentions and all(m.certain for m in meaning.mentions) and chance(rng, 0.12):
        w.without(absent)
    if not meaning.mentions and chance(rng, 0.55):
        w.say(one_of(lexicon.normal_chest, rng), {})
    elif meaning.mentions and chance(rng, 0.14):
        w.say(one_of(normal.ACUTE_ONLY, rng), {})
    _beside(w, absent, rng)
    _aside(w, rng, odd)
    if not w.reports:
        w.say(one_of(lexicon.normal_chest, rng), {})
    sentences = _said_otherwise(w, rng) if lexicon.is_wide else w.sentences
    if chance(rng, 0.3):
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    look = draw_look(rng, odd / 2 if lexicon.is_wide else odd)
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
        yield word(sample_meaning(rng), rng, odd=0.0, lexicon=lexicon).text
    more = [noun.words for nouns in lexicon.unlisted.values() for noun in nouns]
    more += [
        re.sub(r"{\w+}", " ", text) for own in lexicon.unlisted_sentences.values() for text in own
    ]
    more += [other for _, other in (*lexicon.abbreviations, *lexicon.spellings)]
    for _ in range(2):
        yield " ".join(more)
