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
CORE = {
    "torch", "torchvision", "torchxrayvision", "torch_fidelity", "diffusers", "transformers",
    "tokenizers", "huggingface_hub", "safetensors", "scipy", "pandas", "pyarrow", "sklearn",
    "skimage", "nltk", "sacrebleu", "rouge_score", "regex", "PIL", "jinja2", "markdown_it", "tqdm",
    "shtab", "yaml", "rich",
}  # fmt: skip
"""Libraries that codixr itself brings: absent where it was installed with ``--no-deps``."""


def missing_extra(error: ModuleNotFoundError, what: str) -> str | None:
    """The line for a library of the core or of an extra that isn't there; None for another module.

    ``what``: the command that needs it.
    """
    module = (error.name or "").partition(".")[0]
    if module in CORE:
        return f"{what} needs {module}, which this installation lacks: pip install codixr"
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
