"""A run that is finished is not scored again, unless anything it follows from has changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.runs import finish

BENCH = [sys.executable, "-m", "codixr_bench.cli"]


def test_a_finished_run_prints_its_result_without_scoring_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]
    # Its own process, with another order of sets: the digest must not depend on it.
    first = subprocess.run([*BENCH, *command], capture_output=True, text=True, check=True)
    before = Path("a/result.json").read_bytes()

    def scored_again(*_: object, **__: object) -> None:
        raise AssertionError("the run was scored again")

    with monkeypatch.context() as patch:
        patch.setattr(finish, "score_samples", scored_again)
        assert main(command) == 0
        shown = capsys.readouterr()
        assert shown.out.split() == first.stdout.split()
        assert "finished before, nothing is scored again" in shown.err
        assert Path("a/result.json").read_bytes() == before
        for other in (["--metrics", "bleu"], ["--labeler", "chexpert-clinical"], ["--overwrite"]):
            with pytest.raises(AssertionError):
                main([*command, *other])
    assert main(command) == 0, "overwriting was begun: it is made anew"
    changed = Path("a/samples/chunk-00000.parquet")
    os.utime(changed, ns=(1, 1))
    capsys.readouterr()
    assert main(command) == 0
    assert "finished before" not in capsys.readouterr().err
    assert main(["score", "--samples", "a", "--metrics", "bleu"]) == 0
    capsys.readouterr()
    assert main(command) == 0, "the result is that of a score of fewer metrics"
    assert "finished before" not in capsys.readouterr().err
