"""Reports as radiologists write them: many wordings of what the phantom can show, for prompts.

``sample_meaning`` draws what a text is to say, ``word`` writes it, and ``case_of`` gives a whole
case that it stands for: what a text does not mention is absent, and what it leaves open of a
finding (extent, side, zone) is filled in by one usual value. The references of the phantom track
stay those of ``grammar``. Labels are known by construction; texts with abbreviations or typos are
marked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import wording_findings as findings
from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom.case import (
    HEDGEABLE,
    Case,
    Finding,
    PlacedDevice,
    Side,
    Zone,
    sample_case,
)
from codixr.data.phantom.wording_findings import Noun
from codixr.data.phantom.wording_places import one_of, place_of, side_alone
from codixr.data.phantom.wording_style import ABBREVIATIONS, draw_look, lay_out

GRADES = (0.15, 0.5, 0.85)
"""A severity of each third: small or mild, moderate, large or severe."""
USUAL_GRADES: dict[str, tuple[int, ...]] = {"Atelectasis": (0,), "Lung Lesion": (1,)}
"""The extent that a bare name stands for; moderate or severe where it is not listed."""
CENTRAL = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Edema")
FLUID_OR_AIR = ("Pleural Effusion", "Pneumothorax")
SPREAD = 1 / 3
"""How often a pneumonia of an upper or lower zone reaches into the middle one."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding as a text tells it; None is what it leaves open."""

    observation: str
    grade: int | None = None
    """0 small or mild, 1 moderate, 2 large or severe."""
    side: Side | None = None
    zone: Zone | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text says to be there; everything else is absent."""

    mentions: tuple[Mention, ...] = ()
    devices: tuple[PlacedDevice, ...] = ()

    def find(self, observation: str) -> Mention | None:
        """The mention of that observation, or None."""
        return next((m for m in self.mentions if m.observation == observation), None)


@dataclass(frozen=True, slots=True)
class Wording:
    """A text, and the labels that it says: 1, 0 or -1; an observation that it leaves out isn't in.

    ``odd``: it has abbreviations or typos, which a labeler of words may miss.
    """

    text: str
    labels: dict[str, int]
    odd: bool = False


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _blurred(mention: Mention, rng: np.random.Generator, share: float) -> Mention:
    """A mention with some of its extent, side and zone left open."""
    grade = None if _chance(rng, share) else mention.grade
    side = mention.side if mention.side is None or not _chance(rng, share / 3) else None
    zone = mention.zone if mention.zone is None or not _chance(rng, share / 2) else None
    return replace(mention, grade=grade, side=side, zone=zone)


def _single(rng: np.random.Generator) -> Mention:
    """One finding of any kind, anywhere, at times on both sides or hedged."""
    name = PATHOLOGIES[int(rng.integers(len(PATHOLOGIES)))]
    grade = int(rng.integers(3))
    certain = name in ("Cardiomegaly", "Enlarged Cardiomediastinum") or not _chance(rng, 0.1)
    if name in CENTRAL:
        return Mention(name, grade, certain=certain)
    side: Side = "right" if _chance(rng, 0.5) else "left"
    if name != "Pneumothorax" and _chance(rng, 0.15):
        side = "bilateral"
    if name in FLUID_OR_AIR:
        return Mention(name, grade, side, certain=certain)
    zones: tuple[Zone, ...] = ("upper", "mid", "lower", "lower")
    zone = zones[int(rng.integers(1 if name == "Atelectasis" else 0, 4))]
    return Mention(name, grade, side, zone, certain)


def _either(rng: np.random.Generator) -> Meaning:
    """One of two findings at one place, nobody knows which."""
    names = (("Atelectasis", "Lung Opacity"), ("Atelectasis", "Pneumonia"))
    sides: tuple[Side | None, ...] = ("left", "right", "bilateral", None)
    side = sides[int(rng.integers(4))]
    zone: Zone | None = "lower" if _chance(rng, 0.7) else None
    return Meaning(
        tuple(Mention(n, None, side, zone, certain=False) for n in names[int(rng.integers(2))])
    )


def sample_meaning(rng: np.random.Generator) -> Meaning:
    """What a text is to say: nothing, one finding, some or all of a simulated study's."""
    kind = rng.random()
    if kind < 0.14:
        return Meaning()
    if kind < 0.16:
        failure = Mention("Edema", int(rng.integers(3)) if _chance(rng, 0.4) else None)
        return Meaning((Mention("Cardiomegaly", certain=False), failure))
    if kind < 0.18:
        return _either(rng)
    if kind < 0.48:
        return Meaning((_blurred(_single(rng), rng, 0.4),))
    case = sample_case(int(rng.integers(2**31)), 0)
    mentions = [
        Mention(f.observation, min(int(f.severity * 3), 2), f.side, f.zone, f.certain)
        if f.observation != "Edema"
        else Mention("Edema", min(int(f.severity * 3), 2))
        for f in case.findings
    ]
    devices = case.devices
    if _chance(rng, 0.4):
        mentions = [m for m in mentions if _chance(rng, 0.6)]
        devices = tuple(d for d in devices if _chance(rng, 0.6))
    share = 0.4 if _chance(rng, 0.5) else 0.0
    return Meaning(tuple(_blurred(m, rng, share) for m in mentions), devices)


