"""Components of other projects in place of a checkpoint's own.

Stable Diffusion's autoencoder and UNet (diffusers folders), CLIP (a transformers folder), Optimus
(a file of weights), and GPT-2 (a transformers folder). The preset takes their numbers over, so that
saving writes a folder that stands alone.
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codixr.errors import InputError
from codixr.model import components, layout, mean_latent
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.official.reports import is_gpt2, load_report_vae, report_vae_config
from codixr.model.presets import ImageVAEConfig, Preset, PromptConfig, TokenizerConfig
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.tokenizer import Tokenizers, load_other, with_ends

TOKENIZERS = ("tokenizer", "report_encoder_tokenizer", "report_decoder_tokenizer")
_CLIP_TOWER = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
)


def adapt(preset: Preset, places: Mapping[str, str | Path]) -> Preset:
    """``preset`` with the numbers of the components at ``places``.

    Raises InputError for an unknown name, a place that cannot be read, and sizes that do not fit
    together.
    """
    known = (*components.BUILDERS, *TOKENIZERS)
    if unknown := [name for name in places if name not in known]:
        raise InputError(f"components: '{unknown[0]}' is none of {', '.join(known)}")
    for name, place in places.items():
        if name == "image_vae":
            preset = replace(preset, image_vae=image_vae_config(place))
        elif name in ("denoiser_f", "denoiser_l"):
            unet = unet_config(place)
            other = places.get("denoiser_l" if name == "denoiser_f" else "denoiser_f")
            if other is None and unet != _full_unet_config(preset.image_unet):
                raise InputError(
                    f"components: {place} has another size than the other view's denoiser; give "
                    "both denoiser_f and denoiser_l"
                )
            preset = replace(preset, image_unet=unet)
        elif name == "prompt_encoder":
            preset = replace(preset, prompt=prompt_config(place))
        elif name == "report_vae":
            preset = replace(preset, report_vae=report_vae_config(preset.report_vae, place))
            _check_report_tokenizers(place, places)
        elif name == "denoiser_t":
            raise InputError("components: no other project's denoiser_t is known; convert CoDi's")
    check_sizes(preset)
    bring = ("prompt_encoder", "report_vae")  # CLIP and GPT-2 have tokenizers of their own
    if any(name in places for name in (*TOKENIZERS, *bring)):
        preset = replace(preset, tokenizers=TokenizerConfig(*TOKENIZERS))
    return preset


def load(preset: Preset, name: str, place: str | Path, checkpoint: Path | None) -> nn.Module:
    """Component ``name`` from ``place``, for a preset that ``adapt`` made, float32, in eval mode.

    A UNet keeps the checkpoint's environment parts where they fit; else, and without a checkpoint,
    they are new, and change nothing until they are trained.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    if name == "report_vae":
        return load_report_vae(preset, place, checkpoint)
    if name == "prompt_encoder":
        return _clip(preset, place)
    module = components.BUILDERS[name](preset)
    if name == "image_vae":
        loaded = _read(AutoencoderKL, place)
        module.get_submodule("autoencoder").load_state_dict(loaded.state_dict())
        return module.eval()
    loaded = _read(UNet2DConditionModel, place)
    module.get_submodule("unet").load_state_dict(loaded.state_dict())
    assert isinstance(module, XrayDenoiser)
    mean_latent.load(module, Path(place), preset.latent_shape)
    if checkpoint is None:
        return module.eval()
    parts = {part.folder: (part, own) for part, own in layout.split_state(module)}
    part, own = parts["environment"]
    files = layout.part_files(part, checkpoint / name / part.folder)
    if layout.fits(own, files):
        with torch.no_grad():
            layout.fill(own, files, str(checkpoint / name))
    return module.eval()


def load_tokenizers(tokenizers: Tokenizers, places: Mapping[str, str | Path]) -> Tokenizers:
    """``tokenizers`` with those at ``places``; CLIP's and GPT-2's folders bring their own."""
    place = places.get("tokenizer") or places.get("prompt_encoder")
    if place is not None:
        tokenizers = replace(tokenizers, prompt=load_other(str(place)))
    for field in ("report_encoder", "report_decoder"):
        place = places.get(f"{field}_tokenizer")
        if place is None and field == "report_decoder":
            model = places.get("report_vae")
            place = model if model is not None and is_gpt2(model) else None
        if place is not None:
            loaded = load_other(str(place))
            if loaded.pad_token is None:  # GPT-2's own
                loaded = with_ends(loaded, "<PAD>", "<BOS>", "<EOS>")
            tokenizers = replace(tokenizers, **{field: loaded})
    return tokenizers


