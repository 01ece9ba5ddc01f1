"""A collection of chest CTs becomes a dataset; its tables are read, or refused with a reason."""

import csv
import importlib.util
import json

import pytest

from codixr.cli import main
from codixr.data.ct import CtOptions, plan_ct
from codixr.data.ct_tables import read_tables
from codixr.data.labels import OBSERVATIONS
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr.data.verify import verify
from codixr.errors import InputError
from helpers.ct_bodies import chest, write_nifti, write_series

for library in ("nanodrr", "nibabel"):
    pytest.importorskip(library, reason=f"{library} is missing: pip install 'codixr[ct]'")

SECRET = "zebra-words"
PREPARED = 64


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Two scans of one CT-RATE patient, one of them reconstructed twice; a series; broken ones."""
    root = tmp_path_factory.mktemp("collection")
    volumes = root / "volumes"
    (volumes / "deep").mkdir(parents=True)
    hu = chest()
    for place, name in enumerate(("train_1_a_1", "train_1_a_2", "train_1_b_1", "train_2_a_1")):
        other = hu.copy()  # two patients don't share a picture
        other[56 + 3 * place : 59 + 3 * place, 30:33, 30:33] = 2000
        write_nifti(volumes / "deep" / f"{name}.nii.gz", other)
    (volumes / "deep" / "train_1_a_1.nii.gz").write_bytes(b"broken")
    write_series(volumes / "clinic", hu)
    (volumes / "broken.nii").write_bytes(b"")
    rows = [
        [f"{name}.nii.gz", f"{SECRET} {name}", *labels]
        for name, *labels in (
            ("train_1_a_1", "1", "0", "1"),
            ("train_1_a_2", "1", "0", "1"),
            ("train_1_b_1", "0", "1.0", ""),
            ("train_2_a_1", "0", "0", "0"),
            ("broken", "0", "0", "0"),
            ("absent", "0", "0", "0"),
        )
    ]
    rows += [["clinic", f"{SECRET} of a clinic", "", "", "-1"], ["train_1_b_1", SECRET, "", "", ""]]
    with (root / "reports.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["VolumeName", "Impressions_EN", "Cardiomegaly", "Lung nodule", "Hiatal hernia"],
                *rows,
            ]
        )
    return root


def test_a_collection_becomes_a_verified_dataset(collection, tmp_path, capsys):
    out = tmp_path / "data"
    arguments = ["prepare", "ct", "--volumes", str(collection / "volumes"), "--size", str(PREPARED)]
    arguments += ["--reports", str(collection / "reports.csv"), "--out", str(out)]
    assert main([*arguments, "--workers", "1", "--json"]) == 0
    printed = capsys.readouterr()
    shown = json.loads(printed.out)
    assert shown["ledger"][0]["removed"] == {
        "another reconstruction": 1, "name twice in the table": 1, "not in the folder": 1,
    }  # fmt: skip
    assert shown["ledger"][-1]["removed"] == {"no readable volume": 1}
    assert not verify(out).problems
    studies = {}
    for split in shown["splits"]:
        dataset = PreparedDataset(out, split)
        studies |= {dataset[i].study_id: dataset[i] for i in range(len(dataset))}
    assert set(studies) == {"train_1_a", "train_1_b", "train_2_a", "clinic"}
    first, second = studies["train_1_a"], studies["train_1_b"]
    assert (first.subject_id, first.split) == (second.subject_id, second.split)
    assert first.report == f"{SECRET} train_1_a_1"
    assert first.frontal.shape == first.lateral.shape == (1, PREPARED, PREPARED)
    assert (second.labels["Cardiomegaly"], second.labels["Lung Lesion"]) == (0, 1)
    assert first.labels["Pneumonia"] is None
    assert set(studies["clinic"].labels.values()) == {None}
    assert SECRET not in printed.out + printed.err + (out / "manifest.json").read_text()
    assert "train_1" not in printed.out + printed.err + (out / "manifest.json").read_text()
    rejects = (out / "rejects.csv").read_text()
    assert rejects.count("\n") == 3
    assert str(collection) not in rejects
    assert SECRET not in rejects


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(collection, tmp_path):
    options = CtOptions(collection / "volumes", collection / "reports.csv", image_size=PREPARED)
    for workers in (1, 2):
        prepare(
            plan_ct(options), tmp_path / str(workers), workers=workers, shard_size=2, quiet=True
        )
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(names) > 3
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_labels_may_be_in_a_table_of_their_own(collection, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("VolumeName,Pleural effusion\nclinic,1\ntrain_2_a_1.nii.gz,0\n")
    plan = plan_ct(CtOptions(collection / "volumes", collection / "reports.csv", table))
    items = {item.study: item for items in plan.items.values() for item in items}
    effusion = OBSERVATIONS.index("Pleural Effusion")
    assert [items[name].labels[effusion] for name in ("clinic", "train_2_a")] == [1, 0]
    assert plan.recipe["labels"] == ["Cardiomegaly", "Lung Lesion", "Pleural Effusion"]
    assert set(plan.sources) == {"reports", "labels"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_every_separator_and_encoding_are_read(delimiter, encoding, tmp_path):
    rows = [
        ["volume", "report", "edema", "pneumonia"],
        ["a.nii", "Größer, kleiner; gut.", "nan", "1"],
    ]
    with (tmp_path / "t.csv").open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    tables = read_tables(tmp_path / "t.csv", None)
    assert tables.rows[0]["report"] == "Größer, kleiner; gut."
    known = dict(zip(OBSERVATIONS, tables.labels["a"], strict=True))
    assert (known["Edema"], known["Pneumonia"]) == (None, 1)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("volume,words", "clinic,x", "no column for the reports"),
        ("name,report", "clinic,x", "no column for the volumes"),
        ("volume,report", "absent,x", "no row of"),
        ("volume,report,edema", "clinic,x,yes", "row 1, column 'edema'"),
        ("volume,report", "", "no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(header, row, message, collection, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(f"{header}\n{row}\n" if row else f"{header}\n")
    with pytest.raises(InputError, match=message):
        plan_ct(CtOptions(collection / "volumes", table))


def test_without_the_renderer_the_message_names_the_extra(collection, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nanodrr" else real(name)
    )
    with pytest.raises(InputError, match=r"needs nanodrr: pip install 'codixr\[ct\]'"):
        plan_ct(CtOptions(collection / "volumes", collection / "reports.csv"))
