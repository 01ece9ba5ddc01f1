"""A prepared folder is what the benchmark and the training read."""

import shutil

import pytest

from codixr.data.mimic import MimicOptions, plan_mimic
from codixr.data.shards import prepare
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.track import Track
from helpers.mutants import SIZE


@pytest.fixture(scope="module")
def full_size(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("full") / "data"
    prepare(plan_mimic(MimicOptions(archive, limit=30), quiet=True), folder, quiet=True)
    return folder


def test_the_benchmark_reads_the_prepared_folder(full_size, tmp_path):
    track = Track.load("mimic-cxr")
    for split in ("train", "test"):
        dataset = track.dataset(split, None, full_size)
        assert (dataset.name, dataset.split, dataset.modalities) == (
            track.name,
            split,
            set(Modality),
        )
        assert dataset[0].frontal.shape == (1, 256, 256)
    arguments = ["run", "--task", "F->T", "--model", "constant", "--track", "mimic-cxr"]
    arguments += ["--metrics", "bleu", "--out", str(tmp_path / "run"), "--data", str(full_size)]
    assert main(arguments) == 0
    assert (tmp_path / "run" / "result.json").exists()


def test_a_folder_of_another_track_or_size_is_refused(full_size, prepared, tmp_path):
    track = Track.load("mimic-cxr")
    with pytest.raises(InputError, match="needs --data DIR"):
        track.dataset("test")
    with pytest.raises(InputError, match="--image-size 256"):
        track.dataset("test", None, prepared)
    with pytest.raises(InputError, match="use --track mimic-cxr"):
        Track.load("mimic-cxr-jpg").dataset("test", None, full_size)
    copy = shutil.copytree(full_size, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json is missing"):
        track.dataset("test", None, copy)
    assert SIZE != 256
