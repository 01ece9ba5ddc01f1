"""Simulated studies that nobody can look up: each has a seed of its own, made with a secret key.

The seed of study ``index`` is HMAC-SHA256(key, "split/index"), 256 bits: without the key nobody can
render a study, and none is in a public split but by a chance of 2**-128. The distribution is the
public splits' own, since a study depends on its seed alone. The key's sha256 says which split it
was; the key itself is published when the split retires, and then everybody can check it.
"""

import hashlib
import hmac
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codixr.data.phantom.case import labels_of, sample_case
from codixr.data.phantom.dataset import SIZES, SPLIT_SIZES, report_of, to_float
from codixr.data.phantom.render import VERSION, render_views
from codixr.data.study import Split, Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress

KEY_BYTES = 32
SECRET: Split = "secret"


def read_key(path: Path) -> bytes:
    """The 32 bytes of a key file; InputError, with the cure, for another file."""
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise InputError(f"--split-key '{path}' cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        size = "more than 32" if len(key) > KEY_BYTES else str(len(key))
        raise InputError(
            f"--split-key '{path}' holds {size} bytes, and a key has 32: make one with "
            "`head -c 32 /dev/urandom > FILE`"
        )
    return key


def study_seed(key: bytes, split: str, index: int) -> int:
    """The seed of a study, 0 to 2**256 - 1."""
    message = f"{split}/{index}".encode()
    return int.from_bytes(hmac.new(key, message, hashlib.sha256).digest(), "big")


class SecretPhantomDataset:
    """The studies of a key, rendered when they are asked for, and kept in memory alone.

    Args:
        key: 32 random bytes.
        size: side of the square pictures, 64 or 256.
        limit: the first ``limit`` studies only; as many as the test split has by default.

    Raises InputError for a key of another length, a size that isn't offered, a limit under 1.
    """

    name = "phantom"
    version = VERSION
    split: Split = SECRET

    def __init__(self, key: bytes, size: int = 64, limit: int | None = None) -> None:
        if len(key) != KEY_BYTES:
            raise InputError(f"a split's key has {KEY_BYTES} bytes, not {len(key)}")
        if size not in SIZES:
            raise InputError(f"phantom: size {size} is not offered; use 64 or 256")
        if limit is not None and limit < 1:
            raise InputError(f"phantom: limit {limit} leaves no study; use 1 or more")
        self.size = size
        self.modalities = frozenset(Modality)
        self.key_sha256 = hashlib.sha256(key).hexdigest()
        self._key = key
        most = SPLIT_SIZES["test"]
        self._n = most if limit is None else min(limit, most)
        self._images: NDArray[np.uint8] | None = None
        recipe = {
            "name": self.name,
            "version": self.version,
            "size": size,
            "split": SECRET,
            "key_sha256": self.key_sha256,
            "n": self._n,
        }
        text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the split, negative ones too."""
        if not 0 <= index < self._n:
            raise IndexError(f"phantom {SECRET}: study {index} of {self._n}")
        seed = self._seed(index)
        frontal, lateral = (
            render_views(seed, 0, self.size) if self._images is None else self._images[index]
        )
        study_id = self._id(index)
        return Study(
            study_id=study_id,
            subject_id=study_id,
            split=SECRET,
            frontal=to_float(frontal),
            lateral=to_float(lateral),
            report=report_of(seed, 0),
            labels=labels_of(sample_case(seed, 0)),
        )

    def study_ids(self) -> list[str]:
        """All study ids, in order: positions, which tell nothing of a study."""
        return [self._id(index) for index in range(self._n)]

    def reports(self) -> list[str]:
        """All reports, in order, without rendering anything."""
        return [report_of(self._seed(index), 0) for index in range(self._n)]

    def images(self, modality: Modality) -> NDArray[np.uint8]:
        """All pictures of one view, uint8 [n, S, S]; rendered at the first call, never on a disk.

        Raises InputError for T.
        """
        if not modality.is_image:
            raise InputError("phantom: T has no pictures; use the studies' reports")
        if self._images is None:
            found = np.empty((self._n, 2, self.size, self.size), dtype=np.uint8)
            with Progress(f"phantom {SECRET}", self._n, unit="studies") as bar:
                for index in range(self._n):
                    found[index] = render_views(self._seed(index), 0, self.size)
                    bar.advance(1)
            self._images = found
        return self._images[:, 0 if modality is Modality.F else 1]

    def _id(self, index: int) -> str:
        return f"phantom-{SECRET}-{self.key_sha256[:8]}-{index:08d}"

    def _seed(self, index: int) -> int:
        return study_seed(self._key, SECRET, index)
