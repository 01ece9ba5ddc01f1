"""RAD-DINO's features against transformers' own, and CheXGenBench's number by its own way.

The folder has RAD-DINO's layout, width and pictures of 518 x 518, and random weights. One core
needs 8 s a picture for its 12 layers and 1,369 patches: two pictures go through all of it, and 400
through one layer of 196 patches. The processor's numbers are a stand-in's of the same class.
"""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from transformers import AutoImageProcessor, AutoModel

from codixr.errors import InputError
from codixr_bench.backbones.published import published
from codixr_bench.backbones.rad_dino import AS_CHEXGENBENCH, RadDinoBackbone, find_folder
from codixr_bench.backbones.weights import WrongWeightsError
from codixr_bench.cli import main
from helpers.backbone_fakes import rad_dino_folder


def smooth(n, seed, side=96):
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(n, 1, 6, 6)).astype("f4") * (1 + 0.5 * seed))
    return torch.nn.functional.interpolate(coarse, side, mode="bicubic").sigmoid().numpy()


def write_pictures(folder, pictures):
    folder.mkdir()
    for i, picture in enumerate(np.rint(pictures[:, 0] * 255).astype(np.uint8)):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return rad_dino_folder(tmp_path_factory.mktemp("rad-dino"))


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    """Of pictures of 126: fast enough to score by."""
    return rad_dino_folder(tmp_path_factory.mktemp("small-rad-dino"), side=126, patch=14)


@pytest.fixture
def fresh():
    published.cache_clear()
    yield
    published.cache_clear()


@torch.inference_mode()
def peer_features(folder, pictures):
    """Of transformers, from RGB pictures."""
    model, processor = AutoModel.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    return model.eval()(**processor(images=pictures, return_tensors="pt")).pooler_output.numpy()


def same_features(folder, n):
    images = smooth(n, 0)
    backbone = RadDinoBackbone(folder, allow_unpinned=True)
    levels = np.rint(images[:, 0] * 255).astype(np.uint8)
    expected = peer_features(folder, [Image.fromarray(one).convert("RGB") for one in levels])
    found = backbone.features(images)
    assert found.shape == (n, 768)
    assert np.abs(expected[1:] - expected[:-1]).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "(unpinned)" in backbone.signature


def test_features_are_those_of_transformers(folder):
    same_features(folder, 3)


@pytest.mark.slow
def test_features_of_the_whole_shape_are_those_of_transformers(tmp_path):
    same_features(rad_dino_folder(tmp_path, layers=12, patch=14), 2)


def chexgenbench(folder, png_folders):
    """Its features of PNG files, as metrics/fid.py takes them."""
    prepare = transforms.Compose([transforms.Resize((299, 299)), transforms.ToTensor()])
    return [
        np.concatenate(
            [
                peer_features(
                    folder,
                    (
                        torch.stack([prepare(Image.open(one).convert("RGB")) for one in batch])
                        * 255
                    ).to(torch.uint8),
                )
                for batch in np.array_split(sorted(png_folder.iterdir()), 4)
            ]
        )
        for png_folder in png_folders
    ]


def torchmetrics_fid(real, made):
    """Its formula: the eigenvalues of the product of the covariances, in float64."""
    mean, covariance = [], []
    for rows in (real, made):
        mean.append(rows.mean(0, dtype=np.float64))
        covariance.append(np.cov(rows.astype(np.float64).T))
    root = np.sqrt(np.linalg.eigvals(covariance[0] @ covariance[1]).astype(complex)).real.sum()
    gap = ((mean[0] - mean[1]) ** 2).sum()
    return gap + np.trace(covariance[0]) + np.trace(covariance[1]) - 2 * root


@pytest.mark.slow
def test_chexgenbenchs_number_and_its_mean_of_parts(folder, tmp_path, capsys, fresh):
    folders = [write_pictures(tmp_path / str(s), smooth(400, s)) for s in (0, 1)]
    command = ["fid", *map(str, folders), "--backbone", AS_CHEXGENBENCH, "--shards-averaged", "4"]
    command += ["--weights", f"{AS_CHEXGENBENCH}={folder}", "--allow-unpinned", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    made, real = chexgenbench(folder, folders)
    whole = torchmetrics_fid(real, made)
    parts = zip(np.array_split(real, 4), np.array_split(made, 4), strict=True)
    averaged = float(np.mean([torchmetrics_fid(*part) for part in parts]))
    (score,) = found["scores"]
    assert score["name"] == "fid_rad_dino_cgb"
    assert score["value"] == pytest.approx(whole, rel=1e-4)
    assert found["shards_averaged"]["value"] == pytest.approx(averaged, rel=1e-4)
    assert found["shards_averaged"]["whole"] == pytest.approx(score["value"], rel=1e-6)
    assert found["shards_averaged"]["factor"] > 1


def test_the_mean_of_parts_is_printed_with_its_factor(small_folder, tmp_path, capsys, fresh):
    folders = [write_pictures(tmp_path / str(s), smooth(8, s)) for s in (0, 1)]
    command = ["fid", *map(str, folders), "--backbone", "rad-dino", "--allow-unpinned"]
    command += ["--weights", str(small_folder)]
    assert main([*command, "--shards-averaged", "2"]) == 0
    said = capsys.readouterr().out
    factor = re.search(r"mean of 2 parts' distances: .+, ([0-9.]+) times that of the whole", said)
    assert factor
    assert main([*command, "--shards-averaged", "5"]) == 2
    assert "A has 8 pictures, and a part needs two" in capsys.readouterr().err


def test_other_weights_and_a_folder_that_is_none_are_refused(small_folder, tmp_path):
    with pytest.raises(WrongWeightsError, match=r"its sha256 is [0-9a-f]{64}, not dbfb9f54"):
        RadDinoBackbone(small_folder)
    with pytest.raises(InputError, match="codixr-bench fetch rad-dino"):
        find_folder(tmp_path)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="cannot be opened as RAD-DINO"):
        RadDinoBackbone(tmp_path, allow_unpinned=True)
