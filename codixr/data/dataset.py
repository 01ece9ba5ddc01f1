"""What every source of studies offers, whether it is simulated, prepared or read in place."""

from typing import Protocol

from codixr.data.study import Split, Study
from codixr.modality import Modality


class StudyDataset(Protocol):
    """Random access to the studies of one split, in a fixed order.

    ``fingerprint`` is a sha256 hex digest that two sites with equal data agree on: of the recipe
    and its version, never of a single study.
    """

    name: str
    version: str
    split: Split
    fingerprint: str
    modalities: frozenset[Modality]

    def __len__(self) -> int:
        """The number of studies."""
        ...

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the split."""
        ...
