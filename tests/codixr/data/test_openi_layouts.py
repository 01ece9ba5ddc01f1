"""Copies of OpenI's pictures as R2Gen and Kaggle have them, drawn, with what is odd in them."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from codixr.data.openi_layouts import BY_KAGGLE, BY_PLACE
from codixr.data.openi_pictures import plan_openi
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr.errors import InputError
from helpers.openi_download import SECRET, STUDIES, picture, write_download

MISSING = (9002, "2")
"""A picture that both copies' tables name, and neither has."""


@pytest.fixture(scope="module")
def download(tmp_path_factory):
    return write_download(tmp_path_factory.mktemp("openi"))


def pictures():
    return [(number, k) for number, (_, _, views) in STUDIES.items() for k in views]


def draw(path: Path, number: int, k: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number, k) >> 4).convert("L").save(path)


def write_r2gen(root: Path) -> Path:
    """``iu_xray``: a folder an examination, pictures by place, reports of another section."""
    entries = []
    for number, (_, _, views) in STUDIES.items():
        name = f"CXR{number}_1_IM-0001"
        paths = [f"{name}/{place}.png" for place in range(len(views))]
        entries.append({"id": name, "report": "Not ours.", "image_path": paths, "split": "train"})
        for place, k in enumerate(views):
            if (number, k) != MISSING:
                draw(root / "images" / name / f"{place}.png", number, k)
    draw(root / "images" / "CXR9001_1_IM-0001" / "7.png", 9001, "1")  # the report names two
    (root / "annotation.json").write_text(json.dumps({"train": entries, "val": [], "test": []}))
    return root


def write_kaggle(root: Path) -> Path:
    """Kaggle's: two tables, and pictures named ``.dcm.png``; findings and views may be empty."""
    said = {"PA": "Frontal", "AP": "Frontal", "LL": "Lateral", "LATERAL": "Lateral"}
    rows = []
    for number, k in pictures():
        view = STUDIES[number][2][k][0] or ""
        if number == 9005:
            view = {"1": "PA", "2": "LL"}[k]  # only this table knows
        if number == 9008:
            view = "PA"  # and here it is wrong about the second picture
        name = f"{number}_IM-0001-{k}001.dcm.png"
        rows.append([number, name, said.get(view, "")])
        if (number, k) != MISSING:
            draw(root / "images" / "images_normalized" / name, number, k)
    with (root / "indiana_projections.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["uid", "filename", "projection"], *rows])
    with (root / "indiana_reports.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "MeSH", "findings", "impression"])
        writer.writerows([number, "normal", "", one[0]] for number, one in STUDIES.items())
    return root


@pytest.fixture(scope="module")
def r2gen(tmp_path_factory):
    return write_r2gen(tmp_path_factory.mktemp("r2gen") / "iu_xray")


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    return write_kaggle(tmp_path_factory.mktemp("kaggle"))


def planned(download, folder):
    return plan_openi(folder, 32, archive=download / "NLMCXR_reports.tgz")


def numbers(plan):
    return [item.number for item in plan.items["test"]]


def test_r2gens_folders_give_the_studies_views_and_reports_that_the_download_gives(
    download, r2gen, tmp_path
):
    plan = planned(download, r2gen)
    # 9002's lateral picture is missing; 9007's view was in a header that this copy hasn't.
    assert numbers(plan) == [9001, 9003, 9008]
    first = plan.items["test"][0]
    assert first.frontal == ("images/CXR9001_1_IM-0001/0.png",)
    assert first.lateral == ("images/CXR9001_1_IM-0001/1.png",)
    assert all(BY_PLACE in item.notes for item in plan.items["test"])
    prepare(plan, tmp_path / "data", quiet=True)
    dataset = PreparedDataset(tmp_path / "data", "test")
    assert [dataset[i].report for i in range(3)] == [f"{SECRET}.", "Clear.", "Both say PA."]
    assert dataset[0].split == "test"
    assert dataset[0].labels["No Finding"] == 1


def test_two_frontals_are_ranked_and_a_third_picture_is_the_lateral_one(download, r2gen):
    item = planned(download, r2gen).items["test"][1]
    assert item.frontal == ("images/CXR9003_1_IM-0001/1.png", "images/CXR9003_1_IM-0001/0.png")
    assert item.lateral == ("images/CXR9003_1_IM-0001/2.png",)


def test_the_ledger_counts_missing_pictures_unknown_views_and_studies_without_a_lateral(
    download, r2gen
):
    named, found, both = planned(download, r2gen).ledger
    assert (named.before, named.removed) == (len(pictures()), {"image missing": 1})
    assert found.removed == {"no report with an impression": 2, "view unknown": 3}
    assert both.removed == {"no lateral view": 4}


def test_only_the_folder_of_the_pictures_may_be_given(download, r2gen):
    plan = planned(download, r2gen / "images")
    assert numbers(plan) == [9001, 9003, 9008]
    assert plan.ledger[0].removed == {"image missing": 1}


def test_kaggles_copy_gives_them_by_its_names_and_its_table_of_views(download, kaggle):
    plan = planned(download, kaggle)
    # 9005's views and no header's word for 9007: the table says nothing of the latter.
    assert numbers(plan) == [9001, 9003, 9005, 9008]
    assert BY_KAGGLE in plan.items["test"][2].notes
    assert "indiana_projections.csv" in plan.recipe["views"]
    assert "indiana_projections.csv" in plan.sources
    assert plan.ledger[0].removed == {"image missing": 1}


def test_kaggles_word_does_not_go_before_that_of_the_pictures_themselves(download, kaggle):
    both_pa = planned(download, kaggle).items["test"][3]
    assert both_pa.frontal == ("images/images_normalized/9008_IM-0001-1001.dcm.png",)
    assert both_pa.lateral == ("images/images_normalized/9008_IM-0001-2001.dcm.png",)


def test_an_empty_finding_is_no_reason_to_leave_a_study_out_and_an_empty_impression_is(
    download, kaggle, r2gen
):
    for folder in (kaggle, r2gen):
        plan = planned(download, folder)
        assert 9001 in numbers(plan)
        assert 9006 not in numbers(plan)
        assert plan.ledger[1].removed["no report with an impression"] == 2


def test_a_plain_download_has_the_recipe_that_it_had(download):
    plan = planned(download, download / "pictures")
    assert plan.recipe["views"] == (
        "torchxrayvision's projection, the other of two pictures, DICOM header"
    )
    assert len(plan.sources) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("annotation.json", "{"),
        ("annotation.json", '{"train": [{"id": "CXR1_IM-0001"}]}'),
        ("annotation.json", "[1]"),
        ("indiana_projections.csv", "uid,file\n1,a\n"),
    ],
)
def test_a_table_that_is_another_one_is_named_with_the_cure(
    download, r2gen, kaggle, tmp_path, name, content
):
    folder = tmp_path / "copy"
    shutil.copytree(r2gen if name.startswith("a") else kaggle, folder)
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}' is not .*move it away"):
        planned(download, folder)
