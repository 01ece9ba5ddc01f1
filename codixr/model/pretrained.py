"""A whole model on disk, as on the hubs: ``model_index.json``, tokenizers, components, a card."""

import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codixr import hub
from codixr.errors import InputError
from codixr.model import components, dtypes
from codixr.model.card import write_card
from codixr.model.dtypes import Dtype
from codixr.model.index import SCHEDULER, save_index
from codixr.model.layout import SHARD_BYTES
from codixr.model.official import components as official
from codixr.model.presets import Preset, TokenizerConfig
from codixr.model.schedulers import check as check_scheduler
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import Tokenizers, load_tokenizers, save_tokenizers
from codixr.user_paths import is_file

EMBEDDED = Path(__file__).resolve().parent.parent / "assets" / "tiny"
"""The checkpoint in the package: trained on simulated X-rays only."""


def load(
    source: str | Path | None = None,
    *,
    revision: str | None = None,
    dtype: Dtype = None,
    others: Mapping[str, str | Path] | None = None,
    variant: str | None = None,
    leave_out: Collection[str] = (),
) -> tuple[Preset, dict[str, nn.Module], Tokenizers, Path]:
    """The preset, components and tokenizers of a checkpoint, and the folder they were read from.

    Components to ``leave_out`` are not read.

    Raises InputError for a missing, damaged or half-written folder.
    """
    dtypes.check(dtype, tuple(components.BUILDERS))
    folder = find(source, revision)
    has_variant = {name for name in components.BUILDERS if _has(folder / name, variant)}
    if variant and folder.is_dir() and not has_variant:
        raise InputError(f"{folder} has no files of the variant '{variant}': leave it out")
    _quiet_transformers()
    others = others or {}
    own = components.load_preset(folder)
    preset = official.adapt(own, others)
    tokenizers = load_tokenizers(own.tokenizers, folder)
    tokenizers = official.load_tokenizers(tokenizers, others)
    _check_vocabularies(preset, tokenizers)
    modules = {
        name: (
            official.load(preset, name, others[name], folder)
            if name in others
            else components.load_component(
                preset, name, folder, variant if name in has_variant else None
            )
        ).to(dtypes.of_component(dtype, name))
        for name in components.BUILDERS
        if name not in leave_out
    }
    return preset, modules, tokenizers, folder


def _has(folder: Path, variant: str | None) -> bool:
    return variant is not None and any(folder.rglob(f"*.{variant}[.-]*"))


def load_scheduler(preset: Preset, folder: Path) -> Any:
    """The scheduler that was saved with a checkpoint, or the preset's.

    Raises InputError for one that does not fit the model.
    """
    config = folder / SCHEDULER / "scheduler_config.json"
    if not config.is_file():
        return make_scheduler(preset.diffusion, preset.diffusion.steps)
    try:
        plain = json.loads(config.read_text())
        kind = make_scheduler(preset.diffusion, 1, str(plain["_class_name"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{config} cannot be read ({error}); copy the folder again") from None
    return check_scheduler(preset.diffusion, type(kind).from_config(plain))


def _named_as_parts(tokenizers: Tokenizers, config: TokenizerConfig) -> TokenizerConfig:
    """The tokenizers' folders by diffusers' rule: a part lies in the folder of its name."""
    prompt = tokenizers.prompt
    return replace(
        config,
        prompt="tokenizer",
        report_encoder=(
            "tokenizer" if tokenizers.report_encoder is prompt else "report_encoder_tokenizer"
        ),
        report_decoder=(
            "tokenizer" if tokenizers.report_decoder is prompt else "report_decoder_tokenizer"
        ),
    )


def _check_vocabularies(preset: Preset, tokenizers: Tokenizers) -> None:
    for name, tokenizer, size in (
        ("prompt", tokenizers.prompt, preset.prompt.text["vocab_size"]),
        ("report encoder", tokenizers.report_encoder, preset.report_vae.bert["vocab_size"]),
        ("report decoder", tokenizers.report_decoder, preset.report_vae.gpt2["vocab_size"]),
    ):
        # One of a closed vocabulary was made with its embeddings; another's may be padded.
        closed = tokenizer.init_kwargs.get("whole_words")
        if len(tokenizer) > size or (closed and len(tokenizer) < size):
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
    *,
    scheduler: Any = None,
    variant: str | None = None,
) -> None:
    """Write a checkpoint; the index comes last, so that a half-written folder has none.

    ``scheduler`` None is the preset's; a ``variant`` is written beside the weights that are there.
    ``dtype`` None keeps each component's own. An older checkpoint in ``folder`` is replaced.
    Raises InputError when the folder cannot be written.
    """
    path, limit = Path(folder), shard_bytes(max_shard_size)
    preset = replace(preset, tokenizers=_named_as_parts(tokenizers, preset.tokenizers))
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / components.INDEX).unlink(missing_ok=True)
        for name, module in modules.items():
            own = dtype or next(module.parameters()).dtype
            components.save_component(module, path / name, own, limit, variant)
        save_tokenizers(tokenizers, preset.tokenizers, path)
        write_card(preset, modules, path)
        save_index(preset, tokenizers, path, scheduler)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror or error}; the checkpoint there is "
            "incomplete"
        ) from None


def find(source: str | Path | None, revision: str | None = None, **from_hub: Any) -> Path:
    """The folder of a checkpoint: ``source`` itself, the embedded one, or a hub's snapshot.

    ``from_hub`` are ``hub.download``'s options.
    """
    if source is None:
        return EMBEDDED
    path = Path(source)
    named = hub.named(source)
    if named is None:
        if is_file(path):
            raise InputError(f"{path} is a file; give the folder that holds {components.INDEX}")
        return path
    return hub.download(named[0], revision or named[1], **from_hub)


def shard_bytes(size: int | str) -> int:
    """``"5GB"``, ``"200MB"`` or a number of bytes; InputError otherwise."""
    if not isinstance(size, int | str) or isinstance(size, bool):
        raise InputError(f"max_shard_size {size!r}: write bytes, or e.g. 5GB")
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


def _quiet_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
