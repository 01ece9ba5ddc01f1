"""Whole runs: killed, interrupted, shared by processes, repeated, scored again."""

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from codixr.data.phantom import judge
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.cli import main
from codixr_bench.runs import generation
from codixr_bench.runs.finish import encode_statistics
from codixr_bench.runs.store import SampleStore
from helpers.bench_fakes import contents

TESTS = Path(__file__).parents[2]
LIMIT = "20"
CHUNKS = ["--limit", LIMIT, "--chunk-size", "8"]
BY_SEED = ["run", "--task", "L+T->F", "--model", "helpers.bench_fakes:KilledModel", *CHUNKS]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of one's own, with the fakes importable."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "codixr_bench.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**variables),
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    # A suite that runs in the background of a shell script inherits a deaf SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(**variables: str) -> dict[str, str]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | variables


def result(folder: Path | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "result.json").read_text())
    return found


def same_except_timings(one: Path | str, other: Path | str) -> None:
    """Every file of two runs is equal byte for byte; of result.json, everything but the timings."""
    left, right = contents(Path(one)), contents(Path(other))
    assert sorted(left) == sorted(right)
    for name in left:
        # scored.json digests this run's own files, their times too.
        if name not in ("result.json", "scored.json"):
            assert left[name] == right[name], name
    first, second = result(one), result(other)
    for found in (first, second):
        assert found.pop("timings") is not None
        # A checkout that people work in may get a commit between the two runs.
        found["code"].pop("commit")
    assert first == second


def scores(folder: Path | str) -> dict[str, Any]:
    return {score["name"]: score["value"] for score in result(folder)["scores"]}


def test_a_run_that_is_killed_goes_on_to_the_same_bytes() -> None:
    assert main([*BY_SEED, "--out", "whole"]) == 0
    killed = bench(*BY_SEED, "--out", "killed", KILL_AT_CALL="2")
    assert killed.returncode == 1
    assert "the process ended without a word (signal SIGKILL)" in killed.stderr
    assert sorted(contents(Path("killed"))) == [
        "samples/chunk-00000.parquet",
        "samples/chunk-00001.parquet",
        "samples/run.json",
    ]
    again = bench(*BY_SEED, "--out", "killed")
    assert again.returncode == 0, again.stderr
    same_except_timings("whole", "killed")


def test_an_interrupted_run_says_how_to_go_on_and_does() -> None:
    stopped = bench(*BY_SEED, "--out", "run", KILL_AT_CALL="1", KILL_BY="SIGINT")
    assert stopped.returncode == 130
    assert stopped.stdout == ""
    assert "the same command goes on from there" in stopped.stderr.splitlines()[-1]
    assert main([*BY_SEED, "--out", "run"]) == 0
    assert len(list(SampleStore.open(Path("run/samples")).batches())) == 3


def test_a_run_that_is_stopped_before_any_sample_says_so() -> None:
    stopped = bench(*BY_SEED, "--out", "run", KILL_AT_CALL="0", KILL_BY="SIGTERM")
    assert stopped.returncode == 143
    assert (
        stopped.stderr.splitlines()[-1] == "codixr-bench: interrupted; nothing was made before that"
    )


@pytest.mark.parametrize("whom", [{}, {"KILL_PARENT": "1"}], ids=["itself", "its parent"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_what_schedulers_send_keeps_every_finished_sample(
    name: str, code: int, whom: dict[str, str]
) -> None:
    small = [*BY_SEED, "--out", "run", "--batch-size", "3"]
    stopped = bench(*small, KILL_AT_CALL="4", KILL_BY=name, **whom)
    assert stopped.returncode == code, stopped.stderr
    assert "the same command goes on from there" in stopped.stderr.splitlines()[-1]
    store = SampleStore.open(Path("run/samples"))
    kept = sum(len(store.positions(c)) for c in store.chunks if c not in store.missing())
    kept += sum(len(store.read_part(c)) for c in store.missing())
    # Chunks of 8 are made in batches of 3, 3 and 2; the fifth call was the one that stopped.
    assert kept == 11


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("sys.exit", "crashed on the study at position 0: SystemExit: 0"),
        ("os._exit", "the process ended without a word (exit code 0)"),
        ("SIGSEGV", "the process ended without a word (signal SIGSEGV)"),
    ],
)
def test_a_plug_in_that_ends_the_process_ends_the_run_with_1_and_our_words(
    how: str, said: str
) -> None:
    ended = bench(*BY_SEED, "--out", "run", KILL_AT_CALL="0", KILL_BY=how)
    assert ended.returncode == 1
    assert ended.stdout == ""
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("codixr-bench: failed: ")
    assert said in last
    assert main([*BY_SEED, "--out", "run"]) == 0


def test_a_run_does_not_outlive_the_command_that_was_killed() -> None:
    began = time.monotonic()
    killed = bench(*BY_SEED, "--out", "run", KILL_AT_CALL="1", KILL_PARENT="1")
    assert killed.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 15, "the child ended with it, and its pipes closed"
    assert main([*BY_SEED, "--out", "run"]) == 0


