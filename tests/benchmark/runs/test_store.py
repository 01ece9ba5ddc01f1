import errno
from pathlib import Path

import numpy as np
import pytest

from codixr import atomic
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Sample
from codixr_bench.runs.generation import generate
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task
from helpers.bench_fakes import FakeDataset, SeededModel, contents, record

TASK = Task.parse("L->F+T")


def samples(positions: range) -> list[Sample]:
    rng = np.random.default_rng(positions.start)
    return [
        {Modality.F: rng.random((1, 8, 8), dtype=np.float32), Modality.T: f"no “effusion” {p}"}
        for p in positions
    ]


def filled(folder: Path) -> SampleStore:
    store = SampleStore.create(folder, record(task=TASK.name))
    for chunk in store.chunks:
        store.write(chunk, samples(store.positions(chunk)))
    return store


def test_samples_come_back_within_a_16_bit_rounding(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert [len(p) for p, _ in store.batches()] == [8, 8, 4]
    for positions, batch in store.batches():
        for written, read in zip(samples(positions), batch, strict=True):
            assert read[Modality.T] == written[Modality.T]
            assert read[Modality.F].dtype == np.float32
            assert np.abs(read[Modality.F] - written[Modality.F]).max() <= 0.51 / 65535


def test_8_bit_pictures_come_back_exactly(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).astype(np.float32) / 255
    store = SampleStore.create(tmp_path, record(n=1, task="T->F"))
    store.write(0, [{Modality.F: levels}])
    assert (store.read(0)[0][Modality.F] == levels).all()


def test_equal_samples_make_equal_bytes_and_hold_no_identifier(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    filled(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(contents(tmp_path / "a")) == [
        "chunk-00000.parquet",
        "chunk-00001.parquet",
        "chunk-00002.parquet",
        "run.json",
    ]
    dataset = FakeDataset(8)
    store = SampleStore.create(tmp_path / "c", record(n=8))
    generate(SeededModel(), Task.parse("L+T->F"), dataset, store, image_size=8)
    assert b"study-" not in b"".join(contents(tmp_path / "c").values())


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.95])
def test_any_damage_to_a_chunk_is_found_and_the_chunk_is_made_anew(
    tmp_path: Path, place: float, capsys: pytest.CaptureFixture[str]
) -> None:
    store = filled(tmp_path)
    path = store.path(1)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x40
    path.write_bytes(content)
    assert store.missing() == [1]
    assert "chunk-00001.parquet' is damaged" in capsys.readouterr().err
    with pytest.raises(InputError, match="damaged"):
        store.read(1)


def test_a_truncated_chunk_and_a_chunk_of_another_place_are_found(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.path(0).write_bytes(store.path(0).read_bytes()[:-20])
    store.path(1).write_bytes(store.path(2).read_bytes())
    assert store.missing(note=lambda _: None) == [0, 1]


def test_an_absent_chunk_is_missing_and_cannot_be_read(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.path(2).unlink()
    assert store.missing() == [2]
    with pytest.raises(InputError, match="not finished"):
        list(store.batches())


def test_an_equal_run_goes_on_and_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    filled(tmp_path).close()
    SampleStore.create(tmp_path, record(task=TASK.name)).close()
    other = record(task=TASK.name, seed=7, settings={"steps": 4, "guidance": 2.0})
    with pytest.raises(InputError) as caught:
        SampleStore.create(tmp_path, other)
    message = str(caught.value)
    assert "seed: 0 → 7" in message
    assert "setting steps: 3 → 4" in message
    assert "setting guidance: none → 2.0" in message
    assert "--out" in message
    assert "--overwrite" in message
    assert len(list(tmp_path.glob("chunk-*"))) == 3, "a refusal touches nothing"


def test_overwrite_removes_the_other_run_and_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / "notes.txt").write_text("mine")
    store = SampleStore.create(tmp_path, record(task=TASK.name, seed=7), overwrite=True)
    assert sorted(contents(tmp_path)) == ["notes.txt", "run.json"]
    assert SampleStore.open(tmp_path).record == store.record


def test_samples_without_their_record_are_refused(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError, match=r"without their 'run\.json'"):
        SampleStore.create(tmp_path, record(task=TASK.name))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"task": "L->F"}'])
def test_a_record_that_is_none_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json"):
        SampleStore.create(tmp_path, record())


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    first = SampleStore.create(tmp_path, record())
    with pytest.raises(InputError, match="another process"):
        SampleStore.create(tmp_path, record())
    first.close()
    SampleStore.create(tmp_path, record()).close()


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore.create(tmp_path, record(task=TASK.name))
    store.write(0, samples(store.positions(0)))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(InputError, match="no space left for"):
        store.write(1, samples(store.positions(1)))
    assert [p.name for p in tmp_path.iterdir() if "chunk" in p.name] == ["chunk-00000.parquet"]


def test_parts_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".chunk-00000.parquet.99.part").write_bytes(b"half")
    SampleStore.create(tmp_path, record())
    assert sorted(contents(tmp_path)) == ["run.json"]
