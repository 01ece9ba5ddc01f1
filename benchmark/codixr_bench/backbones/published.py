"""Backbones with published weights, by name: loaded at their first use, or absent with a reason."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from codixr import messages
from codixr.errors import InputError
from codixr_bench.backbones.backbone import Backbone, Features, Images
from codixr_bench.backbones.weights import (
    WEIGHTS,
    WrongWeightsError,
    load_weights,
    read_state,
)
from codixr_bench.registry import unknown

SCORE_NAMES = {
    "inception": "inception",
    "xrv": "xrv",
    "xrv-chex": "xrv_chex",
    "xrv-mimic": "xrv_mimic_ch",
    "dinov2-s": "dinov2_s",
    "dinov2-b": "dinov2_b",
    "dinov2-l": "dinov2_l",
    "rad-dino": "rad_dino",
    "rad-dino-cgb": "rad_dino_cgb",
}
"""Backbone -> the end of its scores' names: ``fid_inception``."""
FOLDERS = ("rad-dino", "rad-dino-cgb")
"""Backbones that are a folder of transformers, not a file of weights."""
NOT_HERE = "are not on this machine"
"""Of a null score's reason: weights may be here the next time."""
_TRAINED_ON = {"xrv": "all", "xrv-chex": "chex", "xrv-mimic": "mimic_ch"}


class PublishedBackbone:
    """A backbone whose weights are looked for, or downloaded, at its first use.

    Args:
        backbone: a name of ``SCORE_NAMES``.
        given: a file of weights, or a folder, to use instead of the cache's.
        allow_unpinned: whether ``given`` may be another file than the published one.
    """

    keeps = True

    def __init__(
        self, backbone: str, given: Path | None = None, *, allow_unpinned: bool = False
    ) -> None:
        self.backbone = backbone
        self.name = SCORE_NAMES[backbone]
        self.least_n = 1024 if backbone.startswith("xrv") else 2048
        self.absent: str | None = None
        """Why the scores are null; a line without a path, fit for a result."""
        self._given = given
        self._allow_unpinned = allow_unpinned
        self._loaded: Backbone | None = None

    def load(self) -> Backbone:
        """The network; InputError for wrong weights, and for missing ones: ``absent`` is set."""
        if self._loaded is None:
            try:
                self._loaded = _load(self.backbone, self._given, self._allow_unpinned)
            except WrongWeightsError:
                raise
            except InputError:
                self.absent = (
                    f"the weights of backbone '{self.backbone}' {NOT_HERE}; "
                    "a note of the run said where to put them"
                )
                raise
            self.absent = None
        return self._loaded

    def use(self, given: Path, *, allow_unpinned: bool) -> None:
        """Take the weights from this file from now on; see ``load_weights``."""
        self._given, self._allow_unpinned = given, allow_unpinned
        self._loaded = self.absent = None

    @property
    def is_given(self) -> bool:
        """Whether somebody named the file to use."""
        return self._given is not None

    @property
    def signature(self) -> str:
        """As the network's; InputError as ``load``."""
        return self.load().signature

    def features(self, images: Images) -> Features:
        """Features of a batch; InputError as ``load``, and for pictures of a wrong range."""
        return self.load().features(images)

    def __getattr__(self, name: str) -> Any:
        # A judge's other half: classes, probabilities, thresholds.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.load(), name)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@cache
def published(backbone: str) -> PublishedBackbone:
    """The process's one backbone of this name: both views, and all metrics, share its weights."""
    return PublishedBackbone(backbone)


def load_or_note(backbone: Backbone, what: str) -> None:
    """Load a backbone before hours of work.

    Published weights that are missing are noted on stderr, once, as those of the metric ``what``;
    then ``absent`` is set. InputError for a backbone that belongs to this package, and for a file
    that is there and is another one, or was given by name.
    """
    if not isinstance(backbone, PublishedBackbone):
        _ = backbone.signature
    elif backbone.absent is None:
        try:
            backbone.load()
        except WrongWeightsError:
            raise
        except InputError as error:
            if backbone.is_given:
                raise
            messages.note("codixr-bench", f"{what}: {error}")


def give_weights(given: Mapping[str, Path], *, allow_unpinned: bool) -> None:
    """Use these files as the weights of these backbones in this process.

    Raises InputError for a name that is no published backbone's, and where other files are allowed
    and none is given.
    """
    for name, path in given.items():
        if name not in SCORE_NAMES:
            raise unknown("backbone", name, SCORE_NAMES, where=" of --weights")
        for one in FOLDERS if name in FOLDERS else (name,):
            published(one).use(path, allow_unpinned=allow_unpinned)
    if allow_unpinned and not given:
        raise InputError("--allow-unpinned is of a file that --weights NAME=FILE gives; add it")


def backbone_of_file(path: Path) -> str:
    """Which backbone a file of weights belongs to, by its tensors' names and sizes.

    Raises InputError for a file that is none, or of no known network.
    """
    state = read_state(path)
    if "Mixed_5b.branch1x1.conv.weight" in state:
        return "inception"
    if "features.denseblock1.denselayer1.conv1.weight" in state:
        return "xrv"
    if "cls_token" in state and "patch_embed.proj.weight" in state:
        sizes = {384: "dinov2-s", 768: "dinov2-b", 1024: "dinov2-l"}
        width = state["cls_token"].shape[-1]
        if width in sizes:
            return sizes[width]
    raise InputError(
        f"'{path}' holds the weights of no known network: Inception v3 of torch-fidelity, "
        "DenseNet-121 of torchxrayvision, or DINOv2 (ViT-S, B, L)"
    )


def _load(backbone: str, given: Path | None, allow_unpinned: bool) -> Backbone:
    if backbone in FOLDERS:
        from codixr_bench.backbones.rad_dino import RadDinoBackbone, find_folder

        return RadDinoBackbone(find_folder(given), backbone, allow_unpinned=allow_unpinned)
    weights = load_weights(backbone, given, allow_unpinned=allow_unpinned)
    if backbone == "inception":
        from codixr_bench.backbones.inception import InceptionBackbone

        return InceptionBackbone(weights)
    if backbone in _TRAINED_ON:
        from codixr_bench.backbones.xrv import XrvPass

        return XrvPass(weights, _TRAINED_ON[backbone])
    from codixr_bench.backbones.dinov2 import DinoBackbone

    return DinoBackbone(weights, SCORE_NAMES[backbone])


assert set(SCORE_NAMES) == {*WEIGHTS, *FOLDERS}
