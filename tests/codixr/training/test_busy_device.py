"""What keeps a device from waiting: draws a study, reading ahead, looks, and no search by DDP."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from scipy import stats

from codixr.training import checkpoints, memory
from codixr.training.data import as_images
from codixr.training.engine import Engine
from codixr.training.processes import make_accelerator, without_gradient
from codixr.training.reading import read_ahead, workers_for
from codixr.training.recipes import PAPER, SMALL, TINY
from codixr.training.study_draw import StudyDraw
from codixr.training.watch import MOST, Watch
from helpers.engine_fakes import LineStage, config, curve, noted, train
from helpers.processes import in_two

ROWS, EPOCHS = torch.tensor([0, 7, 123_456]), torch.tensor([0, 0, 3])


def splitmix(x: int) -> int:
    """The output function, in Python's own whole numbers."""
    most = 2**64 - 1
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & most
    x = (x ^ x >> 27) * 0x94D049BB133111EB & most
    return x ^ x >> 31


def test_the_bits_are_splitmix64s() -> None:
    golden, most = 0x9E3779B97F4A7C15, 2**64 - 1
    bits = StudyDraw(5, ROWS, EPOCHS)._bits(3)
    for row, epoch, found in zip(ROWS.tolist(), EPOCHS.tolist(), bits.tolist(), strict=True):
        key = splitmix(splitmix(splitmix(5) + row * golden & most) + epoch * golden & most)
        wanted = [splitmix(key + (i + 1) * golden & most) for i in range(3)]
        assert [x % 2**64 for x in found] == wanted
    # Vigna's and NumPy's generator, which seeds PCG64 by it: the first output of seed 0.
    assert splitmix(golden) == 0xE220A8397B1DCDAF


def test_a_studys_numbers_are_its_own_whatever_it_is_drawn_with() -> None:
    whole, alone = StudyDraw(5, ROWS, EPOCHS), StudyDraw(5, ROWS[2:], EPOCHS[2:])
    for draw in (lambda d: d.normal((4, 3)), lambda d: d.uniform(), lambda d: d.integers(9, (5,))):
        assert torch.equal(draw(whole)[2:], draw(alone))
    first = StudyDraw(5, ROWS, EPOCHS).normal((50,))
    for other in (
        StudyDraw(6, ROWS, EPOCHS),
        StudyDraw(5, ROWS + 1, EPOCHS),
        StudyDraw(5, ROWS, EPOCHS + 1),
        StudyDraw(5, ROWS, EPOCHS, validation=True),
    ):
        assert (other.normal((50,)) != first).float().mean() > 0.99


