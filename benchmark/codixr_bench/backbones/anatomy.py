"""Who measures a picture's anatomy: the phantom's estimators, or masks of the package cxas.

An ``Anatomy`` measures both views in the same words (``codixr.data.phantom.measures``), and knows
what real pictures measure: a region that holds 99 % of them, and how two views of one body go
together. Importing this needs no torch.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from codixr.data.anatomy_fit import Pair, Region
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Images
from codixr_bench.backbones.pass_cache import SeenBatches
from codixr_bench.backbones.placement import device, in_passes, placed

if TYPE_CHECKING:
    from codixr_bench.track import Evaluation

Rows = NDArray[np.float64]
SHARED = (
    "lung_height_right",
    "lung_height_left",
    "diaphragm_right",
    "diaphragm_left",
    "heart_down",
    "heart_height",
)
"""What both views measure, in one unit: shares of the picture's side."""
_REMEMBERED = 256


class Anatomy(Protocol):
    """Measures pictures of both views.

    ``absent``: why it can't, e.g. a package that is not installed; None where it can.
    """

    absent: str | None

    def signature(self, view: Modality) -> str:
        """What measured, e.g. ``phantom-anatomy-F|weights:ab12cd34``."""
        ...

    def names(self, view: Modality) -> tuple[str, ...]:
        """Of the measures, the first columns of ``rows``."""
        ...

    def rows(self, view: Modality, images: Images) -> Rows:
        """[B, k or more]: measures, and what else the region is made of."""
        ...

    def prepare(self, evaluation: "Evaluation") -> None:
        """Learn what real pictures measure, where that is not shipped; may set ``absent``."""
        ...

    def region(self, view: Modality) -> Region:
        """Of real pictures' ``rows``."""
        ...

    def pair(self) -> Pair:
        """How the measures of F and L go together."""
        ...

    def pair_signature(self) -> str:
        """What tells one such pair from another, e.g. ``pair:ab12cd34``."""
        ...


class PhantomAnatomy:
    """The shipped estimators; regions and pair are those of the phantom's train split."""

    absent: str | None = None

    def __init__(self) -> None:
        self._seen: dict[Modality, SeenBatches[Rows]] = {
            view: SeenBatches(_REMEMBERED) for view in (Modality.F, Modality.L)
        }

    def signature(self, view: Modality) -> str:
        """By the hash of the weights, the region within."""
        from codixr.data.phantom.anatomy_estimator import load_estimator

        return f"phantom-anatomy-{view}|weights:{load_estimator(view).sha256[:8]}"

    def names(self, view: Modality) -> tuple[str, ...]:
        """By ``codixr.data.phantom.measures``."""
        from codixr.data.phantom.measures import measure_names

        return measure_names(view)

    def rows(self, view: Modality, images: Images) -> Rows:
        """Measures and steadiness; InputError for pictures that can't be read."""
        from codixr.data.phantom.anatomy_estimator import load_estimator

        _ = load_estimator(view)  # loaded outside of inference mode
        return self._seen[view].get(images, lambda batch: self._forward(view, batch))

    def prepare(self, evaluation: "Evaluation") -> None:
        """Nothing: what real pictures measure is shipped."""

    def region(self, view: Modality) -> Region:
        """Shipped beside the weights."""
        from codixr.data.phantom.anatomy_estimator import load_estimator

        found = load_estimator(view).region
        return Region.of({k.removeprefix("region."): v.numpy() for k, v in found.items()})

    def pair(self) -> Pair:
        """Shipped; InputError where it is of other weights."""
        from codixr.data.phantom.anatomy_estimator import load_pair

        return Pair.of({name: value.numpy() for name, value in load_pair()[0].items()})

    def pair_signature(self) -> str:
        """By the hash of its file."""
        from codixr.data.phantom.anatomy_estimator import load_pair

        return f"pair:{load_pair()[1][:8]}"

    def _forward(self, view: Modality, images: Images) -> Rows:
        return np.concatenate(list(in_passes(images, lambda x: self._pass(view, x), len(images))))

    def _pass(self, view: Modality, images: Images) -> Rows:
        import torch

        from codixr.data.phantom.anatomy_estimator import load_estimator
        from codixr.data.phantom.anatomy_rows import measured

        model = placed(load_estimator(view).model)
        try:
            return measured(model, view, torch.from_numpy(images).to(device()))
        except ValueError as error:
            raise InputError(f"phantom-anatomy-{view}: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_seen": {view: SeenBatches(_REMEMBERED) for view in self._seen}}
