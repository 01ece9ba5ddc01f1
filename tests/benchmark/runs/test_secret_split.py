"""A keeper's run of a secret split: the key's digest in the result, and no study in any file."""

import hashlib
import json
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.result import Result

KEY = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


def command(key: Path, out: Path, *more: str) -> list[str]:
    task = ["--task", "F->T", "--model", "constant", "--limit", "12", "--metrics", "bleu"]
    return ["run", *task, "--split", "secret", "--split-key", str(key), "--out", str(out), *more]


def test_the_result_names_the_key_by_its_digest_and_nothing_shows_a_study(
    tmp_path: Path, key: Path
) -> None:
    out = tmp_path / "run"
    assert main(command(key, out)) == 0
    result = Result.load(out / "result.json")
    assert result.track.split == "secret"
    assert result.track.key_sha256 == hashlib.sha256(KEY).hexdigest()
    assert result.track.n == 12
    files = {path.name for path in out.iterdir()}
    assert "grid.png" not in files
    for name in ("result.json", "report.html"):
        content = (out / name).read_bytes()
        assert KEY.hex().encode() not in content
        assert b"phantom-secret" not in content
    assert (out / "samples").stat().st_mode & 0o077 == 0


def test_score_needs_the_key_again_and_gives_the_same(tmp_path: Path, key: Path, capsys) -> None:
    out, again = tmp_path / "run", tmp_path / "again"
    assert main(command(key, out)) == 0
    score = ["score", "--samples", str(out), "--metrics", "bleu", "--out", str(again)]
    assert main(score) == 2
    assert "--split-key FILE" in capsys.readouterr().err
    assert main([*score, "--split-key", str(key)]) == 0
    first, second = (Result.load(folder / "result.json") for folder in (out, again))
    assert first.scores == second.scores
    other = tmp_path / "other"
    other.write_bytes(bytes(32))
    assert main([*score, "--split-key", str(other)]) == 2
    assert "not those the samples" in capsys.readouterr().err


def test_a_secret_split_needs_a_key_and_a_track_that_has_one(tmp_path: Path, key, capsys) -> None:
    without = command(key, tmp_path / "run")
    at = without.index("--split-key")
    assert main(without[:at] + without[at + 2 :]) == 2
    assert "needs --split-key FILE" in capsys.readouterr().err
    assert main(command(key, tmp_path / "run", "--track", "openi")) == 2
    assert "has no split 'secret'" in capsys.readouterr().err


def test_a_public_result_has_no_key(tmp_path: Path) -> None:
    out = tmp_path / "run"
    task = ["run", "--task", "F->T", "--model", "constant", "--limit", "12", "--metrics", "bleu"]
    assert main([*task, "--out", str(out)]) == 0
    assert "key_sha256" not in json.loads((out / "result.json").read_text())["track"]