def test_unfinished_chunks_are_kept_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "KEEP_EVERY", 0.0)
    small = [*BY_SEED, "--out", "run", "--batch-size", "3"]
    written = []
    keep = SampleStore.write_part
    monkeypatch.setattr(
        SampleStore, "write_part", lambda s, c, x: (written.append((c, len(x))), keep(s, c, x))[1]
    )
    assert main(small) == 0
    assert written[:3] == [(0, 3), (0, 6), (0, 8)]
    assert not list(Path("run/samples").glob("part-*"))


def test_two_processes_make_the_same_run_as_one() -> None:
    assert main([*BY_SEED, "--out", "one"]) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_port", str(20000 + os.getpid() % 20000)]
    done = subprocess.run(
        [*command, "-m", "codixr_bench.cli", *BY_SEED, "--out", "two"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(ACCELERATE_USE_CPU="true", COUNT_PROCESSES="1"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nfid_phantom ") == 1, "one process prints"
    assert sorted(path.name for path in Path().glob("process-*")) == ["process-0", "process-1"]
    same_except_timings("one", "two")


def test_a_finished_run_is_read_not_made_again() -> None:
    assert main(["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]) == 0
    before = {path: path.stat().st_mtime_ns for path in Path("a/samples").iterdir()}
    first = result("a")
    assert main(["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in Path("a/samples").iterdir()}
    second = result("a")
    for found in (first, second):
        found.pop("timings")
        found["code"].pop("commit")
    assert first == second


def test_another_run_in_the_folder_is_refused_then_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = ["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]
    assert main(run) == 0
    before = contents(Path("a"))
    capsys.readouterr()
    assert main([*run, "--seed", "5"]) == 2
    assert "seed: 0 → 5" in capsys.readouterr().err
    assert contents(Path("a")) == before
    assert main([*run, "--seed", "5", "--overwrite"]) == 0
    assert result("a")["generation"]["seed"] == 5


def test_a_group_gives_one_result_a_task_and_leaves_out_what_cannot_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--task", "joint", "--model", "noise", "--limit", "8"]) == 0
    found = sorted(str(path.parent) for path in Path("runs").rglob("result.json"))
    assert found == [
        f"runs/phantom-8/{task}/noise" for task in ("F-to-L+T", "L-to-F+T", "T-to-F+L")
    ]
    capsys.readouterr()
    options = ["--model", "constant", "--track", "openi", "--limit", "8"]
    assert main(["run", "--task", "paper", *options, "--json"]) == 0
    shown = capsys.readouterr()
    assert [found["task"] for found in json.loads(shown.out)] == ["F->T", "L->T", "F+L->T"]
    assert shown.err.count("left out: track 'openi'") == 6


def test_real_and_noise_stand_beside_as_a_scale(capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("real", "noise", "constant"):
        capsys.readouterr()
        assert main(["run", "--task", "F->T", "--model", model, "--limit", "12"]) == 0
    table = capsys.readouterr().out
    for name in ("constant", "real", "noise", "bleu_4"):
        assert name in table
    # Another number of studies is no scale for this one.
    assert main(["run", "--task", "F->T", "--model", "constant", "--limit", "9", "--out", "x"]) == 0
    assert "real" not in capsys.readouterr().out.partition("\n\n")[0]


def test_openi_is_scored_without_a_picture_and_shows_no_content() -> None:
    assert main(["run", "--task", "F->T", "--model", "constant", "--track", "openi"]) == 0
    folder = Path("runs/openi/F-to-T/constant")
    found = result(folder)
    assert found["track"]["n"] == 3921
    assert 0 < scores(folder)["bleu_1"] < 1
    assert not (folder / "grid.png").exists()
    assert "<img" not in (folder / "report.html").read_text()
    assert "chest" not in (folder / "result.json").read_text().lower()


def test_runs_of_other_sizes_do_not_stand_in_each_other_s_way() -> None:
    for limit in ("4", "6"):
        assert main(["run", "--task", "F->T", "--model", "noise", "--limit", limit]) == 0
        assert result(f"runs/phantom-{limit}/F-to-T/noise")["track"]["n"] == int(limit)


def test_real_is_the_upper_end() -> None:
    assert main(["run", "--task", "L->F+T", "--model", "real", "--limit", LIMIT]) == 0
    found = scores(f"runs/phantom-{LIMIT}/L-to-F+T/real")
    assert found["bleu_4"] == pytest.approx(1)
    assert found["fid_phantom"] == pytest.approx(0, abs=1e-3)
    grid = Path(f"runs/phantom-{LIMIT}/L-to-F+T/real/grid.png").read_bytes()
    page = Path(f"runs/phantom-{LIMIT}/L-to-F+T/real/report.html").read_text()
    assert base64.b64encode(grid).decode() in page


def export(folder: Path, store: SampleStore, name: str) -> None:
    """What another program would have written: 8-bit PNGs and a CSV."""
    folder.mkdir()
    with (folder / "reports.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["position", "report"])
        for positions, samples in store.batches():
            for position, sample in zip(positions, samples, strict=True):
                levels = np.rint(np.asarray(sample[Modality.F])[0] * 255).astype(np.uint8)
                Image.fromarray(levels).save(folder / name.format(position))
                rows.writerow([position, sample[Modality.T]])


def test_samples_made_elsewhere_get_the_same_scores(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "L->F+T", "--limit", LIMIT]
    assert (
        main(["run", *options, "--model", "helpers.bench_fakes:KilledModel", "--out", "ours"]) == 0
    )
    export(Path("theirs"), SampleStore.open(Path("ours/samples")), "{:05d}_F.png")
    before = contents(Path("theirs"))
    assert main(["score", "--samples", "theirs", *options]) == 0
    assert contents(Path("theirs")) == before
    assert scores(f"runs/phantom-{LIMIT}/L-to-F+T/theirs") == pytest.approx(
        scores("ours"), abs=1e-6
    )
    capsys.readouterr()
    Path("theirs/00003_F.png").unlink()
    assert main(["score", "--samples", "theirs", *options]) == 2
    assert "1 missing F (position 3)" in capsys.readouterr().err


def test_generate_then_score_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "F->T", "--model", "noise", "--limit", "12"]
    assert main(["run", *options, "--out", "whole"]) == 0
    capsys.readouterr()
    assert main(["generate", *options, "--out", "halves"]) == 0
    assert capsys.readouterr().out == "", "stdout holds the table only"
    assert not Path("halves/result.json").exists()
    assert main(["score", "--samples", "halves"]) == 0
    same_except_timings("whole", "halves")
    assert main(["score", "--samples", "halves", "--task", "L->T"]) == 2
    assert "were made with F->T" in capsys.readouterr().err


def test_a_folder_of_others_results_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "F->T", "--limit", "12"]
    assert main(["generate", *options, "--model", "noise", "--out", "run"]) == 0
    Path("theirs").mkdir()
    reports = "".join(f"{position},clear lungs\n" for position in range(12))
    Path("theirs/reports.csv").write_text(f"position,report\n{reports}")
    capsys.readouterr()
    assert main(["score", "--samples", "theirs", *options, "--out", "run"]) == 2
    assert "'run' holds a run of its own" in capsys.readouterr().err
    assert main(["score", "--samples", "theirs", *options, "--out", "scored"]) == 0
    assert main(["run", *options, "--model", "noise", "--out", "scored"]) == 2
    assert "without its samples" in capsys.readouterr().err
    files = ["grid.png", "report.html", "result.json", "statistics.parquet"]
    assert sorted(contents(Path("scored"))) == files
    assert main(["run", *options, "--model", "noise", "--out", "scored", "--overwrite"]) == 0


def test_json_is_the_result_file(capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a", "--json"]
    assert main(run) == 0
    assert json.loads(capsys.readouterr().out) == result("a")


def test_missing_weights_of_a_metric_are_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judge, "ASSETS", tmp_path / "nowhere")
    judge.load_judge.cache_clear()
    judge_pass.cache_clear()
    assert main(["run", "--task", "T->F", "--model", "noise", "--limit", "4"]) == 2
    judge_pass.cache_clear()
    assert "phantom_judge_F.safetensors is missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_statistics_of_any_width_come_back() -> None:
    columns = {"a": np.arange(3), "b": np.arange(6, dtype=np.float32).reshape(3, 2)}
    table = pq.read_table(io.BytesIO(encode_statistics(columns, 3))).to_pydict()
    assert table == {"a": [0, 1, 2], "b": [[0, 1], [2, 3], [4, 5]]}
    with pytest.raises(ValueError, match="'a': 3 rows for 4 studies"):
        encode_statistics(columns, 4)
    assert pq.read_table(io.BytesIO(encode_statistics({}, 2))).num_rows == 2


def test_statistics_have_one_row_a_study_and_no_identifier() -> None:
    assert main(["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]) == 0
    table = pq.read_table("a/statistics.parquet")
    assert table.num_rows == 12
    assert b"phantom-0-" not in Path("a/statistics.parquet").read_bytes()
    assert b"phantom-0-" not in Path("a/result.json").read_bytes()


def test_the_literal_command_unquoted_runs_the_task_that_was_meant(workplace: Path) -> None:
    line = f"{sys.executable} -m codixr_bench.cli run --task L+T->F --model noise --limit 8"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    assert "fid_phantom" in done.stderr
    assert "Quote the task: --task 'L+T->F'" in done.stderr.splitlines()[-1]
    assert not Path("F").exists()
    assert result("runs/phantom-8/L+T-to-F/noise")["task"] == "L+T->F"
