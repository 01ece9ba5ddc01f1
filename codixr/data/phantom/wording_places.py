"""Where a finding is, in the words that radiologists use: before its noun, or behind it.

Notable: a place that a text leaves out is None, and nothing is said of it. "Bilateral" is a side.
"""

from dataclasses import dataclass

import numpy as np

UPPER = ("upper lobe", "upper zone", "upper lung", "upper lung zone", "apical", "apex")
MID = ("mid zone", "mid lung", "mid lung zone", "perihilar", "midlung", "mid-lung")
LOWER = (
    "lower lobe",
    "lower lobe",
    "basilar",
    "basilar",
    "basal",
    "base",
    "lower zone",
    "lower lung",
    "lung base",
    "lower lung zone",
    "infrahilar",
)
ZONES: dict[str, tuple[str, ...]] = {"upper": UPPER, "mid": MID, "lower": LOWER}
LOBES = {
    ("right", "upper"): ("right upper lobe", "rul"),
    ("right", "mid"): ("right middle lobe", "rml"),
    ("right", "lower"): ("right lower lobe", "rll"),
    ("left", "upper"): ("left upper lobe", "lul"),
    ("left", "mid"): ("lingula", "lingula"),
    ("left", "lower"): ("left lower lobe", "lll"),
}
BOTH_BEFORE: dict[str | None, tuple[str, ...]] = {
    "upper": ("biapical", "bilateral upper lobe", "bilateral apical", "bilateral upper zone"),
    "mid": ("bilateral mid lung", "bilateral perihilar", "bilateral mid zone"),
    "lower": ("bibasilar", "bibasilar", "bibasal", "bilateral lower lobe", "bilateral basilar"),
    None: ("bilateral", "bilateral", "diffuse bilateral", "scattered bilateral"),
}
BOTH_BEHIND: dict[str | None, tuple[str, ...]] = {
    "upper": ("in both upper lobes", "in the upper lobes", "at both apices", "in both upper zones"),
    "mid": ("in both mid lungs", "in the mid zones", "in the perihilar regions"),
    "lower": (
        "at both lung bases",
        "at the lung bases",
        "in both lower lobes",
        "at both bases",
        "in the bases",
        "in the lower lobes bilaterally",
    ),
    None: ("bilaterally", "in both lungs", "on both sides", "in the lungs bilaterally"),
}
ZONE_BEHIND: dict[str, tuple[str, ...]] = {
    "upper": ("in the upper lobe", "at the apex", "in the upper zone"),
    "mid": ("in the mid lung", "in the mid zone", "in the perihilar region"),
    "lower": ("at the base", "at the lung base", "in the lower lobe", "in the lower zone"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in words; one of the two is empty, or both are."""

    before: str = ""
    behind: str = ""


def one_of(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    """Any of the choices, equally often."""
    return choices[int(rng.integers(len(choices)))]


def side_alone(side: str, rng: np.random.Generator) -> Place:
    """The side of something that fills a hemithorax: fluid, or air."""
    if side == "bilateral":
        if rng.random() < 0.75:
            return Place(before="bilateral")
        return Place(behind=one_of(("bilaterally", "on both sides"), rng))
    kind = rng.random()
    if kind < 0.6:
        return Place(before=side)
    if kind < 0.75:
        return Place(before=f"{side}-sided" if kind < 0.7 else f"{side} sided")
    return Place(
        behind=one_of((f"on the {side}", f"on the {side} side", f"in the {side} hemithorax"), rng)
    )


def _behind(side: str, zone: str, word: str, rng: np.random.Generator) -> str:
    if word in ("apical", "apex"):
        return f"at the {side} {one_of(('apex', 'lung apex'), rng)}"
    if word in ("basilar", "basal", "base", "lung base"):
        return f"at the {side} {one_of(('base', 'lung base'), rng)}"
    if word in ("perihilar", "infrahilar"):
        return f"in the {side} {word} region"
    return f"{one_of(('in the', 'in the', 'within the'), rng)} {side} {word}"


def place_of(side: str | None, zone: str | None, rng: np.random.Generator) -> Place:
    """The words for a side and a zone of a lung, either of which may be open."""
    first = rng.random() < 0.55
    if side == "bilateral":
        table = BOTH_BEFORE if first else BOTH_BEHIND
        words = one_of(table[zone], rng)
        return Place(before=words) if first else Place(behind=words)
    if side is None and zone is None:
        return Place()
    if side is None:
        assert zone is not None
        if first:
            adjectives = tuple(w for w in ZONES[zone] if w not in ("apex", "base"))
            return Place(before=one_of(adjectives, rng))
        return Place(behind=one_of(ZONE_BEHIND[zone], rng))
    if zone is None:
        if first:
            return Place(before=one_of((side, side, f"{side} lung", f"{side}-sided"), rng))
        return Place(behind=one_of((f"in the {side} lung", f"on the {side}"), rng))
    if rng.random() < 0.3:
        full, _ = LOBES[side, zone]
        if full == "lingula":
            return Place(before="lingular") if first else Place(behind="in the lingula")
        return Place(before=full) if first else Place(behind=f"in the {full}")
    if (side, zone) == ("left", "lower") and rng.random() < 0.1:
        if first:
            return Place(before="left retrocardiac")
        return Place(behind="in the left retrocardiac region")
    word = one_of(ZONES[zone], rng)
    if not first:
        return Place(behind=_behind(side, zone, word, rng))
    word = {"apex": "apical", "base": "basilar"}.get(word, word)
    return Place(before=f"{side} {word}")
