"""One side of a distance: a folder of pictures, a Parquet of samples, or cached statistics.

A folder holds pictures as ``external.read_picture`` takes them (PNG, JPEG, TIFF, BMP, one-frame
GIF, ``.npy``; grey, 8 or 16 bits), under any names. Hidden files such as ``.DS_Store`` are passed
over, other files are noted, and a picture that cannot be read is an error that names it. Parquet:
a run's folder, its ``samples``, or one file with a column of PNG bytes. Statistics: an ``.npz``
with ``mu`` and ``sigma``, and ``n`` where its maker wrote it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from codixr import messages
from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import FeatureStatistics
from codixr_bench.runs.external import SUFFIXES, read_picture

PICTURES = (*SUFFIXES, ".bmp", ".gif")
_BATCH = 32
_SHOWN = 3


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one side, read as they are asked for."""

    source: Path
    files: tuple[Path, ...]
    """Pictures, or Parquet files with a column of them."""
    column: str | None = None
    """F or L of Parquet files."""

    def pictures(self) -> Iterator[tuple[str, Image]]:
        """(its name in messages, float32 [1, H, W] in [0, 1]); InputError names a wrong one."""
        for path in self.files:
            if self.column is not None:
                yield from _from_parquet(path, self.column)
            else:
                yield f"'{path}'", _picture(path)

    def __len__(self) -> int:
        if self.column is None:
            return len(self.files)
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(path).num_rows for path in self.files)


@dataclass
class Side:
    """What a distance needs of one side."""

    source: Path
    rows: FeatureRows | None
    """Features; None for cached statistics."""
    statistics: FeatureStatistics
    n: int | None
    """Pictures; None where statistics don't say."""
    digests: set[bytes] = field(default_factory=set)
    """Of the pictures at 8 bits: tell whether both sides hold the same."""
    sizes: set[tuple[int, int]] = field(default_factory=set)


def open_side(source: Path, view: Modality) -> PictureSet | Side:
    """What lies at ``source``; InputError for nothing that can be compared."""
    if source.is_dir():
        chunks = sorted(source.glob("chunk-*.parquet"))
        chunks = chunks or sorted(source.glob("samples/chunk-*.parquet"))
        if chunks:
            return _parquet(source, chunks, view)
        return _folder(source)
    if not source.exists():
        raise InputError(f"'{source}' does not exist: give a folder of pictures, .npz or .parquet")
    if source.suffix == ".npz":
        return _cached(source)
    if source.suffix == ".parquet":
        return _parquet(source, [source], view)
    raise InputError(
        f"'{source}' is not a folder of pictures, .npz of statistics or .parquet of samples"
    )


def side_of(pictures: PictureSet, backbone: Backbone, title: str) -> Side:
    """Features of all pictures; InputError names a picture that gives none.

    Every picture goes through the backbone in its own size; neighbours of one size go together.
    """
    rows = FeatureRows()
    side = Side(pictures.source, rows, FeatureStatistics(), len(pictures))
    held: list[tuple[str, Image]] = []

    def flush() -> None:
        features = backbone.features(np.stack([picture for _, picture in held]))
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise InputError(f"{held[bad[0]][0]}: its features hold NaN or infinity")
        rows.add(range(len(rows), len(rows) + len(held)), features)
        side.statistics.update(features)
        bar.advance(len(held))
        held.clear()

    with Progress(title, len(pictures), unit="pictures") as bar:
        for name, picture in pictures.pictures():
            _check_values(name, picture)
            if held and (len(held) == _BATCH or held[0][1].shape != picture.shape):
                flush()
            held.append((name, picture))
            levels = np.rint(picture * np.float32(255)).astype(np.uint8)
            digest = hashlib.blake2b(str(levels.shape).encode(), digest_size=16)
            digest.update(levels.tobytes())
            side.digests.add(digest.digest())
            side.sizes.add((picture.shape[1], picture.shape[2]))
        if held:
            flush()
    return side


def _folder(folder: Path) -> PictureSet:
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in visible if path.is_file()]
    pictures = tuple(path for path in files if path.suffix.lower() in PICTURES)
    folders = [path.name for path in visible if path.is_dir()]
    if not pictures:
        hint = f"; it has the folders {', '.join(folders[:_SHOWN])}: give one" if folders else ""
        raise InputError(f"'{folder}' holds no pictures ({', '.join(PICTURES)}){hint}")
    others = [path.name for path in files if path.suffix.lower() not in PICTURES] + folders
    if others:
        messages.note(
            "codixr-bench",
            f"'{folder}': {len(others)} not read, whose names aren't those of pictures: "
            f"{', '.join(others[:_SHOWN])}{', …' if len(others) > _SHOWN else ''}",
        )
    return PictureSet(folder, pictures)


def _picture(path: Path) -> Image:
    if path.suffix.lower() != ".npy":
        try:
            with PILImage.open(path) as opened:
                frames = getattr(opened, "n_frames", 1)
        except (OSError, ValueError, SyntaxError, PILImage.DecompressionBombError) as error:
            raise InputError(
                f"'{path}' cannot be read as a picture; replace it or take it out"
            ) from error
        if frames > 1:
            raise InputError(f"'{path}' has {frames} frames: give each as a picture of its own")
    try:
        return read_picture(path)
    except ValueError as error:
        cure = {
            "coloured": "has colours: the backbones take grey X-rays; convert it to grey",
        }.get(str(error), "cannot be read as a picture; replace it or take it out")
        raise InputError(f"'{path}' {cure}") from error


def _check_values(name: str, picture: Image) -> None:
    least, most = float(picture.min()), float(picture.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise InputError(f"{name} holds NaN or infinity")
    if least < 0.0 or most > 1.0:
        raise InputError(f"{name} ranges from {least:.4g} to {most:.4g}, not from 0 to 1")


def _parquet(source: Path, files: list[Path], view: Modality) -> PictureSet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in files:
        try:
            names = pq.read_schema(path).names
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"'{path}' cannot be read as Parquet") from error
        if view.value not in names:
            raise InputError(
                f"'{path}' has no column {view.value} of pictures: it has {', '.join(names)}; "
                "choose with --view"
            )
    return PictureSet(source, tuple(files), view.value)


def _from_parquet(path: Path, column: str) -> Iterator[tuple[str, Image]]:
    import pyarrow.parquet as pq

    from codixr_bench.runs.store import decode_png

    row = 0
    for batch in pq.ParquetFile(path).iter_batches(_BATCH, columns=[column]):
        for content in batch.column(0).to_pylist():
            name = f"'{path}', row {row}"
            if not isinstance(content, bytes):
                raise InputError(f"{name}: no picture in column {column}")
            try:
                yield name, decode_png(content)
            except ValueError as error:
                raise InputError(f"{name}: {error}") from error
            row += 1


def _cached(path: Path) -> Side:
    try:
        with np.load(path, allow_pickle=False) as stored:
            mean, covariance = stored["mu"], stored["sigma"]
            n = int(stored["n"]) if "n" in stored else 0
        statistics = FeatureStatistics.from_moments(n or 2, mean, covariance)
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(
            f"'{path}' holds no statistics that can be used (arrays mu [d] and sigma [d, d]): "
            f"{error}"
        ) from error
    return Side(path, None, statistics, n or None)
