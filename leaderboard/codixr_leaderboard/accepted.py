"""The tracks that take submissions: the built-in ones, by their recipes in ``data_manifests``."""

from functools import lru_cache

from codixr.errors import InputError
from codixr_bench.registry import TRACKS
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_bench.track import Track


@lru_cache(maxsize=1)
def tracks() -> dict[str, Track]:
    """Name -> recipe, in the order of the site's first page."""
    return {name: Track.load(name) for name in TRACKS}


def track_of(result: Result) -> Track:
    """The recipe of a result, of its own version where there are several.

    InputError that lists the known tracks.
    """
    name, version = result.track.name, result.track.version
    if name not in tracks():
        raise InputError(f"track.name: no such track here; known: {', '.join(tracks())}")
    usual = tracks()[name]
    return usual if version == usual.version else _of_version(name, version)


@lru_cache(maxsize=64)
def _of_version(name: str, version: str) -> Track:
    return Track.of_version(name, version)


def columns(result: Result) -> tuple[str, ...]:
    """The scores that the table of a result shows, the one that ranks first."""
    return track_of(result).first_scores(Task.parse(result.task))
