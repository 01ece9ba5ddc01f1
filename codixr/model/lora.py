"""LoRA (Hu et al., 2021) on a denoiser's UNet, by peft: small matrices beside frozen weights.

Notable: files are diffusers' own, ``pytorch_lora_weights.safetensors``, each name behind its
component's; one of Stable Diffusion's (``unet.``) goes to both X-ray denoisers.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from codixr.errors import InputError
from codixr.model.tensor_file import write_tensors

WEIGHTS = "pytorch_lora_weights.safetensors"
METADATA = "lora_adapter_metadata"
"""Diffusers' key of the adapters' configs in a file's metadata."""
SHARED = {"unet": ("denoiser_f", "denoiser_l")}
"""Names in other projects' files -> components."""
USED = r".*attn1\.(to_q|to_k|to_v|to_out\.0)|.*attn2\.(to_v|to_out\.0)"
"""Attention's maps that have a say where the prompt is one vector: its queries and keys don't."""
USED_BY_TOKENS = r".*attn[12]\.(to_q|to_k|to_v|to_out\.0)"


def peft() -> Any:
    """The library; InputError where it is not installed."""
    try:
        import peft as library
    except ImportError:
        raise InputError("LoRA needs peft: pip install 'codixr[lora]'") from None
    return library


def usual(rank: int, *, tokens: bool = False) -> Any:
    """A config of that rank over the attention maps that have a say; it starts at no change.

    ``tokens``: for a model that fuses its conditions by tokens.
    """
    targets = USED_BY_TOKENS if tokens else USED
    return peft().LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets
    )


def add(unet: Any, config: Any, name: str) -> None:
    """Put an adapter into ``unet`` and make it the active one; its own weights are frozen.

    Raises InputError for a name that is taken, or a config that targets nothing.
    """
    library = peft()
    if not isinstance(config, library.LoraConfig):
        raise InputError(f"adapter: give a peft.LoraConfig, not {type(config).__name__}")
    if name in adapters(unet):
        raise InputError(f"adapter '{name}' is there already: give another name, or unload it")
    unet.requires_grad_(False)
    try:
        library.inject_adapter_in_model(config, unet, name)
    except ValueError as error:
        raise InputError(f"adapter '{name}': {str(error).splitlines()[0]}") from None
    unet._hf_peft_config_loaded = True  # diffusers' own methods look here
    activate(unet, {name: 1.0})


