"""`codixr-bench fid` on folders and a file of weights, beside the libraries that publish them.

The files are laid out as the published ones, of random weights: torch-fidelity's a state dict,
torchxrayvision's a whole module in PyTorch's old format, under its name in the library's cache.
"""

import json

import numpy as np
import pytest
import torch
import torch_fidelity
import torchxrayvision as xrv
from PIL import Image
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from codixr_bench.backbones.weights import WEIGHTS
from codixr_bench.cli import main
from helpers.backbone_fakes import inception_peer, saved, xrv_peer

N = 16


@pytest.fixture
def folders(tmp_path):
    """Two folders of N smooth pictures, unlike in contrast."""
    made = []
    for seed, contrast in ((0, 1.6), (1, 1.0)):
        rng = np.random.default_rng(seed)
        coarse = torch.from_numpy(rng.normal(size=(N, 1, 6, 6)).astype("f4") * contrast)
        smooth = torch.nn.functional.interpolate(coarse, 96, mode="bicubic")
        noisy = smooth + 0.1 * torch.from_numpy(rng.normal(size=(N, 1, 96, 96)).astype("f4"))
        made.append(tmp_path / str(seed))
        made[-1].mkdir()
        for i, picture in enumerate((noisy.sigmoid() * 255).byte().numpy()[:, 0]):
            Image.fromarray(picture).save(made[-1] / f"{i:02d}.png")
    return made


def scored(capsys, folders, backbone, weights):
    command = ["fid", *map(str, folders), "--backbone", backbone, "--weights", str(weights)]
    assert main([*command, "--json"]) == 2
    assert "--allow-unpinned" in capsys.readouterr().err
    assert main([*command, "--allow-unpinned", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [answer[side]["n"] for side in "ab"] == [N, N]
    (score,) = answer["scores"]
    assert "(unpinned)" in score["signature"]
    assert score["ci95"][0] < score["value"] < score["ci95"][1]
    return score


@pytest.mark.slow
def test_the_command_gives_torch_fidelitys_distance(folders, tmp_path, capsys):
    weights = saved(inception_peer(), tmp_path / "weights-inception-2015-12-05-6726825d.pth")
    peer = torch_fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        fid=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        batch_size=N,
        cuda=False,
        save_cpu_ram=True,
        verbose=False,
    )["frechet_inception_distance"]
    assert peer > 1
    score = scored(capsys, folders, "inception", weights)
    assert score["name"] == "fid_inception"
    assert score["value"] == pytest.approx(peer, rel=1e-4)
    print(f"\nours {score['value']:.9g}, torch-fidelity {peer:.9g}")


@pytest.mark.slow
def test_the_command_gives_the_distance_of_torchxrayvisions_features(folders, tmp_path, capsys):
    weights = tmp_path / WEIGHTS["xrv"].file_name
    torch.save(xrv_peer(), weights, _use_new_zipfile_serialization=False)
    peer = xrv.models.DenseNet(weights="densenet121-res224-all", cache_dir=f"{tmp_path}/")
    crop, resize = xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)
    capsys.readouterr()
    statistics = []
    for folder in folders:
        given = [
            resize(crop(xrv.utils.normalize(np.asarray(Image.open(path)), 255)[None]))
            for path in sorted(folder.iterdir())
        ]
        with torch.inference_mode():
            features = peer.features2(torch.from_numpy(np.stack(given)))
        statistics.append(fid_features_to_statistics(features))
    found = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert found > 1e-3
    score = scored(capsys, folders, "xrv", weights)
    assert score["name"] == "fid_xrv"
    assert score["value"] == pytest.approx(found, rel=1e-4)
    print(f"\nours {score['value']:.9g}, of torchxrayvision's features {found:.9g}")
