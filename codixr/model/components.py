"""The components by name: how each is built from a preset, saved and loaded.

A model's folder holds ``model_index.json`` (the preset: every number), the tokenizers, and one
folder a component with its weights in safetensors (see ``layout.py``).
"""

import json
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model import layout, mean_latent
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.image_vae import ImageVAE
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.report_ldm import ReportDenoiser
from codixr.model.report_vae import ReportVAE
from codixr.user_paths import is_name_too_long, name_too_long

INDEX = "model_index.json"

KINDS: dict[str, type[nn.Module]] = {
    "prompt_encoder": PromptEncoder,
    "image_vae": ImageVAE,
    "denoiser_f": XrayDenoiser,
    "denoiser_l": XrayDenoiser,
    "report_vae": ReportVAE,
    "denoiser_t": ReportDenoiser,
}
BUILDERS: dict[str, Callable[[Preset], nn.Module]] = {
    "prompt_encoder": lambda p: PromptEncoder(p.prompt),
    "image_vae": lambda p: ImageVAE(p.image_vae),
    "denoiser_f": lambda p: XrayDenoiser(p.image_unet, p.image_environment),
    "denoiser_l": lambda p: XrayDenoiser(p.image_unet, p.image_environment),
    "report_vae": lambda p: ReportVAE(p.report_vae),
    "denoiser_t": lambda p: ReportDenoiser(p.report_unet, p.report_environment),
}


def check_part(name: str, part: Any) -> None:
    """InputError unless ``part`` is what component ``name`` has to be; a compiled one may be."""
    kind = KINDS[name]
    if part is None:
        raise InputError(f"{name}: the pipeline was made without it, and this call needs it")
    if not isinstance(getattr(part, "_orig_mod", part), kind):
        raise InputError(
            f"{name}: it is of the kind {type(part).__name__}, and has to be a {kind.__name__}; "
            f"from_pretrained(components={{'{name}': FOLDER}}) takes other projects' folders"
        )


def _from_plain(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        known = {f.name for f in fields(kind)}
        if unknown := set(value) - known:
            raise InputError(f"{INDEX} has unknown fields: {', '.join(sorted(unknown))}")
        return kind(**{k: _from_plain(hints[k], v) for k, v in value.items()})
    if origin is typing.Literal and value not in typing.get_args(kind):
        raise InputError(
            f"{INDEX} says '{value}' where it must be one of {', '.join(typing.get_args(kind))}"
        )
    return tuple(value) if origin is tuple and isinstance(value, list) else value


def save_preset(
    preset: Preset, folder: Path, parts: Mapping[str, Sequence[str | None]] | None = None
) -> None:
    """Write every number of the model to ``folder/model_index.json``.

    ``parts`` name each component's library and class, as diffusers' pipelines have them. Write the
    index last: a folder without it is half-written, and refused as such.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = {"_class_name": "CoDiXRPipeline", **(parts or {}), "preset": asdict(preset)}
    text = json.dumps(index, indent=2)
    write_atomically(folder / INDEX, (text + "\n").encode())


def load_preset(folder: Path) -> Preset:
    """Read ``folder/model_index.json``; InputError when it is missing or not one."""
    path = folder / INDEX
    try:
        plain = json.loads(path.read_text())
    except FileNotFoundError:
        if any((folder / name).is_dir() for name in BUILDERS):
            raise InputError(
                f"{folder} is half-written: it has no {INDEX}, which is written last; save or copy "
                "the checkpoint again"
            ) from None
        raise InputError(
            f"no checkpoint at {folder}: it has no {INDEX}; give the folder that holds it"
        ) from None
    except OSError as error:
        if is_name_too_long(error):
            raise InputError(f"no checkpoint there: {name_too_long(error)}") from None
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}); copy the checkpoint again"
        ) from None
    try:
        # Before they had parts, indexes were a preset's fields and no more.
        return preset_from(plain.get("preset", plain))
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except (TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path} is not a CoDiXR checkpoint's index: {error}") from None


def preset_from(plain: Mapping[str, Any]) -> Preset:
    """A preset from what JSON holds; InputError for unknown fields and words."""
    fields_of = {key: value for key, value in plain.items() if not key.startswith("_")}
    return typing.cast(Preset, _from_plain(Preset, fields_of))


def save_component(
    module: nn.Module,
    folder: Path,
    dtype: torch.dtype = torch.float32,
    shard_bytes: int = layout.SHARD_BYTES,
    variant: str | None = None,
) -> None:
    """Write a component's parts, each file atomically, vectors and matrices as ``dtype``."""
    for part, state in layout.split_state(module):
        text = layout.config_text(part, module, dtype)
        layout.write_part(part, text, state, folder / part.folder, dtype, shard_bytes, variant)
    if isinstance(module, XrayDenoiser):
        mean_latent.save(module, folder, keep=variant is not None)


@torch.no_grad()
def load_component(
    preset: Preset, name: str, folder: Path, variant: str | None = None
) -> nn.Module:
    """Build component ``name`` and load its weights as float32, in eval mode.

    Raises InputError for a missing or truncated file, and for one of another preset.
    """
    with layout.without_initialisation():
        module = BUILDERS[name](preset)
    for part, own in layout.split_state(module):
        where = folder / name / part.folder
        layout.fill(
            own,
            layout.part_files(part, where, variant),
            f"{where} does not fit the preset in {INDEX}",
        )
    if isinstance(module, XrayDenoiser):
        mean_latent.load(module, folder / name, preset.latent_shape)
    return module.eval()
