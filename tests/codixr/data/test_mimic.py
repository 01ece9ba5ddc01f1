"""MIMIC-CXR's rules, on the fake archive and its answer key."""

import csv
import gzip
import importlib.util
import itertools
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from codixr.data.labels import LABEL_POLICIES, OBSERVATIONS, label_policy
from codixr.data.manifest import Manifest
from codixr.data.mimic import MimicOptions, plan_mimic
from codixr.data.mimic_cohort import picture_path, position_from_hints
from codixr.data.mimic_tables import read_table
from codixr.data.phantom.archive import write_archive
from codixr.data.phantom.archive_oddities import ODDITIES
from codixr.data.phantom.render import render_views
from codixr.data.picture import fit_file
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr.errors import InputError

REAL = Path(importlib.util.find_spec("data_store").submodule_search_locations[0]) / "data"
SIZE = 32


def studies(folder, policy="raw"):
    for split in Manifest.read(folder).splits:
        dataset = PreparedDataset(folder, split, policy=policy)
        for index in range(len(dataset)):
            yield dataset[index]


def plain(path: Path, size: int) -> np.ndarray:
    """The paper's steps one by one, in plain pydicom, numpy and Pillow. [S, S] in [0, 1]."""
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array.astype(np.float64)
    bits = dataset.BitsStored
    if dataset.PixelRepresentation:
        values += 2 ** (bits - 1)
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    picture = Image.fromarray(values.astype(np.float32))
    if spacing and spacing[0] > 0 and abs(spacing[0] - 0.139) > 1e-3:
        wide, high = (
            round(n * float(s) / 0.139) for n, s in zip(picture.size, spacing[::-1], strict=True)
        )
        picture = picture.resize((wide, high), Image.Resampling.BILINEAR)
    values = np.asarray(picture, np.float64)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 2**bits - 1 - values
    values = values / (2**bits - 1)
    if dataset.get("PatientOrientation") == ["R", "F"]:
        values = values[:, ::-1]  # the patient's left belongs on the right
    side = max(values.shape)
    square = np.zeros((side, side), np.float32)
    top, left = ((side - n) // 2 for n in values.shape)
    square[top : top + values.shape[0], left : left + values.shape[1]] = values
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BILINEAR))


def levels_apart(path: Path, size: int) -> float:
    """The greatest difference from the plain computation, in levels of 16 bits."""
    ours = fit_file(path, size, path.read_bytes()).image[0]
    return float(np.abs(ours.astype(np.float64) - plain(path, size)).max() * 65535)


def test_the_archive_becomes_what_its_key_says(prepared, key):
    expected = {s["study"]: s for s in key["studies"] if not s["lost"]}
    found = {study.study_id: study for study in studies(prepared)}
    assert found.keys() == expected.keys()
    assert len(found) == key["kept"] > 50
    for name, study in found.items():
        answer = expected[name]
        assert (study.subject_id, study.split) == (answer["subject"], answer["split"])
        assert study.report == answer["report"]
        assert list(study.labels.values()) == (answer["labels"] or [None] * 14)


def test_each_study_has_the_pictures_that_the_key_names(archive, prepared, key):
    found = {study.study_id: study for study in studies(prepared)}
    for answer in key["studies"]:
        if answer["lost"]:
            continue
        for view in ("frontal", "lateral"):
            path = picture_path(archive, answer["subject"], answer["study"], answer[view], "dicom")
            wanted = fit_file(path, SIZE, path.read_bytes()).image
            got = getattr(found[answer["study"]], view)
            np.testing.assert_allclose(got, wanted, atol=0.51 / 65535)


def test_the_pictures_show_the_simulated_chest_whatever_their_form(prepared, key):
    """Inverted, signed, resampled, compressed: the picture is the one that was rendered."""
    second = {"two frontals", "first frontal truncated"}  # of another simulated person
    index = {s["study"]: s["index"] for s in key["studies"] if s["oddity"] not in second}
    for study in studies(prepared):
        if study.study_id not in index:
            continue
        for truth, picture in zip(
            render_views(0, index[study.study_id], 64),
            (study.frontal, study.lateral),
            strict=True,
        ):
            small = np.asarray(Image.fromarray(truth).resize((SIZE, SIZE), Image.Resampling.BOX))
            inner = (slice(4, -4), slice(4, -4))
            likeness = np.corrcoef(small[inner].ravel(), picture[0][inner].ravel())[0, 1]
            assert likeness > 0.8  # the films are cropped; inverted ones would be at -0.9


