"""How many studies a model is given at a time; ``auto`` halves it where memory runs out."""

from typing import Literal

from codixr import messages

FIRST = 64


class BatchTooLargeError(Exception):
    """Memory ran out in a batch that can be halved; nothing of it was made."""


class BatchSize:
    """Studies a call of the model.

    Args:
        wanted: a number, which stays, or ``auto``: 64 at first.
    """

    def __init__(self, wanted: int | Literal["auto"]) -> None:
        self.studies = FIRST if wanted == "auto" else wanted
        self._adapts = wanted == "auto"

    def may_be_halved(self, error: BaseException, studies: int) -> bool:
        """Whether a crash of a batch of ``studies`` is one that a smaller batch may pass."""
        if not self._adapts or studies < 2:
            return False
        from codixr.device import is_out_of_memory

        return is_out_of_memory(error)

    def halve(self, studies: int) -> None:
        """Half of the ``studies`` that were too many, and say so."""
        from codixr.device import free_cached_memory

        free_cached_memory()
        self.studies = max(1, studies // 2)
        messages.note(
            "codixr-bench",
            f"memory ran out with {studies} studies at a time: going on with {self.studies}",
        )
