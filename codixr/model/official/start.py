"""A folder to train from, out of official weights: Stable Diffusion, CLIP and Optimus.

What no other project has stays out, and a training begins it anew: the report denoiser. The
environment parts of the X-ray denoisers are new and change nothing until they are trained.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model import components
from codixr.model.card import write_card
from codixr.model.index import save_index
from codixr.model.official import components as official
from codixr.model.official.reports import is_gpt2, report_vae_config
from codixr.model.presets import ImageVAEConfig, Preset, named, paper
from codixr.model.tokenizer import Tokenizers, load_other, save_tokenizers, with_ends
from codixr.user_paths import is_there

RECORD = "start.json"
_HUB = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+?)(?:@([\w.-]+))?(?::([\w./-]+))?")


@dataclass(frozen=True)
class Places:
    """Where the official weights are: folders, a file for Optimus, or names on the hub."""

    vae: str
    unet: str
    clip: str
    optimus: str
    bert_tokenizer: str
    gpt2_tokenizer: str


def starting_preset(places: Places, base: Preset | None = None) -> Preset:
    """``base`` (the paper's) with the numbers of the parts; InputError where they do not fit."""
    if is_gpt2(places.optimus):
        raise InputError(f"--optimus {places.optimus}: is a folder; give a file of its weights")
    preset = base or paper()
    prompt, vae = official.prompt_config(places.clip), official.image_vae_config(places.vae)
    reports = report_vae_config(preset.report_vae, places.optimus)
    preset = replace(
        preset,
        latent_size=preset.image_size // 2 ** (len(vae.autoencoder["block_out_channels"]) - 1),
        prompt=prompt,
        image_vae=vae,
        image_unet=official.unet_config(places.unet),
        report_vae=reports,
        report_unet=replace(
            preset.report_unet, context_dim=prompt.embed_dim, latent_dim=reports.latent_dim
        ),
    )
    official.check_sizes(preset)
    return preset


def write_start(
    places: Places,
    folder: Path,
    base: Preset | None = None,
    note: Callable[[str], None] = lambda _line: None,
) -> Preset:
    """Write the folder that ``codixr train --init`` takes, one part at a time, its index last.

    Raises InputError for a part that cannot be read or does not fit, and for a folder with
    something in it.
    """
    _check_new(folder)
    preset = starting_preset(places, base)
    tokenizers = _tokenizers(places, preset)
    sources = {
        "prompt_encoder": places.clip,
        "image_vae": places.vae,
        "denoiser_f": places.unet,
        "denoiser_l": places.unet,
        "report_vae": places.optimus,
    }
    modules = {}
    for name, place in sources.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of what is new
            module = official.load(preset, name, place, None)
        count = sum(p.numel() for p in module.parameters())
        note(f"{name}: {count / 1e6:,.1f} M parameters from {place}")
        components.save_component(module, folder / name)
        modules[name] = module.to("meta")
    save_tokenizers(tokenizers, preset.tokenizers, folder)
    write_atomically(folder / RECORD, (json.dumps(asdict(places), indent=2) + "\n").encode())
    write_card(preset, modules, folder)
    save_index(preset, tokenizers, folder)
    return preset


def write_vae_start(place: str, folder: Path, name: str) -> Preset:
    """Write a start that brings Stable Diffusion's image VAE alone, for a preset from nothing.

    Its tokenizer is made from the training's reports, so the folder has none. Raises InputError as
    ``write_start`` does.
    """
    _check_new(folder)
    preset = with_image_vae(named(name), official.image_vae_config(place))
    official.check_sizes(preset)
    module = official.load(preset, "image_vae", place, None)
    components.save_component(module, folder / "image_vae")
    write_atomically(folder / RECORD, (json.dumps({"vae": place}, indent=2) + "\n").encode())
    components.save_preset(preset, folder)
    return preset


def with_image_vae(preset: Preset, vae: ImageVAEConfig) -> Preset:
    """``preset`` on another autoencoder's latents: the denoisers of X-rays take their channels."""
    channels = vae.autoencoder["latent_channels"]
    fold = vae.pixel_unshuffle * 2 ** (len(vae.autoencoder["block_out_channels"]) - 1)
    side = preset.image_size // fold
    unet = {"in_channels": channels, "out_channels": channels, "sample_size": side}
    return replace(preset, image_vae=vae, latent_size=side, image_unet=preset.image_unet | unet)


def _check_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--to {folder}: is there already; give a new folder")


def _tokenizers(places: Places, preset: Preset) -> Tokenizers:
    decoder = load_other(places.gpt2_tokenizer)
    if decoder.pad_token is None:
        decoder = with_ends(decoder, "<PAD>", "<BOS>", "<EOS>")
    found = Tokenizers(load_other(places.clip), load_other(places.bert_tokenizer), decoder)
    for name, tokenizer, size in (
        (places.clip, found.prompt, preset.prompt.text["vocab_size"]),
        (places.bert_tokenizer, found.report_encoder, preset.report_vae.bert["vocab_size"]),
        (places.gpt2_tokenizer, found.report_decoder, preset.report_vae.gpt2["vocab_size"]),
    ):
        if len(tokenizer) > size:
            raise InputError(
                f"{name}: its tokenizer has {len(tokenizer):,} tokens, the weights {size:,}: they "
                "are of different models"
            )
    return found


def place_of(text: str, option: str) -> str:
    """A path as it is, or the snapshot of ``org/name@revision:sub-folder`` from the hub."""
    if is_there(text):
        return text
    match = _HUB.fullmatch(text)
    if match is None or text.startswith((".", "/")):
        raise InputError(f"{option} {text}: no such file or folder")
    from codixr.hub import download

    place = download(match[1], match[2])
    return str(place / match[3] if match[3] else place)
