"""Pictures as measures and as how steady these are: what the region of real pictures is made of.

Each picture is measured three times: as it is, mirrored, and a little moved. The measures are the
mean of the three, each as of the picture that was given. A texture gives an estimator nothing to
measure, but it answers all the same: then the three are far apart.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from codixr.data.phantom.anatomy_estimator import AnatomyEstimator
from codixr.data.phantom.measures import move
from codixr.modality import Modality

Array = NDArray[np.float64]
ACROSS, DOWN = 3 / 64, -2 / 64
"""By how much of its side a picture is moved."""
STEADY = ("mirrored", "moved")
"""What is added to the measures: the log of the root mean square that each move changes them by."""


@torch.inference_mode()
def measured(model: AnatomyEstimator, view: Modality, x: Tensor) -> Array:
    """float32 [B, 1, H, W] in [0, 1] -> float64 [B, k + 2]: the mean measures, then ``STEADY``.

    ValueError for pictures that the estimator cannot read.
    """
    plain, mirrored, moved = (model(one).cpu().double().numpy() for one in shown(x))
    others = (
        move(mirrored, view, mirrored=True),
        move(moved, view, across=-ACROSS, down=-DOWN),
    )
    scale = model.scale.cpu().double().numpy()
    steady = [
        0.5 * np.log((((other - plain) / scale) ** 2).mean(axis=1) + 1e-6) for other in others
    ]
    return np.column_stack([(plain + others[0] + others[1]) / 3.0, *steady])


def shown(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [B, 1, H, W] as they are, mirrored, and moved: what one is measured by."""
    return x, x.flip(-1), _moved(x)


def _moved(x: Tensor) -> Tensor:
    """To the right and up by whole pixels; the edges are repeated."""
    side = x.shape[-1]
    right, up = round(ACROSS * side), round(-DOWN * side)
    padded = functional.pad(x, (right, 0, 0, up), mode="replicate")
    return padded[..., up:, :-right].contiguous()
