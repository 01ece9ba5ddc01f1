"""A downloaded archive of pictures becomes a folder, whole or not at all."""

import json
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from codixr.atomic import is_disk_full, make_folder, no_space, write_atomically
from codixr.errors import InputError
from codixr.progress import Progress

MARK_NAME = "unpacked.json"
PICTURES = (".png", ".dcm", ".jpg")
_LARGEST = 200 << 20
"""Bytes of one picture."""
_MOST = 100_000


def unpack_pictures(archive: Path, folder: Path, sha256: str, *, quiet: bool = False) -> int:
    """Unpack the pictures of a ``.tgz`` into ``folder``, flat; returns how many there are.

    What was unpacked of the same archive (``sha256``) is kept; a stopped call begins anew, beside
    the folder. Folders inside the archive are left out, and so is anything but pictures.

    InputError: the archive is damaged or holds no picture, two of one name, or one that is too
    large; the folder is somebody's own; the disk is full.
    """
    mark = folder / MARK_NAME
    if (found := _marked(mark)) is not None and found.get("archive") == sha256:
        return int(found["pictures"])
    if folder.is_dir() and any(folder.iterdir()) and found is None:
        raise InputError(f"'{folder}' is there, and not unpacked by this command; move it away")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    make_folder(part)
    try:
        pictures = _unpack(archive, part, quiet=quiet)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(
            f"'{archive}' is damaged ({type(error).__name__}); fetch it again"
        ) from None
    except OSError as error:
        if is_disk_full(error):
            shutil.rmtree(part, ignore_errors=True)
            raise no_space(folder) from error
        raise InputError(f"'{archive}' cannot be unpacked: {error.strerror or error}") from error
    if not pictures:
        raise InputError(f"'{archive}' holds no picture ({', '.join(PICTURES)})")
    content = json.dumps({"archive": sha256, "pictures": pictures})
    write_atomically(part / MARK_NAME, content.encode())
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    return pictures


def _unpack(archive: Path, part: Path, *, quiet: bool) -> int:
    pictures = 0
    size = archive.stat().st_size
    with (
        archive.open("rb") as packed,
        tarfile.open(fileobj=packed, mode="r:gz") as tar,
        Progress("unpacking", size, unit="MB", scale=1e-6, quiet=quiet) as bar,
    ):
        before = 0
        for member in tar:
            name = PurePosixPath(member.name).name
            if not member.isfile() or not name.lower().endswith(PICTURES) or name.startswith("."):
                continue
            pictures += 1
            if member.size > _LARGEST or pictures > _MOST:
                raise InputError(f"'{archive}' holds more than a collection of pictures does")
            if (part / name).exists():
                raise InputError(f"'{archive}' holds two pictures of one name")
            source = tar.extractfile(member)
            assert source is not None
            with source, (part / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            bar.advance(packed.tell() - before)
            before = packed.tell()
    return pictures


def _marked(mark: Path) -> dict[str, int | str] | None:
    try:
        found = json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "pictures" in found else None
