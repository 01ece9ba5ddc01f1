"""The three modalities of CoDi_XR, and nothing else."""

from enum import StrEnum


class Modality(StrEnum):
    """What a study is made of (paper, section III): two X-ray views and a report."""

    F = "F"
    """Frontal chest X-ray (PA or AP)."""
    L = "L"
    """Lateral chest X-ray."""
    T = "T"
    """Radiology report (the paper also writes R)."""

    @classmethod
    def _missing_(cls, value: object) -> "Modality | None":
        """``Modality("R")`` is T."""
        return cls.T if value == "R" else None

    @property
    def is_image(self) -> bool:
        """True for F and L."""
        return self is not Modality.T
