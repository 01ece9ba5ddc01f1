"""The components by name: how each is built from a preset, saved and loaded.

A model's folder holds ``model_index.json`` (the preset: every number), ``tokenizer/``, and one
folder a component with its weights in safetensors.
"""

import json
import os
import types
import typing
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from codixr.errors import InputError
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.image_vae import ImageVAE
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.report_ldm import ReportDenoiser
from codixr.model.report_vae import ReportVAE

INDEX = "model_index.json"
WEIGHTS = "model.safetensors"

BUILDERS: dict[str, Callable[[Preset], nn.Module]] = {
    "prompt_encoder": lambda p: PromptEncoder(p.prompt),
    "image_vae": lambda p: ImageVAE(p.image_vae),
    "denoiser_f": lambda p: XrayDenoiser(p.image_unet, p.image_environment),
    "denoiser_l": lambda p: XrayDenoiser(p.image_unet, p.image_environment),
    "report_vae": lambda p: ReportVAE(p.report_vae),
    "denoiser_t": lambda p: ReportDenoiser(p.report_unet, p.report_environment),
}


def _from_plain(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        known = {f.name for f in fields(kind)}
        if unknown := set(value) - known:
            raise InputError(f"{INDEX} has unknown fields: {', '.join(sorted(unknown))}")
        return kind(**{k: _from_plain(hints[k], v) for k, v in value.items()})
    if origin is tuple:
        return tuple(value)
    if origin is types.UnionType:
        return value
    return value


def save_preset(preset: Preset, folder: Path) -> None:
    """Write every number of the model to ``folder/model_index.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"_class_name": "CoDiXRPipeline", **asdict(preset)}, indent=2)
    temporary = folder / f"{INDEX}.tmp"
    temporary.write_text(text + "\n")
    temporary.replace(folder / INDEX)


def load_preset(folder: Path) -> Preset:
    """Read ``folder/model_index.json``; InputError when it is missing or not one."""
    path = folder / INDEX
    try:
        plain = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"no checkpoint at {folder}: it has no {INDEX}; give the folder that holds it"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}); copy the checkpoint again"
        ) from None
    try:
        plain.pop("_class_name", None)
        return typing.cast(Preset, _from_plain(Preset, plain))
    except (TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path} is not a CoDiXR checkpoint's index: {error}") from None


def _unique_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """The state without names that share another name's memory (GPT-2 ties its head)."""
    seen, state = set(), {}
    for name, tensor in module.state_dict().items():
        key = (tensor.data_ptr(), tensor.shape)
        if tensor.numel() and key in seen:
            continue
        seen.add(key)
        state[name] = tensor
    return state


def save_component(module: nn.Module, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a component's weights, atomically, vectors and matrices as ``dtype``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (tensor.to(dtype) if tensor.is_floating_point() and tensor.ndim else tensor)
        .contiguous()
        .clone()
        for name, tensor in _unique_state(module).items()
    }
    temporary = folder / f"{WEIGHTS}.tmp"
    save_file(state, temporary, metadata={"format": "pt"})
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(folder / WEIGHTS)


def load_component(preset: Preset, name: str, folder: Path) -> nn.Module:
    """Build component ``name`` and load its weights as float32, in eval mode.

    Raises InputError for a missing or truncated file, and for one of another preset.
    """
    path = folder / name / WEIGHTS
    if not path.is_file():
        raise InputError(f"the checkpoint lacks {path}: copy the whole folder, or train that part")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None
    module = BUILDERS[name](preset)
    own = _unique_state(module)
    wrong = sorted(
        key
        for key in own.keys() | state.keys()
        if key not in own or key not in state or own[key].shape != state[key].shape
    )
    if wrong:
        raise InputError(
            f"{path} does not fit the preset in {INDEX}: {len(wrong)} weights are missing, unknown "
            f"or of another shape, the first is {wrong[0]}"
        )
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in state.items()}, strict=False)
    return module.eval()
