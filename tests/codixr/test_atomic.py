"""Files are whole or not there, and every failure to write one is a line of ours."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from codixr.atomic import replacing, write_atomically
from codixr.errors import InputError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_atomically(path, (piece for piece in (b"ne", b"w")))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise kind

    with pytest.raises(kind):
        write_atomically(path, pieces())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_in_our_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"no space left for .*a\.txt: .*free some space"):
        write_atomically(tmp_path / "a.txt", b"x")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write '.*no/a\.txt': No such file"):
        write_atomically(tmp_path / "no" / "a.txt", b"x")


def test_another_files_fault_is_not_put_down_to_the_one_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source\.txt"), replacing(tmp_path / "a.txt"):
        (tmp_path / "source.txt").read_text()


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert path.read_text() == "new"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is full")
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no space left for /dev/full"):
        write_atomically(Path("/dev/full"), b"x")
    assert Path("/dev/full").is_char_device()
