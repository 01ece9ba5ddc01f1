from pathlib import Path

import pytest
import yaml

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.models.constant import ConstantModel
from codixr_bench.models.retrieval import RetrievalModel
from codixr_bench.task import GROUPS, Task
from codixr_bench.track import Track


@pytest.fixture(scope="module")
def phantom() -> Track:
    return Track.load("phantom")


@pytest.fixture(scope="module")
def openi() -> Track:
    return Track.load("openi")


@pytest.mark.parametrize("name", ["phantom", "openi"])
def test_a_recipe_agrees_with_its_data(name: str) -> None:
    track = Track.load(name)
    for split, n in track.splits.items():
        dataset = track.dataset(split)
        assert len(dataset) == n
        assert (dataset.name, dataset.version) == (track.name, track.version)
        assert dataset.modalities == track.modalities


def test_only_the_simulated_track_shows_content_unasked(phantom: Track, openi: Track) -> None:
    assert phantom.shows_content
    assert phantom.simulated
    assert not openi.shows_content


def test_a_limit_gives_the_first_studies(phantom: Track, openi: Track) -> None:
    for track in (phantom, openi):
        few = track.dataset("test", limit=3)
        assert len(few) == 3
        assert few[2].study_id == track.dataset("test")[2].study_id
        with pytest.raises(IndexError):
            few[3]
        with pytest.raises(InputError, match="--limit 0"):
            track.dataset("test", limit=0)


def test_a_limit_beyond_the_split_is_the_split(openi: Track) -> None:
    assert len(openi.dataset("test", limit=10**6)) == openi.splits["test"]


def test_phantom_runs_every_task_and_openi_those_that_make_reports(
    phantom: Track, openi: Track
) -> None:
    assert phantom.task_names() == [task.name for task in GROUPS["all"]]
    assert openi.task_names() == ["F->T", "L->T", "F+L->T"]


def test_openi_says_why_a_task_cannot_run_there(openi: Track) -> None:
    openi.check(Task.parse("F->T"), ConstantModel())
    with pytest.raises(InputError, match="no frontal pictures on this machine to score"):
        openi.check(Task.parse("T->F"), ConstantModel())
    with pytest.raises(InputError, match="'retrieval' needs frontal pictures for 'F->T'"):
        openi.check(Task.parse("F->T"), RetrievalModel())


@pytest.mark.parametrize(
    ("split", "expected"),
    [("tset", "no split 'tset'; it has: test"), ("train", "no split 'train'")],
)
def test_an_unknown_split_names_the_known_ones(openi: Track, split: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        openi.dataset(split)


def test_a_simulated_track_reads_no_files(phantom: Track, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --data out"):
        phantom.dataset("test", data_dir=tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        phantom.dataset("test", data_dir=tmp_path / "nowhere")


def test_an_unknown_track_is_guessed() -> None:
    with pytest.raises(InputError, match="unknown track 'phantm'; did you mean 'phantom'"):
        Track.load("phantm")


def recipe(**changes: object) -> dict[str, object]:
    path = Path(__file__).parents[2] / "data_manifests" / "openi.yaml"
    return yaml.safe_load(path.read_text()) | changes


def test_a_recipe_of_ones_own_is_a_track(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(recipe(name="mine")))
    track = Track.load(str(path))
    assert track.name == "mine"
    assert track.modalities == {Modality.T}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "cannot be read"),
        ("- a", "not a YAML mapping"),
        (yaml.safe_dump({"name": "x"}), "missing or wrong: 'image_size'"),
        (yaml.safe_dump(recipe(modalities=["X"])), "missing or wrong: 'X'"),
        (yaml.safe_dump(recipe(splits={"dev": 3})), "missing or wrong: splits"),
    ],
)
def test_a_wrong_recipe_is_an_input_error(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=expected):
        Track.load(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        Track.load(str(tmp_path / "nowhere.yaml"))
