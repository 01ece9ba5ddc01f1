"""A file that comes over a network comes whole, or waits for the next call."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench.backbones import downloading
from codixr_bench.backbones.downloading import Wanted, bytes_here, check_room, fetch_file
from helpers.file_server import FileServer, file_server

CONTENT = random.Random(0).randbytes(1 << 20) * 3 + b"end"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with file_server() as served:
        served.files["/file"] = CONTENT
        yield served


def wanted(tmp_path: Path, server: FileServer, **changed) -> Wanted:
    given = {
        "path": tmp_path / "in" / "file",
        "urls": [f"{server.url}/file"],
        "size": len(CONTENT),
        "sha256": SHA256,
    }
    return Wanted(**{**given, **changed})


def left(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in tmp_path.rglob("*"))


def test_a_file_comes_whole_and_every_byte_is_counted(tmp_path, server):
    came = []
    assert fetch_file(wanted(tmp_path, server), came.append) == SHA256
    assert (tmp_path / "in" / "file").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)
    assert left(tmp_path) == ["file", "in"]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)
    server.cut_after = 1 << 20
    assert fetch_file(wanted(tmp_path, server)) == SHA256
    begins = [0 if asked is None else int(asked[6:-1]) for _, asked in server.asked]
    assert begins == [0, 1 << 20, 2 << 20, 3 << 20]


def test_a_sender_without_ranges_begins_anew(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "_TRIES", 1)
    server.cut_after, server.ranges = 1 << 20, False
    with pytest.raises(InputError, match="broke after"):
        fetch_file(wanted(tmp_path, server))
    assert bytes_here(tmp_path / "in" / "file") == 1 << 20
    server.cut_after = None
    came = []
    assert fetch_file(wanted(tmp_path, server), came.append) == SHA256
    assert sum(came) == len(CONTENT) - (1 << 20)


def test_a_file_that_changed_on_the_way_is_not_mixed(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "_TRIES", 1)
    server.cut_after = 1 << 20
    with pytest.raises(InputError, match="broke after"):
        fetch_file(wanted(tmp_path, server, sha256=None))
    server.cut_after, server.files["/file"] = None, CONTENT[::-1]
    found = fetch_file(wanted(tmp_path, server, sha256=None))
    assert found == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_two_addresses_of_an_unknown_file_are_not_mixed(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "_TRIES", 1)
    server.files["/mirror"] = CONTENT[::-1]
    server.cut_after = 1 << 20
    with pytest.raises(InputError, match="broke after"):
        fetch_file(wanted(tmp_path, server, sha256=None))
    server.cut_after = None
    urls = [f"{server.url}/mirror"]
    found = fetch_file(wanted(tmp_path, server, sha256=None, urls=urls))
    assert found == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_a_part_that_begins_elsewhere_is_not_joined(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "_TRIES", 1)
    server.cut_after = 1 << 20
    with pytest.raises(InputError, match="broke after"):
        fetch_file(wanted(tmp_path, server))
    server.cut_after, server.wrong_range = None, 1 << 16
    came = []
    assert fetch_file(wanted(tmp_path, server), came.append) == SHA256
    assert [asked for _, asked in server.asked] == [None, f"bytes={1 << 20}-", None]
    assert sum(came) == len(CONTENT) - (1 << 20)


@pytest.mark.parametrize("expected", [SHA256, None])
def test_a_file_without_end_is_left_at_the_size_that_is_known(tmp_path, server, expected):
    server.files["/file"] = CONTENT * 5
    came = []
    with pytest.raises(InputError, match=r"it has more than its 3,145,731 bytes; nothing of it"):
        fetch_file(wanted(tmp_path, server, sha256=expected), came.append)
    assert max(came) < len(CONTENT)
    assert sum(max(0, part) for part in came) < 2 * len(CONTENT)
    assert left(tmp_path) == ["in"]


@pytest.mark.parametrize("expected", [SHA256, f"{SHA256[:8]}…{SHA256[-4:]}"])
def test_another_file_is_refused_with_both_hashes_and_nothing_is_kept(tmp_path, server, expected):
    other = CONTENT[:-1] + b"?"
    server.files["/file"] = other
    with pytest.raises(InputError) as refused:
        fetch_file(wanted(tmp_path, server, sha256=expected))
    for part in (expected, hashlib.sha256(other).hexdigest(), f"{server.url}/file"):
        assert part in str(refused.value)
    assert left(tmp_path) == ["in"]


def test_a_mirror_gives_what_the_first_address_does_not(tmp_path, server):
    server.files["/wrong"] = b"another"
    urls = [f"{server.url}/gone", f"{server.url}/wrong", f"{server.url}/file"]
    assert fetch_file(wanted(tmp_path, server, urls=urls, size=None)) == SHA256


def test_every_address_that_failed_is_named_with_its_reason(tmp_path, server):
    urls = [f"{server.url}/gone", "http://127.0.0.1:9/file"]
    with pytest.raises(InputError, match=r"/gone: HTTP 404; http://127\.0\.0\.1:9/file: .+refused"):
        fetch_file(wanted(tmp_path, server, urls=urls))
    assert left(tmp_path) == ["in"]


SCRIPT = """
import sys
from pathlib import Path
from codixr_bench.backbones.downloading import Wanted, fetch_file
fetch_file(Wanted(Path(sys.argv[1]), [sys.argv[2]], None, sys.argv[3]))
"""


def start(tmp_path: Path, server: FileServer) -> "subprocess.Popen[str]":
    arguments = [str(tmp_path / "in" / "file"), f"{server.url}/file", SHA256]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE, text=True
    )


def test_a_download_killed_at_ten_points_goes_on_each_time(tmp_path, server):
    server.pause = 0.01
    path, sizes = tmp_path / "in" / "file", []
    for point in range(10):
        process = start(tmp_path, server)
        least = (point + 1) * len(CONTENT) // 12
        while process.poll() is None and bytes_here(path) < least:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        sizes.append(bytes_here(path))
        assert not path.exists()
    assert sizes == sorted(sizes)
    assert sizes[-1] > len(CONTENT) // 2
    begun = sizes[-1]
    server.asked.clear()
    process = start(tmp_path, server)
    assert process.wait() == 0
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/file", f"bytes={begun}-")]


def test_a_second_process_is_told_of_the_first(tmp_path, server):
    server.pause = 0.05
    first = start(tmp_path, server)
    while not bytes_here(tmp_path / "in" / "file"):
        time.sleep(0.01)
    second = start(tmp_path, server)
    _, said = second.communicate()
    first.kill()
    first.wait()
    assert "another process is fetching" in said


def test_too_small_a_disk_is_said_before_anything_comes(tmp_path):
    with pytest.raises(InputError, match=r"GB free, and 1000000000\.00 GB are to come"):
        check_room(tmp_path / "not" / "there", 10**18)
