"""Other projects' report models: Optimus's file of weights, or a plain GPT-2 of transformers.

Notable: a file of weights has no config, so the sizes are read off its shapes; heads are 64 wide,
as in BERT-base and every GPT-2. GPT-2 knows no latent: with it the report VAE is a start for
training, not a finished one.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codixr.errors import InputError
from codixr.model import components, layout
from codixr.model.presets import Preset, ReportVAEConfig
from codixr.user_paths import is_folder

HEAD_WIDTH = 64
_BERT, _GPT2 = "optimus.encoder.", "optimus.decoder.transformer."


def is_gpt2(place: str | Path) -> bool:
    """Whether a report VAE's ``place`` is a folder of GPT-2 rather than a file of Optimus."""
    return is_folder(place)


def report_vae_config(own: ReportVAEConfig, place: str | Path) -> ReportVAEConfig:
    """``own`` with the sizes of the report model at ``place``, whose positions are learnt.

    Raises InputError for a place that cannot be read, or holds something else.
    """
    if is_gpt2(place):
        return replace(own, gpt2=_gpt2_config(place), sinusoidal_start=False)
    from codixr.model.convert.source import read

    tensors = read([Path(place)]).tensors
    words, hidden = _shape(tensors, f"{_BERT}embeddings.word_embeddings.weight", place)
    tokens, width = _shape(tensors, f"{_GPT2}wte.weight", place)
    for size in (hidden, width):
        if size % HEAD_WIDTH:
            raise InputError(
                f"components: {place} is {size} wide, which is not a multiple of {HEAD_WIDTH}, the "
                "width of a head of BERT-base and GPT-2"
            )
    pad, bos, eos = range(tokens - 3, tokens)
    return replace(
        own,
        sinusoidal_start=False,
        latent_dim=_shape(tensors, f"{_BERT}linear.weight", place)[0] // 2,
        bert={
            "vocab_size": words,
            "hidden_size": hidden,
            "intermediate_size": _shape(
                tensors, f"{_BERT}encoder.layer.0.intermediate.dense.weight", place
            )[0],
            "num_hidden_layers": _layers(tensors, f"{_BERT}encoder.layer."),
            "num_attention_heads": hidden // HEAD_WIDTH,
            "max_position_embeddings": _shape(
                tensors, f"{_BERT}embeddings.position_embeddings.weight", place
            )[0],
            "pad_token_id": 0,
        },
        gpt2={
            "vocab_size": tokens,
            "n_embd": width,
            "n_layer": _layers(tensors, f"{_GPT2}h."),
            "n_head": width // HEAD_WIDTH,
            "n_inner": _shape(tensors, f"{_GPT2}h.0.mlp.c_fc.weight", place)[1],
            "n_positions": _shape(tensors, f"{_GPT2}wpe.weight", place)[0],
            "pad_token_id": pad,
            "bos_token_id": bos,
            "eos_token_id": eos,
        },
    )


def load_report_vae(preset: Preset, place: str | Path, checkpoint: Path | None) -> nn.Module:
    """The report VAE of ``place``, float32, in eval mode, for a preset with its sizes.

    With a folder of GPT-2 the decoder is GPT-2's. The encoder stays the checkpoint's, and so do
    the maps to and from the latent where they fit; where not they are new, from a fixed seed.
    """
    if is_gpt2(place):
        if checkpoint is None:
            raise InputError(f"{place} is a folder: give a file of Optimus's weights")
        return _with_gpt2(preset, place, checkpoint)
    from codixr.model.convert import take_component
    from codixr.model.convert.source import read

    _, weights = take_component(read([Path(place)]), "report_vae", preset, "codi")
    with layout.without_initialisation():
        module = components.BUILDERS["report_vae"](preset)
    with torch.no_grad():
        for name, own in layout.unique_state(module).items():
            own.copy_(weights[name])
    return module.eval()


def _gpt2_config(place: str | Path) -> dict[str, Any]:
    """GPT-2's sizes, with three more tokens: pad, begin and end (``tokenizer.with_ends``)."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True)
    except Exception as error:  # transformers raises whatever its reader stumbles on
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"components: {place} cannot be read ({reason})") from None
    if config.model_type != "gpt2":
        raise InputError(
            f"components: {place} is a {config.model_type}; report_vae takes a folder of GPT-2, or "
            "a file of Optimus's weights"
        )
    words = config.vocab_size
    sizes = ("n_embd", "n_layer", "n_head", "n_inner", "n_positions", "activation_function")
    return {
        "vocab_size": words + 3,
        **{name: getattr(config, name) for name in sizes},
        "pad_token_id": words,
        "bos_token_id": words + 1,
        "eos_token_id": words + 2,
    }


@torch.no_grad()
def _with_gpt2(preset: Preset, place: str | Path, checkpoint: Path) -> nn.Module:
    from transformers import GPT2LMHeadModel

    try:
        gpt2 = GPT2LMHeadModel.from_pretrained(place, torch_dtype=torch.float32)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"components: {place} cannot be read ({reason})") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = components.BUILDERS["report_vae"](preset)
    for part, own in layout.split_state(module):
        if part.folder == "decoder":
            _take_decoder(own, gpt2.state_dict())
            continue
        where = checkpoint / "report_vae" / part.folder
        files = layout.part_files(part, where)
        if part.folder == "encoder" or layout.fits(own, files):
            layout.fill(own, files, str(where))
    return module.eval()


def _take_decoder(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """GPT-2's weights; the three new tokens start as the mean of its words."""
    for name, tensor in own.items():
        weight = theirs[name]
        if name == "transformer.wte.weight":
            weight = torch.cat([weight, weight.mean(0, keepdim=True).expand(3, -1)])
        tensor.copy_(weight)


def _shape(tensors: Mapping[str, Tensor], name: str, place: str | Path) -> torch.Size:
    if name not in tensors:
        raise InputError(f"components: {place} does not hold Optimus: it lacks {name}")
    return tensors[name].shape


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    found = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in tensors)
    return 1 + max(int(match[1]) for match in found if match)
