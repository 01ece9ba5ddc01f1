"""A whole model on disk, as on the hubs: ``model_index.json``, tokenizers, components, a card."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model import components
from codixr.model.layout import SHARD_BYTES
from codixr.model.official import components as foreign
from codixr.model.presets import Preset
from codixr.model.tokenizer import Tokenizers, load_tokenizers, save_tokenizers

EMBEDDED = Path(__file__).resolve().parent.parent / "assets" / "tiny"
"""The checkpoint in the package: trained on simulated X-rays only."""
CARD = "README.md"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load(
    source: str | Path | None = None,
    *,
    revision: str | None = None,
    dtype: torch.dtype | None = None,
    others: Mapping[str, str | Path] | None = None,
) -> tuple[Preset, dict[str, nn.Module], Tokenizers, Path]:
    """The preset, components and tokenizers of a checkpoint, and the folder they were read from.

    Raises InputError for a missing, damaged or half-written folder.
    """
    folder = find(source, revision)
    _quiet_transformers()
    others = others or {}
    own = components.load_preset(folder)
    preset = foreign.adapt(own, others)
    tokenizers = load_tokenizers(own.tokenizers, folder)
    tokenizers = foreign.load_tokenizers(tokenizers, others)
    _check_vocabularies(preset, tokenizers)
    modules = {
        name: (
            foreign.load(preset, name, others[name], folder)
            if name in others
            else components.load_component(preset, name, folder)
        ).to(dtype)
        for name in components.BUILDERS
    }
    return preset, modules, tokenizers, folder


def _check_vocabularies(preset: Preset, tokenizers: Tokenizers) -> None:
    for name, tokenizer, size in (
        ("prompt", tokenizers.prompt, preset.prompt.text["vocab_size"]),
        ("report encoder", tokenizers.report_encoder, preset.report_vae.bert["vocab_size"]),
        ("report decoder", tokenizers.report_decoder, preset.report_vae.gpt2["vocab_size"]),
    ):
        if len(tokenizer) > size:
            raise InputError(
                f"the {name}'s tokenizer has {len(tokenizer):,} tokens, its embeddings {size:,}: "
                "they are of different models; copy the whole folder, or give its tokenizer too"
            )


def save(
    preset: Preset,
    modules: Mapping[str, nn.Module],
    tokenizers: Tokenizers,
    folder: str | Path,
    dtype: torch.dtype | None = None,
    max_shard_size: int | str = SHARD_BYTES,
) -> None:
    """Write a checkpoint; the index comes last, so that a half-written folder has none.

    ``dtype`` None keeps each component's own. An older checkpoint in ``folder`` is replaced.
    Raises InputError when the folder cannot be written.
    """
    path, limit = Path(folder), shard_bytes(max_shard_size)
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / components.INDEX).unlink(missing_ok=True)
        for name, module in modules.items():
            own = dtype or next(module.parameters()).dtype
            components.save_component(module, path / name, own, limit)
        save_tokenizers(tokenizers, preset.tokenizers, path)
        write_card(preset, modules, path)
        components.save_preset(preset, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror or error}; the checkpoint there is "
            "incomplete"
        ) from None


def find(source: str | Path | None, revision: str | None = None) -> Path:
    """The folder of a checkpoint: ``source`` itself, the embedded one, or a hub's snapshot."""
    if source is None:
        return EMBEDDED
    path = Path(source)
    if path.exists() or not (isinstance(source, str) and _HUB_ID.fullmatch(source)):
        if path.is_file():
            raise InputError(f"{path} is a file; give the folder that holds {components.INDEX}")
        return path
    return _download(source, revision)


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.txt", "*.md"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        pinned = f" --revision {revision}" if revision else ""
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"'{name}' is no folder here, and cannot be had from the Hugging Face hub ({reason}); "
            f"offline, run `hf download {name}{pinned} --local-dir DIR` on a machine that is "
            "online, and give that folder"
        ) from None


def shard_bytes(size: int | str) -> int:
    """``"5GB"``, ``"200MB"`` or a number of bytes; InputError otherwise."""
    if isinstance(size, int):
        number, unit = size, ""
    else:
        match = re.fullmatch(r"(\d+)\s*([KMG]?)B?", size.strip().upper())
        if match is None:
            raise InputError(f"max_shard_size '{size}': write bytes, or e.g. 5GB")
        number, unit = int(match[1]), match[2]
    if number < 1:
        raise InputError(f"max_shard_size {size}: give at least 1 byte")
    return number * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[unit]


def write_card(preset: Preset, modules: Mapping[str, nn.Module], folder: Path) -> None:
    """Write a model card as the hubs read them; one that is there is kept."""
    path = folder / CARD
    if path.exists():
        return
    total = sum(p.numel() for m in modules.values() for p in m.parameters()) / 1e6
    text = f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# A CoDi_XR checkpoint

Preset `{preset.name}`: {total:,.1f} M parameters, {preset.image_size}×{preset.image_size} pictures.
Frontal chest X-rays, lateral ones and reports from any of the others. Say here what it was trained
on, under which licence, and what was measured. Not a medical device.

```python
from codixr.model.pipeline import CoDiXRPipeline

pipe = CoDiXRPipeline.from_pretrained("this folder")
result = pipe(inputs={{"T": "Large left pleural effusion."}}, outputs="F+L")
```
"""
    write_atomically(path, text.encode())


def _quiet_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
