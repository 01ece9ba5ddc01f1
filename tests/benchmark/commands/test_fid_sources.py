"""What people have as a side of `codixr-bench fid`: prepared folders, discs, classes, Parquet."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from codixr.data.phantom.phantom_plan import plan_phantom
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr.modality import Modality
from codixr_bench.cli import main
from helpers.dicom_files import film

STUDIES = 6


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("fid") / "data"
    prepare(plan_phantom(limit=STUDIES), out, shard_size=4, quiet=True)
    return out


def levels(folder: Path, split: str, view: Modality) -> np.ndarray:
    return PreparedDataset(folder, split).images(view)[range(STUDIES)]


def folder_of(path: Path, pictures: np.ndarray) -> Path:
    path.mkdir(parents=True)
    for place, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"{place}.png")
    return path


def distance(capsys, *arguments: object) -> float:
    assert main(["fid", *map(str, arguments), "--backbone", "phantom", "--json"]) == 0
    (score,) = json.loads(capsys.readouterr().out)["scores"]
    return score["value"]


def refused(capsys, *arguments: object) -> str:
    assert main(["fid", *map(str, arguments), "--backbone", "phantom"]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("view", [Modality.F, Modality.L])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_prepared_folder_is_the_pictures_of_a_split_and_a_view(
    split, view, prepared, tmp_path, capsys
):
    same = folder_of(tmp_path / "same", levels(prepared, split, view))
    options = ("--split", split, "--view", view.value)
    assert distance(capsys, prepared, same, *options) == pytest.approx(0, abs=1e-6)
    other = {"train": "val", "val": "test", "test": "train"}[split]
    assert distance(capsys, prepared, same, "--split", other, "--view", view.value) > 1


def test_the_test_split_and_the_frontal_view_are_the_default(prepared, tmp_path, capsys):
    same = folder_of(tmp_path / "same", levels(prepared, "test", Modality.F))
    assert distance(capsys, prepared, same) == pytest.approx(0, abs=1e-6)


def test_a_parquet_file_of_a_prepared_folder_is_a_side(prepared, tmp_path, capsys):
    same = folder_of(tmp_path / "same", levels(prepared, "test", Modality.L)[:4])
    shard = prepared / "test-00000.parquet"
    assert distance(capsys, shard, same, "--view", "L") == pytest.approx(0, abs=1e-6)
    assert distance(capsys, shard, same, "--view", "F") > 1


def test_a_parquet_of_another_program_is_read_by_the_rules_for_files(prepared, tmp_path, capsys):
    pictures = (levels(prepared, "test", Modality.F) >> 8).astype(np.uint8)
    cells = []
    for picture in pictures:
        sink = io.BytesIO()
        Image.fromarray(picture).convert("RGB").save(sink, "BMP")
        cells.append({"bytes": sink.getvalue(), "path": None})
    pq.write_table(pa.table({"F": cells}), tmp_path / "theirs.parquet")
    same = folder_of(tmp_path / "same", pictures)
    assert distance(capsys, tmp_path / "theirs.parquet", same) == pytest.approx(0, abs=1e-6)
    pq.write_table(pa.table({"F": [b"nothing of the kind"] * 3}), tmp_path / "broken.parquet")
    assert "broken.parquet', row 0: is damaged" in refused(
        capsys, tmp_path / "broken.parquet", same
    )


def test_a_split_of_what_has_none_is_refused(prepared, tmp_path, capsys):
    plain = folder_of(tmp_path / "plain", levels(prepared, "test", Modality.F))
    assert "is a folder of `codixr prepare`" in refused(capsys, plain, plain, "--split", "val")


def test_folders_of_classes_are_read_through_with_a_note(prepared, tmp_path, capsys):
    pictures = levels(prepared, "test", Modality.F)
    folder_of(tmp_path / "classes" / "normal", pictures[:2])
    folder_of(tmp_path / "classes" / "effusion" / "left", pictures[2:4])
    folder_of(tmp_path / "classes" / "effusion" / "right", pictures[4:])
    same = folder_of(tmp_path / "same", pictures)
    assert main(["fid", str(tmp_path / "classes"), str(same), "--backbone", "phantom"]) == 0
    shown = capsys.readouterr()
    assert "6 pictures in the folders inside of it were read" in shown.err
    assert "A 6 pictures · B 6 pictures" in shown.out
    assert distance(capsys, tmp_path / "classes", same) == pytest.approx(0, abs=1e-6)


def test_a_disc_with_its_index_is_a_folder_of_dicom(prepared, tmp_path, capsys):
    pictures = levels(prepared, "test", Modality.F)
    disc = FileSet()
    for place, picture in enumerate(pictures):
        dataset = dcmread(io.BytesIO(film(picture)))
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(place)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientID, dataset.PatientName, dataset.Modality = "phantom", "phantom", "CR"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20000101", "000000", "1"
        dataset.SeriesNumber, dataset.InstanceNumber = 1, place
        disc.add(dataset)
    disc.write(tmp_path / "disc")
    same = folder_of(tmp_path / "same", pictures)
    assert distance(capsys, tmp_path / "disc", same) == pytest.approx(0, abs=1e-6)
