"""Backbones give the features of the libraries whose weights they load."""

import pickle

import numpy as np
import pytest
import torch
import torch_fidelity
import torchxrayvision as xrv
from PIL import Image

from codixr.errors import InputError
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.published import PublishedBackbone, backbone_of_file
from codixr_bench.backbones.xrv import xrv_input
from codixr_bench.metrics.frechet import distance_between
from codixr_bench.metrics.kid import kernel_distance
from codixr_bench.metrics.precision_recall import manifolds
from helpers.backbone_fakes import dino_state, inception_peer, saved, xrv_peer

RNG = np.random.default_rng(0)


def blobs(n, side=64, contrast=1.0, seed=0):
    """Smooth grey pictures, uint8 [n, side, side]."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(n, 1, 6, 6)).astype("f4") * contrast)
    smooth = torch.nn.functional.interpolate(coarse, side, mode="bicubic")
    noisy = smooth + 0.1 * torch.from_numpy(rng.normal(size=(n, 1, side, side)).astype("f4"))
    return (noisy.sigmoid() * 255).byte().numpy()[:, 0]


def as_images(levels):
    return (levels[:, None] / np.float32(255)).astype("f4")


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = saved(inception_peer(), tmp_path_factory.mktemp("weights") / "inception.pth")
    return PublishedBackbone("inception", path, allow_unpinned=True)


@pytest.fixture(scope="module")
def densenet(tmp_path_factory):
    path = saved(xrv_peer(), tmp_path_factory.mktemp("weights") / "xrv.pth")
    return PublishedBackbone("xrv", path, allow_unpinned=True)


@pytest.mark.parametrize("side", [64, 301])
def test_inception_features_are_torch_fidelitys(inception, side):
    levels = blobs(2, side)
    with torch.inference_mode():
        (expected,) = inception_peer()(torch.from_numpy(levels)[:, None].repeat(1, 3, 1, 1))
    assert expected.std() > 0.1
    assert (expected[0] - expected[1]).abs().max() > 0.01
    found = inception.features(as_images(levels))
    assert np.abs(found - expected.numpy()).max() <= 1e-5 * expected.abs().max()


@pytest.mark.slow
def test_fid_kid_precision_and_recall_are_torch_fidelitys_on_the_same_files(inception, tmp_path):
    features = []
    for seed, contrast in ((0, 1.0), (1, 1.6)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        levels = blobs(12, contrast=contrast, seed=seed)
        for i, picture in enumerate(levels):
            Image.fromarray(picture).save(folder / f"{i:02d}.png")
        features.append(inception.features(as_images(levels)))
    peer = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "0"),
        input2=str(tmp_path / "1"),
        fid=True,
        kid=True,
        prc=True,
        kid_subsets=1,
        kid_subset_size=12,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(inception._given),
        cuda=False,
        save_cpu_ram=True,
        verbose=False,
    )
    assert peer["frechet_inception_distance"] > 1
    assert peer["kernel_inception_distance_mean"] > 0.01
    assert 0 < peer["precision"] + peer["recall"] < 2
    assert distance_between(*features) == pytest.approx(
        peer["frechet_inception_distance"], rel=1e-4
    )
    rows = []
    for side in features:
        rows.append(FeatureRows())
        rows[-1].add(range(12), side)
    assert kernel_distance(*rows).value == pytest.approx(
        peer["kernel_inception_distance_mean"], rel=1e-4
    )
    ours = manifolds(*rows)
    assert ours.precision.value == pytest.approx(peer["precision"], abs=1e-6)
    assert ours.recall.value == pytest.approx(peer["recall"], abs=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (256, 256), (300, 280), (224, 224)])
def test_xrv_input_is_torchxrayvisions_own(shape):
    levels = RNG.integers(0, 256, (1, 1, *shape), dtype=np.uint8)
    crop, resize = xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)
    expected = resize(crop(xrv.utils.normalize(levels[0], 255)))
    assert np.abs(xrv_input(levels)[0].numpy() - expected).max() <= 1e-5 * 1024


def test_xrv_features_and_probabilities_are_torchxrayvisions(densenet):
    levels = blobs(2, 256)
    crop, resize = xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)
    given = np.stack([resize(crop(xrv.utils.normalize(x[None], 255))) for x in levels])
    peer = xrv_peer()
    with torch.inference_mode():
        expected = peer.features2(torch.from_numpy(given))
        logits = peer.classifier(expected)
    assert expected.std() > 1e-3
    found = densenet.features(as_images(levels))
    assert np.abs(found - expected.numpy()).max() <= 1e-5 * max(1.0, expected.abs().max())
    table = xrv.models.model_urls["densenet121-res224-all"]
    points = torch.tensor(table["op_threshs"])
    theirs = xrv.models.op_norm(torch.sigmoid(logits), points)
    columns = [table["labels"].index(name) for name in ("Atelectasis", "Effusion")]
    places = [densenet.classes.index(name) for name in ("Atelectasis", "Pleural Effusion")]
    probabilities = densenet.probabilities(as_images(levels))
    np.testing.assert_allclose(probabilities[:, places], theirs[:, columns], atol=1e-5)


def test_a_picture_of_another_range_is_refused_where_torchxrayvision_only_warns(densenet):
    with pytest.raises(InputError, match="range from 0 to 255, not from 0 to 1"):
        densenet.features(np.linspace(0, 255, 64, dtype="f4").reshape(1, 1, 8, 8))
    with pytest.raises(InputError, match="NaN or infinity"):
        densenet.features(np.full((1, 1, 8, 8), np.nan, "f4"))


def test_the_signature_shows_weights_that_are_not_the_published_ones(inception, densenet):
    assert "(unpinned)" in inception.signature
    assert densenet.signature.startswith("xrv-densenet121-res224-all|weights:")
    assert "(unpinned)|layer:features2" in densenet.signature


def test_weights_that_are_not_the_published_ones_are_refused_unless_allowed(densenet):
    with pytest.raises(InputError, match=r"not the published file.*sha256.*--allow-unpinned"):
        PublishedBackbone("xrv", densenet._given).load()


def test_a_file_of_weights_tells_its_network(inception, densenet, tmp_path):
    assert backbone_of_file(inception._given) == "inception"
    assert backbone_of_file(densenet._given) == "xrv"
    torch.save(dino_state(), tmp_path / "dino.pth")
    assert backbone_of_file(tmp_path / "dino.pth") == "dinov2-s"
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no known network"):
        backbone_of_file(tmp_path / "other.pth")


def test_weights_of_another_network_are_refused(densenet):
    with pytest.raises(InputError, match="not the weights of torch-fidelity's Inception"):
        PublishedBackbone("inception", densenet._given, allow_unpinned=True).load()


def test_dinov2_runs_and_tells_pictures_apart(tmp_path):
    torch.save(dino_state(), tmp_path / "dino.pth")
    backbone = PublishedBackbone("dinov2-s", tmp_path / "dino.pth", allow_unpinned=True)
    levels = blobs(3)
    features = backbone.features(as_images(levels))
    assert features.shape == (3, 384)
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0.01
    alone = backbone.features(as_images(levels[1:2]))
    np.testing.assert_allclose(alone[0], features[1], atol=1e-4)
    assert backbone.signature.startswith("dinov2-vit-s14|weights:")


def test_a_backbone_travels_to_a_worker_without_its_weights(densenet):
    assert len(pickle.dumps(densenet)) < 10_000
