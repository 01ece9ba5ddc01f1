"""A download of OpenI's pictures becomes studies with both views, a report and MeSH labels."""

import json

import numpy as np
import pytest

from codixr.cli import main
from codixr.data import openi_pictures
from codixr.data.openi_mesh import mesh_labels
from codixr.data.openi_pictures import plan_openi
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr.data.verify import verify
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.cli import main as main_of_bench
from codixr_bench.track import Track
from helpers.openi_download import SECRET, picture, write_dicom, write_download


@pytest.fixture(scope="module")
def download(tmp_path_factory):
    return write_download(tmp_path_factory.mktemp("openi"))


@pytest.fixture(scope="module")
def plan(download):
    return plan_openi(download / "pictures", 256, archive=download / "NLMCXR_reports.tgz")


@pytest.fixture(scope="module")
def prepared(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "data"
    prepare(plan, folder, quiet=True)
    return folder


def test_studies_with_both_views_and_an_impression_are_prepared(plan, prepared):
    dataset = PreparedDataset(prepared, "test")
    assert [dataset[i].study_id for i in range(len(dataset))] == [
        "CXR9001", "CXR9002", "CXR9003", "CXR9007", "CXR9008",
    ]  # fmt: skip
    pictures, both = plan.ledger
    assert (pictures.before, pictures.after) == (16, 13)
    assert pictures.removed == {"no report with an impression": 2, "view unknown": 1}
    assert both.removed == {"no lateral view": 2}
    assert dataset.modalities == set(Modality)
    assert dataset[0].report == f"{SECRET}."
    assert not verify(prepared).problems


def test_a_view_that_no_header_names_is_noted_and_pa_goes_before_ap(plan, prepared):
    items = plan.items["test"]
    by_exclusion, by_projection = items[4].notes
    assert ("projection" in by_projection, "exclusion" in by_exclusion) == (True, True)
    assert [item.notes for item in items] == [
        (), (by_projection,), (), (), (by_exclusion, by_projection),
    ]  # fmt: skip
    assert [name.rpartition("-")[2][:4] for name in items[2].frontal] == ["2001", "1001"]
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["notes"]["a view from the projection of the pictures"] == 2


def test_the_pixels_are_those_of_the_file(prepared):
    lateral = PreparedDataset(prepared, "test")[0].lateral[0]
    stored = picture(9001, "2") / np.float32(4095)
    padded = np.pad(stored, ((0, 0), (4, 4)))
    assert lateral[:, :20].max() == 0  # the border that makes it square
    assert abs(lateral.mean() - padded.mean()) < 0.01


def test_the_labels_are_the_mesh_indexing_and_the_rest_is_absent(prepared):
    dataset = PreparedDataset(prepared, "test")
    assert dataset[0].labels["No Finding"] == 1
    assert dataset[0].labels["Pneumonia"] == 0
    assert dataset[1].labels["Cardiomegaly"] == 1
    assert dataset[1].labels["Lung Opacity"] is None  # a density may be one
    assert dataset[1].labels["Edema"] == 0
    assert set(dataset[2].labels.values()) == {None}  # nobody indexed it


@pytest.mark.parametrize(
    ("terms", "name", "value"),
    [
        (["nodule", "granuloma"], "Lung Lesion", 1),
        (["granuloma"], "Lung Lesion", -1),
        (["no indexing", "pneumonia"], "Pneumonia", None),
        (["pneumonia"], "No Finding", None),
    ],
)
def test_mesh_terms_become_observations(terms, name, value):
    assert mesh_labels(terms)[name] == value


def test_the_benchmark_runs_with_the_pictures_folder(prepared, tmp_path):
    track = Track.load("openi")
    assert track.modalities == {Modality.T}
    assert track.with_data(prepared).modalities == set(Modality)
    assert "L+T->F" in track.with_data(prepared).task_names()
    arguments = ["run", "--task", "F+L->T", "--model", "constant", "--track", "openi"]
    arguments += ["--metrics", "bleu", "--out", str(tmp_path / "run")]
    assert main_of_bench([*arguments, "--data", str(prepared)]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["track"]["name"], result["track"]["version"]) == ("openi", "1-pictures")
    assert result["track"]["n"] == 5
    assert SECRET not in (tmp_path / "run" / "result.json").read_text()


def test_without_the_folder_tasks_with_pictures_are_refused_as_before(tmp_path, capsys):
    arguments = ["run", "--task", "L+T->F", "--model", "noise", "--track", "openi"]
    assert main_of_bench([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "has no frontal pictures" in capsys.readouterr().err


def test_another_tracks_folder_is_refused(prepared):
    with pytest.raises(InputError, match="--track openi"):
        Track.load("ct").dataset("test", None, prepared)


def test_the_command_names_no_patient(download, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "pictures"
    broken.mkdir()
    (download / "pictures" / "9001").rename(broken / "9001")
    try:
        (broken / "9001" / "extra_9003_IM-0001-1001.png").write_bytes(b"not ours")
        monkeypatch.setattr(openi_pictures, "find_archive", lambda: download / "NLMCXR_reports.tgz")
        out = tmp_path / "out"
        arguments = ["prepare", "openi", "--pictures", str(broken), "--out", str(out)]
        assert main([*arguments, "--image-size", "32", "--workers", "1"]) == 0
        printed = capsys.readouterr()
        for text in (printed.out, printed.err, (out / "manifest.json").read_text()):
            assert "9001" not in text
            assert SECRET not in text
    finally:
        (broken / "9001" / "extra_9003_IM-0001-1001.png").unlink()
        (broken / "9001").rename(download / "pictures" / "9001")


def test_a_folder_without_pictures_of_openi_is_refused(download, tmp_path):
    archive = download / "NLMCXR_reports.tgz"
    for folder, message in (
        (tmp_path, "no picture of OpenI"),
        (tmp_path / "absent", "not a folder"),
    ):
        with pytest.raises(InputError, match=message):
            plan_openi(folder, archive=archive)


def test_an_unreadable_picture_is_rejected_with_a_reason(download, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "CXR9001_IM-0001-1001.png").write_bytes(b"broken")
    write_dicom(pictures / "9001_IM-0001-2001.dcm", picture(9001, "2"), "LL")
    plan = plan_openi(pictures, 32, archive=download / "NLMCXR_reports.tgz")
    outcome = plan.make(plan.items["test"][0])
    assert (outcome.row, outcome.lost) == (None, "no readable frontal view")
    assert "damaged" in outcome.rejects[0].reason
    assert str(tmp_path) not in outcome.rejects[0].reason
