"""`codixr-bench fid`: any two sets of pictures, and what can be wrong with them."""

import json

import numpy as np
import pytest
from PIL import Image

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.cli import main
from codixr_bench.metrics.distances import OF_PHANTOM
from codixr_bench.metrics.frechet import FeatureStatistics, distance_between
from codixr_bench.model import Sample
from codixr_bench.runs.picture_sets import open_side, side_of
from codixr_bench.runs.store import encode_chunk
from codixr_bench.task import Task


class Blocks:
    """Mean levels of 16 blocks: d = 16, for any size."""

    name = "phantom"
    signature = "blocks|weights:none"
    least_n = 30

    def features(self, images):
        b, _, h, w = images.shape
        blocks = images[:, 0, : h // 4 * 4, : w // 4 * 4].reshape(b, 4, h // 4, 4, w // 4)
        return blocks.mean(axis=(2, 4)).reshape(b, 16)


@pytest.fixture(autouse=True)
def blocks(monkeypatch):
    monkeypatch.setitem(OF_PHANTOM, "phantom", lambda view: Blocks())


def levels(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(120 + shift, 30, size=(n, 4, 4))
    return np.kron(coarse, np.ones((4, 4))).clip(0, 255).astype(np.uint8)


def folder(path, pictures):
    path.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"{i:03d}.png")
    return path


@pytest.fixture
def a(tmp_path):
    return folder(tmp_path / "a", levels(40, 0, shift=25))


@pytest.fixture
def b(tmp_path):
    return folder(tmp_path / "b", levels(40, 1))


def run(*arguments):
    return main(["fid", *map(str, arguments), "--backbone", "phantom"])


def scored(capsys, *arguments):
    assert run(*arguments, "--json") == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert all(note in shown.err for note in answer["notes"])
    return answer


def refused(capsys, *arguments):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


def features(pictures):
    return Blocks().features((pictures[:, None] / np.float32(255)).astype("f4"))


def test_two_folders_have_the_distance_of_their_features_and_one_within_b(a, b, capsys):
    answer = scored(capsys, a, b)
    (score,) = answer["scores"]
    x, y = features(levels(40, 0, shift=25)), features(levels(40, 1))
    assert score["value"] == pytest.approx(distance_between(x, y), rel=1e-6)
    assert 0 < score["ci95"][0] < score["value"] < score["ci95"][1]
    within = score["unrelated"]
    assert 0 < within["ci95"][0] < within["value"] < within["ci95"][1] < score["value"]
    assert (within["n"], within["draws"], within["extrapolated"]) == (40, 20, True)
    assert score["signature"] == (
        "fid|backbone:blocks|weights:none|ref:independent:40|n:40|ci:influence"
    )
    assert answer["rankable"]
    assert answer["notes"] == ["the distance within B is of 20 pictures a side, carried over to 40"]


def test_the_table_alone_is_on_stdout(a, b, capsys):
    assert run(a, b, "--metrics", "fid,kid,coverage") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A 40 pictures · B 40 pictures"
    assert [line.split()[0] for line in lines[1:5]] == [
        "fid_phantom",
        "unrelated",
        "kid_phantom",
        "coverage_phantom",
    ]
    assert lines[2].startswith("  unrelated pictures of B, halves carried over: ")


def test_cached_statistics_stand_for_pictures(a, b, tmp_path, capsys):
    y = features(levels(40, 1)).astype(float)
    np.savez(tmp_path / "b.npz", mu=y.mean(0), sigma=np.cov(y.T))
    (expected,) = scored(capsys, a, b)["scores"]
    answer = scored(capsys, a, tmp_path / "b.npz", "--metrics", "fid,kid")
    fid, kid = answer["scores"]
    assert fid["value"] == pytest.approx(expected["value"], rel=1e-6)
    assert fid["ci95"][0] < fid["value"] < fid["ci95"][1]
    assert "ci:influence,A-alone" in fid["signature"]
    assert (kid["value"], fid["unrelated"]) == (None, None)
    assert "no single pictures" in kid["reason"]
    assert answer["b"]["n"] is None
    assert not answer["rankable"]
    both = scored(capsys, tmp_path / "b.npz", tmp_path / "b.npz")["scores"][0]
    assert both["value"] == pytest.approx(0, abs=1e-9)
    assert both["ci95"] is None


def test_statistics_of_another_backbone_or_file_are_refused(a, tmp_path, capsys):
    np.savez(tmp_path / "other.npz", mu=np.zeros(3), sigma=np.eye(3))
    assert "16 features" in refused(capsys, a, tmp_path / "other.npz")
    np.savez(tmp_path / "nan.npz", mu=np.full(16, np.nan), sigma=np.eye(16))
    assert "NaN" in refused(capsys, a, tmp_path / "nan.npz")
    np.savez(tmp_path / "less.npz", mu=np.zeros(16))
    assert "less.npz" in refused(capsys, a, tmp_path / "less.npz")


def test_a_parquet_of_samples_and_a_run_s_folder_are_sides(a, b, tmp_path, capsys):
    pictures = (levels(40, 1)[:, None] / np.float32(255)).astype("f4")
    samples: list[Sample] = [{Modality.F: picture} for picture in pictures]
    chunk = encode_chunk(range(40), samples, Task.parse("T->F"))
    (tmp_path / "run" / "samples").mkdir(parents=True)
    path = tmp_path / "run" / "samples" / "chunk-00000.parquet"
    path.write_bytes(chunk)
    (expected,) = scored(capsys, a, b)["scores"]
    for side in (path, tmp_path / "run", tmp_path / "run" / "samples"):
        (score,) = scored(capsys, a, side)["scores"]
        assert score["value"] == pytest.approx(expected["value"], rel=1e-3)
    assert "has no column L" in refused(capsys, a, path, "--view", "L")


def test_few_pictures_and_unequal_numbers_are_noted(tmp_path, b, capsys):
    few = folder(tmp_path / "few", levels(20, 2))
    answer = scored(capsys, few, b)
    assert not answer["rankable"]
    notes = " ".join(answer["notes"])
    assert "A has 20 pictures: under 30 the bias is large" in notes
    assert "A has 20 pictures, B 40: rank no models" in notes
    fewer = folder(tmp_path / "fewer", levels(10, 3))
    answer = scored(capsys, fewer, b)
    assert "10 pictures, and there are 16 features: the covariance is singular" in " ".join(
        answer["notes"]
    )
    assert answer["scores"][0]["value"] > 0


def test_pictures_on_both_sides_are_noted_whatever_their_files_are(a, tmp_path, capsys):
    same = folder(tmp_path / "same", [*levels(40, 0, shift=25)[:10], *levels(30, 5)])
    for path in same.glob("00*.png"):
        Image.open(path).save(path.with_suffix(".tiff"))
        path.unlink()
    assert "10 of 40 different pictures of A" in " ".join(scored(capsys, a, same)["notes"])
    assert "40 of 40" in " ".join(scored(capsys, a, a)["notes"])


def test_hidden_files_are_passed_over_and_others_noted(a, b, capsys):
    (expected,) = scored(capsys, a, b)["scores"]
    (a / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (a / "._000.png").write_bytes(b"\0\5\x16\7")
    (a / "Thumbs.db").write_bytes(b"")
    assert run(a, b, "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["scores"][0] == expected
    assert "1 not read, whose names aren't those of pictures: Thumbs.db" in shown.err


def test_mixed_sizes_gray_with_alpha_and_16_bits_are_read(a, b, capsys):
    (expected,) = scored(capsys, a, b)["scores"]
    picture = Image.open(a / "000.png")
    picture.resize((32, 32), Image.Resampling.NEAREST).save(a / "000.png")
    picture = Image.open(a / "001.png")
    Image.merge("LA", (picture, Image.new("L", picture.size, 255))).save(a / "001.png")
    sixteen = np.asarray(Image.open(a / "002.png")).astype(np.uint16) * 257
    Image.fromarray(sixteen).save(a / "002.png")
    answer = scored(capsys, a, b)
    assert answer["scores"][0]["value"] == pytest.approx(expected["value"], rel=1e-5)
    assert "the pictures of A have 2 sizes" in " ".join(answer["notes"])


@pytest.mark.parametrize("name", ["moving.gif", "moving.png"])
def test_an_animated_picture_is_refused(a, b, name, capsys):
    frames = [Image.fromarray(picture) for picture in levels(3, 8)]
    frames[0].save(a / name, "GIF", save_all=True, append_images=frames[1:])
    assert f"{name}: 3 frames" in refused(capsys, a, b)


def test_what_is_no_gray_picture_is_named(a, b, capsys):
    (b / "note.png").write_text("not a picture")
    assert "note.png: is damaged, or not a PNG" in refused(capsys, a, b)
    (b / "note.png").write_bytes((b / "000.png").read_bytes()[:60])
    assert "note.png: truncated or corrupt" in refused(capsys, a, b)
    (b / "note.png").unlink()
    np.save(b / "range.npy", np.full((16, 16), 255.0, "f4"))
    assert "range.npy: floating point values outside 0 to 1" in refused(capsys, a, b)
    np.save(b / "range.npy", np.full((16, 16), np.nan, "f4"))
    assert "range.npy: holds NaN" in refused(capsys, a, b)


def test_features_that_are_not_finite_name_the_picture(a):
    class Broken(Blocks):
        def features(self, images):
            found = super().features(images)
            found[3] = np.nan
            return found

    with pytest.raises(InputError, match=r"003\.png': its features hold NaN"):
        side_of(open_side(a, Modality.F), Broken(), "A")


def test_one_picture_none_and_nothing_are_refused(a, tmp_path, capsys):
    one = folder(tmp_path / "one", levels(1, 0))
    assert "one' holds one picture" in refused(capsys, one, a)
    (tmp_path / "tree" / "F").mkdir(parents=True)
    assert "holds no pictures" in refused(capsys, tmp_path / "tree", a)
    assert "does not exist" in refused(capsys, tmp_path / "nowhere", a)
    (tmp_path / "text.txt").write_text("")
    assert "a single file of another kind: give a folder" in refused(
        capsys, tmp_path / "text.txt", a
    )


def test_unknown_metrics_backbones_and_spare_weights_are_refused(a, b, capsys):
    assert "unknown ssim" in refused(capsys, a, b, "--metrics", "fid,ssim")
    assert main(["fid", str(a), str(b), "--backbone", "phantm"]) == 2
    assert "did you mean 'phantom'?" in capsys.readouterr().err
    assert "comes with codixr" in refused(capsys, a, b, "--weights", "x.pth")


def test_features_stream_and_stay_in_the_order_of_the_files(a):
    side = side_of(open_side(a, Modality.F), Blocks(), "A")
    assert isinstance(side.rows, FeatureRows)
    expected = features(levels(40, 0, shift=25))
    np.testing.assert_allclose(side.rows.all(), expected, rtol=1e-6)
    np.testing.assert_allclose(
        side.statistics.covariance, FeatureStatistics.of([expected]).covariance, rtol=1e-5
    )


def test_views_that_are_mixed_by_name_are_told(tmp_path, capsys):
    for side in "ab":
        (tmp_path / side).mkdir()
        for number in range(3):
            for view in ("frontal", "lateral"):
                path = tmp_path / side / f"p{number}_{view}.png"
                Image.fromarray(levels(1, number)[0]).save(path)
    assert main(["fid", str(tmp_path / "a"), str(tmp_path / "b"), "--backbone", "phantom"]) == 0
    said = capsys.readouterr().err
    assert "3 pictures are named as frontal views and 3 as lateral ones" in said
    for path in tmp_path.glob("*/*_lateral.png"):
        path.unlink()
    assert main(["fid", str(tmp_path / "a"), str(tmp_path / "b"), "--backbone", "phantom"]) == 0
    assert "lateral" not in capsys.readouterr().err
