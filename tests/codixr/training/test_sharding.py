"""FSDP: shards over processes learn what one process does; checkpoints in rows go on anywhere."""

from pathlib import Path
from typing import Any

import pytest
import torch

from codixr.errors import InputError
from codixr.training import sharding
from codixr.training.engine import Engine
from codixr.training.processes import make_accelerator
from helpers.engine_fakes import LineStage, config, curve, noted, train
from helpers.processes import FSDP, in_two


def sharded(folder: Path) -> Any:
    stage = LineStage(config(), contrast=True)
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    losses = noted(engine)
    engine.run()
    own = sum(sharding.own_part(p).numel() for p in stage.parameters())
    total = sum(p.numel() for p in stage.parameters())
    weights = {name: x.tolist() for name, x in engine.average.whole().items()}
    return own, total, losses, weights


@pytest.mark.slow
def test_two_processes_with_half_the_weights_each_follow_the_loss_curve_of_one(
    tmp_path: Path,
) -> None:
    stage = LineStage(config(), contrast=True)
    alone = curve(stage, tmp_path / "one")
    found = in_two(sharded, tmp_path / "two", **FSDP)
    for own, total, losses, learnt in found:
        assert own < 0.8 * total
        assert losses == pytest.approx(alone, abs=1e-4)
        for name, p in stage.named_parameters():
            assert torch.allclose(torch.tensor(learnt[name]), p, atol=1e-4)


@pytest.mark.slow
def test_a_sharded_run_goes_on_from_a_checkpoint_of_one_process_and_the_other_way(
    tmp_path: Path,
) -> None:
    whole = LineStage(config(), contrast=True)
    alone = curve(whole, tmp_path / "one")
    checkpoints = tmp_path / "one" / "checkpoints"
    (checkpoints / "step-00000040.pt").unlink()  # leaves step 39, and the best one
    resumed = in_two(sharded, tmp_path / "one", **FSDP)
    for _, _, losses, _ in resumed:
        assert losses == pytest.approx(alone[39:], abs=1e-4)
    back = LineStage(config(), contrast=True)
    train(back, tmp_path / "one")
    for ours, theirs in zip(back.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"FSDP_VERSION": "1"}, "use version 2"),
        ({"FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}, "set it to false"),
    ],
)
def test_what_sharding_cannot_do_says_so(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], match: str
) -> None:
    for name, value in (FSDP | changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=match):
        sharding.plugin("no")
