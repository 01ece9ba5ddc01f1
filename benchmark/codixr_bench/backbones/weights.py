"""Published weights of the metrics' networks: found, downloaded, checked, read and never run.

A file is known by its name, its address and its sha256 (``lock.json``). It is looked for in
``$CODIXR_CACHE/weights`` (``~/.cache/codixr/weights``) and where the library it belongs to keeps
its own; else it is downloaded, with progress, resumed where it stopped, checked, and renamed.
``CODIXR_OFFLINE=1`` forbids the download. Another file than the published one is refused, or,
with ``allow_unpinned``, used and marked in the signature. Files are read
with ``torch.load(weights_only=True)``; torchxrayvision's, which are whole pickled modules, by an
unpickler that builds tensors and knows no other code.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.errors import InputError
from codixr_bench.backbones.downloading import OFFLINE, Wanted, bytes_here, fetch_file, is_offline
from codixr_bench.backbones.lock import assets, cache_folder

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1 << 20


@dataclass(frozen=True)
class WeightsFile:
    """One published file."""

    backbone: str
    """What it is called here, e.g. ``xrv-chex``."""
    file_name: str
    url: str
    sha256: str
    size: int | None
    """Bytes; None where unknown."""
    licence: str
    elsewhere: tuple[str, ...] = ()
    """Where other libraries keep the same file, below the home folder."""
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedWeights:
    """A state dict and what it was read from."""

    state: Mapping[str, "Tensor"]
    sha256: str
    pinned: bool
    """Whether the file is the published one."""

    @property
    def mark(self) -> str:
        """For signatures: the digest's first digits, and ``(unpinned)`` for another file."""
        return self.sha256[:8] + ("" if self.pinned else "(unpinned)")


class WrongWeightsError(InputError):
    """A file of weights is there, and it is not the published one."""


WEIGHTS: dict[str, WeightsFile] = {
    asset.name: WeightsFile(
        asset.name,
        asset.files[0].path,
        asset.files[0].urls[0],
        str(asset.files[0].sha256),
        asset.files[0].size,
        asset.licence,
        asset.files[0].elsewhere,
        asset.files[0].urls[1:],
    )
    for asset in assets().values()
    if asset.kind == "weights"
}
"""Backbone -> its published weights."""


def weights_folder() -> Path:
    """``$CODIXR_CACHE/weights``, or ``~/.cache/codixr/weights``."""
    return cache_folder() / "weights"


def stored(file: WeightsFile) -> Path | None:
    """Where the file lies on this machine, unchecked; None where it does not."""
    candidates = (weights_folder() / file.file_name, *(Path.home() / p for p in file.elsewhere))
    return next((path for path in candidates if path.is_file()), None)


def load_weights(
    backbone: str, given: Path | None = None, *, allow_unpinned: bool = False
) -> LoadedWeights:
    """The weights of a backbone: from ``given``, from this machine, or downloaded.

    Raises WrongWeightsError for a file that is not the published one (unless ``allow_unpinned``);
    InputError for one that is missing or no file of weights, and when it must be downloaded and
    cannot be: the message says what to put where.
    """
    file = WEIGHTS[backbone]
    path = given if given is not None else stored(file) or download(file)
    found = sha256_of(path)
    if found != file.sha256 and not (allow_unpinned and given is not None):
        more = f"give it with --weights {backbone}=FILE --allow-unpinned to use it anyway"
        if given is None:
            more = f"delete it, and it is downloaded again; or {more}"
        raise WrongWeightsError(
            f"'{path}' is not the published file of backbone '{backbone}': its sha256 is {found}, "
            f"not {file.sha256}; {more}"
        )
    return LoadedWeights(read_state(path), found, found == file.sha256)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, hexadecimal; InputError for one that cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(
            f"the weights '{path}' cannot be read: {error.strerror}; give a file with --weights"
        ) from error
    return digest.hexdigest()


def download(file: WeightsFile) -> Path:
    """Download a published file into the cache, with progress on stderr; returns its path.

    It is whole, checked and renamed, or not there; what has come of it waits for the next call.
    InputError when that fails.
    """
    from codixr.progress import Progress

    if is_offline():
        raise _offline(file, f"{OFFLINE} is set")
    path = weights_folder() / file.file_name
    wanted = Wanted(path, (file.url, *file.mirrors), file.size, file.sha256)
    done = bytes_here(path)
    title = f"downloading {file.file_name}"
    try:
        with Progress(title, file.size or 0, done, unit="MB", scale=1e-6) as bar:
            fetch_file(wanted, bar.advance)
    except InputError as error:
        raise _offline(file, str(error)) from error
    return path


def _offline(file: WeightsFile, why: str) -> InputError:
    return InputError(
        f"the weights of backbone '{file.backbone}' are not here and cannot be downloaded ({why}). "
        f"Fetch {file.url} (sha256 {file.sha256}) on a machine with a network and put it at "
        f"'{weights_folder() / file.file_name}', or give it with --weights {file.backbone}=FILE"
    )


def read_state(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a file by name: ``.safetensors``, a state dict, or a pickled module.

    Nothing in the file is run: InputError for one that asks for that, or holds no tensors.
    """
    from codixr_bench.backbones.safe_pickle import tensors_in

    return tensors_in(path)
