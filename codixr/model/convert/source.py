"""The tensors of CoDi's and XGeM's files, mapped from disk, without what only videos use."""

import argparse
import pickle
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from codixr.errors import InputError

Kind = Literal["codi", "xgem"]
UNETS: dict[Kind, dict[str, str]] = {
    "codi": {"denoiser_f": "unet_image", "denoiser_l": "unet_image", "denoiser_t": "unet_text"},
    "xgem": {"denoiser_f": "unet_frontal", "denoiser_l": "unet_lateral", "denoiser_t": "unet_text"},
}
"""The UNet that each denoiser comes from."""
_PAIR = re.compile(
    r"(model\.diffusion_model\.unet_\w+\.(?:input_blocks|output_blocks|connecters_out)\.\d+\.0|"
    r"model\.diffusion_model\.unet_\w+\.middle_block\.[02])\.([01])\.(.+)"
)
"""A residual block of a video architecture: number 0 of a pair; number 1 is temporal."""
_VIDEO = (".temporal_self_attn.", ".mid.video_att.", ".video_attn.")


class Source:
    """Named tensors, the names as without a video architecture.

    ``video`` counts the parameters that were dropped, by the top name of their module.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.used: set[str] = set()
        self.video: Counter[str] = Counter()
        for name, tensor in tensors.items():
            pair = _PAIR.fullmatch(name)
            if (pair and pair[2] == "1") or any(mark in name for mark in _VIDEO):
                self.video[_owner(name)] += tensor.numel()
            else:
                self.tensors[f"{pair[1]}.{pair[3]}" if pair else name] = tensor

    def kind(self) -> Kind | None:
        """Whose files these are, by the names of the UNets; None when no UNet tells."""
        names = Counter(_owner(name) for name in self.tensors)
        if "unet_frontal" in names or "unet_lateral" in names:
            return "xgem"
        return "codi" if "unet_image" in names else None

    def take(self, name: str, shape: torch.Size) -> Tensor | None:
        """The tensor ``name`` in ``shape`` (1x1 convolutions are matrices); None if not there."""
        tensor = self.tensors.get(name)
        if tensor is None or _solid(tensor.shape) != _solid(shape):
            return None
        self.used.add(name)
        return tensor.reshape(shape)

    def unused(self) -> dict[str, list[str]]:
        """Names that nothing asked for, by the reason."""
        reasons: dict[str, list[str]] = {}
        for name in sorted(self.tensors.keys() - self.used):
            reasons.setdefault(self._reason(name), []).append(name)
        return reasons

    def _reason(self, name: str) -> str:
        if _owner(name) in ("clap", "audioldm", "unet_audio"):
            return "audio"
        if "." not in name:
            return "noise schedule and scales: in the preset"
        if name.endswith((".position_ids", ".attn.bias", ".attn.masked_bias")):
            return "masks and positions: computed"
        if name == "clip.model.logit_scale":
            return "CLIP's temperature: for its training only"
        if name == "optimus.decoder.lm_head.weight" and self._tied():
            return "GPT-2's head: the same as its embeddings"
        return "unknown"

    def _tied(self) -> bool:
        head = self.tensors["optimus.decoder.lm_head.weight"]
        words = self.tensors.get("optimus.decoder.transformer.wte.weight")
        return words is not None and torch.equal(head, words)


def read(paths: Iterable[Path]) -> Source:
    """Read the files as one; later files win where they repeat a name.

    Never runs code from a file (``weights_only``). Raises InputError for a file that is missing,
    damaged, or holds something else than tensors.
    """
    tensors: dict[str, Tensor] = {}
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        found = _load(path)
        while inner := _inside(found):
            found = inner
        if not isinstance(found, dict) or not found:
            raise InputError(f"{path}: does not hold weights by name")
        plain = {str(k): v for k, v in found.items() if isinstance(v, Tensor)}
        if not plain:
            raise InputError(f"{path}: does not hold weights by name")
        prefix = _prefix(plain)
        tensors |= {prefix + name: tensor for name, tensor in plain.items()}
    return Source(tensors)


def _inside(found: Any) -> Any:
    """The weights in a training's checkpoint: under Lightning's name for them, or Optimus's."""
    names = ("state_dict", "model_state_dict")
    inner = (found.get(name) for name in names) if isinstance(found, dict) else ()
    return next((part for part in inner if isinstance(part, dict)), None)


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):  # Optimus's arguments: data
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError as error:
                if "mmap" not in str(error):
                    raise
                return torch.load(path, map_location="cpu", weights_only=True)  # an older format
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: holds more than tensors, or is damaged; it is not run. Save its state_dict "
            "alone, or download it again"
        ) from None
    except (RuntimeError, OSError, EOFError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); download it again") from None


def _prefix(names: Iterable[str]) -> str:
    """What XGeM's files of single stages leave out at the front of every name."""
    names = list(names)
    if any(name.startswith("diffusion_model.") for name in names):
        return "model."
    if any(name.startswith(("model.text_model.", "model.vision_model.")) for name in names):
        return "clip."
    if any(name.startswith("decoder.transformer.") for name in names):
        return "optimus."
    return ""


def _owner(name: str) -> str:
    unet = re.match(r"model\.diffusion_model\.(unet_\w+)\.", name)
    return unet[1] if unet else name.split(".")[0]


def _solid(shape: Iterable[int]) -> list[int]:
    return [size for size in shape if size != 1]
