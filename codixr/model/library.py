"""The parts by the names that ``model_index.json`` gives diffusers: each is read from its folder.

``DiffusionPipeline.from_pretrained`` looks a part's class up here and calls its ``from_pretrained``
with the part's folder. What comes back is the part itself; nothing in the folder is run. Diffusers
knows this module as ``diffusers.pipelines.codixr``; an older index names it as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin
from torch import nn

from codixr.errors import InputError
from codixr.model import components

__all__ = ["NAMES", "PARTS", "ModelMixin", "SchedulerMixin"]

PARTS = "codixr"
"""This library in an index: what ``codixr.diffusers_name`` adds to ``diffusers.pipelines``."""
NAMES = {name: kind.__name__ for name, kind in components.KINDS.items()}
"""Component -> the name of its class in the index."""


class _OfModules(type):
    """Diffusers asks whether a part that a user gives is of its library's kind: any module is."""

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, nn.Module)


class ModelMixin(diffusers.ModelMixin, metaclass=_OfModules):  # type: ignore[misc]
    """The kind of a part, as diffusers looks it up here."""


class _Part(ModelMixin):
    """A name that diffusers finds; never built itself."""

    @classmethod
    def load_config(cls, *_: Any, **__: Any) -> Any:
        """What diffusers asks for to balance parts over devices; InputError."""
        raise InputError(
            "device_map 'balanced': use CoDiXRPipeline.from_pretrained(folder, device_map=...)"
        )

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path,
        torch_dtype: torch.dtype | None = None,
        variant: str | None = None,
        device_map: Any = None,
        **_: Any,
    ) -> nn.Module:
        """The component in ``place``, a folder beside its checkpoint's ``model_index.json``."""
        if isinstance(device_map, Mapping):
            device_map = device_map.get("")
        folder = Path(place)
        preset = components.load_preset(folder.parent)
        module = components.load_component(preset, folder.name, folder.parent, variant)
        return module.to(device=device_map, dtype=torch_dtype)


class PromptEncoder(_Part):
    """``codixr.model.prompt_encoder.PromptEncoder``."""


class ImageVAE(_Part):
    """``codixr.model.image_vae.ImageVAE``."""


class ReportVAE(_Part):
    """``codixr.model.report_vae.ReportVAE``."""


class XrayDenoiser(_Part):
    """``codixr.model.image_ldm.XrayDenoiser``."""


class ReportDenoiser(_Part):
    """``codixr.model.report_ldm.ReportDenoiser``."""
