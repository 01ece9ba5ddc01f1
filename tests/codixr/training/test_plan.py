"""The memory plan, against counts by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from codixr.commands.train import Request, memory_plans
from codixr.model import presets
from codixr.training import plan
from codixr.training.recipes import PAPER, TINY


def test_what_autograd_keeps_of_two_layers_is_their_inputs_and_the_nonlinearitys() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(10, 20), nn.Sigmoid(), nn.Linear(20, 5))
        x = torch.empty(1, 10)
    # The first layer's input (10), the sigmoid's output, once (20), and the squared sum's (5).
    kept = plan.kept_bytes(module, lambda: module(x).square().sum())
    assert kept == 4 * (10 + 20 + 5)


def test_a_plan_counts_four_bytes_a_number_and_two_more_for_a_narrow_copy() -> None:
    preset = presets.tiny(300)
    config = TINY["report-ldm"]
    wide = plan.plan(preset, "report-ldm", config, 2, 80)
    assert (wide.weights, wide.gradients) == (
        4 * (wide.learning + wide.frozen),
        4 * wide.learning,
    )
    assert (wide.optimizer, wide.average) == (8 * wide.learning, 4 * wide.learning)
    assert (wide.studies, wide.accumulate, wide.checkpointing) == (128, 1, False)
    narrow = plan.plan(preset, "report-ldm", replace(config, precision="bf16"), 2, 80)
    assert narrow.weights == 6 * (wide.learning + wide.frozen)


def test_less_memory_means_more_parts_then_checkpointing_and_then_a_plain_no() -> None:
    preset, config = presets.tiny(300), TINY["image-ldm-F"]
    roomy = plan.plan(preset, "image-ldm-F", config, 1, 80)
    assert "as it is" in plan.table([roomy], 1, 80)
    gb = (roomy.fixed + 20 * roomy.activations) / plan.GB / 0.9
    tight = plan.plan(preset, "image-ldm-F", config, 1, gb)
    assert tight.accumulate == config.batch // 16
    assert f"accumulate={config.batch // 16}" in plan.table([tight], 1, gb)
    gb = 0.5 * roomy.fixed / plan.GB
    assert "does not fit" in plan.table([plan.plan(preset, "image-ldm-F", config, 1, gb)], 1, gb)


@pytest.mark.slow
def test_every_stage_of_the_paper_has_a_plan_that_fits_four_gpus_of_80_gb() -> None:
    request = Request(stage="all", preset="paper")
    text = plan.table(memory_plans(request), request.gpus, request.gpu_memory)
    lines = text.splitlines()[4:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(PAPER)
    assert "does not fit" not in text
