"""Adapters on a pipeline's denoisers, by the names of diffusers' pipelines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from codixr import hub
from codixr.errors import InputError
from codixr.model import lora
from codixr.model.components import check_part
from codixr.model.pipeline_memory import PlacedPipeline

DENOISERS = ("denoiser_f", "denoiser_l", "denoiser_t")


class AdaptedPipeline(PlacedPipeline):
    """Loads, trains, mixes and saves LoRA weights; ``save_pretrained`` writes none of them."""

    def _unets(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        if names is None:
            names = [name for name in DENOISERS if name in self.modules]
        unknown = set(names) - set(DENOISERS)
        if unknown:
            raise InputError(f"'{min(unknown)}' is not one of {', '.join(DENOISERS)}")
        for name in names:
            check_part(name, getattr(self, name))
        return {name: getattr(self, name).unet for name in names}

    def add_adapter(
        self,
        config: Any = None,
        adapter_name: str = "default",
        components: Sequence[str] | None = None,
        *,
        rank: int = 8,
    ) -> None:
        """Put a new adapter on the denoisers named, or all; only its weights require gradients.

        ``config`` is a ``peft.LoraConfig``; None is one of ``rank`` on every attention map that has
        a say. Raises InputError for a name that is taken.
        """
        tokens = self.preset.diffusion.condition_fusion == "tokens"
        for unet in self._unets(components).values():
            lora.add(unet, config or lora.usual(rank, tokens=tokens), adapter_name)

    def load_lora_weights(
        self,
        place: str | Path | Mapping[str, Tensor],
        *,
        adapter_name: str = "default",
        weight_name: str = lora.WEIGHTS,
        revision: str | None = None,
    ) -> None:
        """Load an adapter: a folder, a file, a name on the hub, or the weights by name.

        Stable Diffusion's (``unet.``) go to both X-ray denoisers. Raises InputError for weights of
        another network.
        """
        configs: dict[str, Any] = {}
        if isinstance(place, Mapping):
            states = lora.by_component(place)
        else:
            named = hub.named(place)
            folder = Path(place) if named is None else hub.download(named[0], revision or named[1])
            path = folder if folder.is_file() else folder / weight_name
            if not path.is_file():
                raise InputError(f"no LoRA weights at {path}")
            states, configs = lora.read(path)
        unets = self._unets(list(states))
        done: list[str] = []
        try:
            for name, unet in unets.items():
                lora.fill(unet, adapter_name, states[name], configs.get(name))
                done.append(name)
        except InputError:
            for name in done:
                lora.remove(unets[name], [adapter_name])
            raise
        device = {name: next(getattr(self, name).parameters()) for name in unets}
        for name, unet in unets.items():
            unet.to(device[name].device)

    def save_lora_weights(
        self,
        folder: str | Path,
        *,
        adapter_name: str = "default",
        weight_name: str = lora.WEIGHTS,
    ) -> None:
        """Write one adapter of every denoiser that has it, as diffusers does.

        Raises InputError where none has.
        """
        own = {n: u for n, u in self._unets().items() if adapter_name in lora.adapters(u)}
        if not own:
            raise InputError(f"there is no adapter '{adapter_name}'; {self._there()}")
        lora.write(
            Path(folder) / weight_name,
            {name: lora.state_of(unet, adapter_name) for name, unet in own.items()},
            {name: lora.adapters(unet)[adapter_name] for name, unet in own.items()},
        )

    def set_adapters(
        self,
        adapter_names: str | Sequence[str],
        adapter_weights: float | Sequence[float] | None = None,
    ) -> None:
        """Let these adapters act, with weights (default 1); the others rest.

        Raises InputError for a name that is not there, or weights that don't fit.
        """
        names = [adapter_names] if isinstance(adapter_names, str) else list(adapter_names)
        if adapter_weights is None:
            adapter_weights = 1.0
        weights = (
            [adapter_weights] * len(names)
            if isinstance(adapter_weights, int | float)
            else list(adapter_weights)
        )
        if len(weights) != len(names):
            raise InputError(f"{len(weights)} adapter_weights for {len(names)} adapters")
        there = {name for own in self.get_list_adapters().values() for name in own}
        if unknown := [name for name in names if name not in there]:
            raise InputError(f"there is no adapter '{unknown[0]}'; {self._there()}")
        for unet in self._adapted().values():
            lora.activate(unet, dict(zip(names, map(float, weights), strict=True)))

    def get_list_adapters(self) -> dict[str, list[str]]:
        """The adapters of each denoiser that has some."""
        return {name: list(lora.adapters(unet)) for name, unet in self._adapted().items()}

    def get_active_adapters(self) -> list[str]:
        """Those that act."""
        found = (
            n for u in self._adapted().values() for la in lora.layers(u) for n in la.active_adapters
        )
        return list(dict.fromkeys(found))

    def fuse_lora(self) -> None:
        """Add what the active adapters do to the weights: sampling costs nothing more.

        ``save_pretrained`` writes the fused weights then.
        """
        for unet in self._adapted().values():
            lora.merge(unet, list(lora.adapters(unet)))

    def unfuse_lora(self) -> None:
        """Take it out of the weights again (but for rounding)."""
        for unet in self._adapted().values():
            lora.unmerge(unet)

    def disable_lora(self) -> None:
        """Let none act; they stay."""
        for unet in self._adapted().values():
            lora.inactive(unet)

    def enable_lora(self) -> None:
        """Let those act again that did."""
        for unet in self._adapted().values():
            lora.active(unet)

    def delete_adapters(self, adapter_names: str | Sequence[str]) -> None:
        """Take some out."""
        names = [adapter_names] if isinstance(adapter_names, str) else list(adapter_names)
        for unet in self._adapted().values():
            lora.remove(unet, names)

    def unload_lora_weights(self) -> None:
        """Take all out; what was fused stays in the weights."""
        for unet in self._adapted().values():
            lora.remove(unet, list(lora.adapters(unet)))

    def _adapted(self) -> dict[str, Any]:
        return {name: unet for name, unet in self._unets().items() if lora.adapters(unet)}

    def _there(self) -> str:
        own = {name for names in self.get_list_adapters().values() for name in names}
        return f"there are {', '.join(sorted(own))}" if own else "there is none"
