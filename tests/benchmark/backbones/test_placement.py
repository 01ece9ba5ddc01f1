"""Every network that scores moves to the device that was asked for, and is fed there."""

import numpy as np
import pytest
import torch

from codixr.data.phantom.judge import PhantomJudge
from codixr.data.phantom.second_judge import SecondJudge
from codixr.modality import Modality
from codixr_bench.backbones import placement
from codixr_bench.backbones.channels_last import pointwise, pool_by_two
from codixr_bench.backbones.dinov2 import dinov2
from codixr_bench.backbones.inception import InceptionV3
from codixr_bench.backbones.phantom_judge import JudgePass
from codixr_bench.backbones.second_judge import SecondJudgePass
from codixr_bench.backbones.xrv import DenseNet121
from helpers.backbone_fakes import dino_state, inception_peer, xrv_peer


@pytest.fixture(autouse=True)
def as_before():
    yield
    placement.use()


NETWORKS = {
    "inception": lambda: InceptionV3(inception_peer().state_dict()),
    "xrv": lambda: DenseNet121(dict(xrv_peer().state_dict())),
    "dinov2": lambda: dinov2(dino_state()),
    "phantom": PhantomJudge,
    "phantom-second": SecondJudge,
}


def tensors(network):
    if isinstance(network, torch.nn.Module):
        return [*network.parameters(), *network.buffers()]
    held = [network.__dict__]
    found = []
    while held:
        one = held.pop()
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, dict):
            held += one.values()
        elif isinstance(one, (list, tuple)):
            held += one
        elif hasattr(one, "__slots__"):
            held += [getattr(one, name) for name in one.__slots__]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_and_buffer_moves(name):
    network = NETWORKS[name]()
    count = len(tensors(network))
    assert count > 10
    placement.use("cpu")
    assert placement.placed(network) is network
    network.to(torch.device("meta"))
    assert len(tensors(network)) == count
    assert {one.device.type for one in tensors(network)} == {"meta"}


INPUTS = {
    "inception": lambda: torch.zeros((2, 64, 64), dtype=torch.uint8),
    "xrv": lambda: torch.zeros((2, 1, 224, 224)),
    "dinov2": lambda: torch.zeros((2, 3, 224, 224)),
}


@pytest.mark.parametrize("name", INPUTS)
def test_nothing_on_the_way_is_left_on_the_cpu(name):
    # A tensor that stayed on the CPU beside those of the meta device is an error of torch's.
    network = NETWORKS[name]()
    network.to(torch.device("meta"))
    made = network(INPUTS[name]().to("meta"))
    made = getattr(made, "last_hidden_state", made)
    assert made.device.type == "meta"
    assert made.shape[0] == 2


@pytest.mark.parametrize("kind", [JudgePass, SecondJudgePass])
def test_a_judge_feeds_its_network_where_it_is(kind, monkeypatch):
    judge, seen = kind(Modality.F), []
    model = judge.judge.model
    monkeypatch.setattr(type(model), "to", lambda self, device: seen.append(device))
    monkeypatch.setattr(torch.Tensor, "to", _noting(seen))
    judge.features(np.zeros((1, 1, 64, 64), dtype=np.float32) + np.float32(0.5))
    assert seen == [torch.device("cpu")] * 2, "the network and its pictures"


def _noting(seen):
    real = torch.Tensor.to

    def to(self, *given, **named):
        seen.extend(given)
        return real(self, *given, **named)

    return to


def test_a_pass_that_does_not_fit_is_tried_with_half_as_many_pictures(capsys):
    placement.use("cpu", at_once=64)
    sizes = []

    def forward(pictures):
        sizes.append(len(pictures))
        if len(pictures) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pictures * 2

    pictures = np.arange(40)
    made = placement.in_passes(pictures, forward, 4)
    np.testing.assert_array_equal(np.concatenate(made), pictures * 2)
    assert sizes == [40, 20, 10, 10, 10, 10]
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("memory ran out with 40 pictures at a time: going on with 20")
    assert placement.in_passes(pictures, forward, 4)[0].shape == (10,), "it is remembered"


def test_other_errors_and_a_single_picture_are_not_tried_again():
    placement.use("cpu")

    def broken(pictures):
        raise RuntimeError("shapes cannot be multiplied")

    def too_large(pictures):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(RuntimeError, match="shapes"):
        placement.in_passes(np.arange(4), broken, 4)
    with pytest.raises(torch.OutOfMemoryError):
        placement.in_passes(np.arange(1), too_large, 4)


def test_on_a_card_float32_is_not_shortened(monkeypatch):
    monkeypatch.setattr(placement, "device", lambda: torch.device("cuda"))
    torch.set_float32_matmul_precision("high")
    try:
        with placement.scoring():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
            assert torch.is_inference_mode_enabled()
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("shape", [(2, 3, 9, 11), (1, 4, 8, 8), (3, 1, 3, 4)])
def test_cheap_layers_give_what_torch_gives(shape):
    torch.manual_seed(0)
    x = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    assert torch.equal(pool_by_two(x), torch.nn.functional.max_pool2d(x, 3, stride=2))
    weight, bias = torch.randn(5, shape[1], 1, 1), torch.randn(5)
    expected = torch.nn.functional.conv2d(x, weight, bias)
    torch.testing.assert_close(pointwise(x, weight, bias), expected, rtol=1e-5, atol=1e-5)
