"""What a text is to say, apart from its words; and the whole case that it stands for.

What a text does not mention is absent. What it leaves open of a finding (extent, side, zone) is
filled in by one usual value.
"""

from dataclasses import dataclass, replace

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.case import (
    HEDGEABLE,
    Case,
    Finding,
    PlacedDevice,
    Side,
    Zone,
    sample_case,
)

GRADES = (0.15, 0.5, 0.85)
"""A severity of each third: small or mild, moderate, large or severe."""
USUAL_GRADES: dict[str, tuple[int, ...]] = {"Atelectasis": (0,), "Lung Lesion": (1,)}
"""The extent that a bare name stands for; ``USUAL`` where it is not listed."""
USUAL = (1, 2)
CENTRAL = ("Cardiomegaly", "Enlarged Cardiomediastinum", "Edema")
FLUID_OR_AIR = ("Pleural Effusion", "Pneumothorax")
ONE_THING = 0.05
"""How often a pair is a consolidation that is a pneumonia."""
AIR_AND_FLUID = 0.08
"""How often a pair is air and fluid on one side."""
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


def chance(rng: np.random.Generator, share: float) -> bool:
    """True so often."""
    return bool(rng.random() < share)


def _blurred(mention: Mention, rng: np.random.Generator, share: float) -> Mention:
    """A mention with some of its extent, side and zone left open."""
    grade = None if chance(rng, share) else mention.grade
    side = mention.side if mention.side is None or not chance(rng, share / 3) else None
    zone = mention.zone if mention.zone is None or not chance(rng, share / 2) else None
    return replace(mention, grade=grade, side=side, zone=zone)


def _single(rng: np.random.Generator) -> Mention:
    """One finding of any kind, anywhere, at times on both sides or hedged."""
    name = PATHOLOGIES[int(rng.integers(len(PATHOLOGIES)))]
    grade = int(rng.integers(3))
    certain = name in ("Cardiomegaly", "Enlarged Cardiomediastinum") or not chance(rng, 0.1)
    if name in CENTRAL:
        return Mention(name, grade, certain=certain)
    side: Side = "right" if chance(rng, 0.5) else "left"
    if name != "Pneumothorax" and chance(rng, 0.15):
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
    zone: Zone | None = "lower" if chance(rng, 0.7) else None
    return Meaning(
        tuple(Mention(n, None, side, zone, certain=False) for n in names[int(rng.integers(2))])
    )


def sample_meaning(rng: np.random.Generator) -> Meaning:
    """What a text is to say: nothing, one finding, some or all of a simulated study's."""
    kind = rng.random()
    if kind < 0.14:
        return Meaning()
    if kind < 0.16:
        failure = Mention("Edema", int(rng.integers(3)) if chance(rng, 0.4) else None)
        return Meaning((Mention("Cardiomegaly", certain=False), failure))
    if kind < 0.18:
        return _either(rng)
    if kind < 0.48:
        return Meaning((_blurred(_single(rng), rng, 0.4),))
    whole = meaning_of(sample_case(int(rng.integers(2**31)), 0))
    mentions, devices = list(whole.mentions), whole.devices
    if chance(rng, 0.4):
        mentions = [m for m in mentions if chance(rng, 0.6)]
        devices = tuple(d for d in devices if chance(rng, 0.6))
    share = 0.4 if chance(rng, 0.5) else 0.0
    return Meaning(tuple(_blurred(m, rng, share) for m in mentions), devices)


def sample_pair(rng: np.random.Generator) -> Meaning:
    """Two findings: any two on different sides, or air, fluid or a focal one on one side."""
    side: Side = "right" if chance(rng, 0.5) else "left"
    if chance(rng, AIR_AND_FLUID):
        grade = int(rng.integers(3)) if chance(rng, 0.5) else None
        return Meaning(tuple(Mention(name, grade, side) for name in FLUID_OR_AIR))
    if chance(rng, ONE_THING):
        zones: tuple[Zone, ...] = ("upper", "mid", "lower", "lower")
        place = side, zones[int(rng.integers(4))]
        return Meaning(tuple(Mention(n, None, *place) for n in ("Consolidation", "Pneumonia")))
    apart = chance(rng, 0.6)
    other: Side = side if not apart else "left" if side == "right" else "right"
    first = _lateral(rng) if apart and chance(rng, 0.4) else _fluid_or_air(rng)
    second = _lateral(rng)
    while second.observation == first.observation or (
        not apart and second.observation in FLUID_OR_AIR
    ):
        second = _lateral(rng)
    return Meaning((replace(first, side=side), replace(_blurred(second, rng, 0.2), side=other)))


def _fluid_or_air(rng: np.random.Generator) -> Mention:
    """An effusion or a pneumothorax, of no side yet."""
    name = FLUID_OR_AIR[int(rng.integers(2))]
    return Mention(name, int(rng.integers(3)) if chance(rng, 0.6) else None)


def _lateral(rng: np.random.Generator) -> Mention:
    """A certain finding that can be on one side."""
    found = _single(rng)
    while found.observation in CENTRAL or not found.certain:
        found = _single(rng)
    return found


def sample_bare(rng: np.random.Generator) -> Meaning:
    """One to three findings, of which nothing is said but, at times, where they are."""
    count = int((1, 2, 2, 3)[int(rng.integers(4))])
    mentions: dict[str, Mention] = {}
    while len(mentions) < count:
        m = replace(_single(rng), grade=None, certain=True)
        if chance(rng, 0.5):
            m = replace(m, side=None, zone=None)
        mentions.setdefault(m.observation, m)
    return Meaning(tuple(mentions.values()))


def is_bare(meaning: Meaning) -> bool:
    """Whether names and places say all of it."""
    bare = all(m.certain and m.grade is None for m in meaning.mentions)
    return bare and not meaning.devices and 0 < len(meaning.mentions) <= 3


def meaning_of(case: Case) -> Meaning:
    """All that there is to say of a simulated study."""
    mentions = (
        Mention(f.observation, min(int(f.severity * 3), 2), f.side, f.zone, f.certain)
        if f.observation != "Edema"
        else Mention("Edema", min(int(f.severity * 3), 2))
        for f in case.findings
    )
    return Meaning(tuple(mentions), case.devices)


def briefly(meaning: Meaning, rng: np.random.Generator, share: float) -> Meaning:
    """The same with some extents left unsaid: those that a bare name stands for."""
    mentions = (
        replace(m, grade=None)
        if m.grade in USUAL_GRADES.get(m.observation, USUAL) and chance(rng, share)
        else m
        for m in meaning.mentions
    )
    return replace(meaning, mentions=tuple(mentions))


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
            if chance(rng, 0.5):
                continue
            certain = True
        grades = USUAL_GRADES.get(m.observation, USUAL) if m.grade is None else (m.grade,)
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
        side = "right" if chance(rng, 0.5) else "left"
    if m.observation in FLUID_OR_AIR:
        return Finding(m.observation, severity, side, certain=certain)
    zone: Zone = m.zone or "lower"
    if m.observation == "Pneumonia" and zone != "mid" and chance(rng, SPREAD):
        zone = "mid"
    return Finding(m.observation, severity, side, zone, certain)