def layers(unet: nn.Module) -> Iterator[Any]:
    """The maps with adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return (module for module in unet.modules() if isinstance(module, BaseTunerLayer))


def adapters(unet: Any) -> dict[str, Any]:
    """The configs of the adapters in ``unet``, by name."""
    return dict(getattr(unet, "peft_config", None) or {})


def activate(unet: nn.Module, weights: Mapping[str, float]) -> None:
    """Let these adapters act, each so much; the others rest."""
    for layer in layers(unet):
        own = [name for name in weights if name in layer.lora_A]
        layer.set_adapter(own)
        for name in own:
            layer.set_scale(name, weights[name])


def state_of(unet: nn.Module, name: str) -> dict[str, Tensor]:
    """The weights of one adapter by their names in a file."""
    return dict(peft().get_peft_model_state_dict(unet, adapter_name=name))


def fill(unet: Any, name: str, state: Mapping[str, Tensor], config: Any = None) -> None:
    """Put an adapter of these weights into ``unet``; ``config`` None is read off their shapes.

    Raises InputError for weights of another network.
    """
    if not state:
        raise InputError(f"adapter '{name}': the file has no weights for it")
    add(unet, _read_off(state) if config is None else config, name)
    try:
        found = peft().set_peft_model_state_dict(unet, dict(state), adapter_name=name)
        strange = sorted(getattr(found, "unexpected_keys", ()) or ())
    except RuntimeError as error:
        remove(unet, [name])
        raise InputError(
            f"adapter '{name}' is of another network: {str(error).splitlines()[-1].strip()}"
        ) from None
    if strange:
        remove(unet, [name])
        raise InputError(f"adapter '{name}' is of another network: it has {strange[0]}")
    unet.eval()


def remove(unet: Any, names: list[str]) -> None:
    """Take adapters out; without any left, the UNet is as it was."""
    left = [name for name in adapters(unet) if name not in names]
    if not left:
        from diffusers.utils.peft_utils import recurse_remove_peft_layers

        recurse_remove_peft_layers(unet)
        if hasattr(unet, "peft_config"):
            del unet.peft_config
        unet._hf_peft_config_loaded = False
        return
    for layer in layers(unet):
        for name in names:
            if name in layer.lora_A:
                layer.delete_adapter(name)
    for name in names:
        unet.peft_config.pop(name, None)


def merge(unet: nn.Module, names: list[str]) -> None:
    """Add what the active ones of these adapters do to the weights themselves."""
    for layer in layers(unet):
        layer.merge(adapter_names=[n for n in names if n in layer.active_adapters])


def unmerge(unet: nn.Module) -> None:
    """Take it out of the weights again."""
    for layer in layers(unet):
        layer.unmerge()


def write(
    path: Path, states: Mapping[str, Mapping[str, Tensor]], configs: Mapping[str, Any]
) -> None:
    """Write adapters by component as one file, whole or not at all."""
    tensors = {
        f"{component}.{key}": value.detach().to("cpu").contiguous()
        for component, state in states.items()
        for key, value in state.items()
    }
    plain = {
        f"{component}.{key}": sorted(value) if isinstance(value, set) else value
        for component, config in configs.items()
        for key, value in config.to_dict().items()
        if isinstance(value, str | int | float | bool | list | set | dict)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, {"format": "pt", METADATA: json.dumps(plain)})


def read(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The weights of a file by component, and their configs where it has them.

    Raises InputError for a file that is damaged or holds something else.
    """
    try:
        with safe_open(path, "pt") as file:
            plain = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} cannot be read as LoRA weights ({error})") from None
    return by_component(tensors), _configs(plain, path)


def by_component(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Weights by component, of names like ``denoiser_f.….lora_A.weight``; else InputError."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        prefix, _, rest = key.partition(".")
        if ".lora_" not in key or not (prefix in SHARED or prefix.startswith("denoiser_")):
            raise InputError(
                f"'{key[:60]}' is not a LoRA weight of a denoiser: names begin with denoiser_f., "
                "denoiser_l., denoiser_t. or unet., as diffusers writes them"
            )
        for component in SHARED.get(prefix, (prefix,)):
            found.setdefault(component, {})[rest] = value
    return found


def _configs(plain: Mapping[str, Any], path: Path) -> dict[str, Any]:
    if not plain:
        return {}
    library = peft()
    kinds: dict[str, dict[str, Any]] = {}
    for key, value in plain.items():
        prefix, _, field = key.partition(".")
        for component in SHARED.get(prefix, (prefix,)):
            kinds.setdefault(component, {})[field] = value
    known = set(library.LoraConfig.__dataclass_fields__) - {"peft_type", "task_type"}
    try:
        return {
            component: library.LoraConfig(**{k: v for k, v in fields.items() if k in known})
            for component, fields in kinds.items()
        }
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} has adapters that peft does not take: {error}") from None


def _read_off(state: Mapping[str, Tensor]) -> Any:
    """A config from shapes alone: each map's own rank, a scale of 1."""
    ranks = {
        key.removesuffix(".lora_A.weight"): value.shape[0]
        for key, value in state.items()
        if key.endswith(".lora_A.weight")
    }
    if not ranks:
        raise InputError("the LoRA weights have no lora_A: they are not as peft names them")
    rank = max(ranks.values(), key=list(ranks.values()).count)
    other = {f"^{name}$": r for name, r in ranks.items() if r != rank}
    return peft().LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(ranks),
        rank_pattern=other,
        alpha_pattern=dict(other),
    )


def plain_name(name: str) -> str | None:
    """The name that a weight has without adapters; None for an adapter's own."""
    if ".lora_" in name:
        return None
    return name.replace(".base_layer.", ".")


def inactive(unet: nn.Module) -> None:
    """Let none act."""
    for layer in layers(unet):
        layer.enable_adapters(False)


def active(unet: nn.Module) -> None:
    """Let those act again that did."""
    for layer in layers(unet):
        layer.enable_adapters(True)
