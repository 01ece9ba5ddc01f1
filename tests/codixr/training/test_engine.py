"""The training loop: resuming, killing, sharing, and whatever stops it."""

import errno
import multiprocessing
import os
import random
import signal
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from codixr.errors import InputError
from codixr.training import checkpoints
from codixr.training.engine import Engine
from helpers import engine_fakes
from helpers.engine_fakes import LineStage, config, curve, prompt_stage, train
from helpers.processes import in_two

FORK = multiprocessing.get_context("fork")


def weights(stage: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.parameters()])


def slow_training(folder: Path) -> None:
    torch.set_num_threads(1)
    stage = LineStage(config())
    forward = stage.forward

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.005)
        return forward(*arguments)

    stage.forward = slowly  # type: ignore[method-assign]
    train(stage, folder)


def test_a_run_killed_twice_at_random_moments_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = LineStage(config())
    train(whole, tmp_path / "whole")
    moments, folder = random.Random(time.time_ns()), tmp_path / "killed"
    killed = 0
    while killed < 2:
        process = FORK.Process(target=slow_training, args=(folder,))
        process.start()
        deadline = time.monotonic() + 30
        while not list(folder.glob("checkpoints/*.pt")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        assert process.is_alive()
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        killed += 1
    steps = [int(path.stem[-8:]) for path in folder.glob("checkpoints/step-*.pt")]
    assert 0 < max(steps) < 40
    resumed = LineStage(config())
    train(resumed, folder)
    assert torch.equal(weights(whole), weights(resumed))
    assert not torch.equal(weights(whole), weights(LineStage(config())))


def test_the_last_two_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    outcome = train(LineStage(config()), tmp_path)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["best.pt", "step-00000039.pt", "step-00000040.pt"]
    best = torch.load(tmp_path / "checkpoints" / "best.pt", weights_only=True)
    assert best["step"] == outcome.best_step
    assert best["best"][0] == outcome.best_validation


def test_a_batch_in_parts_learns_what_a_whole_one_does(tmp_path: Path) -> None:
    whole, parts = LineStage(config()), LineStage(config(accumulate=4))
    train(whole, tmp_path / "whole")
    train(parts, tmp_path / "parts")
    torch.testing.assert_close(weights(whole), weights(parts), rtol=1e-4, atol=1e-5)


def share(folder: Path) -> tuple[int, list[float], list[float]]:
    stage = LineStage(config(), contrast=True)
    losses = curve(stage, folder)
    return torch.distributed.get_world_size(), losses, weights(stage).tolist()


def test_two_processes_follow_the_loss_curve_of_one_with_negatives_from_both(
    tmp_path: Path,
) -> None:
    stage = LineStage(config(), contrast=True)
    alone = curve(stage, tmp_path / "one")
    assert len(alone) == 40
    for world, losses, learnt in in_two(share, tmp_path / "two"):
        assert world == 2
        assert losses == pytest.approx(alone, abs=1e-4)
        assert learnt == pytest.approx(weights(stage).tolist(), abs=1e-4)


def tracked(folder: Path) -> tuple[bool, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        curve(LineStage(config(tracker="tensorboard"), contrast=True), folder)
    ours = [str(w.message) for w in said if issubclass(w.category, FutureWarning)]
    return torch.distributed.is_initialized(), ours


def test_a_tracker_that_ends_leaves_the_processes_together_and_no_library_speaks_on_each(
    tmp_path: Path,
) -> None:
    assert in_two(tracked, tmp_path) == [(True, []), (True, [])]
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def share_prompts(folder: Path) -> tuple[int, list[float]]:
    losses = curve(prompt_stage(), folder)
    return torch.distributed.get_world_size(), losses


def test_two_processes_train_prompt_encoders_as_one_does_where_labels_are_unknown(
    tmp_path: Path,
) -> None:
    alone = curve(prompt_stage(), tmp_path / "one")
    assert len(alone) == 12
    for world, losses in in_two(share_prompts, tmp_path / "two"):
        assert world == 2
        assert losses == pytest.approx(alone, abs=1e-4)


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    three: Any = SimpleNamespace(num_processes=3)
    with pytest.raises(InputError, match=r"a batch of 8 .* 3 processes .*--set line.batch=9"):
        Engine(LineStage(config()), config(), tmp_path, three)


def test_a_loss_that_is_not_a_number_stops_with_the_step_and_the_positions(
    tmp_path: Path,
) -> None:
    stage = LineStage(config())
    stage.data[17] = float("nan")
    with pytest.raises(InputError, match="loss is nan at step ") as caught:
        train(stage, tmp_path)
    message = str(caught.value)
    assert "positions" in message
    assert "learning_rate (now 0.01)" in message
    saved = [path.name for path in (tmp_path / "checkpoints").glob("step-*.pt")]
    for name in saved:
        state = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
        assert all(p.isfinite().all() for p in state["parameters"].values())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"learning_rate": 2e-2}, "learning_rate is 0.01 in the checkpoint and 0.02 now"),
        ({"batch": 10}, "batch is 8 in the checkpoint and 10 now"),
    ],
)
def test_a_config_that_contradicts_the_checkpoint_is_refused_with_both_values(
    tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    train(LineStage(config()), tmp_path)
    with pytest.raises(InputError, match=match):
        train(LineStage(config(**changes)), tmp_path)


def test_how_a_run_is_watched_may_change_when_it_goes_on(tmp_path: Path) -> None:
    train(LineStage(config()), tmp_path)
    outcome = train(LineStage(config(save_every=9.0, accumulate=2)), tmp_path)
    assert outcome.steps == 40


def test_a_checkpoint_of_other_frozen_weights_is_refused(tmp_path: Path) -> None:
    train(LineStage(config()), tmp_path)
    stage = LineStage(config())
    stage.inputs = {"image_vae": "bbbb"}
    with pytest.raises(InputError, match="belongs to inputs image_vae aaaa"):
        train(stage, tmp_path)


def test_a_full_disk_stops_with_the_cure_and_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(LineStage(config(steps=12, refine_steps=0)), tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "checkpoints").iterdir()}
    real = torch.save

    def full(state: Any, file: Any) -> None:
        real(state, file)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    state = torch.load(tmp_path / "checkpoints" / "step-00000012.pt", weights_only=True)
    folder = checkpoints.CheckpointFolder(tmp_path / "checkpoints")
    with pytest.raises(InputError, match=r"no space left for .*step-00000013\.pt.*free some space"):
        folder.save(state | {"step": 13}, best=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "checkpoints").iterdir()} == before


