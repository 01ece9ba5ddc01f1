"""``repeats_image``: the share of generated pictures that are another generated picture again.

Whoever keeps a few pictures and hides it under noise, or moves, turns or mirrors them a little, has
pictures that differ in every pixel: MS-SSIM takes them for varied ones. The search for copies
(``picture_search.py``) leaves out just that. Its features are those of the evaluated studies' own
pictures; a generated picture counts where another generated one is nearer than all but 1 % of real
pictures have another real one. Smooth pictures are nearer to each other, and honest: the real ones
are blurred until they are as smooth.
"""

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.compared_cells import by_twos
from codixr_bench.metrics.picture_search import LEAST, PictureSearch
from codixr_bench.metrics.repeats import surely_under

ACCIDENTAL = 0.01
MOST = 0.2
"""The share above which a model has collapsed. Models that make one picture of one report have it
where reports are alike."""
BLURS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""Sigmas, in pixels of 64."""
TOO_FEW_PICTURES = f"the search needs {LEAST} pictures that differ"


def repeated(made: NDArray[np.float32], real: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which generated pictures are another one again, [n]; None where real ones are too few.

    Args:
        made: generated pictures [n, 64, 64] in [0, 1].
        real: the studies' own, the same n.
    """
    if len(real) < LEAST:
        return None
    search, places = PictureSearch(), np.arange(len(real))
    search.learn(real)
    if not np.ptp(search.known, axis=0).any():
        return None
    smooth = as_smooth_as(made, real)
    limit = surely_under(search.among(smooth).almost(smooth, places), ACCIDENTAL)
    return np.asarray(search.among(made).almost(made, places) < limit)


def as_smooth_as(made: NDArray[np.float32], real: NDArray[np.float32]) -> NDArray[np.float32]:
    """The real pictures, blurred until their detail is that of the generated ones, or less."""
    from scipy.ndimage import gaussian_filter

    least, blurred = detail(made), real
    for sigma in BLURS:
        if detail(blurred) <= least:
            break
        blurred = gaussian_filter(real, (0, sigma, sigma))
    return np.asarray(blurred, dtype=np.float32)


def detail(pictures: NDArray[np.float32]) -> float:
    """How much neighbouring cells of 2 x 2 pixels differ, over how much all do; the mean."""
    cells = by_twos(pictures)
    curved = 4.0 * cells[:, 1:-1, 1:-1] - cells[:, :-2, 1:-1] - cells[:, 2:, 1:-1]
    curved -= cells[:, 1:-1, :-2] + cells[:, 1:-1, 2:]
    spread = np.maximum(cells.std(axis=(1, 2)), 1e-6)
    return float((curved.std(axis=(1, 2)) / spread).mean())
