"""The training loop: resuming, averaging, and a loss that is not a number."""

from pathlib import Path

import pytest
import torch
from torch import nn

from codixr.errors import InputError
from codixr.training.loop import Schedule, train

SCHEDULE = Schedule(steps=30, batch=4, learning_rate=1e-2, ema=0.9)


class StoppedError(Exception):
    pass


def learn(module: nn.Linear, checkpoint: Path, *, stop_at: int | None = None) -> None:
    data = torch.randn(50, 3, generator=torch.Generator().manual_seed(9))
    calls = []

    def loss(rows, generator, _progress):  # type: ignore[no-untyped-def]
        calls.append(0)
        if stop_at is not None and len(calls) > stop_at:
            raise StoppedError
        noise = torch.randn(len(rows), 3, generator=generator)
        return {
            "loss": (module(data[rows] + noise) - data[rows].sum(1, keepdim=True)).square().mean()
        }

    train(module, loss, 50, SCHEDULE, checkpoint, save_every_seconds=0)


def fresh() -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(3, 1)


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole, broken = fresh(), fresh()
    learn(whole, tmp_path / "a.pt")
    with pytest.raises(StoppedError):
        learn(broken, tmp_path / "b.pt", stop_at=13)
    resumed = fresh()
    learn(resumed, tmp_path / "b.pt")
    assert torch.equal(whole.weight, resumed.weight)
    assert not torch.equal(whole.weight, fresh().weight)


def test_a_loss_that_is_not_a_number_stops_with_the_step(tmp_path: Path) -> None:
    module = fresh()

    def loss(rows, generator, _progress):  # type: ignore[no-untyped-def]
        return {"loss": module(torch.full((2, 3), float("nan"))).mean()}

    with pytest.raises(InputError, match="nan at step 0: lower the learning rate"):
        train(module, loss, 50, SCHEDULE, tmp_path / "c.pt")


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [SCHEDULE.rate(s) for s in range(SCHEDULE.steps)]
    assert rates[0] < rates[2] == max(rates)
    assert rates[-1] < 0.1 * max(rates)
