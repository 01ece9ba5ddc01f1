"""How a training folder is begun: preset and tokenizers, from nothing or from ``--init``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr.errors import InputError
from codixr.model import components, presets
from codixr.model.byte_tokenizer import byte_tokenizer
from codixr.model.official.start import with_image_vae
from codixr.model.presets import DiffusionConfig, Preset
from codixr.model.tokenizer import Tokenizers, load_tokenizers, word_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZERS: dict[str, "Callable[[Sequence[str]], PreTrainedTokenizerBase]"] = {
    "tiny": word_tokenizer,
    "small": byte_tokenizer,
}
"""What makes a tokenizer from the training reports, for each preset from nothing."""


@dataclass(frozen=True)
class Usual:
    """What a new folder has where its command says nothing of it."""

    diffusion: DiffusionConfig
    lower_case: bool
    image_size: int


def usual(name: str, init: Path | None) -> Usual:
    """Of ``--preset`` and ``--init``: what ``founded`` begins with; InputError for a bad folder."""
    given = presets.named(name) if init is None else components.load_preset(init)
    brings = init is None or name not in TOKENIZERS or (init / given.tokenizers.prompt).is_dir()
    return Usual(
        diffusion=(given if brings else presets.named(name)).diffusion,
        lower_case=name == "paper" or given.tokenizers.lower_case,
        image_size=given.image_size,
    )


def founded(
    name: str,
    init: Path | None,
    settings: Mapping[str, Any],
    image_size: int,
    reports: Callable[[], list[str]],
) -> tuple[Preset, Tokenizers]:
    """The preset and the tokenizers of a new folder.

    ``settings`` are the model's (``MODEL_FIELDS``). From ``init`` come both, or the image VAE alone
    where that is all it has. InputError for a preset that needs pretrained parts and has none.
    """
    preset = presets.named(name) if init is None else components.load_preset(init)
    lower_case = settings.get("lower_case", usual(name, init).lower_case)
    if init is not None and (init / preset.tokenizers.prompt).is_dir():
        tokenizers = load_tokenizers(preset.tokenizers, init)
    elif name in TOKENIZERS:
        words = [report.lower() for report in reports()] if lower_case else reports()
        tokenizers = Tokenizers.one_for_all(TOKENIZERS[name](words))
        ours = presets.FROM_NOTHING[name](len(tokenizers.prompt))
        if init is not None:
            ours = with_image_vae(ours, preset.image_vae)
        preset = ours
    else:
        raise InputError(
            f"--preset {name} starts from pretrained parts: give a folder that `codixr init` "
            "or `codixr convert` wrote with --init"
        )
    rest = {key: value for key, value in settings.items() if key != "lower_case"}
    preset = presets.at_size(preset, image_size)
    preset = replace(
        preset,
        diffusion=replace(preset.diffusion, **rest),
        tokenizers=replace(preset.tokenizers, lower_case=lower_case),
    )
    return preset, tokenizers
