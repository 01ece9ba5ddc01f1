"""What people write around a finding: who and why, when, how large, and what they want to see.

None of it is a finding, and most of it has numbers: "1.8 cm" is no cardiomegaly, "CRP 210" no
edema. A size that is told with a finding agrees with its extent. Our own sentences.
"""

import numpy as np

from codixr.data.phantom.wording_meaning import Mention, chance
from codixr.data.phantom.wording_places import one_of

PEOPLE = (
    "{age}m",
    "{age}f",
    "{age} m",
    "{age} y/o f",
    "{age} yo male",
    "{age} yo female",
    "{age} year old man",
    "{age}-year-old woman",
    "{age}-year-old man",
    "{age} years old",
    "a {age} year old patient",
    "male, {age}",
    "female {age} y",
    "aged {age}",
    "elderly patient",
    "young woman",
    "young man",
    "tall thin male",
    "smoker, {age} pack-years",
    "non-smoker",
    "pregnant patient",
    "weight {age} kg",
)
REASONS = (
    "cough and fever for {few} days",
    "cough, fever {temp}",
    "febrile",
    "afebrile",
    "fever {temp} and chills",
    "temp {temp}",
    "crp {lab}",
    "wbc {few}.{few}",
    "bnp {lab}",
    "d-dimer {lab}",
    "spo2 {age}%",
    "sats {age}% on air",
    "on {few} l oxygen",
    "bp {lab}/{age}",
    "hr {lab}",
    "dyspnoea on exertion",
    "dyspnea for {few} weeks",
    "short of breath",
    "sudden chest pain",
    "tearing back pain",
    "pleuritic pain",
    "haemoptysis",
    "weight loss",
    "night sweats",
    "orthopnoea",
    "leg swelling",
    "swollen ankles",
    "smoker",
    "immunosuppressed",
    "neutropenic",
    "covid positive",
    "covid swab negative",
    "in the emergency department",
    "in icu bed {few}",
    "ward {few}",
    "on dialysis",
    "on chemotherapy",
    "on day {few} of antibiotics",
    "post-op day {few}",
    "day {few} after surgery",
    "after a fall",
    "after a stabbing",
    "after biopsy",
    "s/p biopsy",
    "s/p surgery",
    "after thoracentesis",
    "after drainage of {lab} ml",
    "after {few} l of saline",
    "after extubation",
    "car crash",
    "trauma call",
    "before surgery",
    "pre-op",
    "incidental",
    "diabetic",
    "hypertensive",
    "nursing home resident",
    "staging",
    "follow-up",
    "routine check",
    "visa screening",
)
TIMES = (
    "{few}/{few}",
    "{few}/{few}/{year}",
    "{year}",
    "{clock}",
    "at {clock}",
    "{few} days ago",
    "{few} months ago",
    "since {few}/{few}",
    "since {year}",
    "compared with {year}",
    "comparison: {few}/{few}/{year}",
    "comparison {few} {month}",
    "prior from {few} {month} {year}",
    "follow-up after {few} weeks",
    "study of {few} {month}",
    "image {few} of {few}",
    "accession {lab}{lab}",
)
TECHNIQUES = (
    "ap supine",
    "ap erect",
    "ap semi-erect",
    "portable ap film at {clock}",
    "mobile film",
    "pa and lateral",
    "pa view, {lab} kv",
    "frontal and lateral",
    "two views",
    "bedside film",
    "rotated film",
    "expiratory film",
    "good inspiration, {few} ribs",
)
MONTHS = ("january", "march", "april", "may", "june", "july", "october", "november", "december")
REQUESTS = (
    "generate",
    "please generate",
    "generate a chest x-ray",
    "draw",
    "draw me",
    "show",
    "show me",
    "make",
    "make me an x-ray with",
    "create",
    "create an image of",
    "give me",
    "i need",
    "i want to see",
    "i'd like an x-ray of",
    "can you show",
    "could you make",
    "synthesize",
    "simulate",
    "prompt",
    "request",
    "please",
)
"""Before a text, or before its first finding."""
ONE_BEHIND = (
    "none on the {other}",
    "nothing on the {other}",
    "{other} lung clear",
    "the {other} lung is clear",
    "the {other} lung is normal",
    "{other} lung normal",
    "{other} side clear",
    "{other} side normal",
    "{other} side unremarkable",
    "{other} side ok",
    "the {other} side is unremarkable",
    "clear {other} lung",
    "normal {other} hemithorax",
)
"""Behind findings of one side alone."""
PLACE_FIRST = (
    "{at} there is {a}",
    "{at} there is {a}",
    "{at}, {np}",
    "{at}: {np}",
    "{at} we see {a}",
    "{at} {a} is seen",
)
"""{at} is a place as it stands behind a name: "at the left base"."""
SIDE_FIRST = (
    "{side}: {np}",
    "{side} lung: {np}",
    "{side} side: {np}",
    "{side} - {np}",
    "on the {side}, {np}",
    "on the {side} there is {a}",
    "{side} lung shows {a}",
    "the {side} lung shows {a}",
    "the {side} lung has {a}",
    "the {side} side shows {a}",
)
PLACE_BARE = (
    "{np}, {where}",
    "{np}, {where}",
    "{np} ({where})",
    "{np} - {where}",
    "{np}: {where}",
    "{where}: {np}",
    "{where} - {np}",
)
"""{where} is a place's name alone: "left base"."""
SIZES = (
    "{np} measuring {size}",
    "{np}, measuring {size}",
    "{np} of {size}",
    "{np} ({size})",
    "{np}, {size}",
    "{np} about {size}",
    "{np} approx {size}",
    "{np}, {size} in diameter",
    "{size} {np}",
)
RIMS = (
    "{np}, {size} rim",
    "{np} with a rim of {size}",
    "{np} ({size})",
    "{np}, {size}",
    "{np} measuring {size}",
    "{np}, {size} deep",
)
"""Of air and fluid; a nodule has a diameter."""

