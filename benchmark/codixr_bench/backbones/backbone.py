"""What a Fréchet distance asks of a feature extractor, and how pictures get to it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Image, Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Sample
from codixr_bench.task import Task

Images = NDArray[np.float32]
"""float32 [B, 1, H, W] in [0, 1]."""
Features = NDArray[np.float32]
"""float32 [B, d]."""
VIEWS = {Modality.F: "frontal", Modality.L: "lateral"}


class Backbone(Protocol):
    """Turns pictures into features, one picture at a time: no batch statistics.

    A backbone may also have ``keeps = True``: its features of real pictures are worth keeping
    on the disk (``real_features.py``), or ``keeps_others = True``: those of other studies than the
    evaluated ones are, which every run asks for; and ``least_n``: below it, distances carry a
    warning.
    """

    name: str
    """Names the score: ``fid_<name>``."""

    @property
    def signature(self) -> str:
        """What makes features comparable, e.g. ``phantom-judge-F|weights:ab12cd34``."""
        ...

    def features(self, images: Images) -> Features:
        """Features of a batch."""
        ...


def eight_bits(images: Images, backbone: str) -> NDArray[np.uint8]:
    """float32 [B, 1, H, W] in [0, 1] -> uint8, rounded; as a picture is saved as an 8-bit PNG.

    Raises InputError for NaN, infinity and another range, e.g. 0 to 255: never rescaled silently.
    """
    if images.ndim != 4 or images.shape[1] != 1 or 0 in images.shape:
        raise InputError(f"backbone '{backbone}': pictures are {images.shape}, not [B, 1, H, W]")
    least, most = float(images.min()), float(images.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise InputError(f"backbone '{backbone}': a picture holds NaN or infinity")
    if least < 0.0 or most > 1.0:
        raise InputError(
            f"backbone '{backbone}': pictures range from {least:.4g} to {most:.4g}, not from 0 to "
            "1; scale them by what white is, e.g. 255"
        )
    levels: NDArray[np.uint8] = np.rint(images * np.float32(255.0)).astype(np.uint8)
    return levels


def real_images(positions: Sequence[int], studies: Sequence[Study], view: Modality) -> Images:
    """The studies' own pictures of one view; InputError names the position that lacks it."""
    images: list[Image] = []
    for position, study in zip(positions, studies, strict=True):
        image = study.get(view)
        if image is None or isinstance(image, str):
            raise InputError(
                f"the study at position {position} has no {VIEWS[view]} picture to score against; "
                "leave it out of the split"
            )
        images.append(image)
    return _stack(images, positions)


def generated_images(positions: Sequence[int], samples: Sequence[Sample], view: Modality) -> Images:
    """The generated pictures of one view; InputError names the position that lacks it."""
    images: list[Image] = []
    for position, sample in zip(positions, samples, strict=True):
        image = sample.get(view)
        if image is None or isinstance(image, str):
            raise InputError(f"the sample at position {position} has no {VIEWS[view]} picture")
        images.append(image)
    return _stack(images, positions)


def suffix_of(task: Task | None, view: Modality) -> str:
    """``[F]`` or ``[L]`` where ``task`` makes both views, else nothing."""
    two_views = task is not None and sum(m.is_image for m in task.outputs) == 2
    return f"[{view}]" if two_views else ""


def _stack(images: Sequence[Image], positions: Sequence[int]) -> Images:
    for position, image in zip(positions, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"the picture at position {position} is {image.shape}, the one at position "
                f"{positions[0]} is {images[0].shape}: a batch needs one size"
            )
    return np.stack(images).astype(np.float32, copy=False)
