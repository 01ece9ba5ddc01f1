"""A pipeline as a folder or a repository of the hub: read, written, sent."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from codixr.device import check_here
from codixr.errors import InputError
from codixr.model import pretrained
from codixr.model.components import BUILDERS, INDEX, check_part
from codixr.model.dtypes import Dtype, of_component
from codixr.model.familiarity import Familiarity
from codixr.model.pipeline_lora import AdaptedPipeline
from codixr.model.pipeline_memory import placement
from codixr.model.presets import Preset
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import Tokenizers

_PASSED_OVER = {"use_safetensors", "low_cpu_mem_usage", "trust_remote_code", "custom_pipeline"}
_OF_THE_HUB = {"token", "cache_dir", "local_files_only", "force_download"}


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
        **others: Any,
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
        Optimus, with its two tokenizers; or a GPT-2 folder, as a start for training). A part may
        also be given as an object, by its name: ``image_vae=vae``; None leaves it out. ``token``,
        ``cache_dir``, ``local_files_only`` and ``force_download`` are for the hub. Raises
        InputError for a missing, damaged or half-written folder, or a silent hub.
        """
        parts, from_hub = _own_parts(others)
        preset, modules, tokenizers, source = pretrained.load(
            pretrained.find(folder, revision, **from_hub),
            leave_out=[name for name in parts if name in BUILDERS],
            dtype=torch_dtype if dtype is None else dtype,
            others=components,
            variant=variant,
        )
        if scheduler is None:
            scheduler = pretrained.load_scheduler(preset, source)
        elif isinstance(scheduler, str):
            scheduler = make_scheduler(preset.diffusion, preset.diffusion.steps, scheduler)
        pipe = cls.assembled(preset, modules, tokenizers, scheduler, source)
        for name, part in parts.items():
            setattr(pipe, name, part)
        if "prompt_encoder" not in {**(components or {}), **parts}:
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
        parts: dict[str, Any] = {**dict.fromkeys(BUILDERS), **modules, **others}
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
        torch_dtype: torch.dtype | str | None = None,
        max_shard_size: int | str = "5GB",
        variant: str | None = None,
        safe_serialization: bool = True,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **sending: Any,
    ) -> None:
        """Write the model to ``folder``, its index last: a half-written folder is refused.

        The scheduler that it has now goes with it. A ``variant`` ("fp16") gets files of its own.
        ``push_to_hub`` sends the folder to ``repo_id``, else to one of the folder's name, too.
        """
        if not safe_serialization:
            raise InputError("safe_serialization=False: weights are written as safetensors only")
        if sending and not push_to_hub:
            raise InputError(f"save_pretrained: it has no {', '.join(sending)}")
        for name in BUILDERS:
            check_part(name, getattr(self, name))
        pretrained.save(
            self.preset,
            self.modules,
            self.tokenizers,
            folder,
            of_component(torch_dtype, "default"),
            max_shard_size,
            scheduler=self.scheduler,
            variant=variant,
        )
        if self.familiarity is not None:
            self.familiarity.save(Path(folder))
        if push_to_hub:
            _send(Path(folder), repo_id or Path(folder).name, **sending)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        create_pr: bool = False,
        **saving: Any,
    ) -> str:
        """Write the model and its card to a repository of the hub; returns its address.

        ``saving`` are arguments of ``save_pretrained``. Raises InputError where the hub refuses.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, **saving)
            return _send(
                Path(folder),
                repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                create_pr=create_pr,
            )

    @classmethod
    def from_pipe(cls, pipeline: Self, **parts: Any) -> Self:
        """A pipeline of another's components, some exchanged; none is copied."""
        if unknown := set(parts) - set(pipeline.components):
            raise InputError(f"'{min(unknown)}' is not one of {', '.join(pipeline.components)}")
        return cls(**(pipeline.components | parts))

    def register_to_config(self, **kwargs: Any) -> None:
        """As in diffusers, which names here, last, the folder that it read the parts from."""
        super().register_to_config(**kwargs)
        place = Path(str(kwargs.get("_name_or_path") or ""))
        if self.source is None and (place / INDEX).is_file():
            self.source, self.familiarity = place, Familiarity.load(place)


def _own_parts(others: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts that a user gives as objects, and what is for the hub.

    InputError for arguments that there are not. Those of diffusers that change nothing here are
    passed over.
    """
    if others.get("use_safetensors") is False:
        raise InputError("use_safetensors=False: weights are read from safetensors only")
    if others.get("trust_remote_code") or others.get("custom_pipeline"):
        raise InputError(
            "trust_remote_code, custom_pipeline: leave them out; no code of a folder is run"
        )
    known = (*BUILDERS, "tokenizer", "report_encoder_tokenizer", "report_decoder_tokenizer")
    parts = {n: part for n, part in others.items() if n not in _PASSED_OVER | _OF_THE_HUB}
    if unknown := set(parts) - set(known):
        raise InputError(f"from_pretrained has no '{min(unknown)}'; parts are {', '.join(known)}")
    for name, part in parts.items():
        if name in BUILDERS and part is not None:
            check_part(name, part)
    return parts, {name: value for name, value in others.items() if name in _OF_THE_HUB}


def _send(folder: Path, repo_id: str, **options: Any) -> str:
    """Send a folder to the hub; returns the repository's address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    hub = HfApi(token=options.get("token"))
    try:
        address = hub.create_repo(repo_id, private=options.get("private"), exist_ok=True)
        hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=options.get("commit_message"),
            create_pr=options.get("create_pr", False),
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the hub did not take {repo_id}: {reason}") from None
    return str(address)
