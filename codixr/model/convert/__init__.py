"""Other people's checkpoints as our folder: CoDi's released files, and the authors' XGeM.

One component at a time, its weights mapped from the source's file: what is in memory is one shard.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model import components, layout
from codixr.model.card import write_card
from codixr.model.convert.names import component_names, source_name
from codixr.model.convert.source import UNETS, Kind, Source, read
from codixr.model.index import save_index
from codixr.model.presets import Preset, paper
from codixr.model.tokenizer import Tokenizers, load_other, save_tokenizers, with_ends

RECORD = "conversion.json"
REPORT_SCALE = 4.3108
"""On the report latents of both releases (their ``text_scale_factor``)."""
SHARD_BYTES = 2_000_000_000
TOKENIZERS = {
    "prompt": "openai/clip-vit-large-patch14",
    "report_encoder": "google-bert/bert-base-cased",
    "report_decoder": "openai-community/gpt2",
}
"""Where the vocabularies come from unless the user has them in folders."""
_FILES: dict[Kind, dict[str, str]] = {
    "codi": {
        "prompt_encoder": "CoDi_encoders.pth",
        "image_vae": "CoDi_encoders.pth",
        "report_vae": "CoDi_encoders.pth",
        "denoiser_f": "CoDi_video_diffuser_8frames.pth",
        "denoiser_l": "CoDi_video_diffuser_8frames.pth",
        "denoiser_t": "CoDi_text_diffuser.pth",
    },
    "xgem": dict.fromkeys(components.BUILDERS, "MedCoDi-M.pt"),
}


@dataclass(frozen=True)
class Record:
    """What a conversion did, as written to ``conversion.json``."""

    kind: str
    parameters: int
    video_dropped: Mapping[str, int]
    """Parameters of video layers, by the source's module."""
    unused: Mapping[str, Sequence[str]]
    """Names in the source that have no place here, by the reason."""
    made_new: Sequence[str]
    """Denoisers whose environment parts the source lacks: made new, without any effect."""

    def lines(self) -> list[str]:
        """For the terminal."""
        dropped = sum(self.video_dropped.values())
        lines = [
            f"{self.kind}: {self.parameters / 1e6:,.1f} M parameters written, "
            f"{dropped / 1e6:,.1f} M of video layers dropped"
        ]
        lines += [
            f"  video layers of {name}: {count / 1e6:,.1f} M"
            for name, count in self.video_dropped.items()
        ]
        lines += [
            f"  {name}: no environment parts in the source; new ones are written that change "
            "nothing, so its joint outputs do not attend to each other"
            for name in self.made_new
        ]
        lines += [f"  unused: {len(names)} ({reason})" for reason, names in self.unused.items()]
        lines += [f"    {name}" for name in self.unused.get("unknown", ())]
        return lines


