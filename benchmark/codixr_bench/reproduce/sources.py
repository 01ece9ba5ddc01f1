"""Tracks whose data anybody can fetch: which asset of the lock file, and how large it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a track's pictures come from. Sizes are estimates, for the plan."""

    asset: str
    """Of the lock file; its first file is the archive of pictures."""
    archive_bytes: int
    pictures: int
    studies: int
    """That are left of a complete download."""
    prepared_bytes: int
    """A study: two pictures of 256×256, 16 and 8 bits."""


SOURCES = {"openi": Source("openi-pictures", 1_400_000_000, 7_470, 2_975, 270_000)}
"""Track -> its source. Nobody states the archive's size: 7,470 PNG of about 0.18 MB each."""
