"""DRR-RATE's folders become a dataset: its layout, its tables, its pictures as they are."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.cli import main
from codixr.data.ct import CtOptions, plan_ct
from codixr.data.ct_projections import find_projections
from codixr.data.prepared import PreparedDataset
from codixr.data.verify import verify
from codixr.errors import InputError

SIDE = 64
SCANS = ("train_1_a_1", "train_1_a_2", "train_1_b_1", "train_2_a_1", "train_3_a_1", "train_4_a_1")


def levels(name: str, view: str) -> np.ndarray:
    seed = 2 * SCANS.index(name) + (view == "LATERAL")
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def place_of(root: Path, view: str, name: str) -> Path:
    patient, scan = "_".join(name.split("_")[:2]), "_".join(name.split("_")[:3])
    return root / "train" / view / patient / scan / f"{name}.png"


@pytest.fixture
def drr_rate(tmp_path) -> Path:
    """Four patients; one scan reconstructed twice, of which the first is damaged; one view lost."""
    root = tmp_path / "DRR-RATE"
    for view in ("AP", "LATERAL"):
        for name in SCANS:
            path = place_of(root, view, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(levels(name, view)).save(path)
    place_of(root, "AP", "train_1_a_1").write_bytes(b"broken")
    place_of(root, "LATERAL", "train_3_a_1").unlink()
    tables = {
        "radiology_text_reports/train_reports.csv": (
            ["VolumeName", "Findings_EN", "Impressions_EN"],
            [[f"{name}.nii.gz", "Long.", f"Impression of {name}."] for name in SCANS],
        ),
        "multi_abnormality_labels/train_predicted_labels.csv": (
            ["ImageName", "Cardiomegaly", "Lung nodule"],
            [[f"{name}.png", str(place % 2), "1"] for place, name in enumerate(SCANS)],
        ),
    }
    for name, (header, rows) in tables.items():
        (root / name).parent.mkdir()
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    return root


def arguments_for(root: Path) -> list[str]:
    reports = root / "radiology_text_reports" / "train_reports.csv"
    labels = root / "multi_abnormality_labels" / "train_predicted_labels.csv"
    return [
        "--projections",
        str(root / "train"),
        "--reports",
        str(reports),
        "--labels",
        str(labels),
    ]


def test_a_download_of_drr_rate_becomes_a_verified_dataset(drr_rate, tmp_path, capsys):
    out = tmp_path / "data"
    size = ["--image-size", str(SIDE), "--workers", "1", "--json"]
    assert main(["prepare", "ct", *arguments_for(drr_rate), "--out", str(out), *size]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ledger"][0]["removed"] == {"not in the folder": 1, "another reconstruction": 1}
    assert not verify(out).problems
    studies = {}
    for split in shown["splits"]:
        dataset = PreparedDataset(out, split)
        studies |= {dataset[i].study_id: dataset[i] for i in range(len(dataset))}
    assert set(studies) == {"train_1_a", "train_1_b", "train_2_a", "train_4_a"}
    first = studies["train_1_a"]
    assert first.report == "Impression of train_1_a_1."
    for image, view in ((first.frontal, "AP"), (first.lateral, "LATERAL")):
        np.testing.assert_allclose(image[0], levels("train_1_a_2", view) / 255, atol=1e-5)
    assert first.split == studies["train_1_b"].split
    assert (first.labels["Cardiomegaly"], first.labels["Lung Lesion"]) == (0, 1)
    assert studies["train_2_a"].labels["Cardiomegaly"] == 1
    assert (out / "rejects.csv").read_text().count("train_1_a_1.png") == 1


def test_projections_of_others_have_another_recipe_than_ours_and_need_no_renderer(
    drr_rate, monkeypatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reports = drr_rate / "radiology_text_reports" / "train_reports.csv"
    plan = plan_ct(CtOptions(None, reports, projections=drr_rate / "train"))
    assert plan.recipe["projections"] == "as they are"
    assert "geometry" not in plan.recipe


@pytest.mark.parametrize("names", [("AP", "LATERAL"), ("pa", "lat"), ("Frontal", "l")])
def test_views_are_known_by_the_nearest_folder_at_any_depth(names, tmp_path):
    for view, name in zip(("AP", "LATERAL"), names, strict=True):
        path = tmp_path / "lateral" / "deep" / name / "x" / "train_1_a_1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(levels("train_1_a_1", view)).save(path)
    found, twice = find_projections(tmp_path)
    [(frontal, lateral)] = found.values()
    assert (Path(frontal).parts[2], Path(lateral).parts[2]) == names
    assert not twice


def test_one_view_alone_and_no_folder_are_refused(drr_rate, tmp_path):
    with pytest.raises(InputError, match=r"no scan with two views .*\(6 frontal, 0 lateral"):
        find_projections(one_view(drr_rate))
    with pytest.raises(InputError, match=r"--projections: .* is not a folder"):
        find_projections(tmp_path / "nowhere")


def one_view(root: Path) -> Path:
    for path in (root / "train" / "LATERAL").rglob("*.png"):
        path.unlink()
    return root / "train"


def test_volumes_and_projections_exclude_each_other(drr_rate, tmp_path, capsys):
    both = ["--volumes", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["prepare", "ct", *arguments_for(drr_rate), *both]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
