"""What is in a checkpoint, read from the headers of its safetensors files: no torch needed."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from codixr.errors import InputError

_MAX_HEADER = 100_000_000
"""Bytes; the safetensors format's own limit."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the model, one folder of the checkpoint."""

    name: str
    parameters: int
    dtypes: tuple[str, ...]
    bytes: int
    sha256: str
    """Of its safetensors file; of their digests, in name order, when there are several."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A checkpoint and its parts."""

    folder: str
    parameters: int
    bytes: int
    """Of all its files, configurations too."""
    sha256: str
    """The one that results carry as ``checkpoint_sha256``."""
    components: tuple[Component, ...]

    def as_json(self) -> str:
        """The summary as JSON."""
        return json.dumps(asdict(self), indent=2)

    def as_table(self) -> str:
        """The summary as a table for the terminal."""
        total = ("total", self.parameters, "", self.bytes, self.sha256)
        rows = [
            *(
                (c.name, c.parameters, "+".join(c.dtypes), c.bytes, c.sha256)
                for c in self.components
            ),
            total,
        ]
        width = max(len(str(row[0])) for row in rows) + 2
        lines = [f"{'component':{width}}{'parameters':>14}  {'dtype':8}{'size':>10}  sha256"]
        for name, parameters, dtype, size, digest in rows:
            lines.append(
                f"{name:{width}}{parameters:>14,}  {dtype:8}{size / 1e6:>7.2f} MB  {digest[:16]}…"
            )
        return "\n".join([self.folder, *lines])


def embedded_checkpoint() -> Path:
    """The folder of the checkpoint inside the package; InputError when this copy has none."""
    folder = Path(__file__).parent.parent / "assets" / "tiny"
    if not folder.is_dir():
        raise InputError(
            "this copy of codixr has no embedded checkpoint (codixr/assets/tiny); "
            "install it again, or give --checkpoint DIR"
        )
    return folder


def describe(folder: Path) -> Summary:
    """Read every ``.safetensors`` header below ``folder``.

    InputError when the folder is missing, holds none, or one of them is corrupt or truncated.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights:
        raise InputError(f"{folder}: not a checkpoint: it holds no .safetensors file")
    parts: dict[str, list[Path]] = {}
    for path in weights:
        inner = path.relative_to(folder)
        parts.setdefault(inner.parts[0] if len(inner.parts) > 1 else inner.stem, []).append(path)
    digests = {path: _sha256(path) for path in weights}
    components = []
    for name, paths in parts.items():
        tensors = [tensor for path in paths for tensor in _tensors(path)]
        joined = "".join(digests[path] for path in paths)
        components.append(
            Component(
                name=name,
                parameters=sum(count for _, count in tensors),
                dtypes=tuple(sorted({dtype for dtype, _ in tensors})),
                bytes=sum(path.stat().st_size for path in paths),
                sha256=joined if len(paths) == 1 else hashlib.sha256(joined.encode()).hexdigest(),
            )
        )
    return Summary(
        folder=str(folder),
        parameters=sum(component.parameters for component in components),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        sha256=checkpoint_sha256(folder),
        components=tuple(components),
    )


def checkpoint_sha256(folder: Path) -> str:
    """One sha256 over the names and bytes of every file that a model is read from."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and (
            path.name in ("model_index.json", "config.json", "scheduler_config.json")
            or path.name.endswith((".safetensors", ".safetensors.index.json"))
            or path.parent.name.endswith("tokenizer")
        )
    ]
    digest = hashlib.sha256()
    for name in sorted(path.relative_to(folder).as_posix() for path in files):
        digest.update(name.encode() + b"\0")
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        digest.update(b"\0")
    return digest.hexdigest()


def _tensors(path: Path) -> list[tuple[str, int]]:
    """(dtype, number of values) of each tensor; checks that the file is as long as it says."""
    corrupt = InputError(f"{path}: corrupt or truncated safetensors file; copy it again")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(size - 8, _MAX_HEADER):
            raise corrupt
        header = file.read(length)
    try:
        entries = json.loads(header)
        entries.pop("__metadata__", None)
        tensors = [(str(e["dtype"]), math.prod(e["shape"])) for e in entries.values()]
        end = max((int(e["data_offsets"][1]) for e in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise corrupt from None
    if 8 + length + end != size:
        raise corrupt
    return tensors


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
