"""A stage of one line, on numbers in memory: what the engine's tests train."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codixr.training.configs import StageConfig
from codixr.training.contrastive import info_nce
from codixr.training.draw import Draw
from codixr.training.engine import Engine, Outcome, make_accelerator
from codixr.training.stages import Stage

STUDIES = 40


def config(**changes: Any) -> StageConfig:
    """Thirty steps of eight studies, and ten more."""
    numbers: dict[str, Any] = {
        "batch": 8,
        "learning_rate": 1e-2,
        "steps": 30,
        "ema": 0.9,
        "refine_steps": 10,
        "refine_learning_rate": 5e-3,
        "save_every": 0.0,
        "validate_every": 10,
        "tracker": "none",
    }
    return StageConfig(**(numbers | changes))


class LineStage(Stage):
    """Learns the sum of three numbers, noise on top; optionally a contrast of rows."""

    def __init__(self, config: StageConfig, *, contrast: bool = False) -> None:
        nn.Module.__init__(self)
        self.name, self.inputs, self.config = "line", {"image_vae": "aaaa"}, config
        studies = SimpleNamespace(fingerprint="of-the-data")
        self.shop = SimpleNamespace(studies=lambda split: studies)  # type: ignore[assignment]
        self.rows = {"train": torch.arange(STUDIES), "val": torch.arange(16)}
        self.data = torch.randn(STUDIES, 3, generator=torch.Generator().manual_seed(9))
        torch.manual_seed(3)
        self.line = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.0), nn.Linear(4, 2))
        self.contrast = contrast
        if contrast:
            self.heat = nn.Parameter(torch.tensor(5.0).log())
        self.seen: list[float] = []

    def read(self, rows: Tensor, split: str) -> dict[str, Tensor]:
        return {"x": self.data[rows]}

    def forward(self, batch: dict[str, Tensor], draw: Draw, step: int) -> dict[str, Tensor]:
        x = batch["x"]
        noisy = self.line(x + 0.1 * draw.normal((3,)))
        loss = (noisy - x.sum(1, keepdim=True)).square().mean()
        if self.contrast:
            a = nn.functional.normalize(noisy, dim=1)
            b = nn.functional.normalize(x[:, :2], dim=1)
            loss = loss + info_nce(a, b, self.heat.exp())
        return {"loss": loss}

    def finish(self) -> None:
        raise AssertionError("the engine does not finish a stage")


def train(stage: LineStage, folder: Path, accelerator: Accelerator | None = None) -> Outcome:
    """Train it in ``folder``."""
    accelerator = accelerator or make_accelerator(stage.config, folder)
    return Engine(stage, stage.config, folder, accelerator).run()


def curve(stage: LineStage, folder: Path) -> list[float]:
    """The loss of every step."""
    losses: list[float] = []
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    step = engine._train_step

    def noted(module: nn.Module) -> dict[str, float]:
        found = step(module)
        losses.append(found["loss"])
        return found

    engine._train_step = noted  # type: ignore[method-assign]
    engine.run()
    return losses
