"""Anatomy of real pictures, from the masks of the package cxas (Seibold et al. 2023).

For whoever has the package and its weights: nothing is downloaded here, and without them scores are
null with the reason. Measures are those of the phantom, by the masks' own boxes; a structure that
is missing is NaN, and such a picture lies in no region. What real pictures measure is learnt from
the first training studies with both views.
"""

import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.anatomy_fit import Pair, Region
from codixr.data.phantom.measures import measure_names
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones.anatomy import Rows
from codixr_bench.backbones.backbone import Images, eight_bits
from codixr_bench.backbones.pass_cache import SeenBatches

if TYPE_CHECKING:
    from codixr_bench.track import Evaluation

MODEL = "UNet_ResNet50_default"
LEARNT = 200
"""Training studies with both views that are measured first; a second or two each on a CPU."""
LEAST = 2 * (len(measure_names(Modality.F)) + len(measure_names(Modality.L)))
"""Fewer tell too little of how the views go together."""
NOT_INSTALLED = "the package cxas is not installed"
NO_WEIGHTS = "cxas' weights are not on this machine"
TOO_FEW = f"the track has fewer than {LEAST} training studies with both views"
STRUCTURES = {
    "lung_right": "right lung",
    "lung_left": "left lung",
    "dome_right": "right hemidiaphragm",
    "dome_left": "left hemidiaphragm",
    "heart": "heart",
    "spine": "thoracic spine",
    "stomach": "stomach",
}
"""Our name -> cxas's."""
Masks = Mapping[str, NDArray[np.bool_]]
_VIEWS = (Modality.F, Modality.L)


def weights_path() -> Path:
    """Where cxas keeps its weights: ``$CXAS_PATH`` or the home folder, then ``.cxas/weights``."""
    root = os.environ.get("CXAS_PATH") or Path.home()
    return Path(root) / ".cxas" / "weights" / f"{MODEL}.pth"


class CxasAnatomy:
    """Measures by masks; see ``anatomy.Anatomy``."""

    def __init__(self) -> None:
        self.absent: str | None = None
        if importlib.util.find_spec("cxas") is None:
            self.absent = NOT_INSTALLED
        elif not weights_path().is_file():
            self.absent = NO_WEIGHTS
        self._learnt_from: str | None = None
        self._regions: dict[Modality, Region] = {}
        self._pair: Pair | None = None
        self._seen: dict[Modality, SeenBatches[Rows]] = {view: SeenBatches() for view in _VIEWS}

    def signature(self, view: Modality) -> str:
        """By the hash of the weights, and how many studies the region was learnt from."""
        return f"cxas-{view}|weights:{self._digest[:8]}|learnt:{LEARNT}"

    def pair_signature(self) -> str:
        """The pair is learnt from the same studies."""
        return f"learnt:{LEARNT}"

    def names(self, view: Modality) -> tuple[str, ...]:
        """Those of the phantom."""
        return measure_names(view)

    def rows(self, view: Modality, images: Images) -> Rows:
        """Measures of the masks; NaN where a structure is missing."""
        return self._seen[view].get(images, lambda batch: self._rows(view, batch))

    def prepare(self, evaluation: "Evaluation") -> None:
        """Measure training studies, once a track; ``absent`` is set where there are too few."""
        if self.absent is not None:
            return
        training = evaluation.training()
        if training is not None and training.fingerprint == self._learnt_from:
            return
        studies: list[Study] = []
        for place in range(0 if training is None else len(training)):
            study = training[place]  # type: ignore[index]
            if study.frontal is not None and study.lateral is not None:
                studies.append(study)
            if len(studies) == LEARNT:
                break
        if training is None or len(studies) < LEAST:
            self.absent = TOO_FEW
            return
        rows: dict[Modality, list[Rows]] = {view: [] for view in _VIEWS}
        with Progress("cxas: training studies", len(studies), unit="studies") as bar:
            for study in studies:
                for view in _VIEWS:
                    image = np.asarray(study.get(view), dtype=np.float32)
                    rows[view].append(self._rows(view, image[None]))
                bar.advance()
        found = [np.concatenate(rows[view]) for view in _VIEWS]
        whole = [np.isfinite(one).all(axis=1) for one in found]
        if min(int((whole[0] & whole[1]).sum()), *(int(one.sum()) for one in whole)) < LEAST:
            self.absent = TOO_FEW
            return
        both = whole[0] & whole[1]
        self._regions = {
            view: Region.fit(one[w]) for view, one, w in zip(_VIEWS, found, whole, strict=True)
        }
        self._pair = Pair.fit(found[0][both], found[1][both])
        self._learnt_from = training.fingerprint

    def region(self, view: Modality) -> Region:
        """As it was learnt; InputError before ``prepare``."""
        if view not in self._regions:
            raise InputError("cxas: nothing was learnt of real pictures yet")
        return self._regions[view]

    def pair(self) -> Pair:
        """As it was learnt; InputError before ``prepare``."""
        if self._pair is None:
            raise InputError("cxas: nothing was learnt of real pairs yet")
        return self._pair

    def _rows(self, view: Modality, images: Images) -> Rows:
        return np.stack([measures_of_masks(view, masks) for masks in self._masks(images)])

    def _masks(self, images: Images) -> Iterator[Masks]:
        """Of each picture, by cxas's own reader of files: it takes nothing else."""
        from PIL import Image

        model, numbers = self._model
        levels = eight_bits(images, "cxas")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            for picture in levels[:, 0]:
                Image.fromarray(picture).save(path)
                found = model.process_file(str(path))["segmentation_preds"][0]
                masks = np.asarray(found.cpu().numpy(), dtype=np.bool_)
                yield {ours: masks[numbers[theirs]] for ours, theirs in STRUCTURES.items()}

    @cached_property
    def _model(self) -> tuple[Any, Mapping[str, int]]:
        from codixr_bench.backbones.placement import device

        cxas = importlib.import_module("cxas")
        labels = importlib.import_module("cxas.label_mapper")
        where = device()
        gpus = "cpu" if where.type == "cpu" else str(where.index or 0)
        return cxas.CXAS(model_name=MODEL, gpus=gpus), labels.category_ids

    @cached_property
    def _digest(self) -> str:
        import hashlib

        with weights_path().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        kept = {k: v for k, v in self.__dict__.items() if k != "_model"}
        return kept | {"_seen": {view: SeenBatches() for view in _VIEWS}}


