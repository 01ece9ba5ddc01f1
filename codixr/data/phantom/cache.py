"""Caches of simulated pictures: memory-mapped, checked, rendered by a pool of processes."""

import json
import multiprocessing
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codixr.atomic import new_array
from codixr.data.phantom.render import VERSION, render_views
from codixr.modality import Modality
from codixr.progress import Progress
from codixr.workers import cores, end_with_parent

VIEWS = (Modality.F, Modality.L)
CHUNK = 32
Images = dict[Modality, NDArray[np.uint8]]


def default_cache_dir(size: int, seed: int) -> Path:
    """``$CODIXR_CACHE`` or ``~/.cache/codixr``, then ``phantom-v<version>-<size>-<seed>``."""
    root = os.environ.get("CODIXR_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "codixr"
    return base / f"phantom-v{VERSION}-{size}-{seed}"


def _render_chunk(seed: int, first: int, count: int, size: int) -> NDArray[np.uint8]:
    """uint8 [count, 2, S, S]: F and L of ``count`` studies."""
    return np.stack([np.stack(render_views(seed, first + i, size)) for i in range(count)])


def _chunks(seed: int, start: int, n: int, size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(offset, pictures) in order, from as many processes as there are cores."""
    offsets = range(0, n, CHUNK)
    workers = min(cores(), len(offsets))
    if workers < 2:
        for o in offsets:
            yield o, _render_chunk(seed, start + o, min(CHUNK, n - o), size)
        return
    # A fork needs no importable __main__; the children use numpy only.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, context, end_with_parent) as pool:
        jobs = [
            (o, pool.submit(_render_chunk, seed, start + o, min(CHUNK, n - o), size))
            for o in offsets
        ]
        try:
            for o, job in jobs:
                yield o, job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _crc(images: NDArray[np.uint8]) -> int:
    crc = 0
    for i in range(0, len(images), 256):
        crc = zlib.crc32(images[i : i + 256].tobytes(), crc)
    return crc


def _paths(folder: Path, split: str, n: int) -> dict[Modality, Path]:
    return {view: folder / f"{split}-{n:05d}-{view}.npy" for view in VIEWS}


def _open(folder: Path, split: str, n: int, fingerprint: str, size: int) -> Images | None:
    """The cached pictures, or None where they are absent, truncated, altered or of another recipe.

    The sidecar is written last, hence pictures without one are not trusted.
    """
    images: Images = {}
    try:
        note = json.loads((folder / f"{split}-{n:05d}.json").read_text())
        if note["fingerprint"] != fingerprint:
            return None
        for view, path in _paths(folder, split, n).items():
            array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
            if array.shape != (n, size, size) or array.dtype != np.uint8:
                return None
            if _crc(array) != note["crc32"][view]:
                return None
            images[view] = array
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    return images


def _build(
    folder: Path, split: str, n: int, fingerprint: str, recipe: tuple[int, int, int]
) -> None:
    """Render into temporary files, then rename: a reader sees a whole cache or none."""
    seed, start, size = recipe
    folder.mkdir(parents=True, exist_ok=True)
    final = _paths(folder, split, n)
    temporary = {v: p.with_suffix(f".{os.getpid()}.tmp") for v, p in final.items()}
    note_path = folder / f"{split}-{n:05d}.json"
    note_tmp = note_path.with_suffix(f".{os.getpid()}.tmp")
    try:
        arrays = {
            view: new_array(path, np.uint8, (n, size, size)) for view, path in temporary.items()
        }
        with Progress(f"phantom {split} {size}x{size}", n, unit="studies") as bar:
            for offset, chunk in _chunks(seed, start, n, size):
                for k, view in enumerate(VIEWS):
                    arrays[view][offset : offset + len(chunk)] = chunk[:, k]
                bar.advance(len(chunk))
        crcs = {str(view): _crc(array) for view, array in arrays.items()}
        for array in arrays.values():
            array.flush()
        note_tmp.write_text(json.dumps({"fingerprint": fingerprint, "crc32": crcs}))
        for view, path in temporary.items():
            path.replace(final[view])
        note_tmp.replace(note_path)
    finally:
        for path in (*temporary.values(), note_tmp):
            path.unlink(missing_ok=True)


def cached_images(
    folder: Path,
    split: str,
    fingerprints: Mapping[int, str],
    n: int,
    recipe: tuple[int, int, int],
) -> Images:
    """Both views of the first ``n`` studies of a split, uint8 [n, S, S], memory-mapped.

    Args:
        folder: where the caches are; made if absent.
        split: part of the file names.
        fingerprints: for each size of cache that would do (n, or the whole split), its recipe's.
        n: how many studies; the cache of n is rendered if no valid one is found.
        recipe: seed, index of the first study, and side of the pictures.
    """
    for count, fingerprint in fingerprints.items():
        images = _open(folder, split, count, fingerprint, recipe[2])
        if images is not None:
            return {view: array[:n] for view, array in images.items()}
    _build(folder, split, n, fingerprints[n], recipe)
    images = _open(folder, split, n, fingerprints[n], recipe[2])
    if images is None:
        raise OSError(f"the cache just written in {folder} does not read back")
    return images
