"""A pipeline as a folder or a repository of the hub: read, written, sent."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from codixr.model import pretrained
from codixr.model.components import INDEX
from codixr.model.dtypes import Dtype
from codixr.model.familiarity import Familiarity
from codixr.model.pipeline_lora import AdaptedPipeline
from codixr.model.pipeline_memory import check_here, placement
from codixr.model.presets import Preset
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import Tokenizers


class StoredPipeline(AdaptedPipeline):
    """Loads and saves as diffusers' pipelines do; no code is read from a folder."""

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        revision: str | None = None,
        dtype: Dtype = None,
        torch_dtype: Dtype = None,
        variant: str | None = None,
        device_map: str | torch.device | Mapping[str, str | torch.device] | None = None,
        scheduler: Any = None,
        components: Mapping[str, str | Path] | None = None,
    ) -> Self:
        """Load a folder that ``codixr`` wrote, or ``organisation/name`` from the Hugging Face hub.

        None is the embedded checkpoint. ``revision`` pins a hub's branch, tag or commit; ``dtype``
        (or ``torch_dtype``) is the weights' type in memory: a torch dtype, its name, or a mapping
        of components and "default" to them (default float32). ``variant`` reads files such as
        ``model.fp16.safetensors`` where a part has them; ``device_map`` is one device for all, a
        mapping of components and "default" to devices, or "balanced" over the accelerators here;
        ``scheduler`` a name or an object. ``components`` names other projects' parts to load
        instead of the folder's own: ``image_vae`` and ``denoiser_f``/``_l`` (Stable Diffusion's
        ``vae`` and ``unet`` folders), ``prompt_encoder`` (a CLIP folder), ``report_vae`` (a file of
        Optimus, with its two tokenizers; or a GPT-2 folder, as a start for training). Raises
        InputError for a missing, damaged or half-written folder, or a silent hub.
        """
        preset, modules, tokenizers, source = pretrained.load(
            folder,
            revision=revision,
            dtype=torch_dtype if dtype is None else dtype,
            others=components,
            variant=variant,
        )
        if scheduler is None:
            scheduler = pretrained.load_scheduler(preset, source)
        elif isinstance(scheduler, str):
            scheduler = make_scheduler(preset.diffusion, preset.diffusion.steps, scheduler)
        pipe = cls.assembled(preset, modules, tokenizers, scheduler, source)
        if "prompt_encoder" not in (components or {}):
            pipe.familiarity = Familiarity.load(source)
        return pipe._placed(device_map)

    @classmethod
    def assembled(
        cls,
        preset: Preset,
        modules: Mapping[str, nn.Module],
        tokenizers: Tokenizers,
        scheduler: Any,
        source: Path | None = None,
    ) -> Self:
        """The pipeline of components by name, read from ``source``."""
        others = {
            f"{name}_tokenizer": None if own is tokenizers.prompt else own
            for name, own in (
                ("report_encoder", tokenizers.report_encoder),
                ("report_decoder", tokenizers.report_decoder),
            )
        }
        parts: dict[str, Any] = {**modules, **others}
        pipe = cls(**parts, tokenizer=tokenizers.prompt, scheduler=scheduler, preset=preset)
        pipe.source = source
        return pipe

    def _placed(self, device_map: Any) -> Self:
        sizes = {
            name: sum(p.numel() * p.element_size() for p in module.parameters())
            for name, module in self.modules.items()
        }
        placed = placement(device_map, sizes) or {}
        for device in placed.values():
            check_here(device)
        for name, device in placed.items():
            self.modules[name].to(device)
        if len(set(placed.values())) > 1:
            self.hf_device_map = {name: str(device) for name, device in placed.items()}
        return self

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        torch_dtype: torch.dtype | None = None,
        max_shard_size: int | str = "5GB",
        variant: str | None = None,
    ) -> None:
        """Write the model to ``folder``, its index last: a half-written folder is refused.

        The scheduler that it has now goes with it. A ``variant`` ("fp16") gets files of its own.
        """
        pretrained.save(
            self.preset,
            self.modules,
            self.tokenizers,
            folder,
            torch_dtype,
            max_shard_size,
            scheduler=self.scheduler,
            variant=variant,
        )
        if self.familiarity is not None:
            self.familiarity.save(Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, **saving: Any) -> str:
        """Write the model and its card to a repository of the hub; returns its address."""
        from huggingface_hub import HfApi

        hub = HfApi()
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, **saving)
            address = hub.create_repo(repo_id, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repo_id, folder_path=folder)
        return str(address)

    def register_to_config(self, **kwargs: Any) -> None:
        """As in diffusers, which names here, last, the folder that it read the parts from."""
        super().register_to_config(**kwargs)
        place = Path(str(kwargs.get("_name_or_path") or ""))
        if self.source is None and (place / INDEX).is_file():
            self.source, self.familiarity = place, Familiarity.load(place)
