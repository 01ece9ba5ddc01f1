"""The memory plan, against counts by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from codixr.cli import main
from codixr.commands import train_plan
from codixr.model import components, lora, presets
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


def test_what_is_asked_for_is_what_is_planned() -> None:
    config = replace(TINY["image-ldm-F"], checkpoint_gradients=True, accumulate=4)
    asked = planned("image-ldm-F", config, gpus=1)
    assert (asked.accumulate, asked.checkpointing) == (4, True)
    assert asked.activations < asked.activations_whole
    assert asked.work > planned("image-ldm-F", TINY["image-ldm-F"], gpus=1).work


def test_a_lora_trains_its_matrices_alone() -> None:
    pytest.importorskip("peft")
    whole, adapted = SIZES["image-ldm-F"], plan_sizes.sizes(presets.tiny(300), "image-ldm-F", 4)
    denoiser: Any = components.BUILDERS["denoiser_f"](presets.tiny(300))
    lora.add(denoiser.unet, lora.usual(4), "default")
    matrices = [p for p in denoiser.unet.parameters() if p.requires_grad]
    assert adapted.learning == sum(p.numel() for p in matrices) < whole.learning / 50
    assert adapted.frozen == whole.learning + whole.frozen
    assert adapted.kept < whole.kept


def test_a_start_is_planned_at_its_own_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = presets.named("tiny")
    wide = replace(wide, report_vae=replace(wide.report_vae, latent_dim=64))
    wide = replace(wide, report_unet=replace(wide.report_unet, latent_dim=64))
    components.save_preset(wide, tmp_path)
    words = ["train", "report-vae", "--preset", "tiny", "--plan", "--json", "--gpus", "1"]
    found = []
    for more in ([], ["--init", str(tmp_path)]):
        assert main([*words, *more]) == 0
        found.append(json.loads(capsys.readouterr().out)["stages"][0]["learning"])
    counts = [
        sum(p.numel() for p in components.BUILDERS["report_vae"](preset).parameters())
        for preset in (presets.named("tiny"), wide)
    ]
    assert found == counts
    assert counts[0] != counts[1]


def test_a_plan_without_a_number_of_gpus_takes_one_that_shares_each_batch() -> None:
    stage = SMALL["report-vae"]
    for batches, gpus in (((64, 128), 4), ((64, 126), 2), ((64, 125), 1), ((63, 126), 3)):
        stages = {str(b): replace(stage, batch=b) for b in batches}
        assert train_plan.most_gpus(stages) == gpus
    assert (train_plan.most_gpus(PAPER), train_plan.most_gpus(TINY)) == (4, 1)


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


MACHINES = {
    "4 × A100 40 GB": (4, 40, 100),
    "4 × A100 80 GB": (4, 80, 100),
    "8 × H100 80 GB": (8, 80, 250),
    "one of 24 GB": (1, 24, 10),
}
"""Rows of docs/training.md: GPUs, memory of each, TFLOP/s."""


@pytest.mark.slow
def test_the_papers_plan_for_each_machine_is_what_the_docs_say() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    found = {stage: plan_sizes.sizes(presets.paper(), stage) for stage in PAPER}
    for name, (gpus, memory, rate) in MACHINES.items():
        row = next(line for line in docs.splitlines() if line.startswith(f"| {name} |"))
        cells = [cell.strip() for cell in row.strip("| ").split("|")]
        for sharded, most, problem in ((False, 2, 3), (True, 4, 5)):
            machine = plan.Machine(gpus, memory, sharded=sharded and gpus > 1, tflops=rate)
            plans = [plan.plan(stage, found[stage], PAPER[stage], machine) for stage in PAPER]
            lost = [p for p in plans if p.total > 0.9 * memory * plan.GB]
            if sharded and gpus == 1:
                assert cells[most] == "–"
                continue
            assert cells[most] == f"{max(p.total for p in plans) / plan.GB:.1f}"
            assert (cells[problem] == "–") == (not lost), (name, [p.stage for p in lost])
            hours = sum(p.hours or 0 for p in plans)
            if sharded or gpus == 1:  # what fits
                assert cells[6] == (f"{hours:.1f}" if hours < 100 else f"{hours:.0f}")
    four = plan.Machine(4, 80, tflops=100)
    text = plan.table([plan.plan(s, found[s], PAPER[s], four) for s in PAPER], four)
    assert [line for line in text.splitlines() if line.startswith("| ")][1:] == [
        line for line in docs.splitlines() if line.startswith("| ") and line in text
    ][-len(PAPER) :]
    assert "does not fit" not in text
