"""Libraries that one feature needs: a missing one is one line that names the extra to install."""

import importlib
from typing import Any

from codixr.errors import InputError


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
