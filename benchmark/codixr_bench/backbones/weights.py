"""Published weights of the metrics' networks: found, downloaded, checked, read and never run.

A file is known by its name, its address and its sha256. It is looked for in
``$CODIXR_CACHE/weights`` (``~/.cache/codixr/weights``) and where the library it belongs to keeps
its own; else it is downloaded once, with progress, to a temporary name, checked, and renamed.
``CODIXR_OFFLINE=1`` forbids the download. Another file than the published one is refused, or,
with ``allow_unpinned``, used and marked in the signature.

None of these files comes with a checksum of its publisher: each sha256 below is what independent
public users of the file report, and Inception's begins with the digits in its name. Files are read
with ``torch.load(weights_only=True)``; torchxrayvision's, which are whole pickled modules, by an
unpickler that builds tensors and knows no other code.
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.atomic import make_folder, replacing
from codixr.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

OFFLINE = "CODIXR_OFFLINE"
_BLOCK = 1 << 20
_TIMEOUT = 30.0
"""Seconds without an answer."""


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


_XRV = "https://github.com/mlmed/torchxrayvision/releases/download/v1/"
_XRV_END = "-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
_DINO = "https://dl.fbaipublicfiles.com/dinov2/"
_HUB = ".cache/torch/hub/checkpoints/"


def _xrv(backbone: str, prefix: str, size: int | None, sha256: str) -> WeightsFile:
    name = prefix + _XRV_END
    home = f".torchxrayvision/models_data/{name}"
    return WeightsFile(backbone, name, _XRV + name, sha256, size, "Apache-2.0", (home,))


def _dino(letter: str, size: int | None, sha256: str) -> WeightsFile:
    name = f"dinov2_vit{letter}14_pretrain.pth"
    url = f"{_DINO}dinov2_vit{letter}14/{name}"
    return WeightsFile(f"dinov2-{letter}", name, url, sha256, size, "Apache-2.0", (_HUB + name,))


WEIGHTS: dict[str, WeightsFile] = {
    file.backbone: file
    for file in (
        WeightsFile(
            "inception",
            "weights-inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            95_628_359,
            "Apache-2.0",
            (
                _HUB + "weights-inception-2015-12-05-6726825d.pth",
                _HUB + "pt_inception-2015-12-05-6726825d.pth",
            ),
        ),
        _xrv(
            "xrv",
            "nih-pc-chex-mimic_ch-google-openi-kaggle",
            28_382_008,
            "56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899",
        ),
        _xrv(
            "xrv-chex",
            "chex",
            None,
            "1a914ae802170187a4852e594708206c12468eeeefd66aa4e8e26141649d61a4",
        ),
        _xrv(
            "xrv-mimic",
            "mimic_ch",
            28_382_012,
            "23b13a04459684ffa41247d068207a7657b4e1b4dec2b02431f5026bd75b1189",
        ),
        _dino("s", 88_283_115, "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"),
        _dino("b", None, "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73"),
        _dino(
            "l", 1_217_586_395, "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"
        ),
    )
}
"""Backbone -> its published weights."""


def weights_folder() -> Path:
    """``$CODIXR_CACHE/weights``, or ``~/.cache/codixr/weights``."""
    root = os.environ.get("CODIXR_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "codixr") / "weights"


def stored(file: WeightsFile) -> Path | None:
    """Where the file lies on this machine, unchecked; None where it does not."""
    candidates = (weights_folder() / file.file_name, *(Path.home() / p for p in file.elsewhere))
    return next((path for path in candidates if path.is_file()), None)


def load_weights(
    backbone: str, given: Path | None = None, *, allow_unpinned: bool = False
) -> LoadedWeights:
    """The weights of a backbone: from ``given``, from this machine, or downloaded.

    Raises InputError for a file that is missing, not the published one (unless ``allow_unpinned``),
    or no file of weights; and when it must be downloaded and cannot be: the message says what to
    put where.
    """
    file = WEIGHTS[backbone]
    path = given if given is not None else stored(file) or download(file)
    found = sha256_of(path)
    if found != file.sha256 and not (allow_unpinned and given is not None):
        more = "give it with --weights, and --allow-unpinned to use it anyway"
        if given is None:
            more = f"delete it, and it is downloaded again; or {more}"
        raise InputError(
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

    It is whole, checked and renamed, or not there. InputError when that fails.
    """
    if os.environ.get(OFFLINE, "") not in ("", "0"):
        raise _offline(file, f"{OFFLINE} is set")
    make_folder(weights_folder())
    path = weights_folder() / file.file_name
    with replacing(path) as part:
        try:
            found = _fetch(file, part)
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or error
            raise _offline(file, str(reason)) from error
        if found != file.sha256:
            raise InputError(
                f"what '{file.url}' gave is not the published file: its sha256 is {found}, not "
                f"{file.sha256}; nothing is kept. Try again, or give a file with --weights"
            )
    return path


def _fetch(file: WeightsFile, part: Path) -> str:
    """Write the file's bytes to ``part``; their sha256."""
    from codixr.progress import Progress

    digest = hashlib.sha256()
    with urllib.request.urlopen(file.url, timeout=_TIMEOUT) as answer, part.open("wb") as opened:
        length = int(answer.headers.get("Content-Length") or file.size or 0)
        with Progress(f"downloading {file.file_name}", length, unit="MB", scale=1e-6) as bar:
            while block := answer.read(_BLOCK):
                opened.write(block)
                digest.update(block)
                bar.advance(len(block))
    return digest.hexdigest()


def _offline(file: WeightsFile, why: str) -> InputError:
    return InputError(
        f"the weights of backbone '{file.backbone}' are not here and cannot be downloaded ({why}). "
        f"Fetch {file.url} (sha256 {file.sha256}) on a machine with a network and put it at "
        f"'{weights_folder() / file.file_name}', or give it with --weights FILE"
    )


def read_state(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a file by name: ``.safetensors``, a state dict, or a pickled module.

    Nothing in the file is run: InputError for one that asks for that, or holds no tensors.
    """
    from codixr_bench.backbones.safe_pickle import tensors_in

    return tensors_in(path)
