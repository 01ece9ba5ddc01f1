"""How a component lies on disk: one folder a part, as diffusers and transformers write theirs.

``UNet2DConditionModel.from_pretrained(folder / "denoiser_f")`` opens our UNet, and a folder of
theirs opens here. Weights are safetensors, in shards when large; environment parts have files of
their own. Every file appears whole or not at all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.image_vae import ImageVAE
from codixr.model.lora import plain_name
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.report_ldm import ReportDenoiser
from codixr.model.report_vae import ReportVAE
from codixr.model.tensor_file import write_tensors

CONFIG = "config.json"
SHARD_BYTES = 5_000_000_000
"""Largest safetensors file, as on the hubs."""
WEIGHTS = {
    "diffusers": "diffusion_pytorch_model.safetensors",
    "transformers": "model.safetensors",
    "codixr": "model.safetensors",
}
"""The libraries' own names for a file of weights."""


@dataclass(frozen=True)
class Part:
    """One folder of weights: those of a component whose names start with ``prefix``."""

    folder: str
    """Inside the component's folder; "" is that folder itself."""
    prefix: str
    library: str

    def weights(self, variant: str | None = None) -> str:
        """The name of its file of weights, e.g. of the variant "fp16"."""
        stem, suffix = WEIGHTS[self.library].rsplit(".", 1)
        return f"{stem}.{variant}.{suffix}" if variant else f"{stem}.{suffix}"

    def index(self, variant: str | None = None) -> str:
        """The name of the index of its shards, as diffusers and transformers have it."""
        return f"{WEIGHTS[self.library]}.index" + (f".{variant}" if variant else "") + ".json"

    def module(self, component: nn.Module) -> nn.Module:
        """The module that holds its weights."""
        return component.get_submodule(self.prefix.removesuffix("."))


PARTS: dict[type[nn.Module], tuple[Part, ...]] = {
    PromptEncoder: (
        Part("text", "text.", "transformers"),
        Part("vision", "vision.", "transformers"),
    ),
    ImageVAE: (Part("", "autoencoder.", "diffusers"),),
    XrayDenoiser: (
        Part("", "unet.", "diffusers"),
        Part("environment", "environment.", "codixr"),
    ),
    ReportDenoiser: (
        Part("", "unet.", "codixr"),
        Part("environment", "environment.", "codixr"),
    ),
    ReportVAE: (
        Part("encoder", "encoder.", "transformers"),
        Part("decoder", "decoder.", "transformers"),
        Part("latent", "", "codixr"),
    ),
}
"""A weight belongs to the first part whose prefix it has."""


def parts_of(component: nn.Module) -> tuple[Part, ...]:
    """The folders that ``component`` is written to."""
    return PARTS[type(component)]


def unique_state(module: nn.Module) -> dict[str, Tensor]:
    """The state without names that share another name's tensor (GPT-2 ties its head).

    Weights of adapters are not in it, and those under them have their own names.
    """
    seen: set[int] = set()
    state = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen and (plain := plain_name(name)) is not None:
            seen.add(id(tensor))
            state[plain] = tensor.detach()
    return state


def split_state(component: nn.Module) -> list[tuple[Part, dict[str, Tensor]]]:
    """The parts of ``component`` with their own weights, named as in the part's files."""
    parts = parts_of(component)
    states: dict[Part, dict[str, Tensor]] = {part: {} for part in parts}
    for name, tensor in unique_state(component).items():
        part = next(p for p in parts if name.startswith(p.prefix))
        states[part][name.removeprefix(part.prefix)] = tensor
    return list(states.items())


