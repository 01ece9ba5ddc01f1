"""The wording stage's loss is a batch's, whoever holds which part of it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from codixr.training import prompt_wording
from codixr.training.draw import Draw

ROWS, WIDTH = 8, 3


class Encoder:
    """A text's vector is its tokens' sum, three times over."""

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return (ids * mask).sum(1, keepdim=True).float().expand(-1, WIDTH)


def encoded(_: object, texts: list[str], __: int) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([[int(text or 3), 1] for text in texts])
    return ids, torch.ones_like(ids)


def texts(rows: list[int], seeds: list[int], _: str) -> tuple[list[str], Tensor]:
    return [str(seed % 9) for seed in seeds], torch.tensor(rows).float()[:, None].expand(-1, WIDTH)


@pytest.mark.parametrize("parts", [2, 4])
def test_the_mean_of_the_parts_losses_is_the_batchs(
    parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_wording, "encode", encoded)
    preset = SimpleNamespace(prompt=SimpleNamespace(max_tokens=2))
    stage: Any = SimpleNamespace(
        null=torch.zeros(WIDTH),
        encoder=Encoder(),
        tokenizer=None,
        preset=preset,
        texts=texts,
        config=SimpleNamespace(batch=ROWS),
    )

    def loss(start: int, stop: int) -> float:
        rows = torch.arange(start, stop)
        batch = {"rows": rows, "val": torch.zeros_like(rows)}
        draw = Draw(0, 5, ROWS, start, stop)
        return float(prompt_wording.WordingStage.forward(stage, batch, draw, 5)["loss"])

    share = ROWS // parts
    found = [loss(first, first + share) for first in range(0, ROWS, share)]
    assert sum(found) / parts == pytest.approx(loss(0, ROWS), rel=1e-6)
