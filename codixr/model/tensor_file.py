"""One safetensors file, written whole or not at all, and readable to others as any file is."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from codixr.atomic import replacing


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write ``tensors`` to ``path``, without a copy of the file in memory.

    safetensors gives its files to their owner alone. Raises InputError when the disk is full or the
    file cannot be written.
    """
    with replacing(path) as part:
        save_file(dict(tensors), part, None if metadata is None else dict(metadata))
        part.chmod(0o644)
