"""CoDiXRPipeline: any of frontal X-ray, lateral X-ray and report from any others.

pipe = CoDiXRPipeline.from_pretrained()
result = pipe(inputs={"T": "Large left pleural effusion."}, outputs="F+L")
result.images["F"][0].save("frontal.png")

Notable: it is one of diffusers' pipelines, but its outputs are of two kinds, and each sample has a
generator of its own, so that no sample depends on its batch.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import call_arguments, pretrained
from codixr.model.batches import Call, made_in_batches
from codixr.model.checkpoint_info import checkpoint_sha256
from codixr.model.components import BUILDERS, INDEX, preset_from
from codixr.model.conditioning import Conditioning
from codixr.model.dtypes import Dtype
from codixr.model.familiarity import Doubts, Familiarity, refuse_unknown
from codixr.model.generation import (
    Generation,
    OutputType,
    Settings,
    as_type,
    decoded,
    latent_shapes,
    latents_of,
)
from codixr.model.image_vae import ImageVAE
from codixr.model.noise import from_seeds, sample_generators
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.prompts import Prompt, checked, modalities
from codixr.model.report_vae import ReportVAE
from codixr.model.sampling import AttendTo, Latents
from codixr.model.schedulers import check, make_scheduler
from codixr.model.tokenizer import Tokenizers

__all__ = ["CoDiXRPipeline", "EndOfStep", "Generation", "Settings"]

EndOfStep = Callable[["CoDiXRPipeline", int, Any, dict[str, Any]], dict[str, Any]]
"""Diffusers' ``callback_on_step_end``: (pipeline, step, timestep, tensors) -> tensors."""


