"""SIGTERM and SIGUSR1: a checkpoint, exit code 0, and the same command goes on to the same bits."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from codixr import cli
from codixr.training import export, one_stage
from codixr.training.engine import Engine
from codixr.training.processes import make_accelerator
from codixr.training.stopping import Stop, Stopped
from helpers.engine_fakes import LineStage, config
from helpers.processes import FORK, in_two

IMPORTED = (export, one_stage)
"""All that a training needs: a forked process finds it here."""


def weights(stage: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.parameters()])


def run(folder: Path, signals: dict[int, int], rank: str | None = None) -> torch.Tensor:
    """Train the line; at a step, send this process a signal (of two, the one of ``rank``)."""
    stage = LineStage(config(save_every=1e9))
    forward = stage.forward

    def signalled(batch: Any, draw: Any, step: int) -> Any:
        if torch.is_grad_enabled() and rank in (None, os.environ.get("RANK")):
            number = signals.pop(step, None)
            if number is not None:
                os.kill(os.getpid(), number)
        return forward(batch, draw, step)

    stage.forward = signalled  # type: ignore[method-assign]
    accelerator = make_accelerator(stage.config, folder)
    with Stop().listening() as stop:
        Engine(stage, stage.config, folder, accelerator, stop).run()
    return weights(stage)


def test_a_signal_writes_a_checkpoint_at_the_step_and_the_run_goes_on_to_the_same_bits(
    tmp_path: Path,
) -> None:
    whole = run(tmp_path / "whole", {})
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="SIGTERM: stopped line after step 14 of 40; the same"):
        run(tmp_path / "stopped", {13: signal.SIGTERM})
    assert signal.getsignal(signal.SIGTERM) is before
    found = sorted(path.name for path in (tmp_path / "stopped" / "checkpoints").glob("step-*"))
    assert found[-1] == "step-00000014.pt"
    with pytest.raises(Stopped, match="SIGUSR1: stopped line after step 22 of 40"):
        run(tmp_path / "stopped", {21: signal.SIGUSR1})
    assert torch.equal(run(tmp_path / "stopped", {}), whole)


def stopped_alone(folder: Path) -> str:
    """Only the second process gets the signal; both must stop at the same step."""
    try:
        run(folder, {7: signal.SIGUSR1}, rank="1")
    except Stopped as stopped:
        return str(stopped)
    return "it went on"


def test_a_signal_to_one_process_stops_all_at_the_same_step(tmp_path: Path) -> None:
    first, second = in_two(stopped_alone, tmp_path)
    assert first.startswith("a signal to another process: stopped line after step 8 of 40")
    assert second.startswith("SIGUSR1: stopped line after step 8 of 40")
    written = [path.name for path in (tmp_path / "checkpoints").glob("step-*")]
    assert max(written) == "step-00000008.pt"


def test_between_steps_a_signal_ends_the_command_at_once() -> None:
    with Stop().listening(), pytest.raises(Stopped, match="SIGTERM: stopped between steps"):
        signal.raise_signal(signal.SIGTERM)


def words(out: Path, steps: str) -> list[str]:
    settings = {"steps": steps, "batch": "4", "tracker": "none", "validate_every": "0"}
    options = [f"--set={key}={value}" for key, value in settings.items()]
    place = ["--data", "phantom", "--out", str(out), "--limit", "8", "--threads", "1"]
    return ["train", "report-vae", "--preset", "tiny", *place, *options]


def command(out: Path, errors: Path) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    sys.exit(cli.main(words(out, "100000")))


def test_the_command_ends_with_0_and_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    errors = tmp_path / "errors"
    process = FORK.Process(target=command, args=(tmp_path / "run", errors))
    process.start()
    deadline = time.monotonic() + 120
    while "steps of 4 studies" not in (errors.read_text() if errors.exists() else ""):
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    os.kill(process.pid or 0, signal.SIGUSR1)
    process.join(60)
    assert process.exitcode == 0
    last = errors.read_text().splitlines()[-1]
    assert last.startswith("codixr train: SIGUSR1: stopped report-vae after step ")
    assert last.endswith("the same command goes on")
    assert len(list((tmp_path / "run" / "stages" / "report-vae" / "checkpoints").iterdir())) == 1
