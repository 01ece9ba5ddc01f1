"""``fetch``: the plan, the licence, the download, and what is recorded of unpinned files."""

import hashlib
import json
from pathlib import Path

import pytest

from codixr_bench.backbones import fetching
from codixr_bench.backbones.lock import (
    KINDS,
    Asset,
    HubRepository,
    LockedFile,
    assets,
    matches,
)
from codixr_bench.cli import main
from helpers.file_server import FileServer, file_server

PINNED, LOOSE = b"pinned" * 50_000, b"{}" * 1_000


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A lock file of one model of two files, and one data set; both on this machine."""
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CODIXR_OFFLINE", "0")
    with file_server() as served:
        served.files |= {"/model": PINNED, "/config": LOOSE}
        sha256 = hashlib.sha256(PINNED).hexdigest()
        files = (
            LockedFile("unet/model.bin", (f"{served.url}/model",), len(PINNED), sha256),
            LockedFile("config.json", (f"{served.url}/config",), None, None),
        )
        hub = HubRepository("org/pictures", "dataset", "main")
        known = {
            "small": Asset("small", "model", "a test", "MIT", False, files),
            "asks": Asset("asks", "data", "a test", "CC BY-NC 4.0", True, files),
            "whole": Asset("whole", "data", "a test", "MIT", False, (), hub),
        }
        monkeypatch.setattr(fetching, "assets", lambda: known)
        yield served


def test_the_plan_says_what_is_to_come_and_fetches_nothing(server, tmp_path, capsys):
    assert main(["fetch", "small", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    for part in (f"{server.url}/model", "missing", "0.3 MB", "licence: MIT", "to come: 0.00 GB"):
        assert part in shown
    assert "beside them 1 files whose size nobody states" in shown
    assert not server.asked
    assert not (tmp_path / "cache").exists()


def test_files_are_fetched_checked_and_not_fetched_again(server: FileServer, tmp_path, capsys):
    assert main(["fetch", "small"]) == 0
    folder = tmp_path / "cache" / "model" / "small"
    assert (folder / "unet" / "model.bin").read_bytes() == PINNED
    assert (folder / "config.json").read_bytes() == LOOSE
    assert sorted(path for path, _ in server.asked) == ["/config", "/model"]
    assert str(folder) in capsys.readouterr().err
    assert main(["fetch", "small", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in row["files"]] == ["here", "here"]
    assert row["to_come"] == 0
    assert len(server.asked) == 2


def test_a_file_that_nobody_has_pinned_is_recorded_and_must_come_again_as_it_was(
    server, tmp_path, capsys
):
    assert main(["fetch", "small"]) == 0
    recorded = json.loads((tmp_path / "cache" / "recorded.json").read_text())
    first = hashlib.sha256(LOOSE).hexdigest()
    assert recorded["small/config.json"] == first
    server.files["/config"] = b"something else"
    (tmp_path / "cache" / "model" / "small" / "config.json").unlink()
    assert main(["fetch", "small"]) == 2
    said = capsys.readouterr().err
    assert first in said
    assert hashlib.sha256(b"something else").hexdigest() in said


def test_a_file_changed_on_this_disk_is_refused_with_both_hashes(server, tmp_path, capsys):
    assert main(["fetch", "small"]) == 0
    changed = tmp_path / "cache" / "model" / "small" / "unet" / "model.bin"
    changed.write_bytes(PINNED[:-1] + b"!")
    assert main(["fetch", "small"]) == 2
    said = capsys.readouterr().err
    for part in (PINNED, changed.read_bytes()):
        assert hashlib.sha256(part).hexdigest() in said
    assert "delete it" in said


def test_a_licence_that_asks_is_shown_and_has_to_be_accepted_by_name(server, tmp_path, capsys):
    assert main(["fetch", "asks"]) == 2
    assert "asks: CC BY-NC 4.0" in capsys.readouterr().err
    assert not server.asked
    assert main(["fetch", "asks", "--accept", "asks", "--to", str(tmp_path / "to")]) == 0
    assert (tmp_path / "to" / "asks" / "config.json").read_bytes() == LOOSE


def test_a_mirror_is_asked_first_and_held_to_the_same_sha256(server, tmp_path, capsys):
    server.files |= {"/m/small/unet/model.bin": PINNED, "/m/small/config.json": LOOSE}
    assert main(["fetch", "small", "--mirror", f"{server.url}/m/"]) == 0
    assert {path for path, _ in server.asked} == {"/m/small/unet/model.bin", "/m/small/config.json"}


def test_offline_nothing_is_asked(server, monkeypatch, capsys):
    monkeypatch.setenv("CODIXR_OFFLINE", "1")
    assert main(["fetch", "small"]) == 2
    assert "CODIXR_OFFLINE is set" in capsys.readouterr().err
    assert not server.asked


def test_what_was_finished_is_kept_where_another_file_fails(server, tmp_path, capsys):
    del server.files["/config"]
    assert main(["fetch", "small", "--parallel", "1"]) == 2
    assert "/config: HTTP 404" in capsys.readouterr().err
    assert (tmp_path / "cache" / "model" / "small" / "unet" / "model.bin").is_file()


def test_a_repository_of_the_hub_comes_by_the_hubs_library(server, tmp_path, monkeypatch, capsys):
    import huggingface_hub

    asked = {}

    def stand_in(repo, *, repo_type, revision, local_dir, max_workers):
        asked.update(repo=repo, repo_type=repo_type, revision=revision, max_workers=max_workers)
        Path(local_dir).mkdir(parents=True)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in)
    assert main(["fetch", "whole", "--parallel", "2"]) == 0
    assert asked == {
        "repo": "org/pictures",
        "repo_type": "dataset",
        "revision": "main",
        "max_workers": 2,
    }

    def refuses(*_, **__):
        raise OSError("401 Client Error\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuses)
    assert main(["fetch", "whole"]) == 2
    assert "401 Client Error" in capsys.readouterr().err


def test_the_lock_file_says_enough_of_everything():
    for asset in assets().values():
        assert asset.kind in KINDS
        assert asset.licence
        assert asset.purpose
        assert asset.files or asset.hub
        for file in asset.files:
            assert all(url.startswith("https://") for url in file.urls)
            assert not Path(file.path).is_absolute()
            assert ".." not in file.path
            if file.sha256 is not None:
                assert len(file.sha256.replace("…", "")) in {12, 13, 64}
            assert file.path.endswith((".json", ".txt", ".tgz")) or file.sha256


def test_a_sha256_of_which_only_the_ends_are_known_is_held_to_them():
    assert matches("19da7aaa00f9f1", "19da7aaa…f9f1")
    assert not matches("19da7aab00f9f1", "19da7aaa…f9f1")
    assert not matches("19da7aaa00f9f2", "19da7aaa…f9f1")


def test_a_name_that_is_not_there_gets_a_guess(capsys):
    assert main(["fetch", "raddino"]) == 2
    assert "did you mean 'rad-dino'?" in capsys.readouterr().err
