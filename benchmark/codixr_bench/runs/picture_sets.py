"""One side of a distance: pictures of any kind that people have, or cached statistics.

- a folder of pictures, read by the rules of ``codixr.data.picture`` (PNG, JPEG, TIFF, BMP, GIF,
  ``.npy``, DICOM with or without a suffix), under any names; of F and L side by side (``F/`` and
  ``L/``, or ``00000_F.png``) the view that is asked for; folders in it (one a class, say) are read
  where it holds no pictures itself;
- a folder of ``codixr prepare`` (a split and a view of it), or one of its Parquet files;
- a run's folder, its ``samples``, or any Parquet file with a column of PNG bytes;
- statistics: an ``.npz`` with ``mu`` and ``sigma``, and ``n`` where its maker wrote it.

Hidden files such as ``.DS_Store`` are passed over, other files are noted, and a picture that can't
be read is an error that names it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codixr.data.dicom_mark import is_dicom
from codixr.data.picture import SUFFIXES, read_pixels
from codixr.data.plain_picture import read_plain
from codixr.data.png import from_levels
from codixr.data.prepared import PreparedDataset, is_prepared
from codixr.data.study import SPLITS, Image, Split
from codixr.errors import InputError
from codixr.messages import note
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import FeatureStatistics

_BATCH = 32
_SHOWN = 3
_COLUMNS = {Modality.F: ("F", "frontal"), Modality.L: ("L", "lateral")}
"""Of samples, and of prepared data."""
_KINDS = (
    "give a folder of pictures, a folder of `codixr prepare`, a run, a .parquet with pictures or "
    "an .npz of statistics"
)


_VIEW_WORDS = {
    Modality.F: {"f", "frontal", "front", "pa", "ap"},
    Modality.L: {"l", "lateral", "lat", "ll"},
}


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one side, read as they are asked for."""

    source: Path
    n: int
    read: Callable[[], Iterator[tuple[str, Image]]]
    notes: Counter[str] = field(default_factory=Counter)
    """What the reader noted -> how many pictures; filled while they are read."""

    def pictures(self) -> Iterator[tuple[str, Image]]:
        """(its name in messages, float32 [1, H, W] in [0, 1]); InputError names a wrong one."""
        return self.read()

    def __len__(self) -> int:
        return self.n


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


def open_sides(
    a: Path, b: Path, view: Modality, split: str | None = None
) -> list[PictureSet | Side]:
    """Both sides; ``split`` is that of each which is a prepared folder, and of one at least."""
    prepared = [is_prepared(source) for source in (a, b)]
    if split is not None and not any(prepared):
        raise InputError(
            f"--split {split}: neither '{a}' nor '{b}' is a folder of `codixr prepare`"
        )
    pairs = zip((a, b), prepared, strict=True)
    return [open_side(source, view, split if of else None) for source, of in pairs]


def open_side(source: Path, view: Modality, split: str | None = None) -> PictureSet | Side:
    """What lies at ``source``; InputError, which names the way, for nothing that can be compared.

    ``split``: of a prepared folder (default: test).
    """
    if not source.exists():
        link = " (a broken link)" if source.is_symlink() else ""
        raise InputError(f"'{source}' does not exist{link}: {_KINDS}")
    prepared = source.is_dir() and is_prepared(source)
    if split is not None and not prepared:
        raise InputError(
            f"--split {split}: '{source}' is not a folder of `codixr prepare`: leave it out"
        )
    if prepared:
        return _prepared(source, view, split or "test")
    if source.is_dir():
        chunks = sorted(source.glob("chunk-*.parquet"))
        chunks = chunks or sorted(source.glob("samples/chunk-*.parquet"))
        return _parquet(source, chunks, view) if chunks else _folder(source, view)
    if source.suffix == ".npz":
        return _cached(source)
    if source.suffix == ".parquet":
        return _parquet(source, [source], view)
    raise InputError(f"'{source}' is a single file of another kind: {_KINDS}")


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
    for text, n in pictures.notes.items():
        note("codixr-bench", f"'{pictures.source}': {n:,} of {len(pictures):,} pictures: {text}")
    return side


def _prepared(folder: Path, view: Modality, split: str) -> PictureSet:
    if split not in SPLITS:
        raise InputError(f"--split {split}: use one of {', '.join(SPLITS)}")
    chosen: Split = SPLITS[SPLITS.index(split)]
    dataset = PreparedDataset(folder, chosen)
    pictures = dataset.images(view)

    def read() -> Iterator[tuple[str, Image]]:
        for row in range(len(dataset)):
            yield f"'{folder}', {split} study {row}", from_levels(pictures[row])

    return PictureSet(folder, len(dataset), read)


