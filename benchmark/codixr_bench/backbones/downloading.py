"""One file from a network: resumed where it stopped, checked, then renamed.

What has come lies in ``.NAME.part/`` beside the file, with the sender's mark of its version; a
later call goes on from there by an HTTP range, also from a mirror. A process that is killed loses
nothing but the last block. Two processes never write one file: the second is told so.
"""

import hashlib
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from codixr.atomic import is_disk_full, make_folder, no_space
from codixr.errors import InputError
from codixr.locks import lock_folder, unlock
from codixr_bench.backbones.lock import matches

OFFLINE = "CODIXR_OFFLINE"
_BLOCK = 1 << 20
_TIMEOUT = 30.0
"""Seconds without an answer."""
_TRIES = 4
"""Of each address, where the connection breaks on the way."""


@dataclass(frozen=True)
class Wanted:
    """A file as it should arrive."""

    path: Path
    urls: Sequence[str]
    """The address, then mirrors."""
    size: int | None
    sha256: str | None
    """Whole, or its ends around ``…``; None accepts any."""


class StoppedError(Exception):
    """Another thread asked to stop; what has come is kept."""


def is_offline() -> bool:
    """Whether ``CODIXR_OFFLINE`` forbids downloads."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def part_folder(path: Path) -> Path:
    """Where the bytes of a file lie until it is whole."""
    return path.with_name(f".{path.name}.part")


def bytes_here(path: Path) -> int:
    """Bytes of a file that an earlier download left; 0 without one."""
    with suppress(OSError):
        return (part_folder(path) / "bytes").stat().st_size
    return 0


def fetch_file(
    wanted: Wanted,
    advance: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> str:
    """Download a file to its path; returns its sha256.

    ``advance`` is told the bytes as they come. Raises InputError when no address gives the file,
    when it is another one (both hashes are said, nothing is kept), when the disk has no room, and
    while another process fetches it; ``StoppedError`` when ``stopped`` says so.
    """
    folder = part_folder(wanted.path)
    make_folder(folder)
    try:
        held = lock_folder(folder)
    except BlockingIOError as error:
        raise InputError(
            f"another process is fetching '{wanted.path}'; wait for it, or stop it"
        ) from error
    try:
        found = _from_any(wanted, folder, advance, stopped)
        _settle(folder / "bytes", wanted.path)
        shutil.rmtree(folder, ignore_errors=True)
        return found
    finally:
        unlock(held)
        if not bytes_here(wanted.path):
            shutil.rmtree(folder, ignore_errors=True)


def check_room(folder: Path, needed: int) -> None:
    """InputError where the disk of ``folder`` has fewer than ``needed`` bytes free."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"'{folder}' has {free / 1e9:.2f} GB free, and {needed / 1e9:.2f} GB are to come; "
            "free some space, or choose another disk with --to DIR"
        )


def _from_any(
    wanted: Wanted,
    folder: Path,
    advance: Callable[[int], None],
    stopped: Callable[[], bool],
) -> str:
    """The bytes from the first address that gives the right ones; their sha256."""
    failures = []
    for url in wanted.urls:
        try:
            found = _from_one(url, wanted, folder, advance, stopped)
        except OSError as error:
            if is_disk_full(error):
                raise no_space(wanted.path) from error
            failures.append(f"{url}: {_reason(error)}")
            continue
        except HTTPException as error:
            failures.append(f"{url}: {_reason(error)}")
            continue
        here = bytes_here(wanted.path)
        too_long = wanted.size is not None and here > wanted.size
        if matches(found, wanted.sha256) and not (too_long and wanted.sha256 is None):
            return found
        (folder / "bytes").unlink(missing_ok=True)
        advance(-here)
        why = f"its sha256 is {found}, not {wanted.sha256}"
        if too_long:
            why = f"it has more than its {wanted.size:,} bytes"
        failures.append(
            f"what '{url}' gave is not the published file: {why}; nothing of it is kept"
        )
    raise InputError("; ".join(failures))


def _from_one(
    url: str,
    wanted: Wanted,
    folder: Path,
    advance: Callable[[int], None],
    stopped: Callable[[], bool],
) -> str:
    """All bytes from one address, with a few tries; their sha256."""
    bytes_path = folder / "bytes"
    for attempt in range(_TRIES):
        before = bytes_here(wanted.path)
        try:
            _receive(url, bytes_path, folder / "version.json", wanted, advance, stopped)
            break
        except urllib.error.HTTPError:
            raise  # an answer: another try gives the same
        except (OSError, HTTPException) as error:
            came = bytes_here(wanted.path) > before
            if is_disk_full(error) or not came or attempt == _TRIES - 1:
                raise
            time.sleep(0.5 * 2**attempt)
    digest = hashlib.sha256()
    with bytes_path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _receive(
    url: str,
    bytes_path: Path,
    version_path: Path,
    wanted: Wanted,
    advance: Callable[[int], None],
    stopped: Callable[[], bool],
) -> None:
    """Append what is missing of a file; begin anew where the sender cannot go on."""
    here = bytes_path.stat().st_size if bytes_path.exists() else 0
    if wanted.size is not None and here == wanted.size:
        return
    request = urllib.request.Request(url)
    version = _version(version_path)
    same = version.get("url") == url
    # What two addresses gave may be joined only where the whole's sha256 is known.
    if here and (same or wanted.sha256 is not None):
        request.add_header("Range", f"bytes={here}-")
        if same and version.get("mark"):
            request.add_header("If-Range", version["mark"])
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not here:
            raise
        # It is whole already, or longer than the file: its sha256 tells.
        return
    with answer:
        goes_on = here > 0 and getattr(answer, "status", 200) == 206
        if goes_on and not _begins_at(here, answer.headers.get("Content-Range")):
            bytes_path.unlink()
            advance(-here)
            _receive(url, bytes_path, version_path, wanted, advance, stopped)
            return
        if here and not goes_on:
            advance(-here)
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        version_path.write_text(json.dumps({"url": url, "mark": mark}), encoding="utf-8")
        length = answer.headers.get("Content-Length")
        expected = int(length) if length else None
        came = 0
        with bytes_path.open("ab" if goes_on else "wb") as file:
            while block := answer.read(_BLOCK):
                if stopped():
                    raise StoppedError
                file.write(block)
                came += len(block)
                advance(len(block))
                if wanted.size is not None and file.tell() > wanted.size:
                    return  # another file, however much of it is to come
        if expected is not None and came < expected:
            raise ConnectionError(f"the connection broke after {came} of {expected} bytes")


def _begins_at(here: int, content_range: str | None) -> bool:
    """Whether a part of a file begins where it was asked to; a sender may leave that unsaid."""
    return content_range is None or content_range.strip().startswith(f"bytes {here}-")


def _version(path: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text(encoding="utf-8")))
    return {}


def _settle(part: Path, path: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return str(reason)
