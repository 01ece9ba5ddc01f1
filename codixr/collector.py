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


@contextmanager
def of_a_command() -> Iterator[None]:
    """Within, cycles are searched for rarely; behind, the process is about to end: not at all."""
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.freeze()