def test_the_ledger_adds_up_to_the_keys_losses(prepared, key):
    ledger = Manifest.read(prepared).ledger
    for step in ledger:
        assert step.before - sum(step.removed.values()) == step.after
    lost = {why: n for step in ledger if step.unit == "studies" for why, n in step.removed.items()}
    told = {why: n for why, n in key["lost"].items() if not why.startswith("study listed")}
    assert lost == told
    for before, after in itertools.pairwise(ledger[3:]):
        assert before.after == after.before
    assert ledger[-1].after == key["kept"]


def test_rejects_name_every_broken_picture_once_and_say_why(prepared, key):
    rows = list(csv.DictReader((prepared / "rejects.csv").open()))
    broken = [row["id"] for row in rows if row["stage"] == "pixels"]
    assert sorted(broken) == sorted(name for s in key["studies"] for name in s["rejected"])
    assert all(row["reason"] and "/" not in row["reason"] for row in rows)
    assert sum(Manifest.read(prepared).rejects.values()) == len(rows)


@pytest.mark.parametrize("size", [32, 256])
def test_the_arithmetic_agrees_with_a_plain_computation_on_every_file(archive, size):
    differences = {}
    for path in sorted(archive.rglob("*.dcm")):
        try:
            differences[path] = levels_apart(path, size)
        except InputError:
            continue
    assert len(differences) > 150
    assert max(differences.values()) <= 1.0


@pytest.mark.parametrize("name", ["RG1_UNCR", "RG1_J2KR", "RG1_J2KI", "RG3_UNCR", "RG3_J2KR"])
def test_the_arithmetic_agrees_on_real_films(name):
    assert levels_apart(REAL / f"{name}.dcm", 256) <= 1.0


def test_padding_is_black_in_both_photometries(archive, plan):
    corners = []
    for path in list(archive.rglob("*.dcm"))[:40]:
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            image = fit_file(path, 64, path.read_bytes()).image[0]
        except (InputError, pydicom.errors.InvalidDicomError):
            continue
        if header.Rows >= header.Columns + 4:
            corners.append(image[:, 0].max())
    assert len(corners) > 10
    assert max(corners) == 0


def test_the_papers_split_is_whole_patients_in_its_proportion(archive, tmp_path):
    plan = plan_mimic(MimicOptions(archive, image_size=SIZE, split="paper"), quiet=True)
    patients = {split: {item.subject for item in items} for split, items in plan.items.items()}
    assert not patients["train"] & patients["test"]
    assert not patients["train"] & patients["val"]
    assert not patients["val"] & patients["test"]
    total = sum(map(len, plan.items.values()))
    assert len(plan.items["test"]) == pytest.approx(total * 33588 / 154721, abs=1)
    again = plan_mimic(MimicOptions(archive, image_size=SIZE, split="paper"), quiet=True)
    assert again.key() == plan.key()
    other = plan_mimic(MimicOptions(archive, image_size=SIZE, split="paper", seed=1), quiet=True)
    assert {i.subject for i in other.items["test"]} != patients["test"]


def test_a_limit_moves_nobody_to_another_split(archive, plan):
    limited = plan_mimic(MimicOptions(archive, image_size=SIZE, limit=10), quiet=True)
    assert sum(map(len, limited.items.values())) == 10
    for split, items in limited.items.items():
        assert set(items) <= set(plan.items[split])
    assert limited.ledger[-1].removed == {"over --limit": limited.ledger[-1].before - 10}


@pytest.mark.parametrize(
    ("code", "procedure", "position"),
    [
        ("postero-anterior", "", "PA"),
        ("Left Lateral", "", "LL"),
        ("", "CHEST (PORTABLE AP)", "AP"),
        ("", "CHEST (PA AND LAT)", ""),
        ("", "CHEST (LAT DECUB ONLY)", "LATERAL"),
        ("", "APICAL CAPS", ""),
        ("", "", ""),
    ],
)
def test_a_missing_view_is_taken_from_what_names_one_only(code, procedure, position):
    assert position_from_hints(code, procedure) == position


POLICY_CASES = {
    "paper": (None, 0, 1, 0, None),
    "certain": (None, 0, 1, None, None),
    "uncertain-positive": (1, 0, 1, None, None),
    "uncertain-negative": (0, 0, 1, None, None),
    "unmentioned-negative": (None, 0, 1, 0, 0),
    "raw": (-1, 0, 1, None, None),
}


