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
    """Turns pictures into features, one picture at a time: no batch statistics."""

    name: str
    """Names the score: ``fid_<name>``."""

    @property
    def signature(self) -> str:
        """What makes features comparable, e.g. ``phantom-judge-F|weights:ab12cd34``."""
        ...

    def features(self, images: Images) -> Features:
        """Features of a batch."""
        ...


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


def features_of(
    backbone: Backbone, studies: Sequence[Study], view: Modality, batch_size: int = 64
) -> Features:
    """Features of real studies, e.g. of a disjoint set for a Fréchet distance's floor, [m, d]."""
    batches = []
    for first in range(0, len(studies), batch_size):
        positions = range(first, min(first + batch_size, len(studies)))
        batch = [studies[position] for position in positions]
        batches.append(backbone.features(real_images(positions, batch, view)))
    return np.concatenate(batches)


def suffix_of(task: Task | None, view: Modality) -> str:
    """``[F]`` or ``[L]`` where ``task`` makes both views, else nothing (CONTRACT.md, names)."""
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
