"""Python's collector of cycles, kept from work that finds nothing, while one command runs.

What a command imports stays until it ends: half a million objects with torch, diffusers and
transformers. Searching them again and again took a fifth of the import, and taking them apart at
the end two seconds.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (100_000, 50, 50)
"""New objects before a search of the youngest, and how many of these before one of the older."""
_usual: list[tuple[int, int, int]] = []
"""What held before a command that is still loading."""


@contextmanager
def of_a_command() -> Iterator[None]:
    """Within, cycles are searched for rarely, until all is ``loaded``; at the end not at all."""
    _usual.append(gc.get_threshold())
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.freeze()


def loaded() -> None:
    """Search as often as usual again, but not in what is there by now.

    The work that begins may make cycles that hold memory, a GPU's too. Outside of a command nothing
    changes: what is there is the caller's.
    """
    if _usual:
        gc.freeze()
        gc.set_threshold(*_usual.pop())
