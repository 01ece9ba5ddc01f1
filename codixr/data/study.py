"""One study: up to two X-ray views, a report, and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codixr.modality import Modality

Image = NDArray[np.float32]
"""An X-ray, float32 [1, H, W] in [0, 1]."""

Split = Literal["train", "val", "test", "secret"]
"""A plain string: it stands so in files and commands, and the type checker knows all of them."""
SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""What a prepared folder and a public track can have; ``secret`` is made with a key."""


@dataclass(frozen=True, slots=True)
class Study:
    """One examination of one patient.

    Images are float32 [1, H, W] in [0, 1], or None where the view is missing. ``labels`` maps a
    CheXpert observation to 1 (present), 0 (absent), -1 (uncertain) or None (unknown).
    """

    study_id: str
    subject_id: str
    split: Split
    frontal: Image | None = None
    lateral: Image | None = None
    report: str | None = None
    labels: Mapping[str, int | None] = field(default_factory=dict)

    def get(self, modality: Modality) -> Image | str | None:
        """The content of one modality, or None where the study lacks it."""
        return {
            Modality.F: self.frontal,
            Modality.L: self.lateral,
            Modality.T: self.report,
        }[modality]