def case_of(meaning: Meaning, rng: np.random.Generator) -> Case:
    """One case that a meaning stands for: its open ends filled in, its doubts settled or kept.

    A doubt that the phantom's reports can voice stays one; any other is there or not, one to one.
    A focal finding on both sides is on either.
    """
    opacity = meaning.find("Lung Opacity")
    made = []
    for m in meaning.mentions:
        certain = m.certain
        if not certain and (
            m.observation not in HEDGEABLE or (m.observation == "Pneumonia" and opacity is None)
        ):
            if _chance(rng, 0.5):
                continue
            certain = True
        grades = USUAL_GRADES.get(m.observation, (1, 2)) if m.grade is None else (m.grade,)
        if m.observation == "Enlarged Cardiomediastinum" and m.grade == 2:
            grades = (1, 2)  # the widest of all crowd the lungs: drawn alone, they look collapsed
        severity = GRADES[grades[int(rng.integers(len(grades)))]]
        made.append(_placed(m, severity, certain, rng))
    sided = ("central line", "pacemaker")
    devices = tuple(
        PlacedDevice(d.kind, d.side or "right") if d.kind in sided else d for d in meaning.devices
    )
    return Case(tuple(made), devices)


def _placed(m: Mention, severity: float, certain: bool, rng: np.random.Generator) -> Finding:
    if m.observation in ("Cardiomegaly", "Enlarged Cardiomediastinum"):
        return Finding(m.observation, severity)
    if m.observation == "Edema":
        return Finding(m.observation, severity, "bilateral")
    side = m.side or "right"
    if side == "bilateral" and (m.observation != "Pleural Effusion" or not certain):
        side = "right" if _chance(rng, 0.5) else "left"
    if m.observation in FLUID_OR_AIR:
        return Finding(m.observation, severity, side, certain=certain)
    zone: Zone = m.zone or "lower"
    if m.observation == "Pneumonia" and zone != "mid" and _chance(rng, SPREAD):
        zone = "mid"
    return Finding(m.observation, severity, side, zone, certain)


ARTICLE_FRAMES = (
    "there is {a}",
    "there is {a}",
    "again noted is {a}",
    "interval development of {a}",
    "findings consistent with {a}",
    "findings compatible with {a}",
    "evidence of {a}",
    "there is evidence of {a}",
    "patient has {a}",
    "redemonstration of {a}",
)
FRAMES = (
    "{np}",
    "{np}",
    "{np}",
    "{np}",
    "{np}",
    "{np} {is} seen",
    "{np} {is} noted",
    "{np} {is} present",
    "{np} {is} again seen",
    "{np} {is} identified",
    "the {np} {is} unchanged",
    "{np}, new since the prior study",
    "{np}, new from prior",
    "{np}, unchanged",
    "{np}, stable",
    "{np}, increased since the prior examination",
    "{np}, slightly improved",
    "{np} unchanged from prior",
    "{np}, not significantly changed",
    "new {np}",
    "stable {np}",
    "unchanged {np}",
    "persistent {np}",
    "worsening {np}",
    "increasing {np}",
    "improving {np}",
    "residual {np}",
    "chronic {np}",
    "acute {np}",
    "interval increase in {np}",
    "interval decrease in {np}",
    "redemonstrated {np}",
)
PLAIN_FRAMES = ("{np}", "{np}", "{np}", "{np} {is} seen", "{np} {is} noted", "{np} {is} present")
HEDGE_FRAMES = (
    "possible {np}",
    "possible {np}",
    "possible {np}",
    "{np} cannot be excluded",
    "{np} cannot be excluded",
    "cannot exclude {a}",
    "findings may represent {a}",
    "questionable {np}",
    "suspected {np}",
    "concern for {np}",
    "probable {np}",
    "findings could represent {np}",
    "this may represent {np}",
    "findings suspicious for {np}",
)
CONGESTION = (
    "pulmonary vascular congestion",
    "mild vascular congestion",
    "central vascular congestion",
    "pulmonary vascular congestion is noted",
    "vascular prominence",
)
"""Edema in doubt, as CheXpert's rules count it."""
EITHER = (
    "{np} {or} {other}",
    "{np} {or} {other}",
    "possible {np} {or} {other}",
    "this may represent {np} {or} {other}",
    "findings may represent {np} {or} {other}",
)
WITHOUT = (
    "{text} without {denied}",
    "{text} without {denied}",
    "{text} without evidence of {denied}",
    "{text} with no {denied}",
    "{text}, no {denied}",
    "{text} but no {denied}",
)
"""A finding, and an absent one behind it."""
CAUSES = (
    "{np} consistent with {other}",
    "{np} compatible with {other}",
    "{np}, likely {other}",
    "{np}, most likely {other}",
    "{np} representing {other}",
)
DOUBTFUL_CAUSES = (
    "{np} may represent {other}",
    "{np} which may represent {other}",
    "{np}, possible {other}",
    "{np} could represent {other}",
    "{np}, possibly {other}",
)