def _folder(folder: Path, view: Modality) -> PictureSet:
    """The pictures of a folder: its own, those of one view, or those of the folders in it."""
    nested = folder / view.value
    if nested.is_dir():
        return _files(folder, *_pictures_in(nested))
    pictures, others = _pictures_in(folder)
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not pictures and folders:
        found = [_pictures_in(inner) for inner in [*folders, *_deeper(folders)]]
        pictures = sorted(path for here, _ in found for path in here)
        if pictures:
            note(
                "codixr-bench",
                f"'{folder}': {len(pictures):,} pictures in the folders inside of it were read",
            )
        return _files(folder, pictures, [path for _, there in found for path in there])
    of_views = [re.fullmatch(r"\d+_([FL])", path.stem) for path in pictures]
    if pictures and all(of_views):
        pairs = zip(pictures, of_views, strict=True)
        pictures = [path for path, of in pairs if of is not None and of[1] == view.value]
        if not pictures:
            raise InputError(f"'{folder}' holds no pictures of {view}: choose with --view")
    return _files(folder, pictures, others + folders)


def _deeper(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_dir() and not any(part.startswith(".") for part in path.parts):
                yield path


def _pictures_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures directly in a folder, and the files that aren't; hidden ones are passed over."""
    pictures: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        known = path.suffix.lower() in SUFFIXES or _holds_dicom(path)
        (pictures if known else others).append(path)
    return pictures, others


def _holds_dicom(path: Path) -> bool:
    """DICOM files often have a number for a name; a DICOMDIR is the index of a disc."""
    if not path.is_file() or path.name == "DICOMDIR":
        return False
    with path.open("rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM" or (not path.suffix and is_dicom(head))


def _files(source: Path, pictures: Sequence[Path], others: Sequence[Path]) -> PictureSet:
    if not pictures:
        raise InputError(f"'{source}' holds no pictures ({', '.join(SUFFIXES)}): {_KINDS}")
    if others:
        names = ", ".join(path.name for path in others[:_SHOWN])
        more = ", …" if len(others) > _SHOWN else ""
        left = f"{len(others)} not read, whose names aren't those of pictures: {names}{more}"
        note("codixr-bench", f"'{source}': {left}")
    views = Counter(view for path in pictures if (view := _view_named(path, source)) is not None)
    if len(views) == 2:
        note(
            "codixr-bench",
            f"'{source}': {views[Modality.F]:,} pictures are named as frontal views and "
            f"{views[Modality.L]:,} as lateral ones: the distance is that of a mixture; put each "
            "view into a folder of its own",
        )
    notes: Counter[str] = Counter()

    def read() -> Iterator[tuple[str, Image]]:
        for path in pictures:
            found = read_pixels(path)
            notes.update(found.notes)
            yield f"'{path}'", found.pixels[None]

    return PictureSet(source, len(pictures), read, notes)


def _view_named(path: Path, source: Path) -> Modality | None:
    """The view that a picture's name, or a folder it is in, says; None where they say nothing."""
    inner = path.relative_to(source) if path.is_relative_to(source) else Path(path.name)
    words = set(re.split(r"[^A-Za-z]+", str(inner.with_suffix("")).lower()))
    found = [view for view, names in _VIEW_WORDS.items() if words & names]
    return found[0] if len(found) == 1 else None


def _check_values(name: str, picture: Image) -> None:
    least, most = float(picture.min()), float(picture.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise InputError(f"{name} holds NaN or infinity")
    if least < 0.0 or most > 1.0:
        raise InputError(f"{name} ranges from {least:.4g} to {most:.4g}, not from 0 to 1")


def _parquet(source: Path, files: Sequence[Path], view: Modality) -> PictureSet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[Path, str] = {}
    n = 0
    for path in files:
        try:
            metadata = pq.read_metadata(path)
            names = metadata.schema.to_arrow_schema().names
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"'{path}' cannot be read as Parquet") from error
        known = [name for name in _COLUMNS[view] if name in names]
        if not known:
            raise InputError(
                f"'{path}' has no column {' or '.join(_COLUMNS[view])} of pictures: it has "
                f"{', '.join(names)}; choose with --view"
            )
        columns[path] = known[0]
        n += metadata.num_rows

    notes: Counter[str] = Counter()

    def read() -> Iterator[tuple[str, Image]]:
        for path, column in columns.items():
            yield from _from_parquet(path, column, notes)

    return PictureSet(source, n, read, notes)


def _from_parquet(path: Path, column: str, notes: Counter[str]) -> Iterator[tuple[str, Image]]:
    """Our own 16-bit PNGs, and pictures of any other form that the reader knows."""
    import pyarrow.parquet as pq

    from codixr_bench.runs.store import decode_png

    row = 0
    for batch in pq.ParquetFile(path).iter_batches(_BATCH, columns=[column]):
        for cell in batch.column(0).to_pylist():
            name = f"'{path}', row {row}"
            content = cell.get("bytes") if isinstance(cell, dict) else cell
            if not isinstance(content, bytes):
                raise InputError(f"{name}: no picture in column {column}")
            try:
                picture = decode_png(content)
            except ValueError:
                found = read_plain(Path(name), content)
                picture = found.pixels[None]
                notes.update(found.notes)
            yield name, picture
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
