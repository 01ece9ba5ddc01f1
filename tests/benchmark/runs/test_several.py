"""Several samples a study: stored, resumable, averaged, with two spreads, paired in comparisons."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_bench.runs import one_task
from codixr_bench.runs.record import RunRecord
from codixr_bench.runs.scoring import Scored
from codixr_bench.runs.several import combined
from codixr_bench.runs.store import SampleStore
from codixr_bench.score import Score
from codixr_bench.task import Task
from helpers.bench_fakes import contents

RUN = ["run", "--task", "L->F", "--model", "noise", "--limit", "20", "--chunk-size", "8"]
THREE = ["--samples-per-study", "3"]
UNEQUAL = {"result.json", "scored.json", "report.html"}
"""They hold times."""


def values(folder: Path) -> dict[str, float | None]:
    return {score.name: score.value for score in Result.load(folder).scores}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three") / "run"
    assert main([*RUN, *THREE, "--out", str(folder)]) == 0
    return folder


def test_the_first_samples_are_those_of_a_run_with_one(three: Path, tmp_path: Path) -> None:
    assert main([*RUN, "--out", str(tmp_path / "one")]) == 0
    assert contents(three / "samples") == contents(tmp_path / "one" / "samples")
    parts = [contents(three / name) for name in ("samples", "samples-1", "samples-2")]
    chunks = [part["chunk-00000.parquet"] for part in parts]
    assert len(set(chunks)) == 3, "every sample has noise of its own"


def test_a_score_is_the_mean_of_the_sets_and_both_spreads_are_told(
    three: Path, tmp_path: Path
) -> None:
    each = []
    for name in ("samples", "samples-1", "samples-2"):
        alone = tmp_path / name
        words = ["score", "--samples", str(three / name), "--samples-per-study", "1"]
        assert main([*words, "--out", str(alone)]) == 0
        each.append(values(alone))
    result = Result.load(three)
    assert result.generation["samples_per_study"] == 3
    spreads = {one.name: one for one in result.spread}
    for score in result.scores:
        if score.name.startswith("diversity_within"):
            continue
        sets = [one[score.name] for one in each]
        if score.value is None:
            assert score.reason
            assert sets == [None] * 3
            continue
        assert score.value == pytest.approx(np.mean(sets), abs=1e-12)
        assert score.signature.endswith("|samples:3")
        assert score.ci95 is not None
        assert score.ci95[0] <= score.value <= score.ci95[1]
        spread = spreads[score.name]
        assert spread.between_seeds == pytest.approx(np.std(sets, ddof=1), abs=1e-12)
        assert spread.within_study is not None
        assert spread.within_study >= spread.between_seeds - 1e-12
    assert (spreads["fid_phantom"].between_seeds or 0.0) > 0.0


def test_an_interrupted_run_goes_on_with_the_set_it_was_in(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    write, written = SampleStore.write, []

    def stop(store: SampleStore, chunk: int, samples: list[object]) -> None:
        write(store, chunk, samples)  # type: ignore[arg-type]
        written.append(chunk)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(SampleStore, "write", stop)
    assert main([*RUN, *THREE, "--out", str(folder)]) == 130
    assert (folder / "samples-1").is_dir()
    assert not (folder / "samples-2").exists()
    monkeypatch.setattr(SampleStore, "write", write)
    assert main([*RUN, *THREE, "--out", str(folder)]) == 0
    ours, theirs = contents(folder), contents(three)
    assert {k: v for k, v in ours.items() if k not in UNEQUAL} == {
        k: v for k, v in theirs.items() if k not in UNEQUAL
    }


def test_score_takes_all_that_are_there_or_as_many_as_asked_for(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", "--samples", str(three), "--out", str(tmp_path / "again")]
    assert main(words) == 0
    assert values(tmp_path / "again") == values(three)
    shown = capsys.readouterr().out
    assert "mean over 3 samples a study" in shown
    assert "within a study" in shown
    assert "between seeds" in shown
    assert main([*words[:-1], str(tmp_path / "two"), "--samples-per-study", "2"]) == 0
    assert len(Result.load(tmp_path / "two").spread) == len(Result.load(three).scores)
    assert main([*words[:-1], str(tmp_path / "four"), "--samples-per-study", "4"]) == 2
    assert "samples-3' holds no run" in capsys.readouterr().err


def test_two_runs_of_several_are_compared_study_by_study(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert main([*RUN, *THREE, "--seed", "1", "--out", str(other)]) == 0
    capsys.readouterr()
    assert main(["compare", str(three), str(other), "--json"]) == 0
    shown = capsys.readouterr()
    (found,) = json.loads(shown.out)
    assert found["differences"]
    assert all(one["paired"] for one in found["differences"])
    assert "unpaired" not in shown.err
    assert main(["check", str(other), "--against", str(three)]) in (0, 1)
    one = tmp_path / "one"
    assert main([*RUN, "--out", str(one)]) == 0
    assert main(["compare", str(three), str(one)]) == 2
    assert "samples:3" in capsys.readouterr().err


def test_the_leaderboard_takes_one_sample_a_study(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(three)]) == 1
    assert "the table is of one sample a study" in capsys.readouterr().out


def test_samples_of_another_run_beside_are_refused_or_replaced(three: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(three, run)
    other = tmp_path / "other"
    assert main([*RUN, *THREE, "--seed", "1", "--out", str(other)]) == 0
    shutil.rmtree(run / "samples-1")
    shutil.copytree(other / "samples-1", run / "samples-1")
    assert main(["score", "--samples", str(run)]) == 2
    assert main([*RUN, "--seed", "2", "--overwrite", "--out", str(run)]) == 0
    assert not list(run.glob("samples-*"))


def test_a_run_from_before_there_were_several_goes_on(three: Path) -> None:
    path = one_task.samples_folder(three, 0) / "run.json"
    assert "sample" not in json.loads(path.read_text())
    assert RunRecord.from_json(path).sample == 0
    assert RunRecord.from_json(one_task.samples_folder(three, 2) / "run.json").sample == 2


def scored(influence: np.ndarray, value: float) -> Scored:
    half = 2.0 * influence.std(ddof=1) / len(influence) ** 0.5
    score = Score(
        name="rouge_l",
        value=value,
        ci95=(value - half, value + half),
        n=len(influence),
        higher_is_better=True,
        signature="rouge_l",
    )
    return Scored([score], {"rouge_l.influence": influence}, len(influence), len(influence))


def test_the_interval_narrows_with_the_noise_of_samples_and_not_with_the_studies() -> None:
    rng = np.random.default_rng(0)
    n, k = 20_000, 4
    study = rng.normal(size=n)
    for noise, expected in ((0.0, 1.0), (1.0, np.sqrt((1 + 1 / k) / 2))):
        sets = [study + noise * rng.normal(size=n) for _ in range(k)]
        sets = [one - one.mean() for one in sets]
        single = scored(sets[0], 0.5).scores[0].ci95
        whole, (spread,) = combined([scored(one, 0.5) for one in sets])
        narrow = whole.scores[0].ci95
        assert single is not None
        assert narrow is not None
        ratio = (narrow[1] - narrow[0]) / (single[1] - single[0])
        assert ratio == pytest.approx(expected, rel=0.02)
        assert spread.within_study == pytest.approx(noise, abs=0.02)


def test_every_sample_of_a_study_has_its_own_seed() -> None:
    from codixr_bench.runs.seeds import study_seed

    task = Task.parse("L->F")
    seeds = [study_seed("study", task, 0, sample) for sample in range(100)]
    assert len(set(seeds)) == 100
    assert seeds[0] == study_seed("study", task, 0)
