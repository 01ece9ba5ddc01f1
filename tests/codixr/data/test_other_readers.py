"""A prepared folder as pandas, pyarrow, HF datasets and Croissant readers see it (docs/data.md)."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from codixr.data.card import croissant, dataset_card
from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import Manifest
from codixr.data.phantom.phantom_plan import plan_phantom
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("readers") / "data"
    prepare(plan_phantom(limit=6), out, shard_size=4, quiet=True)
    return out


def looks_right(picture: Image.Image, expected: np.ndarray) -> None:
    """8 bits, and still right when it is converted to colour, as most programs do."""
    assert picture.mode == "L"
    grey = np.asarray(picture.convert("RGB"), np.float32)[..., 0] / 255
    np.testing.assert_allclose(grey, expected, atol=0.51 / 255)


def test_pandas_reads_the_table_of_the_documentation(folder):
    table = pd.read_parquet(folder / "test-00000.parquet")
    study = PreparedDataset(folder, "test")[0]
    assert table.loc[0, "report"] == study.report
    assert set(table.loc[0, "labels"]) == set(OBSERVATIONS)
    picture = Image.open(io.BytesIO(table.loc[0, "frontal_8bit"]["bytes"]))
    looks_right(picture, study.frontal[0])
    deep = np.asarray(Image.open(io.BytesIO(table.loc[0, "frontal"])), np.float32) / 65535
    np.testing.assert_array_equal(deep, study.frontal[0])


def test_hf_datasets_decodes_pictures_that_look_right(folder, tmp_path):
    datasets = pytest.importorskip("datasets", reason="HF datasets: pip install datasets")
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 6, "validation": 6, "test": 6,
    }  # fmt: skip
    study = PreparedDataset(folder, "test")[5]
    row = found["test"][5]
    assert row["report"] == study.report
    looks_right(row["frontal_8bit"], study.frontal[0])
    looks_right(row["lateral_8bit"], study.lateral[0])
    assert row["labels"] == dict(study.labels)


def test_croissant_is_valid_and_names_every_file(folder):
    described = json.loads((folder / "croissant.json").read_text())
    shards = Manifest.read(folder).shards
    assert [file["@id"] for file in described["distribution"]] == [s.file for s in shards]
    assert [file["sha256"] for file in described["distribution"]] == [s.sha256 for s in shards]
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant")
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert len(dataset.metadata.record_sets) == len(shards)


def test_card_and_croissant_come_from_the_manifest_alone(folder):
    manifest = Manifest.read(folder)
    assert (folder / "README.md").read_text() == dataset_card(manifest)
    assert json.loads((folder / "croissant.json").read_text()) == croissant(manifest)
    assert "says anything about patients" in dataset_card(manifest)
