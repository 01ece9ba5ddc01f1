"""Where a pipeline's parts are while it works, and how little of it is on the accelerator at once.

Notable: accelerate's own hooks move whole parts, but the pipeline asks for them, in its order. The
denoisers of joint outputs take turns at every step, so those of one call stay together.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch

from codixr.device import as_device, check_here
from codixr.errors import InputError
from codixr.model.components import check_part
from codixr.model.pipeline_parts import PipelineParts


class PlacedPipeline(PipelineParts):
    """Moves, offloads, slices and tiles, by diffusers' names."""

    model_cpu_offload_seq = (
        "prompt_encoder->denoiser_f->denoiser_l->denoiser_t->image_vae->report_vae"
    )
    _all_hooks: Sequence[Any] = ()
    _offload_device: torch.device | None = None
    _present: frozenset[str] = frozenset()

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move every component to a device, a dtype, or both, as torch's ``Module.to`` does.

        Raises InputError for a device that is not here, or while parts are placed otherwise.
        """
        kwargs.pop("silence_dtype_warnings", None)
        if args == (None,) and not kwargs:
            return self
        device = _device_of(*args, **kwargs)
        if device is not None and self._all_hooks:
            raise InputError("the parts are offloaded: call remove_all_hooks() before to()")
        if device is not None and self._is_pipeline_device_mapped():
            raise InputError("the parts have a device map: call reset_device_map() before to()")
        if device is not None:
            check_here(device)
        for module in self.modules.values():
            module.to(*args, **kwargs)
        return self

    def enable_vae_slicing(self) -> None:
        """Encode and decode one picture at a time; the pictures are the same."""
        self.image_vae.autoencoder.enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Back to slices of ``image_vae.SLICE_PIXELS``."""
        self.image_vae.autoencoder.disable_slicing()

    def enable_vae_tiling(self) -> None:
        """Encode and decode pictures over the autoencoder's ``sample_size`` in tiles that overlap.

        Memory stops to grow with the picture. Tiles are blended; each has norms of its own, so
        large pictures differ a little.
        """
        self.image_vae.autoencoder.enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Back to whole pictures."""
        self.image_vae.autoencoder.disable_tiling()

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: torch.device | str | None = None
    ) -> None:
        """Keep the parts on the CPU; each comes to the accelerator when a call needs it.

        The prompt encoder, then the denoisers of the call's outputs, then the VAEs. Raises
        InputError where there is no accelerator, or the parts have a device map.
        """
        if self._is_pipeline_device_mapped():
            raise InputError("the parts have a device map: call reset_device_map() first")
        device = accelerator(device, gpu_id)
        from accelerate.hooks import CpuOffload, UserCpuOffloadHook

        self.remove_all_hooks()
        self.to("cpu")
        self._offload_device, self._present = device, frozenset()
        self._all_hooks = [
            UserCpuOffloadHook(self.modules[name], CpuOffload(device)) for name in self._offloaded
        ]

    def remove_all_hooks(self) -> None:
        """No offloading any more; the parts are on the CPU."""
        self.maybe_free_model_hooks()
        self._all_hooks, self._offload_device = (), None

    def maybe_free_model_hooks(self) -> None:
        """Send what is on the accelerator back to the CPU, where parts are offloaded."""
        self.bring()

    def bring(self, *names: str) -> None:
        """Have these components where they compute, and only these, where parts are offloaded."""
        for name in names:
            check_part(name, getattr(self, name))
        order = self._offloaded
        hooks = dict(zip(order, self._all_hooks, strict=False))  # none where nothing is offloaded
        for name, hook in hooks.items():
            if name in self._present and name not in names:
                hook.offload()
        for name, hook in hooks.items():
            if name in names and name not in self._present:
                hook.hook.pre_forward(hook.model)
        self._present = frozenset(names) if self._all_hooks else frozenset()

    @property
    def _offloaded(self) -> list[str]:
        return [name for name in self.model_cpu_offload_seq.split("->") if name in self.modules]

    @contextmanager
    def working(self) -> Iterator[None]:
        """At its end, failures too, nothing that is offloaded stays on the accelerator."""
        try:
            yield
        finally:
            self.maybe_free_model_hooks()

    @property
    def _execution_device(self) -> torch.device:
        return self._offload_device or self.device

    def enable_sequential_cpu_offload(self, *_: Any, **__: Any) -> None:
        """Refused: InputError."""
        raise InputError(
            "enable_sequential_cpu_offload: not with this pipeline; enable_model_cpu_offload moves "
            "whole parts, and batch_size= bounds the rest"
        )

    def enable_group_offload(self, *_: Any, **__: Any) -> None:
        """Refused: InputError."""
        raise InputError(
            "enable_group_offload: not with this pipeline; use enable_model_cpu_offload"
        )


def accelerator(device: torch.device | str | None, index: int | None) -> torch.device:
    """The accelerator to compute on: the one there is, or ``device``; InputError for none."""
    if device is None:
        here = torch.accelerator.current_accelerator(check_available=True)
        if here is None:
            raise InputError(
                "enable_model_cpu_offload: torch sees no accelerator here, and offloading is from "
                "one to the CPU: leave it out"
            )
        device = here
    found = as_device(device)
    if found.type == "cpu":
        raise InputError("enable_model_cpu_offload: the CPU is where parts wait; give a GPU")
    if index is not None and found.index not in (None, index):
        raise InputError(f"gpu_id {index} and device '{found}': give one of them")
    return check_here(torch.device(found.type, found.index if index is None else index))


def _device_of(*args: Any, **kwargs: Any) -> torch.device | None:
    """The device among the arguments of ``Module.to``; InputError for what is none."""
    try:
        found: torch.device | None = torch._C._nn._parse_to(*args, **kwargs)[0]
    except (RuntimeError, TypeError):
        given = ", ".join(map(str, (*args, *kwargs.values())))
        raise InputError(f"to({given}): give a device (cpu, cuda, ...), a dtype, or both") from None
    return found


def placement(
    device_map: Any, sizes: Mapping[str, int], memory: Mapping[Any, int] | None = None
) -> dict[str, torch.device] | None:
    """The device of each component, by name; None where nothing is said.

    ``device_map`` is one device for all, a mapping of components (and "default") to devices, or
    "balanced": each next largest part goes to the accelerator with the most room left, of
    ``memory`` bytes each (default: what is free). ``sizes`` are in bytes. Raises InputError for
    unknown names, or parts that fit nowhere.
    """
    if device_map is None:
        return None
    if isinstance(device_map, Mapping):
        if unknown := set(device_map) - {*sizes, "default", ""}:
            known = ", ".join((*sizes, "default"))
            raise InputError(f"device_map: '{min(map(str, unknown))}' is not one of {known}")
        rest = device_map.get("default", device_map.get(""))
        if rest is None and (missing := [name for name in sizes if name not in device_map]):
            raise InputError(f"device_map: where is {', '.join(missing)}? name it, or 'default'")
        return {name: as_device(device_map.get(name, rest)) for name in sizes}
    if device_map != "balanced":
        return dict.fromkeys(sizes, as_device(device_map))
    room = dict(free_memory() if memory is None else memory)
    if not room:
        raise InputError("device_map 'balanced': torch sees no accelerator here; leave it out")
    placed = {}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        widest = max(room, key=lambda device: room[device])
        if room[widest] < size:
            raise InputError(
                f"device_map 'balanced': {name} needs {size / 1e9:.2f} GB and no accelerator has "
                "that left: load it in half precision (dtype=), or use enable_model_cpu_offload"
            )
        placed[name], room[widest] = as_device(widest), room[widest] - size
    return placed


def free_memory() -> dict[str, int]:
    """Bytes free on each accelerator, by device name."""
    here = torch.accelerator.current_accelerator(check_available=True)
    if here is None:
        return {}
    count = torch.accelerator.device_count()
    return {f"{here.type}:{i}": torch.accelerator.get_memory_info(i)[0] for i in range(count)}