def write_part(
    part: Part,
    config: str,
    state: Mapping[str, Tensor],
    folder: Path,
    dtype: torch.dtype,
    shard_bytes: int = SHARD_BYTES,
    variant: str | None = None,
) -> None:
    """Write the weights of one part as ``dtype`` to ``folder``, then its config.json.

    In shards of at most ``shard_bytes`` when larger; a shard is converted when its turn comes. A
    ``variant`` gets files of its own beside the others; without one, all older files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    single, index_file = part.weights(variant), folder / part.index(variant)
    shards = list(_shards(state, dtype, shard_bytes))
    mark = f"*.{variant}[.-]*" if variant else "*"
    stale = {p for p in folder.glob(mark) if p.suffix == ".safetensors"}
    stale |= {*folder.glob(f"*.index.{variant}.json" if variant else "*.index*.json")}
    if len(shards) == 1:
        names = [single]
    else:
        stem = single.removesuffix(".safetensors")
        n = len(shards)
        names = [f"{stem}-{i + 1:05}-of-{n:05}.safetensors" for i in range(n)]
    weight_map: dict[str, str] = {}
    for name, keys in zip(names, shards, strict=True):
        tensors = {key: _converted(state[key], dtype) for key in keys}
        write_tensors(folder / name, tensors, {"format": "pt"})
        weight_map |= dict.fromkeys(keys, name)
    kept = {folder / name for name in names}
    if len(shards) > 1:
        total = sum(_size(tensor, dtype) for tensor in state.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        write_atomically(index_file, text.encode())
        kept.add(index_file)
    for path in stale - kept:
        path.unlink(missing_ok=True)
    write_atomically(folder / CONFIG, config.encode())


def config_text(part: Part, component: nn.Module, dtype: torch.dtype) -> str:
    """What a part's config.json says: its library's own form."""
    module: Any = part.module(component)
    if part.library == "diffusers":
        return str(module.to_json_string())
    if part.library == "transformers":
        plain = module.config.to_diff_dict()
        plain |= {"architectures": [type(module).__name__], "dtype": str(dtype).split(".")[-1]}
        return json.dumps(plain, indent=2, sort_keys=True) + "\n"
    numbers: Any = getattr(module, "config", None)
    plain = {"_class_name": type(module).__name__}
    if is_dataclass(numbers) and not isinstance(numbers, type):
        plain |= asdict(numbers)
    return json.dumps(plain, indent=2) + "\n"


def part_files(part: Part, folder: Path, variant: str | None = None) -> list[Path]:
    """The safetensors files of a part, one or its shards; InputError when any is missing."""
    single, index_file = folder / part.weights(variant), folder / part.index(variant)
    if not index_file.is_file():
        if not single.is_file():
            raise InputError(
                f"the checkpoint lacks {single}: copy the whole folder, or train that part"
            )
        return [single]
    if single.is_file():
        raise InputError(f"{folder} holds {single.name} twice, whole and in shards: save it again")
    try:
        names = sorted(set(json.loads(index_file.read_text())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{index_file} is not an index of shards ({error}); copy it again"
        ) from None
    files = [folder / Path(str(name)).name for name in names]
    for path in files:
        if not path.is_file():
            raise InputError(f"the checkpoint lacks {path}: copy the whole folder")
    return files


def fill(own: Mapping[str, Tensor], files: Iterable[Path], problem: str) -> None:
    """Copy every tensor of ``files`` to its namesake in ``own``, one at a time.

    Raises InputError for a damaged file, and one that starts with ``problem`` when names or
    shapes differ.
    """
    missing, wrong = set(own), []
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    tensor = file.get_tensor(key)
                    if key not in missing or own[key].shape != tensor.shape:
                        wrong.append(key)
                        continue
                    own[key].copy_(tensor)
                    missing.discard(key)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None
    if bad := sorted({*wrong, *missing}):
        raise InputError(
            f"{problem}: {len(bad)} weights are missing, unknown or of another shape, the first is "
            f"{bad[0]}"
        )


def fits(own: Mapping[str, Tensor], files: Iterable[Path]) -> bool:
    """Whether ``files`` hold the names and shapes of ``own``; read from their headers."""
    shapes: dict[str, list[int]] = {}
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                shapes |= {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None
    return shapes == {name: list(tensor.shape) for name, tensor in own.items()}


class _NoInitialisation(TorchFunctionMode):
    """Leaves new weights as they are in memory: they are about to be overwritten."""

    _random = frozenset({Tensor.uniform_, Tensor.normal_})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in self._random else func(*args, **(kwargs or {}))


@contextmanager
def without_initialisation() -> Iterator[None]:
    """Build modules whose weights will be loaded: 859 M random numbers cost seconds."""
    with _NoInitialisation():
        yield


def _shards(state: Mapping[str, Tensor], dtype: torch.dtype, limit: int) -> Iterator[list[str]]:
    keys: list[str] = []
    size = 0
    for name, tensor in state.items():
        if keys and size + _size(tensor, dtype) > limit:
            yield keys
            keys, size = [], 0
        keys.append(name)
        size += _size(tensor, dtype)
    yield keys


def _kept_as(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype if tensor.is_floating_point() and tensor.ndim else tensor.dtype


def _size(tensor: Tensor, dtype: torch.dtype) -> int:
    return tensor.numel() * _kept_as(tensor, dtype).itemsize


def _converted(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to("cpu", _kept_as(tensor, dtype)).contiguous().clone()