class CoDiXRPipeline(DiffusionPipeline):  # type: ignore[misc]  # diffusers is read without types
    """The whole model: prompt encoders, image and report VAEs, three denoisers, one sampler.

    ``preset`` has the model's numbers. Where a report's tokenizer is None, it is the prompts'.
    """

    _optional_components: ClassVar = ["report_encoder_tokenizer", "report_decoder_tokenizer"]

    def __init__(
        self,
        prompt_encoder: PromptEncoder,
        image_vae: ImageVAE,
        report_vae: ReportVAE,
        denoiser_f: nn.Module,
        denoiser_l: nn.Module,
        denoiser_t: nn.Module,
        tokenizer: Any,
        report_encoder_tokenizer: Any,
        report_decoder_tokenizer: Any,
        scheduler: Any,
        preset: Preset | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if preset is None:
            raise InputError("CoDiXRPipeline: give its preset, which has the model's numbers")
        self.preset = preset if isinstance(preset, Preset) else preset_from(preset)
        self.source: Path | None = None
        self._sha256: str | None = None
        self._bar_options: dict[str, Any] = {}
        self._conditioning: Conditioning | None = None
        self.familiarity: Familiarity | None = None
        """What its training pictures are like; None where the checkpoint does not say."""
        self._doubts = Doubts()
        self._interrupt = False
        self._guidance_scale: float | None = None
        self.register_modules(
            prompt_encoder=prompt_encoder,
            image_vae=image_vae,
            report_vae=report_vae,
            denoiser_f=denoiser_f,
            denoiser_l=denoiser_l,
            denoiser_t=denoiser_t,
            tokenizer=tokenizer,
            report_encoder_tokenizer=report_encoder_tokenizer,
            report_decoder_tokenizer=report_decoder_tokenizer,
            scheduler=check(self.preset.diffusion, scheduler),
        )

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        revision: str | None = None,
        dtype: Dtype = None,
        torch_dtype: Dtype = None,
        variant: str | None = None,
        device_map: str | torch.device | None = None,
        scheduler: Any = None,
        components: Mapping[str, str | Path] | None = None,
    ) -> Self:
        """Load a folder that ``codixr`` wrote, or ``organisation/name`` from the Hugging Face hub.

        None is the embedded checkpoint. ``revision`` pins a hub's branch, tag or commit; ``dtype``
        (or ``torch_dtype``) is the weights' type in memory: a torch dtype, its name, or a mapping
        of components and "default" to them (default float32). ``variant`` reads files such as
        ``model.fp16.safetensors`` where a part has them; ``device_map`` is one device for all;
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
        return pipe.to(device_map)

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

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move every component to a device, a dtype, or both, as torch's ``Module.to`` does."""
        if args == (None,) and not kwargs:
            return self
        for module in self.modules.values():
            module.to(*args, **kwargs)
        return self

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The components with weights, by name."""
        return {name: getattr(self, name) for name in BUILDERS}

    @property
    def tokenizers(self) -> Tokenizers:
        """The three, of which equal ones are one object."""
        own = self.tokenizer
        return Tokenizers(
            own, self.report_encoder_tokenizer or own, self.report_decoder_tokenizer or own
        )

    @property
    def denoisers(self) -> dict[Modality, nn.Module]:
        """The denoiser of each modality."""
        return {m: getattr(self, f"denoiser_{m.lower()}") for m in Modality}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.prompt_encoder.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the prompt encoder's weights."""
        return next(self.prompt_encoder.parameters()).dtype

    @property
    def sha256(self) -> str:
        """The digest of the files it was loaded from; "" when there are none."""
        if self._sha256 is None:
            self._sha256 = "" if self.source is None else checkpoint_sha256(self.source)
        return self._sha256

    @property
    def size(self) -> int:
        """Side of the square pictures, in pixels."""
        return self.preset.image_size

    @torch.no_grad()
    def encode_prompts(
        self,
        prompts: Sequence[Prompt],
        weights: Mapping[str, float] | None = None,
        *,
        strict_length: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Conditions and unconditional ones of prompts with equal modalities.

        Each [B, D], several modalities interpolated by ``weights`` (equal by default); or, where
        the preset fuses by "tokens", [B, K, D], one token a modality (weights act in attention).
        Raises InputError for unfit weights, and for a text over the limit with ``strict_length``.
        """
        return self.conditioning.encode(prompts, weights, strict_length=strict_length)

    @property
    def conditioning(self) -> Conditioning:
        """Kept, with its unconditional vectors, until the encoder moves or is another."""
        now = Conditioning(
            self.preset, self.prompt_encoder, self.tokenizer, self.familiarity, self._doubts
        )
        if self._conditioning is None or not now.like(self._conditioning):
            self._conditioning = now
        return self._conditioning

    def generate(
        self,
        prompts: Sequence[Prompt],
        outputs: Sequence[Modality],
        seeds: Sequence[int],
        settings: Settings | None = None,
    ) -> list[dict[Modality, Image | str]]:
        """One sample a prompt: float32 [1, S, S] in [0, 1] for a view, a string for T.

        The batch of a benchmark. A study's noise comes from its seed alone: the same sample
        whatever the batch. Raises InputError as ``__call__``.
        """
        generators = {m: from_seeds(seeds, m) for m in outputs}
        latents = latents_of(self, prompts, outputs, generators, settings or Settings())
        made = {m: decoded(self, m, z, generators[m]) for m, z in latents.items()}
        return [
            {m: x[i].numpy() if isinstance(x, Tensor) else x[i] for m, x in made.items()}
            for i in range(len(prompts))
        ]

    def __call__(
        self,
        inputs: Mapping[str, Any],
        outputs: str | Sequence[str],
        *,
        num_images: int = 1,
        num_images_per_prompt: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        weights: Mapping[str, float] | None = None,
        scheduler: Any = None,
        eta: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        seed: int | None = None,
        latents: Tensor | Mapping[str, Tensor] | None = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback_on_step_end: EndOfStep | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        batch_size: int = 32,
        strict_length: bool = False,
        attend_to: AttendTo = "others",
    ) -> Generation:
        """Generate ``outputs`` ("F", "F+L", ...) from ``inputs``, by diffusers' conventions.

        Args:
            inputs: by modality, a PIL image, an array [1, S, S] in [0, 1], a string; or a list of
                such, one a prompt. ``{}`` generates from nothing.
            outputs: modalities that are not inputs, e.g. "F+L".
            num_images: samples a prompt; those of the first prompt come first. Diffusers' name,
                ``num_images_per_prompt``, says the same.
            num_inference_steps, guidance_scale: default: the preset's.
            weights: of several inputs, e.g. ``{"T": 2, "L": 1}``; default: equal.
            scheduler: a name or an object for this call; else ``pipe.scheduler``.
            eta: DDIM's.
            generator: one a sample in a list; from a single one, one a sample is drawn.
            seed: without generators: sample k is that of ``seed + k``. With neither, torch's global
                generator decides, as in diffusers.
            latents: noise to begin with, [N, ...]; for several outputs a mapping of them.
            output_type: "pil", "np", "pt" or "latent". Reports are strings, but for "latent".
            return_dict: False for a plain tuple (images, reports); the usual one unpacks too.
            callback_on_step_end: called after each step of each batch; ``latents`` is a mapping of
                modalities to tensors. It may set ``pipe._interrupt`` to stop after the step, and
                ``pipe._guidance_scale`` for the steps to come.
            callback_on_step_end_tensor_inputs: what the callback gets: "latents".
            batch_size: samples at once. The memory depends on it; the samples do not.
            strict_length: refuse a text over the limit rather than cut it.
            attend_to: "own" for CoDi's released behaviour with joint outputs.

        Raises:
            InputError: an output that is also an input, an input or number that does not fit, or a
                text without a known word.

        Warns:
            OutsideTrainingWarning: once for each modality, of a text with unknown words, and of a
                picture unlike the checkpoint's training pictures.
        """
        wanted = modalities(outputs)
        if num_images_per_prompt is not None:
            num_images = num_images_per_prompt
        each = call_arguments.whole("num_images", num_images)
        call_arguments.whole("batch_size", batch_size)
        call_arguments.check_seed(generator, seed)
        prompts = [prompt for prompt in checked(inputs, self.size) for _ in range(each)]
        call_arguments.check_call(
            prompts, wanted, output_type, callback_on_step_end, callback_on_step_end_tensor_inputs
        )
        refuse_unknown(
            self.tokenizer, [str(p[Modality.T]) for p in prompts[::each] if Modality.T in p]
        )
        settings = Settings(
            num_inference_steps, guidance_scale, weights, scheduler, eta, attend_to, strict_length
        )
        call_arguments.check_settings(settings)
        shapes = latent_shapes(self.preset, wanted)
        start = call_arguments.starting_noise(latents, shapes, len(prompts))
        generators = sample_generators(generator, seed, len(prompts), wanted)
        call = Call(
            prompts, wanted, generators, settings, batch_size, output_type == "latent", start
        )

        def step_end(index: int, timestep: Any, latents: Latents) -> Latents | None:
            if callback_on_step_end is None:
                return None
            told = dict.fromkeys(callback_on_step_end_tensor_inputs, latents)
            changed = callback_on_step_end(self, index, timestep, told)
            return (changed or {}).get("latents")

        made = made_in_batches(self, call, step_end, self._bar_options)
        images = {m: as_type(made[m], output_type) for m in wanted if m.is_image}
        reports: Any = made.get(Modality.T)
        if reports and output_type == "latent":
            reports = torch.stack(reports)
        result = Generation(images, reports)
        return result if return_dict else cast(Generation, tuple(result))

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of the progress bar (tqdm's), e.g. ``disable=True``; as in diffusers."""
        self._bar_options = options
