"""A run that is finished: the same command again prints its result, and scores nothing.

``FOLDER/scored.json`` holds one digest over all that a result follows from: the run's records and
sample files, the metrics and labeler that were asked for, the code, the libraries, and the files of
the result themselves. Where any of it differs, the samples are scored again. Sample files are told
apart by name, size and time, not read. What isn't ours, a plugged-in metric or labeler, has code
that no digest here covers: such a run is always scored.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from codixr import atomic
from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr_bench.backbones.published import NOT_HERE
from codixr_bench.labeler import CLINICAL, DEFAULT
from codixr_bench.metric import Metric
from codixr_bench.result import Result, current_code, current_environment
from codixr_bench.result_files import RESULT_NAME, STATISTICS_NAME
from codixr_bench.runs.finish import GRID_NAME, ScoredRun, scale_beside
from codixr_bench.runs.options import RunOptions
from codixr_bench.runs.record import RunRecord
from codixr_bench.show.page import REPORT_NAME
from codixr_bench.track import Track

SCORED_NAME = "scored.json"
_PACKAGES = (Path(atomic.__file__).parent, Path(__file__).parents[1])
_OURS = ("codixr_bench.", "codixr.")


def finished(
    folder: Path,
    stores: Sequence[tuple[Path, RunRecord]],
    metrics: Sequence[Metric],
    track: Track,
    options: RunOptions,
) -> ScoredRun | None:
    """The result in ``folder``, where scoring the same again would make it anew; else None."""
    digest = _digest(folder, stores, metrics, track, options)
    try:
        noted = json.loads((folder / SCORED_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    if digest is None or noted != {"sha256": digest}:
        return None
    try:
        result = Result.load(folder)
    except InputError:
        return None
    if options.weights or any(NOT_HERE in (score.reason or "") for score in result.scores):
        return None  # weights may have come since
    return ScoredRun(result, folder, scale_beside(folder, result))


def note_finished(
    folder: Path,
    stores: Sequence[tuple[Path, RunRecord]],
    metrics: Sequence[Metric],
    track: Track,
    options: RunOptions,
) -> None:
    """Write what ``finished`` compares; nothing where it could not be relied on."""
    digest = _digest(folder, stores, metrics, track, options)
    if digest is not None:
        write_atomically(folder / SCORED_NAME, (json.dumps({"sha256": digest}) + "\n").encode())


def _digest(
    folder: Path,
    stores: Sequence[tuple[Path, RunRecord]],
    metrics: Sequence[Metric],
    track: Track,
    options: RunOptions,
) -> str | None:
    """The digest, or None where code that isn't ours has a part, or a file is missing."""
    labeler = track.backbones.get("report_labels", DEFAULT)
    if labeler not in (DEFAULT, CLINICAL):
        return None
    if not all(type(metric).__module__.startswith(_OURS) for metric in metrics):
        return None
    try:
        samples = [
            (record.to_json().decode(), _stats(sorted(place.glob("chunk-*.parquet"))))
            for place, record in stores
        ]
        written = [_sha256(folder / name) for name in (RESULT_NAME, STATISTICS_NAME)]
    except OSError:
        return None
    shows = track.shows_content or options.show_content
    # Of the page it matters that it is there: drawings may be put on it later.
    if not all((folder / name).is_file() for name in (REPORT_NAME, *((GRID_NAME,) * shows))):
        return None
    parts = {
        "samples": samples,
        "written": written,
        "shows": shows,
        "metrics": options.metrics,
        "names": [metric.name for metric in metrics],
        "track": [track.name, track.version, track.label_policy, dict(track.backbones)],
        "code": [current_code().model_dump(), current_environment().model_dump(), _code()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stats(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    found = [(path.name, path.stat()) for path in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


@lru_cache(maxsize=1)
def _code() -> str:
    """One sha256 over all that makes a score: our modules, and the judges' weights."""
    files = [
        path
        for package in _PACKAGES
        for pattern in ("**/*.py", "assets/*.safetensors")
        for path in package.glob(pattern)
    ]
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path.name} {_sha256(path)}\n".encode())
    return whole.hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
