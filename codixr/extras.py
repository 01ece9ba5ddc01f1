"""Libraries that one feature needs: a missing one is one line that names the extra to install."""

import importlib
from typing import Any

from codixr.errors import InputError

EXTRAS = {
    "accelerate": "train",
    "tensorboard": "train",
    "matplotlib": "plot",
    "pydicom": "dicom",
    "imagecodecs": "mimic",
    "nanodrr": "ct",
    "nibabel": "ct",
    "torchio": "ct",
    "ray": "ray",
    "peft": "lora",
}
"""Library -> the extra that brings it."""


def missing_extra(error: ModuleNotFoundError, what: str) -> str | None:
    """The line for a library of an extra that isn't installed; None for any other module.

    ``what``: the command that needs it.
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return f"{what} needs {module} for this: pip install 'codixr[{EXTRAS[module]}]'"


def need(module: str, extra: str, what: str) -> Any:
    """The module, imported.

    Args:
        module: its name, e.g. ``matplotlib.pyplot``.
        extra: of ``pip install 'codixr[EXTRA]'``.
        what: who needs it, e.g. ``codixr-bench plot``.

    Raises:
        InputError: it isn't installed, or something that it needs isn't.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise InputError(f"{what} needs {missing}: pip install 'codixr[{extra}]'") from error