def test_the_numbers_have_the_distributions_that_they_say() -> None:
    rows = torch.arange(400)
    draw = StudyDraw(1, rows, rows * 0)
    normal, uniform = draw.normal((501,)), draw.uniform((500,))
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.flatten().numpy(), "uniform").pvalue > 1e-3
    counts = np.bincount(draw.integers(10, (500,)).flatten().numpy(), minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-3
    across = np.corrcoef(normal[:, :2].numpy().T)[0, 1], np.corrcoef(normal[:-1, 0], normal[1:, 0])
    assert abs(across[0]) < 0.2
    assert abs(across[1][0, 1]) < 0.2
    assert normal.isfinite().all()


def test_tiny_draws_as_its_checkpoint_was_trained_and_the_others_by_study() -> None:
    assert {c.draws for c in TINY.values()} == {"step"}
    assert {c.draws for c in (*SMALL.values(), *PAPER.values())} == {"study"}


def by_study(folder: Path) -> list[float]:
    return curve(LineStage(config(draws="study"), contrast=True), folder)


def test_two_processes_and_a_batch_in_parts_draw_the_same_by_study(tmp_path: Path) -> None:
    alone = by_study(tmp_path / "one")
    for losses in in_two(by_study, tmp_path / "two"):
        assert losses == pytest.approx(alone, abs=1e-4)
    whole, parts = (LineStage(config(draws="study", accumulate=n)) for n in (1, 4))
    wanted = curve(whole, tmp_path / "whole")
    assert curve(parts, tmp_path / "parts") == pytest.approx(wanted, abs=1e-4)


def test_pixels_become_the_same_numbers_on_their_device_as_they_did_before() -> None:
    every = np.arange(256, dtype=np.uint8)
    wanted = torch.from_numpy(every.astype(np.float32) / 255.0)
    assert torch.equal(as_images(torch.from_numpy(every)), wanted)


def test_reading_ahead_keeps_the_order_and_is_ahead() -> None:
    started: list[int] = []

    def read(item: int) -> dict[str, torch.Tensor]:
        started.append(item)
        time.sleep(0.01 * (item % 3))
        return {"x": torch.tensor(item)}

    coming = read_ahead(range(12), read, workers=3)
    item, batch = next(coming)
    time.sleep(0.2)
    assert (item, int(batch["x"])) == (0, 0)
    assert sorted(started) == list(range(7))  # the six that may wait, and the one that was taken
    assert [item for item, _ in coming] == list(range(1, 12))
    assert not [t for t in threading.enumerate() if t.name.startswith("reading")]


def test_what_a_reading_thread_raises_is_raised_at_its_batch_and_ends_the_threads() -> None:
    def read(item: int) -> dict[str, torch.Tensor]:
        if item == 2:
            raise OSError("the disk is gone")
        return {}

    coming = read_ahead(range(9), read, workers=2)
    assert [next(coming)[0] for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(coming)
    assert not [t for t in threading.enumerate() if t.name.startswith("reading")]


def test_a_training_that_reads_ahead_learns_the_same(tmp_path: Path) -> None:
    alone, ahead = (LineStage(config(workers=n)) for n in (0, 2))
    assert curve(ahead, tmp_path / "ahead") == curve(alone, tmp_path / "alone")
    assert (workers_for(torch.device("cuda"), None), workers_for(torch.device("cpu"), None)) == (
        2,
        0,
    )


class Late(Watch):
    """A watch that looks as rarely as beside a GPU."""

    def __init__(self, accelerator: Any, first: int) -> None:
        super().__init__(accelerator, first)
        self._waits = True


def test_looks_are_rare_beside_a_gpu_and_every_loss_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = curve(LineStage(config()), tmp_path / "every")
    monkeypatch.setattr("codixr.training.engine.Watch", Late)
    looks = []
    look = Late.look

    def counted(self: Late, done: int, **more: Any) -> Any:
        looks.append(done)
        return look(self, done, **more)

    monkeypatch.setattr(Late, "look", counted)
    settings = {"save_every": 1e9, "validate_every": 0}
    assert curve(LineStage(config(**settings)), tmp_path / "rare") == wanted
    assert looks == [1, 40]  # a step takes milliseconds: the next look is up to MOST steps later
    assert MOST == 50


def test_a_loss_that_is_not_a_number_is_found_at_its_step_though_the_look_is_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codixr.training.engine.Watch", Late)
    stage = LineStage(config(save_every=1e9, validate_every=0))
    forward, at = stage.forward, 17

    def broken(batch: Any, draw: Any, step: int) -> Any:
        losses = forward(batch, draw, step)
        return {"loss": losses["loss"] * (float("nan") if step == at else 1.0)}

    stage.forward = broken  # type: ignore[method-assign]
    with pytest.raises(Exception, match=f"loss is nan at step {at}; "):
        train(stage, tmp_path)
    assert not list(tmp_path.glob("checkpoints/*.pt"))


def test_what_no_loss_reaches_is_none_of_ddps_while_it_is_built() -> None:
    stage = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 1), "idle": torch.nn.Linear(2, 1)})
    stage.forward = lambda batch, draw, step: {"loss": stage["used"](batch).sum()}  # type: ignore
    two: Any = SimpleNamespace(
        num_processes=2, device=torch.device("cpu"), autocast=torch.enable_grad
    )
    with without_gradient(stage, two, lambda: (torch.ones(3, 2), None)):
        found = {name: p.requires_grad for name, p in stage.named_parameters()}
    assert found == {
        "used.weight": True,
        "used.bias": True,
        "idle.weight": False,
        "idle.bias": False,
    }
    assert all(p.requires_grad and p.grad is None for p in stage.parameters())


@pytest.mark.parametrize(
    ("asked", "size", "found"),
    [
        (None, 1e9, (120.0, False)),
        (None, 27.3e9, (1800.0, True)),
        (5.0, 27.3e9, (5.0, True)),
        (0.0, 1.0, (0.0, False)),
    ],
)
def test_large_checkpoints_are_written_every_half_hour(
    asked: float | None, size: float, found: tuple[float, bool]
) -> None:
    assert checkpoints.save_interval(asked, size) == found


def test_the_best_of_large_checkpoints_is_chosen_among_those_that_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LARGE", 1.0)
    stage = LineStage(config(save_every=1e9, validate_every=1))
    engine = Engine(stage, stage.config, tmp_path, make_accelerator(stage.config, tmp_path))
    written = []
    save = engine._save

    def saved(*, best: bool) -> None:
        written.append((engine.step, best))
        save(best=best)

    engine._save = saved  # type: ignore[method-assign]
    noted(engine)
    outcome = engine.run()
    assert written == [(40, True)]
    assert outcome.best_step == 40


@pytest.mark.slow
def test_compiled_blocks_give_the_same_and_keep_their_names() -> None:
    torch.manual_seed(0)
    block = BasicTransformerBlock(32, 2, 16, cross_attention_dim=8)
    whole = torch.nn.Sequential(block)
    x, context = torch.randn(2, 5, 32), torch.randn(2, 3, 8)
    before, names = block(x, encoder_hidden_states=context), list(whole.state_dict())
    memory.compile_blocks(whole)
    assert block._compiled_call_impl is not None
    torch.testing.assert_close(
        block(x, encoder_hidden_states=context), before, atol=1e-4, rtol=1e-4
    )
    assert list(whole.state_dict()) == names
