"""The memory plan, against counts by hand."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from codixr.commands import train_plan
from codixr.model import components, presets
from codixr.training import plan, plan_sizes
from codixr.training.recipes import PAPER, SMALL, TINY
from codixr.training.stage_config import StageConfig


def test_what_autograd_keeps_of_two_layers_is_their_inputs_and_the_nonlinearitys() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(10, 20), nn.Sigmoid(), nn.Linear(20, 5))
        x = torch.empty(1, 10)
    # The first layer's input (10), the sigmoid's output, once (20), and the squared sum's (5).
    kept = plan_sizes.kept_bytes(module, lambda: module(x).square().sum())
    assert kept == 4 * (10 + 20 + 5)


def planned(stage: str, config: Any, **machine: Any) -> plan.MemoryPlan:
    return plan.plan(stage, SIZES[stage], config, plan.Machine(**machine))


SIZES = {
    stage: plan_sizes.sizes(presets.tiny(300), stage) for stage in ("report-ldm", "image-ldm-F")
}


def test_a_plan_counts_four_bytes_a_number_and_two_more_for_a_narrow_copy() -> None:
    config = TINY["report-ldm"]
    wide = planned("report-ldm", config, gpus=2)
    assert (wide.weights, wide.gradients) == (
        4 * (wide.learning + wide.frozen),
        4 * wide.learning,
    )
    assert (wide.optimizer, wide.average) == (8 * wide.learning, 4 * wide.learning)
    assert (wide.studies, wide.accumulate, wide.checkpointing) == (128, 1, False)
    narrow = planned("report-ldm", replace(config, precision="bf16"), gpus=2)
    assert narrow.weights == 6 * (wide.learning + wide.frozen)


def test_less_memory_means_more_parts_then_checkpointing_and_then_a_plain_no() -> None:
    config = TINY["image-ldm-F"]
    roomy = planned("image-ldm-F", config, gpus=1)
    assert "as it is" in plan.table([roomy], plan.Machine(gpus=1))
    gb = (roomy.fixed + 20 * roomy.activations) / plan.GB / 0.9
    tight = planned("image-ldm-F", config, gpus=1, memory_gb=gb)
    assert tight.accumulate == config.batch // 16
    text = plan.table([tight], plan.Machine(gpus=1, memory_gb=gb))
    assert f"accumulate={config.batch // 16}" in text
    gb = 0.5 * roomy.fixed / plan.GB
    lost = planned("image-ldm-F", config, gpus=1, memory_gb=gb)
    assert "does not fit" in plan.table([lost], plan.Machine(gpus=1, memory_gb=gb))


def test_shards_divide_what_is_kept_and_add_what_is_gathered() -> None:
    config, found = TINY["image-ldm-F"], SIZES["image-ldm-F"]
    whole, shards = (planned("image-ldm-F", config, gpus=4, sharded=s) for s in (False, True))
    for name in ("gradients", "optimizer", "average"):
        assert getattr(shards, name) == getattr(whole, name) / 4
    assert shards.weights == whole.weights / 4 + 4 * (found.root + 2 * found.block)
    assert 0 < found.block < found.root < found.learning + found.frozen


def test_frozen_encoders_are_beside_a_stage_that_caches_nothing() -> None:
    config, preset = TINY["image-ldm-F"], presets.tiny(300)
    parts = [components.BUILDERS[name](preset) for name in ("prompt_encoder", "image_vae")]
    count = sum(p.numel() for part in parts for p in part.parameters())
    assert planned("image-ldm-F", config).beside == 0
    assert planned("image-ldm-F", replace(config, cache=False)).beside == 4 * count


def test_work_is_counted_as_multiplications_and_sums_forward_and_backward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 5))
        x = torch.zeros(1, 10)
    found = (module, lambda: module(x).sum())
    monkeypatch.setattr(plan_sizes, "on_paper", lambda *arguments: found)
    sizes = plan_sizes.sizes(presets.tiny(300), "report-vae")
    # Forward 2 x 10 x 20 + 2 x 20 x 5; backward the same for the weights, and for the inputs of
    # the second layer, whose gradient the first needs.
    assert (sizes.work_forward, sizes.work) == (600, 600 + 600 + 200)
    config = StageConfig(batch=10, learning_rate=1.0, epochs=3)
    machine = plan.Machine(gpus=2, studies=1000, tflops=1e-6)
    made = plan.plan("line", sizes, config, machine)
    assert made.work == 3 * 1000 * 1400
    assert made.hours == pytest.approx(3 * 1000 * 1400 / (2 * 1e6) / 3600)


def test_a_steps_time_is_measured_on_a_device() -> None:
    seconds = plan_sizes.seconds_a_study(
        presets.tiny(300), "report-ldm", torch.device("cpu"), studies=2, steps=1
    )
    assert 1e-5 < seconds < 60


def test_small_is_trained_in_two_days_by_its_plan_on_one_card_of_24_gb() -> None:
    machine = plan.Machine(gpus=1, memory_gb=24, tflops=10)
    plans = train_plan.memory_plans(presets.named("small"), SMALL, machine)
    assert "does not fit" not in plan.table(plans, machine)
    assert [p.accumulate for p in plans if p.accumulate > 1 or p.checkpointing] == []
    assert 24 < sum(p.hours or 0 for p in plans) < 48


@pytest.mark.slow
def test_every_stage_of_the_paper_has_a_plan_that_fits_four_gpus_of_80_gb() -> None:
    machine = plan.Machine()
    text = plan.table(train_plan.memory_plans(presets.paper(), PAPER, machine), machine)
    lines = text.splitlines()[4:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(PAPER)
    assert "does not fit" not in text
