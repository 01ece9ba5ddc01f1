"""Who a simulated patient is, and how the picture is taken: sex, age, body size, AP or PA.

No label depends on any of it. What does: the shape of the body, as ``shape_person`` says, so that a
model may serve some people worse than others.

Of the literature only directions are taken, not sizes: hearts look larger in AP views, breathing
is shallower and shoulder blades overlap the lungs; with age the spine bends, the aortic knob grows
and bones lose mineral.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from codixr.data.phantom.anatomy import Anatomy
from codixr.data.phantom.case import STREAM_PERSON, study_rng

Sex = Literal["female", "male"]
View = Literal["AP", "PA"]
YOUNGEST, OLDEST = 18, 95
FEMALE_SHARE, AP_SHARE = 0.48, 0.40
SIZES = ("small", "medium", "large")


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated patient; ``build`` in [-1, 1] is from slim to heavy."""

    sex: Sex
    age: int
    view: View
    build: float

    @property
    def body_size(self) -> str:
        """A third of all people each."""
        return SIZES[min(int(1.5 * (self.build + 1.0)), 2)]


def sample_person(seed: int, index: int) -> Person:
    """The patient of study ``index`` of ``seed``."""
    rng = study_rng(seed, index, STREAM_PERSON)
    sex: Sex = "female" if rng.random() < FEMALE_SHARE else "male"
    age = int(np.clip(round(rng.normal(60.0, 18.0)), YOUNGEST, OLDEST))
    view: View = "AP" if rng.random() < AP_SHARE else "PA"
    return Person(sex, age, view, float(rng.uniform(-1.0, 1.0)))


def shape_person(a: Anatomy, person: Person) -> None:
    """Change a healthy anatomy into this person's, in place."""
    years = (person.age - YOUNGEST) / (OLDEST - YOUNGEST)
    a.width *= 1.0 + 0.035 * person.build
    a.depth *= 1.0 + 0.06 * person.build
    a.fat = max(0.0, a.fat + 0.03 * person.build)
    if person.sex == "female":
        a.width *= 0.965
        a.breast = 0.19 + 0.04 * person.build
    a.kyphosis += 0.05 * years
    a.knob += 0.014 * years
    a.bone = 1.08 - 0.24 * years
    if person.view == "AP":
        a.dome = [height - 0.035 for height in a.dome]
        a.mediastinum *= 1.06
        a.blade = 0.90
        a.clavicle = [lift - 0.035 for lift in a.clavicle]


def magnify_heart(a: Anatomy, person: Person) -> None:
    """In AP views the heart lies farther from the detector; after a finding gave it its size."""
    if person.view == "AP":
        a.heart *= 1.06