GENERAL = (
    "recommend recommended follow up followup follow-up ct compared comparison previous prior "
    "priors evaluation clinical correlation history other otherwise further after as was were "
    "that these views view pain fever cough short shortness breath given if only imaging "
    "radiographs contrast obtained please consider earlier additional day days weeks months year "
    "years old male female man woman young elderly measuring about size rim generate draw show me "
    "make give need create image supine erect mobile sudden smoker trauma surgery post dyspnea "
    "routine rotated single after before since all you i my would should three time studies "
    "repeat evaluate symptoms persist related probably positioning clinically best performed note "
    "such screening indicated available described useful helpful needed correlate suggested exam "
    "non back removed dislocation placed"
)
"""Of the words around a finding those that are worth a token; others are met in pieces."""


def _numbers(rng: np.random.Generator) -> dict[str, str]:
    return {
        "age": str(int(rng.integers(18, 99))),
        "few": str(int(rng.integers(1, 13))),
        "temp": f"{37 + rng.random() * 3.5:.1f}",
        "lab": str(int(rng.integers(60, 2000))),
        "year": str(int(rng.integers(2005, 2027))),
        "clock": f"{int(rng.integers(24)):02d}:{int(rng.integers(60)):02d}",
        "month": one_of(MONTHS, rng),
    }


def circumstance(rng: np.random.Generator) -> str:
    """Who, why, when or how: one to three of them."""
    count = int((1, 1, 1, 2, 2, 3)[int(rng.integers(6))])
    tables = (PEOPLE, REASONS, REASONS, TIMES, TECHNIQUES)
    parts = [one_of(tables[int(rng.integers(5))], rng) for _ in range(count)]
    return ", ".join(parts).format(**_numbers(rng))


def beside(sentence: str, rng: np.random.Generator) -> str:
    """The sentence with a circumstance, before it or behind."""
    told = circumstance(rng)
    kind = int(rng.integers(8))
    if kind < 3:
        return f"{sentence}, {told}"
    if kind < 5:
        return f"{told}: {sentence}" if kind == 3 else f"{told}, {sentence}"
    return (f"{sentence} ({told})", f"{sentence} - {told}", f"{sentence} in {told}")[kind - 5]


def request(text: str, rng: np.random.Generator) -> str:
    """The text as somebody's wish."""
    wish = one_of(REQUESTS, rng)
    return f"{wish}: {text}" if chance(rng, 0.4) else f"{wish} {text}"


def size_of(m: Mention, rng: np.random.Generator) -> str:
    """A measure that goes with a finding's extent."""
    low, high = {0: (0.3, 1.0), 2: (3.5, 9.0)}.get(m.grade if m.grade is not None else 1, (1.1, 3))
    cm = low + (high - low) * rng.random()
    if m.observation == "Lung Lesion" and chance(rng, 0.3):
        return f"{cm:.1f} x {cm * (0.6 + 0.4 * rng.random()):.1f} cm"
    if chance(rng, 0.4):
        return f"{max(1, round(10 * cm))}{one_of((' mm', 'mm'), rng)}"
    number = f"{cm:.1f}" if chance(rng, 0.6) else f"{max(1, round(cm))}"
    return f"{number}{one_of((' cm', ' cm', 'cm', '-cm'), rng)}"


def sized(words: str, m: Mention, rng: np.random.Generator) -> str:
    """A finding's name with its measure."""
    frames = SIZES if m.observation == "Lung Lesion" else RIMS
    return one_of(frames, rng).format(np=words, size=size_of(m, rng))


def ratio(*, large: bool, rng: np.random.Generator) -> str:
    """A cardiothoracic ratio, of a heart that is enlarged or not."""
    low, high = (0.53, 0.72) if large else (0.38, 0.49)
    value = low + (high - low) * rng.random()
    told = f"{value:.2f}" if chance(rng, 0.6) else f"{round(100 * value)}%"
    frame = one_of(
        (
            "ctr {}",
            "ctr {}",
            "ctr = {}",
            "ctr of {}",
            "cardiothoracic ratio {}",
            "the cardiothoracic ratio is {}",
            "c/t ratio {}",
            "cardiothoracic ratio of {}",
        ),
        rng,
    )
    return frame.format(told)


def words() -> list[str]:
    """Texts that hold every word of these sentences."""
    rng = np.random.default_rng(0)
    plain = (*PEOPLE, *REASONS, *TIMES, *TECHNIQUES)
    told = [text.format(**_numbers(rng)) for text in plain]
    rest = " ".join(
        (*ONE_BEHIND, *PLACE_FIRST, *PLACE_BARE, *SIDE_FIRST, *SIZES, *RIMS, *REQUESTS, *MONTHS)
    )
    for name in ("other", "at", "a", "np", "side", "size", "where"):
        rest = rest.replace("{" + name + "}", " ")
    return [*told, rest, GENERAL, "cm mm x 0 1 2 3 4 5 6 7 8 9", "ctr c/t ratio = %"]