def convert(
    sources: Sequence[Path],
    folder: Path,
    kind: Kind | None = None,
    *,
    preset: Preset | None = None,
    tokenizers: Tokenizers | None = None,
    dtype: torch.dtype | None = None,
    note: Callable[[str], None] = lambda _line: None,
) -> Record:
    """Write the model in ``sources`` to ``folder`` as ``from_pretrained`` reads it.

    ``preset`` None is the paper's; ``dtype`` None keeps the source's. Raises InputError when a
    file cannot be read, a weight is missing, or ``folder`` is not empty; nothing is usable then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--to {folder}: is there already; give a new folder")
    source = read(sources)
    kind = kind or source.kind()
    if kind is None:
        raise InputError(
            "no UNet among the weights: give CoDi's three files or XGeM's one, or say --kind"
        )
    preset = as_released(kind) if preset is None else preset
    wanted = {name: take_component(source, name, preset, kind) for name in components.BUILDERS}
    if tokenizers is None:
        tokenizers = released_tokenizers(TOKENIZERS, preset)
    modules = {}
    for name, (module, weights) in wanted.items():
        note(f"{name}: {sum(w.numel() for w in weights.values()) / 1e6:,.1f} M parameters")
        write_component(module, weights, folder / name, dtype)
        modules[name] = module
    save_tokenizers(tokenizers, preset.tokenizers, folder)
    record = Record(
        kind,
        sum(w.numel() for _, weights in wanted.values() for w in weights.values()),
        dict(source.video),
        source.unused(),
        [name for name, (module, _) in wanted.items() if not _is_meta(module)],
    )
    text = json.dumps(vars(record), indent=2) + "\n"
    write_atomically(folder / RECORD, text.encode())
    write_card(preset, modules, folder)
    save_index(preset, tokenizers, folder)
    return record


def as_released(kind: Kind) -> Preset:
    """The paper's preset as a release was trained and samples: its grid, its way to draw words.

    XGeM lower-cased every report, and its DDIM begins at 0.
    """
    preset, xgem = paper(), kind == "xgem"
    return replace(
        preset,
        tokenizers=replace(preset.tokenizers, lower_case=xgem),
        diffusion=replace(
            preset.diffusion,
            steps_offset=0 if xgem else 1,
            report_temperature=1.0,
            report_tokens=30,
        ),
    )


def take_component(
    source: Source, name: str, preset: Preset, kind: Kind
) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A component without memory (``meta``), and its weights in the source by our names.

    A source without any environment part gets new ones, with zero output. Raises InputError that
    lists the weights that are missing or of another shape.
    """
    with torch.device("meta"):
        module = components.BUILDERS[name](preset)
    unet = UNETS[kind].get(name, "")
    names = component_names(name, preset, f"model.diffusion_model.{unet}.")
    weights: dict[str, torch.Tensor] = {}
    missing: dict[str, str] = {}
    for ours, own in layout.unique_state(module).items():
        if ours == "latent_scale":
            weights[ours] = torch.tensor(REPORT_SCALE)
            continue
        theirs = source_name(names, ours)
        tensor = None if theirs is None else source.take(theirs, own.shape)
        if tensor is None:
            missing[ours] = theirs or ours
        else:
            weights[ours] = tensor
    environment = {ours for ours, _ in module.named_parameters() if ours.startswith("environment.")}
    if missing and missing.keys() == environment:
        weights |= _new_environment(module)
    elif missing:
        shown = ", ".join(list(missing.values())[:5]) + (", …" if len(missing) > 5 else "")
        raise InputError(
            f"{name}: {len(missing)} of {len(missing) + len(weights)} weights are missing or of "
            f"another shape: {shown}; {_FILES[kind][name]} holds them, add it to the files"
        )
    return module, weights


def _new_environment(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give a denoiser's environment parts memory and first weights: they change nothing."""
    environment = module.get_submodule("environment").to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in environment.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()
    for name, weight in environment.named_parameters():
        if name.startswith("cross.") and ".proj_out." in name:
            torch.nn.init.zeros_(weight)
    return {f"environment.{name}": w.detach() for name, w in environment.named_parameters()}


def _is_meta(module: torch.nn.Module) -> bool:
    return all(parameter.is_meta for parameter in module.parameters())


def write_component(
    module: torch.nn.Module,
    weights: Mapping[str, torch.Tensor],
    folder: Path,
    dtype: torch.dtype | None,
) -> None:
    """Write ``weights``, named as in ``module``, part by part and shard by shard."""
    rest = dict(weights)
    for part in layout.parts_of(module):
        state = {
            name.removeprefix(part.prefix): rest.pop(name)
            for name in list(rest)
            if name.startswith(part.prefix)
        }
        own = dtype or next(iter(state.values())).dtype
        text = layout.config_text(part, module, own)
        layout.write_part(part, text, state, folder / part.folder, own, SHARD_BYTES)


def released_tokenizers(places: Mapping[str, str], preset: Preset) -> Tokenizers:
    """The three vocabularies of both releases, from folders or hub names.

    Raises InputError when one is missing, or has another size than the model.
    """
    loaded = {name: load_other(places[name]) for name in TOKENIZERS}
    loaded["report_decoder"] = with_ends(loaded["report_decoder"], "<PAD>", "<BOS>", "<EOS>")
    sizes = {
        "prompt": preset.prompt.text["vocab_size"],
        "report_encoder": preset.report_vae.bert["vocab_size"],
        "report_decoder": preset.report_vae.gpt2["vocab_size"],
    }
    for name, size in sizes.items():
        if len(loaded[name]) != size:
            raise InputError(
                f"{places[name]}: has {len(loaded[name]):,} tokens, the model {size:,}; give "
                f"{TOKENIZERS[name]}"
            )
    return Tokenizers(**loaded)
