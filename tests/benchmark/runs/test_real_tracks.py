"""Every model of ours on a prepared folder of every track of real pictures."""

from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import GROUPS, Task
from codixr_bench.track import Track
from helpers.prepared_folders import LEAST_TEST_STUDIES, REAL_TRACKS, prepared_folder

REFERENCES = ("constant", "retrieval", "noise", "real")
WITHOUT_TRAINING = {"openi"}
"""Tracks that have a test split only."""
CROSSING = ("F->L+T", "L->F+T")
"""A picture read, a picture and a report made."""


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory) -> Path:
    return prepared_folder(request.param, tmp_path_factory.mktemp(request.param))


def run(task: str, model: str, track: str, folder: Path, out: Path) -> int:
    arguments = ["run", "--task", task, "--model", model, "--track", track, "--data", str(folder)]
    return main([*arguments, "--limit", str(LEAST_TEST_STUDIES), "--out", str(out)])


def check(task: Task, model: str, track: str, folder: Path, out: Path, capsys) -> None:
    """The run is whole, or refused in words before anything is made."""
    code = run(task.name, model, track, folder, out)
    printed = capsys.readouterr().err
    pictures = any(m.is_image for m in task.outputs)
    fitted = model == "retrieval" or (model == "constant" and pictures)
    if fitted and track in WITHOUT_TRAINING:
        assert code == 2
        assert "training" in printed
        assert not list(out.rglob("chunk-*"))
        return
    result = Result.load(out / "result.json")
    scored = [score.name for score in result.scores if score.value is not None]
    reasons = [score.reason for score in result.scores if score.value is None]
    assert code == (0 if scored else 1), printed
    assert all(reasons)
    assert reports_are_scored(task, scored)
    [(_, samples)] = SampleStore.open(out / "samples").batches()
    assert len(samples) == LEAST_TEST_STUDIES
    assert (out / "samples").stat().st_mode & 0o077 == 0
    assert (out / "samples" / ".gitignore").read_text() == "*\n"
    assert "pictures and words of patients" in printed
    for sample in samples:
        for modality in task.outputs:
            if modality.is_image:
                # A mean of 16-bit pictures divided by 255 would be cut off at white.
                assert 0.02 < sample[modality].mean() < 0.9
                assert sample[modality].std() > 0.02


def reports_are_scored(task: Task, scored: list[str]) -> bool:
    return "bleu_4" in scored or "T" not in task.outputs


@pytest.mark.parametrize("folder", REAL_TRACKS, indirect=True)
def test_every_reference_runs_on_every_prepared_folder(folder, request, tmp_path, capsys):
    track = request.node.callspec.params["folder"]
    for place, model in enumerate(REFERENCES):
        task = Task.parse(CROSSING[place % 2])
        check(task, model, track, folder, tmp_path / model, capsys)
    for model, cure in (("codixr", "train all --preset small"), ("classifier", "--track phantom")):
        assert run("F->T", model, track, folder, tmp_path / model) == 2
        assert cure in capsys.readouterr().err
        assert not (tmp_path / model).exists()


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL_TRACKS, indirect=True)
@pytest.mark.parametrize("model", REFERENCES)
def test_every_reference_runs_every_task_on_every_prepared_folder(
    folder, model, request, tmp_path, capsys
):
    track = request.node.callspec.params["folder"]
    for task in GROUPS["all"]:
        check(task, model, track, folder, tmp_path / task.folder, capsys)


def test_the_large_phantom_is_a_track_of_its_own():
    small, large = Track.load("phantom"), Track.load("phantom-256")
    assert (small.image_size, large.image_size) == (64, 256)
    first, second = small.dataset("test", 2), large.dataset("test", 2)
    assert second[1].frontal.shape == (1, 256, 256)
    assert first[1].report == second[1].report
    assert first.fingerprint != second.fingerprint
