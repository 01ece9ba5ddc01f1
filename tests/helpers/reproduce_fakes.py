"""OpenI's download on this machine: drawn pictures under the collection's names, small networks.

The server has the archive and the files of weights at the addresses of a lock file of its own. A
network of weights here is a few random projections that its file's bytes decide.
"""

import csv
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from codixr.data import openi, openi_pictures
from codixr.data.labels import PATHOLOGIES
from codixr.data.openi_pictures import HEADERS, PROJECTED
from codixr_bench.backbones import fetching, published
from codixr_bench.backbones.lock import Asset, LockedFile, assets
from codixr_bench.backbones.weights import WEIGHTS, sha256_of, stored
from codixr_bench.reproduce import lock_record
from helpers.file_server import FileServer, file_server

SECRET = "zebra-words"
FINDINGS = (
    ("No acute cardiopulmonary abnormality.", "normal"),
    ("Mild cardiomegaly. No pleural effusion.", "Cardiomegaly/mild"),
    (f"Left basilar opacity, {SECRET} XXXX.", "Opacity/lung/base/left"),
    ("Small right pleural effusion.", "Pleural Effusion/right/small"),
)
NETWORKS = ("inception", "xrv", "xrv-chex")


def write_collection(root: Path, n: int) -> bytes:
    """The package's archive and tables under ``root``; the bytes of ``NLMCXR_png.tgz``."""
    reports, headers, projected, pictures = [], [], [], []
    for number in range(1, n + 1):
        impression, term = FINDINGS[number % len(FINDINGS)]
        names = [f"CXR{number}_1_IM-{number:04d}-{view}001" for view in (3, 4)]
        reports.append((f"ecgen-radiology/{number}.xml", _report(impression, term, names)))
        headers += [[names[0].replace("_1_", "_"), "PA"], [names[1].replace("_1_", "_"), "LL"]]
        projected.append([names[0], "PA"])
        for view, name in enumerate(names):
            pictures.append((f"NLMCXR_png/{name}.png", _picture(number, view)))
    pictures.append(("NLMCXR_png/readme.txt", b"of nobody"))
    (root / "NLMCXR_reports.tgz").write_bytes(_tgz(reports))
    _write_table(root / HEADERS, "View Position", headers)
    _write_table(root / PROJECTED, "tsne-view", projected)
    return _tgz(pictures)


@contextmanager
def served_openi(root: Path, n: int = 48) -> Iterator[FileServer]:
    """OpenI and its networks on a server, and nothing of them in the cache."""
    with openi_server(root, n) as (served, files), moved_to(served, root, files):
        yield served


@contextmanager
def openi_server(root: Path, n: int = 48) -> Iterator[tuple[FileServer, dict[str, bytes]]]:
    """The server and its files by name; nothing looks there yet."""
    root.mkdir(parents=True, exist_ok=True)
    files = {"NLMCXR_png.tgz": write_collection(root, n)}
    files |= {
        WEIGHTS[name].file_name: np.random.default_rng(k).bytes(20_000)
        for k, name in enumerate(NETWORKS)
    }
    with file_server() as served:
        served.files |= {f"/{name}": content for name, content in files.items()}
        yield served, files


@contextmanager
def moved_to(served: FileServer, root: Path, files: dict[str, bytes]) -> Iterator[None]:
    """Within it the lock file's addresses are the server's, and the cache lies under ``root``."""
    with pytest.MonkeyPatch.context() as patch:
        known = {
            name: _moved(assets()[name], served.url, files)
            for name in ("openi-pictures", *NETWORKS)
        }
        patch.setenv("CODIXR_CACHE", str(root / "cache"))
        patch.setenv("HOME", str(root))
        patch.setenv("CODIXR_OFFLINE", "0")
        patch.setattr(fetching, "assets", lambda: known)
        patch.setattr(lock_record, "assets", lambda: known)
        patch.setattr(published, "_load", _network)
        for module in (openi, openi_pictures):
            patch.setattr(module, "find_archive", lambda: root / "NLMCXR_reports.tgz")
        published.published.cache_clear()
        yield
        published.published.cache_clear()


class _Network:
    """Projections of an 8×8 picture: 12 features, ten probabilities."""

    keeps, least_n, classes, threshold_policy = True, 12, PATHOLOGIES, "xrv_op50"

    def __init__(self, name: str, path: Path) -> None:
        digest = sha256_of(path)
        self.name = published.SCORE_NAMES[name]
        self.signature = f"drawn-{name}|weights:{digest[:8]}"
        self.thresholds = np.full(len(PATHOLOGIES), 0.5)
        self._matrix = np.random.default_rng(int(digest[:8], 16)).normal(size=(64, 22))

    def _of(self, images: np.ndarray) -> np.ndarray:
        side = images.shape[-1] // 8
        small = images.reshape(len(images), 8, side, 8, side).mean(axis=(2, 4))
        return (small.reshape(len(images), 64) - 0.4) @ self._matrix

    def features(self, images: np.ndarray) -> np.ndarray:
        return self._of(images)[:, :12].astype(np.float32)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return (1 / (1 + np.exp(-self._of(images)[:, 12:]))).astype(np.float32)


def _network(name: str, given: Path | None, _allow_unpinned: bool) -> Any:
    path = given or stored(WEIGHTS[name])
    assert path is not None, f"the file of {name} was not fetched"
    return _Network(name, path)


def _moved(asset: Asset, url: str, files: dict[str, bytes]) -> Asset:
    """An asset with its files on the server; weights are pinned, the archive is not."""
    (file,) = asset.files
    content = files[file.path]
    pin = hashlib.sha256(content).hexdigest() if asset.kind == "weights" else None
    size = len(content) if pin else None
    moved = LockedFile(file.path, (f"{url}/{file.path}",), size, pin)
    return Asset(asset.name, asset.kind, asset.purpose, asset.licence, asset.ask, (moved,))


def _report(impression: str, term: str, names: list[str]) -> bytes:
    images = "".join(
        f'<parentImage id="{name}"><caption>PA and lateral</caption></parentImage>'
        for name in names
    )
    return (
        f'<eCitation><Abstract><AbstractText Label="IMPRESSION">{impression}</AbstractText>'
        f"</Abstract><MeSH><major>{term}</major></MeSH>{images}</eCitation>"
    ).encode()


def _picture(number: int, view: int) -> bytes:
    rng = np.random.default_rng((number, view))
    smooth = ndimage.gaussian_filter(rng.normal(size=(48, 40)), 4)
    grey = np.clip(110 + 900 * smooth + 25 * (number % len(FINDINGS)), 0, 255)
    sink = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def _tgz(files: list[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(sink.getvalue(), mtime=0)


def _write_table(path: Path, column: str, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["imageid", column], *rows])
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
