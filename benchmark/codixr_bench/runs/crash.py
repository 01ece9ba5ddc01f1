"""A model that crashes: on which study, and where in its code."""

import traceback
from pathlib import Path

CRASHES = (Exception, SystemExit, GeneratorExit)
"""What a model's code may raise; an interruption is not its own."""
_OURS = str(Path(__file__).parent.parent)


class ModelError(Exception):
    """A model's own exception, with the study it belongs to; command lines exit with code 1.

    ``trace`` is the traceback below the benchmark's own frames. Where content must not be shown,
    it ends with the exception's type: a model's message may quote the report it was given.
    """

    def __init__(self, where: str, error: BaseException, *, show_message: bool) -> None:
        said = f"{type(error).__name__}: {error}" if show_message else type(error).__name__
        super().__init__(f"{where}: {said.splitlines()[0]}")
        frames = traceback.extract_tb(error.__traceback__)
        first = next((i for i, f in enumerate(frames) if not f.filename.startswith(_OURS)), 0)
        listed = "".join(traceback.format_list(frames[first:]))
        self.trace = f"Traceback (most recent call last):\n{listed}{said}"