@pytest.mark.parametrize("name", LABEL_POLICIES)
def test_a_label_policy_does_what_its_name_says(name):
    said = {"Edema": -1, "Pneumonia": 0, "No Finding": 1, "Fracture": None, "Support Devices": None}
    labels = dict.fromkeys(OBSERVATIONS) | said
    found = label_policy(name)(labels)
    # The paper's: No Finding makes every pathology negative, an uncertain one too.
    expected = POLICY_CASES[name]
    if name == "paper":
        expected = (0, *expected[1:])
    assert tuple(found[key] for key in said) == expected
    assert list(found) == list(OBSERVATIONS)
    unlabelled = dict.fromkeys(OBSERVATIONS)
    assert label_policy(name)(unlabelled) == unlabelled


def test_an_uncertain_label_is_unknown_by_the_papers_policy():
    labels = dict.fromkeys(OBSERVATIONS) | {"Edema": -1, "Pneumonia": 1}
    found = label_policy("paper")(labels)
    assert (found["Edema"], found["Pneumonia"], found["Fracture"]) == (None, 1, None)
    with pytest.raises(InputError, match="known: paper"):
        label_policy("zeros")


def test_reports_may_stay_in_their_zip_and_tables_elsewhere(archive, plan, tmp_path):
    with zipfile.ZipFile(tmp_path / "reports.zip", "w") as packed:
        for path in sorted(archive.rglob("s*.txt")):
            packed.write(path, path.relative_to(archive))
    (tmp_path / "jpg").mkdir()
    for path in archive.glob("*.csv.gz"):
        shutil.copy(path, tmp_path / "jpg")
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "files").symlink_to(archive / "files")
    options = MimicOptions(
        tmp_path / "dicom", tmp_path / "jpg", tmp_path / "reports.zip", image_size=SIZE
    )
    assert plan_mimic(options, quiet=True).key() == plan.key()


def test_the_jpg_release_is_a_track_of_its_own(tmp_path):
    key = write_archive(tmp_path / "jpg", 4 * len(ODDITIES) // 2, release="jpg", quiet=True)
    options = MimicOptions(tmp_path / "jpg", release="jpg", image_size=SIZE)
    manifest = prepare(plan_mimic(options, quiet=True), tmp_path / "data", quiet=True)
    assert manifest.track == "mimic-cxr-jpg"
    assert sum(s.studies for s in manifest.splits.values()) == key["kept"]


def spoilt_tables(tmp_path: Path, archive: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for path in archive.glob("*.csv.gz"):
        shutil.copy(path, folder)
    return folder


def test_a_wrong_download_is_refused_with_the_cure(tmp_path, archive):
    with pytest.raises(InputError, match="no folder 'files'"):
        plan_mimic(MimicOptions(tmp_path), quiet=True)
    (tmp_path / "files").mkdir()
    with pytest.raises(InputError, match=r"comes with MIMIC-CXR-JPG.*--tables"):
        plan_mimic(MimicOptions(tmp_path), quiet=True)
    tables = spoilt_tables(tmp_path, archive)
    with pytest.raises(InputError, match=r"--reports: .* does not exist"):
        plan_mimic(MimicOptions(tmp_path, tables, tmp_path / "none"), quiet=True)
    (tables / "mimic-cxr-9.9.9-metadata.csv").write_text("x\n")
    with pytest.raises(InputError, match="2 tables of one kind"):
        plan_mimic(MimicOptions(tmp_path, tables), quiet=True)


def test_a_broken_table_is_refused_without_quoting_it(tmp_path, archive):
    tables = spoilt_tables(tmp_path, archive)
    path = tables / "mimic-cxr-2.0.0-split.csv.gz"
    whole = path.read_bytes()
    columns = ("split",)
    for content, message in (
        (whole[: len(whole) // 2], "cannot be read"),
        (b"zebra", "cannot be read"),
        (gzip.compress(b"zebra,b\n1,2\n"), "lacks the column split"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_table(tables, "split", columns)
        assert "zebra" not in str(caught.value)
    path.write_bytes(whole)
    (tables / "SHA256SUMS.txt").write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(InputError, match=r"differs from its SHA256SUMS\.txt"):
        read_table(tables, "split", columns)