def test_a_limit_on_a_files_size_is_a_full_disk_too(tmp_path: Path) -> None:
    script = FORK.Process(target=limited, args=(tmp_path,))
    script.start()
    script.join()
    assert script.exitcode == 0


def limited(folder: Path) -> None:
    import resource

    kept = checkpoints.CheckpointFolder(folder)
    kept.save({"step": 1, "x": torch.zeros(10)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with pytest.raises(InputError, match="no space left"):
        kept.save({"step": 2, "x": torch.zeros(100_000)})
    assert [p.name for p in folder.iterdir()] == ["step-00000001.pt"]


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = LineStage(config())
    train(whole, tmp_path)
    newest = tmp_path / "checkpoints" / "step-00000040.pt"
    newest.write_bytes(newest.read_bytes()[:500])
    resumed = LineStage(config())
    train(resumed, tmp_path)
    assert f"{newest} is damaged" in capsys.readouterr().err
    assert torch.equal(weights(whole), weights(resumed))


def too_much(*arguments: Any, **more: Any) -> Any:
    """Asks torch for more memory than there is on earth: its own error, not a copy of it."""
    return torch.empty(2**60)


@pytest.mark.parametrize("where", ["forward", "validation", "optimizer"])
def test_too_little_memory_says_what_to_lower_wherever_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    stage = LineStage(config())
    forward = stage.forward
    if where == "optimizer":
        monkeypatch.setattr(torch.optim.AdamW, "step", too_much)
    else:
        monkeypatch.setattr(
            stage,
            "forward",
            lambda *a: (too_much if stage.training == (where == "forward") else forward)(*a),
        )
    with pytest.raises(InputError) as caught:
        train(stage, tmp_path)
    step = {"forward": 0, "validation": 10, "optimizer": 0}[where]
    assert str(caught.value) == (
        f"line: out of memory at step {step} with 8 studies at once in a process: try --set with a "
        "higher accumulate (now 1), or checkpoint_gradients=true (now false), or a smaller batch "
        "(now 8), or more processes, or precision=bf16 on GPUs"
    )


def test_a_run_out_of_memory_goes_on_with_a_higher_accumulate(tmp_path: Path) -> None:
    whole, greedy, parts = (LineStage(config(accumulate=n)) for n in (1, 1, 4))
    train(whole, tmp_path / "whole")
    for stage in (greedy, parts):
        forward = stage.forward

        def limited_to_two(batch: Any, draw: Any, step: int, forward: Any = forward) -> Any:
            if step >= 5 and len(batch["x"]) > 2 and torch.is_grad_enabled():
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(batch, draw, step)

        stage.forward = limited_to_two  # type: ignore[method-assign]
    with pytest.raises(InputError, match="out of memory at step 5 with 8 studies at once"):
        train(greedy, tmp_path / "run")
    assert train(parts, tmp_path / "run").steps == 40
    torch.testing.assert_close(weights(whole), weights(parts), rtol=1e-4, atol=1e-5)


def test_the_learning_rate_rises_then_falls_in_either_phase() -> None:
    c = config(warmup=0.2)
    rates = [c.rate(step) for step in range(c.total_steps)]
    assert rates[0] < rates[3] < rates[5] == max(rates[:30]) == 1e-2
    assert rates[29] < 1e-3 < rates[31] == max(rates[30:]) == 5e-3


def test_the_fake_stage_is_not_shown_to_be_learnt_by_accident(tmp_path: Path) -> None:
    losses = curve(LineStage(config(steps=200, refine_steps=0, save_every=99.0)), tmp_path)
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    assert engine_fakes.STUDIES == 40
