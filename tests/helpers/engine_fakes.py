"""What the engine's tests train, on numbers in memory: a stage of one line, and prompt encoders."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codixr.data.labels import PATHOLOGIES
from codixr.model.presets import tiny
from codixr.model.prompt_encoder import PromptEncoder
from codixr.training.contrastive import info_nce
from codixr.training.disk import Disk
from codixr.training.draw import Draw
from codixr.training.engine import Engine, Outcome
from codixr.training.processes import make_accelerator
from codixr.training.prompt_encoders import PromptStage
from codixr.training.stage import Stage
from codixr.training.stage_config import PromptTraining, StageConfig
from codixr.training.watch import Step

STUDIES = 40


def disk_of_all() -> Disk:
    """One disk that all processes of a test see."""
    return Disk(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


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
        preset = SimpleNamespace(latent_size=8)
        here: Any = SimpleNamespace(
            studies=lambda split: studies, disk=disk_of_all(), preset=preset
        )
        self.folder = here
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


def prompt_stage() -> PromptStage:
    """Tiny's prompt encoders with labels, of which every other study knows only the first."""
    drawn = torch.Generator().manual_seed(5)
    pictures = torch.randint(0, 256, (2, 16, 1, 64, 64), generator=drawn, dtype=torch.uint8)
    ids = torch.randint(4, 30, (16, 6), generator=drawn)
    ids[:, 0], ids[:, -1] = 1, 2
    labels = torch.randint(0, 2, (16, len(PATHOLOGIES)), generator=drawn).to(torch.int8)
    labels[::2, 1:] = -1
    studies = SimpleNamespace(
        fingerprint="of-the-data",
        decode_together=lambda view: None,
        labels=lambda names: labels.numpy(),
        pixels=lambda view, rows: pictures["FL".index(view)][rows],
    )
    torch.manual_seed(3)
    encoder = PromptEncoder(tiny(30).prompt)
    assert encoder.stem_norms(), "tiny's stem has batch norms, which must agree over processes"
    folder: Any = SimpleNamespace(
        disk=disk_of_all(),
        preset=SimpleNamespace(latent_size=8),
        studies=lambda split: studies,
        rows=lambda stage, split, needed: torch.arange(16 if split == "train" else 8),
        start=lambda name, config: encoder,
        tokens=lambda kind, split: (ids, torch.ones_like(ids)),
    )
    settings = PromptTraining(
        batch=8,
        learning_rate=3e-4,
        steps=12,
        label_weight=1.0,
        save_every=1e9,
        validate_every=4,
        tracker="none",
    )
    stage = PromptStage(folder, "prompt-encoders", settings)
    stage.config = settings
    return stage


def train(stage: LineStage, folder: Path, accelerator: Accelerator | None = None) -> Outcome:
    """Train it in ``folder``."""
    accelerator = accelerator or make_accelerator(stage.config, folder)
    return Engine(stage, stage.config, folder, accelerator).run()


def curve(stage: Stage, folder: Path) -> list[float]:
    """The loss of every step."""
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    losses = noted(engine)
    engine.run()
    return losses


def noted(engine: Engine) -> list[float]:
    """A list that gets the loss of every step of ``engine``."""
    losses: list[float] = []
    seen = engine._seen

    def note(step: Step) -> None:
        seen(step)
        losses.append(step.losses["loss"])

    engine._seen = note  # type: ignore[method-assign]
    return losses
