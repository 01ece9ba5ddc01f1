"""What a simulated study contains, before anything is drawn or written: its findings and devices.

Picture, report and labels are all derived from one ``Case``, so they cannot disagree.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES

Side = Literal["right", "left", "bilateral"]
"""The patient's side: right is at the left of a frontal view."""
Zone = Literal["upper", "mid", "lower"]
Device = Literal["endotracheal tube", "nasogastric tube", "central line", "pacemaker"]

CELLS: tuple[tuple[Side, Zone], ...] = tuple(
    (side, zone) for side in ("right", "left") for zone in ("upper", "mid", "lower")
)
DEVICES: tuple[Device, ...] = (
    "endotracheal tube",
    "nasogastric tube",
    "central line",
    "pacemaker",
)
ABNORMAL_SHARE = 0.60
COUNT_SHARES = (0.35, 0.33, 0.21, 0.11)
"""Shares of one, two, three and four findings among abnormal studies."""
WEIGHTS: dict[str, float] = dict.fromkeys(PATHOLOGIES, 1.0) | {"Lung Opacity": 0.7}
"""Lung Opacity is rarer as a finding of its own, because each pneumonia is one too."""
HEDGEABLE = ("Pneumonia", "Pleural Effusion", "Atelectasis")
HEDGED_SHARE = 0.15
"""Of the studies with a finding that can be hedged: about 5 % of all studies."""
STABLE_SHARE = 0.08
DEVICE_SHARE = 0.16
STREAM_CASE, STREAM_ANATOMY, STREAM_SHAPE, STREAM_NOISE = range(4)
STREAM_WORDS, STREAM_PERSON, STREAM_REWORD, STREAM_REWRITE = range(4, 8)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; ``severity`` in [0, 1]. Hedged findings have ``certain`` False."""

    observation: str
    severity: float
    side: Side | None = None
    zone: Zone | None = None
    certain: bool = True
    drawn: bool = True
    stable: bool = False


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A support device; ``side`` is None for the midline ones."""

    kind: Device
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """The ground truth of one simulated study."""

    findings: tuple[Finding, ...] = ()
    devices: tuple[PlacedDevice, ...] = ()

    def find(self, observation: str) -> Finding | None:
        """The finding of that name, or None."""
        return next((f for f in self.findings if f.observation == observation), None)


def study_rng(seed: int, index: int, stream: int) -> np.random.Generator:
    """A generator that depends on nothing but its three numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index, stream))))


def _side(rng: np.random.Generator) -> Side:
    return "right" if rng.random() < 0.5 else "left"


def _place(name: str, cells: list[tuple[Side, Zone]], rng: np.random.Generator) -> Finding:
    """A finding with severity and place; focal ones take their cell out of ``cells``."""
    severity = round(float(rng.random()), 3)
    if name in ("Cardiomegaly", "Enlarged Cardiomediastinum"):
        return Finding(name, severity)
    if name == "Edema":
        return Finding(name, severity, "bilateral")
    if name == "Pleural Effusion":
        return Finding(name, severity, "bilateral" if rng.random() < 0.15 else _side(rng))
    if name == "Pneumothorax":
        return Finding(name, severity, _side(rng))
    allowed = [c for c in cells if name != "Atelectasis" or c[1] != "upper"]
    side, zone = allowed[int(rng.integers(len(allowed)))]
    cells.remove((side, zone))
    return Finding(name, severity, side, zone)


def _hedged(findings: list[Finding], rng: np.random.Generator) -> list[Finding]:
    """Make one finding uncertain: drawn or not, one to one.

    An uncertain pneumonia needs a certain opacity at its place ("opacity may represent pneumonia").
    """
    choices = [f for f in findings if f.observation in HEDGEABLE]
    if not choices or rng.random() >= HEDGED_SHARE:
        return findings
    chosen = choices[int(rng.integers(len(choices)))]
    drawn = bool(rng.random() < 0.5)
    severity = round(0.3 * chosen.severity, 3)
    side = "left" if chosen.side == "bilateral" else chosen.side
    hedged = Finding(chosen.observation, severity, side, chosen.zone, certain=False, drawn=drawn)
    rest = [f for f in findings if f is not chosen]
    if chosen.observation == "Pneumonia":
        rest = [f for f in rest if f.observation != "Lung Opacity"]
        rest.append(Finding("Lung Opacity", chosen.severity, chosen.side, chosen.zone))
    return [*rest, hedged]


def sample_case(seed: int, index: int) -> Case:
    """The findings and devices of study ``index`` of ``seed``."""
    rng = study_rng(seed, index, STREAM_CASE)
    findings: list[Finding] = []
    if rng.random() < ABNORMAL_SHARE:
        count = 1 + int(np.searchsorted(np.cumsum(COUNT_SHARES), rng.random()))
        weights = np.array([WEIGHTS[name] for name in PATHOLOGIES])
        order = np.argsort(rng.exponential(size=len(PATHOLOGIES)) / weights)
        cells = list(CELLS)
        names = [PATHOLOGIES[i] for i in order[: min(count, 4)]]
        # Atelectasis may not stand in an upper zone: it chooses before the others do.
        names.sort(key=lambda name: name != "Atelectasis")
        findings = [_place(name, cells, rng) for name in names]
        effusion, air = (
            next((f for f in findings if f.observation == name), None)
            for name in ("Pleural Effusion", "Pneumothorax")
        )
        if effusion and air and effusion.side == air.side:
            other: Side = "left" if air.side == "right" else "right"
            findings[findings.index(air)] = Finding("Pneumothorax", air.severity, other)
        findings = _hedged(findings, rng)
        certain = [i for i, f in enumerate(findings) if f.certain]
        if certain and rng.random() < STABLE_SHARE:
            i = certain[int(rng.integers(len(certain)))]
            f = findings[i]
            findings[i] = Finding(f.observation, f.severity, f.side, f.zone, stable=True)
    devices: list[PlacedDevice] = []
    if rng.random() < DEVICE_SHARE:
        kinds = rng.permutation(len(DEVICES))[: 1 + int(rng.random() < 0.35)]
        for kind in sorted(int(k) for k in kinds):
            sided = DEVICES[kind] in ("central line", "pacemaker")
            devices.append(PlacedDevice(DEVICES[kind], _side(rng) if sided else None))
    findings.sort(key=lambda f: OBSERVATIONS.index(f.observation))
    return Case(tuple(findings), tuple(devices))


def labels_of(case: Case) -> dict[str, int | None]:
    """CheXpert's fourteen: 1, 0, -1 where hedged; None for what the phantom does not simulate."""
    labels: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
    labels.update(dict.fromkeys(PATHOLOGIES, 0))
    for finding in case.findings:
        labels[finding.observation] = 1 if finding.certain else -1
        if finding.observation == "Pneumonia" and finding.certain:
            labels["Lung Opacity"] = 1
    labels["No Finding"] = 0 if case.findings else 1
    labels["Support Devices"] = 1 if case.devices else 0
    return labels