class _Writer:
    """One text while it is written: its sentences, and what they say."""

    def __init__(self, meaning: Meaning, rng: np.random.Generator) -> None:
        self.meaning, self.rng = meaning, rng
        self.sentences: list[str] = []
        self.labels: dict[str, int] = {}
        self.blocked = False
        self.reports = False
        """Whether a sentence is about the picture, rather than about technique or advice."""

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
        nouns = findings.NOUNS[name]
        if name == "Pleural Effusion" and m.side == "bilateral" and _chance(rng, 0.9):
            nouns = findings.EFFUSIONS
        if name == "Lung Lesion" and m.grade is not None:
            nouns, extent = findings.NODULES[m.grade], ""
        else:
            extent = self.extent(m, "size" if name in FLUID_OR_AIR else "severity")
        noun = nouns[int(rng.integers(len(nouns)))]
        if name in CENTRAL:
            return f"{extent}{noun.words}", noun
        if name in FLUID_OR_AIR:
            place = side_alone(m.side, rng) if m.side else place_of(None, None, rng)
        else:
            place = place_of(m.side, m.zone, rng)
        words = f"{place.before} {noun.words}".strip()
        behind = f" {place.behind}" if place.behind else ""
        if extent and place.before and _chance(rng, 0.06):
            return f"{place.before} {extent}{noun.words}{behind}", noun
        return f"{extent}{words}{behind}", noun

    def mention(self, m: Mention) -> None:
        """The sentence of one finding."""
        rng, name = self.rng, m.observation
        if not m.certain and name == "Edema" and _chance(rng, 0.4):
            return self.say(one_of(CONGESTION, rng), {name: -1})
        own = findings.SENTENCES.get(name, ())
        share = {"Cardiomegaly": 0.55, "Enlarged Cardiomediastinum": 0.5}.get(name, 0.15)
        if m.certain and own and _chance(rng, share) and self._own(m, own):
            return None
        words, noun = self.noun(m)
        says = {name: 1 if m.certain else -1} | dict.fromkeys(noun.also, 1 if m.certain else -1)
        still = name in ("Cardiomegaly", "Enlarged Cardiomediastinum")
        if name == "Cardiomegaly" and noun.words == "cardiomegaly":
            still = False
        frames = HEDGE_FRAMES if not m.certain else PLAIN_FRAMES if still else FRAMES
        if m.certain and not still and _chance(rng, 0.3):
            frames = ARTICLE_FRAMES
        text = one_of(frames, rng).format(np=words, a=_article(words, noun), **_verb(noun))
        if text.startswith("there is") and noun.number == "many":
            text = text.replace("there is", "there are", 1)
        return self.say(text, says)

    def _own(self, m: Mention, own: tuple[str, ...]) -> bool:
        """One of the finding's own sentences; False where its place doesn't fit them."""
        rng, name = self.rng, m.observation
        text = one_of(own, rng)
        if "{side}" in text and m.side not in ("left", "right"):
            return False
        place = place_of(m.side, m.zone, rng)
        while "{at}" in text and place.before:
            place = place_of(m.side, m.zone, rng)
        also = findings.SENTENCES_ALSO.get(name, ())
        text = text.format(
            side=m.side,
            at=f" {place.behind}" if place.behind else "",
            adv=self.extent(m, "adverb"),
            sev=self.extent(m, "severity"),
            size=self.extent(m, "size"),
        )
        self.say(text, {name: 1} | dict.fromkeys(also, 1))
        return True

    def pair(self, first: Mention, second: Mention) -> None:
        """Two findings in one sentence."""
        (words, noun), (other, also) = self.noun(first), self.noun(second)
        joiner = one_of(
            (" and ", " and ", " with ", ", ", " with associated ", " and a "), self.rng
        )
        if joiner == " and a ":
            joiner = f" and {_article('', also)}".rstrip() + " "
        self.say(
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
        frames = CAUSES if cause.certain else DOUBTFUL_CAUSES
        text = one_of(frames, self.rng).format(np=words, other=other)
        self.say(text, {opacity.observation: 1, cause.observation: 1 if cause.certain else -1})

    def either(self, first: Mention, second: Mention) -> None:
        """One of two findings at one place."""
        words, _ = self.noun(first)
        nouns = {"Lung Opacity": ("infiltrate", "airspace disease"), "Pneumonia": ("pneumonia",)}
        other = one_of(nouns[second.observation], self.rng)
        joined = one_of(("or", "versus", "or"), self.rng)
        text = one_of(EITHER, self.rng).format_map({"np": words, "or": joined, "other": other})
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
        text = one_of(WITHOUT, self.rng).format(text=self.sentences.pop(), denied=denied)
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
        words = [one_of(normal.DENIABLE[name], rng) for name in chosen]
        if count == 1 and _chance(rng, 0.3):
            frame = one_of(normal.DENIALS_OF_ONE, rng)
        elif (
            count == 1 and chosen[0] in (*FLUID_OR_AIR, "Pneumonia", "Edema") and _chance(rng, 0.1)
        ):
            frame = one_of(normal.RESOLVED, rng)
            words = [normal.DENIABLE[chosen[0]][0]]
        else:
            frame = one_of(normal.DENIALS, rng)
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
    if _chance(rng, 0.5):
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
        if same and (not cause.certain or _chance(rng, 0.6)):
            w.cause(opacity, cause)
            rest = [m for m in rest if m not in (opacity, cause)]
    doubts = [m for m in rest if not m.certain]
    if len(doubts) == 2 and doubts[0].observation == "Atelectasis" and opacity in (None, doubts[1]):
        w.either(*doubts)
        rest = [m for m in rest if m not in doubts]
    while rest:
        m = rest.pop(0)
        if rest and m.certain and rest[0].certain and _chance(rng, 0.3):
            w.pair(m, rest.pop(0))
        else:
            w.mention(m)
            if m.side in ("left", "right") and m.observation in FLUID_OR_AIR and _chance(rng, 0.05):
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
    if _chance(rng, 0.22):
        for _ in range(1 + int(rng.random() < 0.3)):
            other = normal.OTHERS[int(rng.integers(len(normal.OTHERS)))]
            w.say(other.text, dict(other.says))
            w.blocked = w.blocked or other.blocks
    if _chance(rng, 0.12):
        w.say(one_of(normal.REMARKS, rng), {}, reports=False)
    if _chance(rng, 0.6 * odd):
        w.say(normal.made_up(rng), {}, reports=False)


def word(meaning: Meaning, rng: np.random.Generator, odd: float = 0.1) -> Wording:
    """A text that says ``meaning`` and no other finding.

    ``odd`` is the share of texts with abbreviations or typos; 0 for references. Some have a
    sentence of made-up words then, too.
    """
    w = _Writer(meaning, rng)
    _together(w, rng)
    for device in meaning.devices:
        side = f"{device.side} " if device.side else ""
        w.say(one_of(normal.DEVICES[device.kind], rng).format(side=side), {"Support Devices": 1})
    absent = set(PATHOLOGIES) - {m.observation for m in meaning.mentions} - set(w.labels)
    if meaning.mentions and all(m.certain for m in meaning.mentions) and _chance(rng, 0.12):
        w.without(absent)
    if not meaning.mentions and _chance(rng, 0.55):
        w.say(one_of(normal.NORMAL_CHEST, rng), {})
    elif meaning.mentions and _chance(rng, 0.14):
        w.say(one_of(normal.ACUTE_ONLY, rng), {})
    _beside(w, absent, rng)
    _aside(w, rng, odd)
    if not w.reports:
        w.say(one_of(normal.NORMAL_CHEST, rng), {})
    sentences = w.sentences
    if _chance(rng, 0.3):
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    look = draw_look(rng, odd)
    found = any(v != 0 for k, v in w.labels.items() if k not in ("Support Devices", "No Finding"))
    if not (found or w.blocked):
        w.labels["No Finding"] = 1
    return Wording(lay_out(sentences, look, rng), w.labels, look.odd)


def words_of(texts: int, seed: int) -> Iterator[str]:
    """Texts that hold the words of this wording, its abbreviations too, for a vocabulary."""
    rng = np.random.default_rng(seed)
    for _ in range(texts):
        yield word(sample_meaning(rng), rng, odd=0.0).text
    for _ in range(2):
        yield " ".join(short for _, short in ABBREVIATIONS)
