"""The prepared format: what is written comes back, the same bytes each time, damage is noticed."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as PILImage

from codixr.data import png
from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import (
    Manifest,
    Shard,
    SplitSummary,
    Step,
    commitment,
    count_labels,
)
from codixr.data.prepared import UNKNOWN, PreparedDataset
from codixr.data.shard_file import Row, encode_shard, read_note, write_shard
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality

SIZE = 32


def row(number: int, **changes: object) -> Row:
    rng = np.random.default_rng(number)
    values: dict[str, object] = {
        "study_id": f"s{50000000 + number}",
        "subject_id": f"p{10000000 + number // 2}",
        "split": "train",
        "frontal": rng.random((1, SIZE, SIZE), np.float32),
        "lateral": rng.random((1, SIZE, SIZE), np.float32),
        "report": f"Report {number}.",
        "labels": {"Edema": (1, 0, -1, None)[number % 4]},
    }
    return Row(Study(**values | changes), {"frontal": f"{number:064x}"}, ("a note",))


def write(folder: Path, rows: list[Row], shard_size: int = 6) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for k in range(0, len(rows), shard_size):
        part = rows[k : k + shard_size]
        name = f"train-{k // shard_size:05d}.parquet"
        digest = write_shard(folder / name, part, {"plan": "x"})
        shards.append(Shard(file=name, split="train", studies=len(part), sha256=digest))
    studies = [r.study for r in rows]
    summary = SplitSummary(
        studies=len(rows),
        patients=len({s.subject_id for s in studies}),
        modalities={m.value: sum(s.get(m) is not None for s in studies) for m in Modality},
        commitment=commitment([s.study_id for s in studies], simulated=False),
        labels=count_labels(s.labels for s in studies),
    )
    Manifest(
        track="clinic",
        track_version="1",
        simulated=False,
        image_size=SIZE,
        recipe={"policy": "certain"},
        sources={},
        splits={"train": summary},
        shards=shards,
        ledger=[],
        rejects={},
        rejects_sha256="",
        notes={},
    ).write(folder)
    return folder


@given(arrays(np.uint16, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_a_picture_comes_back_from_its_png_here_and_in_pillow(levels):
    content = png.encode_levels(levels)
    np.testing.assert_array_equal(png.decode_levels(content), levels)
    np.testing.assert_array_equal(np.asarray(PILImage.open(io.BytesIO(content))), levels)


def test_a_png_longer_than_one_block_and_one_of_another_writer_come_back():
    levels = np.random.default_rng(0).integers(0, 65536, (256, 256)).astype(np.uint16)
    np.testing.assert_array_equal(png.decode_levels(png.encode_levels(levels)), levels)
    sink = io.BytesIO()
    PILImage.fromarray(levels).save(sink, "PNG")
    np.testing.assert_array_equal(png.decode_levels(sink.getvalue()), levels)


@given(st.data())
def test_a_flipped_byte_in_a_png_is_noticed_or_harmless(data):
    levels = np.arange(400, dtype=np.uint16).reshape(20, 20)
    content = bytearray(png.encode_levels(levels))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = png.decode_levels(bytes(content))
    except ValueError:
        return
    np.testing.assert_array_equal(found, levels)


def test_a_coloured_or_8_bit_png_is_refused():
    sink = io.BytesIO()
    PILImage.new("RGB", (20, 20)).save(sink, "PNG")
    with pytest.raises(ValueError, match="not 16-bit grey"):
        png.decode_levels(sink.getvalue())


def test_levels_are_rounded_to_the_nearest():
    image = np.array([[[0, 0.5, 1]]], np.float32)
    assert png.to_levels(image).tolist() == [[0, 32768, 65535]]


def test_studies_come_back_as_they_were_written(tmp_path):
    rows = [row(i) for i in range(15)]
    dataset = PreparedDataset(write(tmp_path, rows), "train")
    assert len(dataset) == 15
    assert (dataset.name, dataset.version, dataset.split) == ("clinic", "1", "train")
    for i in (14, 0, 5, 6, 7, 13, 6):
        study, expected = dataset[i], rows[i].study
        assert (study.study_id, study.subject_id) == (expected.study_id, expected.subject_id)
        assert study.report == expected.report
        assert dict(study.labels) == dict.fromkeys(OBSERVATIONS) | dict(expected.labels)
        for view in (Modality.F, Modality.L):
            np.testing.assert_allclose(study.get(view), expected.get(view), atol=0.51 / 65535)
    for index in (-1, 15):
        with pytest.raises(IndexError):
            dataset[index]


def test_the_bulk_readers_agree_with_the_studies(tmp_path):
    dataset = PreparedDataset(write(tmp_path, [row(i) for i in range(15)]), "train")
    studies = [dataset[i] for i in range(15)]
    assert dataset.reports() == [s.report for s in studies]
    assert dataset.study_ids() == [s.study_id for s in studies]
    assert dataset.subject_ids() == [s.subject_id for s in studies]
    known = dataset.label_matrix(["Edema", "Fracture"])
    assert known.dtype == np.int8
    assert known[:4].tolist() == [[1, UNKNOWN], [0, UNKNOWN], [-1, UNKNOWN], [UNKNOWN, UNKNOWN]]
    with pytest.raises(KeyError):
        dataset.label_matrix(["Gout"])
    frontal = dataset.images(Modality.F)
    assert (frontal.shape, frontal.dtype, len(frontal)) == ((15, SIZE, SIZE), np.uint16, 15)
    for i in (3, 14):
        np.testing.assert_array_equal(frontal[i] / np.float32(65535), studies[i].frontal[0])
    np.testing.assert_array_equal(frontal[np.array([9, 2])][1], frontal[2])
    assert frontal[4:13].shape == (9, SIZE, SIZE)
    assert frontal[[]].shape == (0, SIZE, SIZE)
    with pytest.raises(InputError, match="reports"):
        dataset.images(Modality.T)


def test_a_limit_takes_the_first_studies_and_keeps_the_fingerprint(tmp_path):
    folder = write(tmp_path, [row(i) for i in range(15)])
    whole, some = PreparedDataset(folder, "train"), PreparedDataset(folder, "train", limit=8)
    assert (len(some), some.fingerprint) == (8, whole.fingerprint)
    assert some.reports() == whole.reports()[:8]
    assert some.label_matrix(["Edema"]).shape == (8, 1)
    with pytest.raises(IndexError):
        some[8]
    with pytest.raises(InputError, match="limit 0"):
        PreparedDataset(folder, "train", limit=0)


def test_a_missing_view_is_none_and_not_a_modality_of_the_split(tmp_path):
    folder = write(tmp_path, [row(0), row(1, lateral=None), row(2, report=None)])
    dataset = PreparedDataset(folder, "train")
    assert dataset.modalities == {Modality.F}
    assert dataset[1].lateral is None
    assert dataset[2].report is None
    assert dataset.reports()[2] is None
    with pytest.raises(InputError, match="study 1 of 'train' has no lateral"):
        dataset.images(Modality.L)[1]


def test_it_can_be_sent_to_a_worker_process(tmp_path):
    dataset = PreparedDataset(write(tmp_path, [row(i) for i in range(5)]), "train")
    before = dataset[3]
    after = pickle.loads(pickle.dumps(dataset))[3]
    assert after.report == before.report
    np.testing.assert_array_equal(after.frontal, before.frontal)


def test_the_same_rows_are_the_same_bytes_with_their_note_inside(tmp_path):
    rows, note = [row(i) for i in range(5)], {"plan": "x", "rejects": [1]}
    first = encode_shard(rows, note)
    assert first == encode_shard([row(i) for i in range(5)], dict(reversed(note.items())))
    (tmp_path / "a.parquet").write_bytes(first)
    assert read_note(tmp_path / "a.parquet") == note
    (tmp_path / "b.parquet").write_bytes(first[:-9])
    with pytest.raises(ValueError, match="not a shard"):
        read_note(tmp_path / "b.parquet")


def test_an_empty_shard_is_a_whole_file(tmp_path):
    write_shard(tmp_path / "a.parquet", [], {"plan": "x"})
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0


def test_two_sites_with_the_same_data_agree_and_another_recipe_does_not(tmp_path):
    rows = [row(i) for i in range(12)]
    first = PreparedDataset(write(tmp_path / "a", rows), "train")
    cut_otherwise = PreparedDataset(write(tmp_path / "b", rows, shard_size=4), "train")
    assert cut_otherwise.fingerprint == first.fingerprint
    fewer = PreparedDataset(write(tmp_path / "c", rows[:-1]), "train")
    assert fewer.fingerprint != first.fingerprint


def test_a_commitment_hides_short_lists_of_real_studies_only():
    ids = [f"s{i}" for i in range(9)]
    assert commitment(ids, simulated=False) is None
    assert commitment(ids, simulated=True) == commitment(reversed(ids), simulated=True)
    assert commitment([*ids, "s9"], simulated=False) is not None


def test_what_is_not_there_is_refused_with_the_cure(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        PreparedDataset(tmp_path / "none", "train")
    with pytest.raises(InputError, match=r"manifest\.json is missing.*codixr prepare"):
        PreparedDataset(tmp_path, "train")
    folder = write(tmp_path, [row(i) for i in range(9)])
    with pytest.raises(InputError, match="no split 'test'; it has: train"):
        PreparedDataset(folder, "test")
    (folder / "train-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"train-00001\.parquet' is missing"):
        PreparedDataset(folder, "train")[8]


def test_a_changed_manifest_is_refused(tmp_path):
    path = write(tmp_path, [row(0)]) / "manifest.json"
    whole = json.loads(path.read_text())
    for change, message in (
        ({"format_version": 1}, "format 1"),
        ({"zebra": 1}, "not a manifest"),
        ({"shards": []}, "another number of studies"),
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(InputError, match=message):
            PreparedDataset(tmp_path, "train")
    path.write_text("{")
    with pytest.raises(InputError, match="not a manifest"):
        PreparedDataset(tmp_path, "train")


def test_damage_to_any_column_is_noticed(tmp_path):
    path = write(tmp_path, [row(i) for i in range(4)]) / "train-00000.parquet"
    whole = path.read_bytes()
    metadata = pq.ParquetFile(path).metadata.row_group(0)
    for i in range(metadata.num_columns):
        column = metadata.column(i)
        first = column.path_in_schema.split(".")[0]
        if first in ("split", "sources", "notes") or first.endswith("_8bit"):
            continue  # not read by row; `--verify` looks at every byte
        broken = bytearray(whole)
        # Before the end: a PNG's last bytes are the checksum of nothing.
        back = 100 if column.path_in_schema in ("frontal", "lateral") else 2
        broken[column.data_page_offset + column.total_compressed_size - back] ^= 0x40
        path.write_bytes(broken)
        with pytest.raises(InputError, match="damaged"):
            PreparedDataset(tmp_path, "train")[3]


def test_a_ledger_that_does_not_add_up_cannot_be_written():
    Step(name="with both views", unit="studies", before=10, after=7, removed={"no lateral": 3})
    with pytest.raises(ValueError, match="does not add up"):
        Step(name="with both views", unit="studies", before=10, after=7, removed={"no lateral": 2})
