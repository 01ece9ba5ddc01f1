"""A folder of somebody's samples as a model: ``run --model samples:DIR`` scores it as it is.

The layout is ``external.py``'s: pictures and a CSV, by position. Nothing is generated, so ``run``
goes straight to ``score --samples DIR``.
"""

from pathlib import Path

from codixr.errors import InputError

KIND = "samples"


class SamplesModel:
    """Stands in the list of models; it cannot be called, and says what can."""

    summary = "pictures and reports made elsewhere, by position: samples:DIR"

    def __init__(self, checkpoint: Path | None = None) -> None:
        folder = checkpoint or "DIR"
        raise InputError(
            f"model 'samples' generates nothing: codixr-bench run --model samples:{folder} scores "
            "the folder, as codixr-bench score --samples does"
        )


def folder_of(spec: str) -> Path | None:
    """The folder of ``samples:DIR``; None for another model. InputError where it is missing."""
    kind, colon, folder = spec.partition(":")
    if kind != KIND:
        return None
    if not colon or not folder:
        raise InputError("model 'samples' needs a folder: write --model samples:DIR")
    return Path(folder)