def _check_report_tokenizers(place: str | Path, places: Mapping[str, str | Path]) -> None:
    """Optimus's file holds no words: with a checkpoint's own it would write nonsense."""
    needed = ("report_encoder_tokenizer", "report_decoder_tokenizer")
    if not is_gpt2(place) and (missing := [name for name in needed if name not in places]):
        raise InputError(
            f"components: {place} has a vocabulary of its own (BERT's and GPT-2's); give "
            f"{' and '.join(missing)} too"
        )


def check_sizes(preset: Preset) -> None:
    """InputError where the components of a preset do not fit each other."""
    vae, unet = preset.image_vae.autoencoder, preset.image_unet
    side = preset.image_size // preset.image_vae.pixel_unshuffle
    side //= 2 ** (len(vae["block_out_channels"]) - 1)
    pairs = (
        ("the image VAE's latent channels", vae["latent_channels"], unet["in_channels"]),
        ("the image VAE's latent side", side, preset.latent_size),
        ("the prompts' width", preset.prompt.embed_dim, unet["cross_attention_dim"]),
        ("the prompts' width", preset.prompt.embed_dim, preset.report_unet.context_dim),
        ("the report latent's width", preset.report_vae.latent_dim, preset.report_unet.latent_dim),
    )
    for what, have, want in pairs:
        if have != want:
            raise InputError(
                f"components do not fit: {what} would be {have}, the denoisers take {want}"
            )


def _accepted(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(kind.__init__).parameters
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in config.items()
        if key in known
    }


def _read(kind: Any, place: str | Path) -> Any:
    try:
        return kind.from_pretrained(place, torch_dtype=torch.float32)
    except Exception as error:  # the libraries raise whatever their readers stumble on
        raise _unreadable(place, error) from None


def _config(kind: Any, place: str | Path) -> dict[str, Any]:
    try:
        return _accepted(kind, dict(kind.load_config(place)))
    except Exception as error:
        raise _unreadable(place, error) from None


def _unreadable(place: str | Path, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error)
    return InputError(f"components: {place} cannot be read ({reason})")


def image_vae_config(place: str | Path) -> ImageVAEConfig:
    """The numbers of Stable Diffusion's ``vae`` folder."""
    from diffusers import AutoencoderKL

    config = _config(AutoencoderKL, place)
    return ImageVAEConfig(autoencoder=config, channels=config["in_channels"])


def unet_config(place: str | Path) -> dict[str, Any]:
    """The numbers of Stable Diffusion's ``unet`` folder."""
    from diffusers import UNet2DConditionModel

    return _full_unet_config(_config(UNet2DConditionModel, place))


def _full_unet_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """With the default of every number that ``config`` leaves out."""
    from diffusers import UNet2DConditionModel

    known = inspect.signature(UNet2DConditionModel.__init__).parameters.values()
    defaults = {p.name: p.default for p in known if p.default is not inspect.Parameter.empty}
    return _accepted(UNet2DConditionModel, defaults | dict(config))


def prompt_config(place: str | Path) -> PromptConfig:
    """The numbers of a folder of CLIP."""
    from transformers import CLIPConfig

    try:
        clip = CLIPConfig.from_pretrained(place)
    except Exception as error:
        raise _unreadable(place, error) from None
    text, vision, width = clip.text_config, clip.vision_config, clip.projection_dim
    return PromptConfig(
        embed_dim=width,
        text={
            **{key: getattr(text, key) for key in _CLIP_TOWER},
            "vocab_size": text.vocab_size,
            "max_position_embeddings": text.max_position_embeddings,
            "projection_dim": width,
            "pad_token_id": text.pad_token_id,
            "bos_token_id": text.bos_token_id,
            "eos_token_id": text.eos_token_id,
        },
        vision={
            **{key: getattr(vision, key) for key in _CLIP_TOWER},
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "num_channels": vision.num_channels,
            "projection_dim": width,
        },
        max_tokens=text.max_position_embeddings,
    )


def _clip(preset: Preset, place: str | Path) -> nn.Module:
    from transformers import CLIPModel

    module, state = PromptEncoder(preset.prompt), _read(CLIPModel, place).state_dict()
    for tower in (module.text, module.vision):  # their names are those of CLIP as a whole
        tower.load_state_dict({name: state[name] for name in tower.state_dict()})
    return module.eval()
