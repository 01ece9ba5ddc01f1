"""The report VAE reads a batch up to its longest report's end."""

from typing import Any

import torch

from codixr.model import components, presets
from codixr.training import report_vae
from codixr.training.draw import Draw


def test_padding_that_all_reports_share_changes_no_loss() -> None:
    torch.manual_seed(0)
    vae: Any = components.BUILDERS["report_vae"](presets.tiny(20)).eval()
    ids = torch.randint(4, 20, (3, 12))
    mask = torch.ones_like(ids)
    mask[:, 9:], mask[1, 5:] = 0, 0
    ids = ids.masked_fill(mask == 0, 0)

    def loss(told: tuple[torch.Tensor, torch.Tensor]) -> float:
        draw = Draw(0, 0, 3)
        found = report_vae.report_vae_loss(
            vae, told, told, draw, beta=0.01, word_drop=0.4, unknown=3, longest=12
        )
        return float(found["loss"].detach())

    short = report_vae.cut(ids, mask)
    assert short[0].shape == (3, 9)
    torch.testing.assert_close(loss(short), loss((ids, mask)))
    left = report_vae.cut(ids.flip(1), mask.flip(1))  # padded in front: nothing to cut
    assert left[0].shape == (3, 12)
