"""Caches of simulated pictures: the same bits as a study alone, and never a damaged one."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset, cache
from codixr.data.phantom.render import VERSION
from codixr.errors import InputError
from codixr.modality import Modality

N = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    PhantomDataset("val", limit=N, cache_dir=folder).images(Modality.F)
    return folder


def cached(folder, **more):
    return PhantomDataset("val", limit=N, cache_dir=folder, **more)


def test_cached_pictures_are_the_studies_rendered_alone(folder):
    data = cached(folder)
    images = {view: data.images(view) for view in (Modality.F, Modality.L)}
    alone = PhantomDataset("val")
    for index in (0, 17, N - 1):
        study = alone[index]
        for view, array in images.items():
            assert np.array_equal(array[index].astype(np.float32)[None] / 255, study.get(view))
            assert np.array_equal(data[index].get(view), study.get(view))


def test_two_workers_give_the_same_bits_as_one(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(cache.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    two = cached(tmp_path / "two").images(Modality.L)
    monkeypatch.setattr(cache.os, "sched_getaffinity", lambda _: {0}, raising=False)
    one = cached(tmp_path / "one").images(Modality.L)
    assert np.array_equal(one, two)
    assert np.array_equal(one, cached(folder).images(Modality.L))


def test_a_second_run_renders_nothing(folder, monkeypatch):
    monkeypatch.setattr(cache, "render_views", None)
    assert cached(folder).images(Modality.F).shape == (N, 64, 64)


def test_pictures_are_read_only_and_memory_mapped(folder):
    images = cached(folder).images(Modality.F)
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def damage_flip(path):
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(bytes(data))


def damage_empty(path):
    path.write_bytes(b"")


def damage_remove(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (damage_truncate, "val-00012-L.npy"),
        (damage_flip, "val-00012-L.npy"),
        (damage_empty, "val-00012-L.npy"),
        (damage_remove, "val-00012-L.npy"),
        (damage_truncate, "val-00012.json"),
        (damage_remove, "val-00012.json"),
    ],
)
def test_a_damaged_cache_is_rebuilt(tmp_path, damage, name):
    data = PhantomDataset("val", limit=12, cache_dir=tmp_path)
    before = np.array(data.images(Modality.L))
    damage(tmp_path / name)
    again = PhantomDataset("val", limit=12, cache_dir=tmp_path).images(Modality.L)
    assert np.array_equal(again, before)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "val-00012-F.npy",
        "val-00012-L.npy",
        "val-00012.json",
    ]


def test_a_cache_of_another_seed_is_not_taken(tmp_path):
    first = np.array(PhantomDataset("val", limit=3, seed=0, cache_dir=tmp_path).images(Modality.F))
    second = PhantomDataset("val", limit=3, seed=1, cache_dir=tmp_path).images(Modality.F)
    assert not np.array_equal(first, second)


def test_an_interrupted_rendering_leaves_no_file(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "_render_chunk", stop)
    monkeypatch.setattr(cache.os, "sched_getaffinity", lambda _: {0}, raising=False)
    with pytest.raises(KeyboardInterrupt):
        PhantomDataset("val", limit=3, cache_dir=tmp_path).images(Modality.F)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path))
    PhantomDataset("val", limit=1, seed=5).images(Modality.F)
    assert (tmp_path / f"phantom-v{VERSION}-64-5" / "val-00001-F.npy").is_file()


def test_text_has_no_pictures():
    with pytest.raises(InputError, match="reports"):
        PhantomDataset("val").images(Modality.T)
