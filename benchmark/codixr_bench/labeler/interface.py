"""What a labeler is, and which there are.

``chexpert-rules`` is the default; ``chexpert-clinical`` has its words and a radiologist's logic;
``original`` runs a chexpert-labeler installation, ``chexbert``
the package radeval's CheXbert; ``package.module:Class`` is your own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from codixr.errors import InputError
from codixr_bench.labeler import CLINICAL, DEFAULT
from codixr_bench.labeler.labels import Labels
from codixr_bench.registry import load_object, unknown

LABELERS: dict[str, str] = {
    DEFAULT: "codixr_bench.labeler.rules:ChexpertRules",
    CLINICAL: "codixr_bench.labeler.clinical:ClinicalReading",
    "original": "codixr_bench.labeler.original:OriginalLabeler",
    "chexbert": "codixr_bench.labeler.chexbert:ChexbertLabeler",
}
"""Name -> module:Class."""
READINGS = {"original": DEFAULT, "clinical": CLINICAL}
"""How the rules may read -> the labeler's name."""


class Labeler(Protocol):
    """Reads reports; two labelers' labels are comparable only by name and version."""

    name: str
    version: str
    tells_absent: bool
    """Whether it tells "absent" (0) from "not mentioned" (None); if not, it says None for both."""

    def label(self, reports: Sequence[str]) -> list[Labels]:
        """Fourteen labels a report, in the order of ``OBSERVATIONS``."""
        ...


def load_labeler(name: str, home: Path | None = None, python: Path | None = None) -> Labeler:
    """The labeler of that name.

    Args:
        name: of ``LABELERS``, or ``package.module:Class``.
        home: where the original is installed; only for ``original``, and needed there.
        python: the interpreter that runs it.

    Raises InputError for an unknown name, or an installation or package that is missing.
    """
    if name == "original":
        from codixr_bench.labeler.original import OriginalLabeler

        if home is None:
            raise InputError("--labeler original runs an installation: say where with --home DIR")
        return OriginalLabeler(home, python)
    if home is not None or python is not None:
        raise InputError("an installation (--home, --python) belongs to --labeler original")
    if name not in LABELERS and ":" not in name:
        raise unknown("labeler", name, LABELERS, " (or write package.module:Class)")
    build = load_object(LABELERS.get(name, name), "labeler")
    labeler: Labeler = build()
    missing = [part for part in ("name", "version", "label") if not hasattr(labeler, part)]
    if missing:
        raise InputError(f"labeler '{name}' lacks {', '.join(missing)} (see labeler/interface.py)")
    return labeler


def signature(labeler: Labeler) -> str:
    """What stands in the signature of a score: name and version."""
    return f"{labeler.name}@{labeler.version}"