def measures_of_masks(view: Modality, masks: Masks) -> Rows:
    """The measures of one picture, float64 [k], from masks [H, W] by the names of ``STRUCTURES``.

    NaN for what the masks don't show; the stomach alone may be absent.
    """
    lungs = masks["lung_right"] | masks["lung_left"]
    heart, spine = _box(masks["heart"]), _box(masks["spine"])
    top, bottom, left, right = heart
    stomach = _box(masks["stomach"])
    across = _middle(spine)
    chest = _widest(lungs)
    sided = (
        *(_height(masks[f"lung_{side}"]) for side in ("right", "left")),
        *(_box(masks[f"dome_{side}"])[0] for side in ("right", "left")),
    )
    place = (_middle(heart), 0.5 * (top + bottom), right - left, bottom - top)
    shows = float(np.isfinite(stomach[0]))
    if view is Modality.F:
        areas = (_area(masks["lung_right"]), _area(masks["lung_left"]))
        side = float(np.sign(_middle(stomach) - across)) if shows else 0.0
        row = ((right - left) / chest, *sided, *areas, *place, chest, across, side)
    else:
        behind = float(np.sign(across - _middle(heart)))
        row = (*sided, _area(lungs), *place, chest, across, behind, shows)
    return np.array(row, dtype=np.float64)


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Top, bottom, left, right in shares of the sides; NaN for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (np.nan,) * 4
    height, width = mask.shape
    return (
        rows[0] / height,
        (rows[-1] + 1) / height,
        columns[0] / width,
        (columns[-1] + 1) / width,
    )


def _middle(box: tuple[float, float, float, float]) -> float:
    return 0.5 * (box[2] + box[3])


def _height(mask: NDArray[np.bool_]) -> float:
    top, bottom, _, _ = _box(mask)
    return bottom - top


def _widest(mask: NDArray[np.bool_]) -> float:
    """The greatest width of any row, from its first to its last pixel."""
    rows = mask[mask.any(axis=1)]
    if not len(rows):
        return np.nan
    first, last = rows.argmax(axis=1), rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    return float((last - first).max() / rows.shape[1])


def _area(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if mask.any() else np.nan
