"""Stage 1: prompt encoders, by contrast of X-rays and reports (paper, eq. 1-2).

Notable: eq. 1 prints the negative's index as i; negatives are h_A^i . h_B^j with j != i.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codixr.model.prompt_encoder import PromptEncoder


def info_nce(a: Tensor, b: Tensor, inverse_temperature: Tensor | float) -> Tensor:
    """Symmetric InfoNCE of unit vectors [B, D]; row i of ``a`` belongs to row i of ``b``."""
    logits = inverse_temperature * a @ b.T
    target = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class ContrastiveLoss(nn.Module):
    """T-F and T-L pairs through one vision tower, the temperature learned from 0.07.

    The F-L pair is left out: both views share the patient's anatomy, and the vector would be spent
    on it rather than on what a report says.
    """

    def __init__(self, encoder: PromptEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.log_inverse_temperature = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(
        self, frontal: Tensor, lateral: Tensor, ids: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Losses of one batch: images [B, 1, H, W] in [0, 1], token ids and mask [B, N]."""
        text = self.encoder.encode_text(ids, mask)
        images = self.encoder.encode_image(torch.cat([frontal, lateral]))
        views = images.chunk(2)
        scale = self.log_inverse_temperature.exp().clamp(max=100)
        with_f, with_l = (info_nce(view, text, scale) for view in views)
        return {"loss": with_f + with_l, "F": with_f.detach(), "L": with_l.detach()}


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random noise (up to 0.04) and shift (up to 2 pixels) of images [B, 1, H, W]."""
    strength = torch.rand((len(images), 1, 1, 1), generator=generator) * 0.04
    noisy = images + torch.randn(images.shape, generator=generator) * strength
    dy, dx = (int(v) for v in torch.randint(-2, 3, (2,), generator=generator))
    return torch.roll(noisy.clamp(0, 1), (dy, dx), (2, 3))
