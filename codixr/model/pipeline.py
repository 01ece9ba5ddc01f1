"""CoDiXRPipeline: any of frontal X-ray, lateral X-ray and report from any others.

pipe = CoDiXRPipeline.from_pretrained()
result = pipe(inputs={"T": "Large left pleural effusion."}, outputs="F+L")
result.images["F"][0].save("frontal.png")

Notable: it is one of diffusers' pipelines, but its outputs are of two kinds, and each sample has a
generator of its own, so that no sample depends on its batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import call_arguments
from codixr.model.batches import Call, made_in_batches
from codixr.model.components import preset_from
from codixr.model.familiarity import Doubts, refuse_unknown
from codixr.model.generation import (
    Generation,
    OutputType,
    Settings,
    decoded,
    latent_shapes,
    latents_of,
    made_as,
)
from codixr.model.image_vae import ImageVAE
from codixr.model.noise import from_seeds, sample_generators
from codixr.model.pipeline_folder import StoredPipeline
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.prompts import Prompt, checked, modalities
from codixr.model.report_vae import ReportVAE
from codixr.model.sampling import AttendTo, Latents, StepCallback
from codixr.model.schedulers import check

__all__ = ["CoDiXRPipeline", "EndOfStep", "Generation", "Settings"]

EndOfStep = Callable[["CoDiXRPipeline", int, Any, dict[str, Any]], dict[str, Any]]
"""Diffusers' ``callback_on_step_end``: (pipeline, step, timestep, tensors) -> tensors."""


class CoDiXRPipeline(StoredPipeline):
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
        self._bar_options: dict[str, Any] = {}
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
            seed: sample k is that of ``seed + k``. Without it or generators, torch's global one.
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
        given = checked(inputs, self.size)
        prompts = [prompt for prompt in given for _ in range(each)]
        call_arguments.check_call(
            prompts, wanted, output_type, callback_on_step_end, callback_on_step_end_tensor_inputs
        )
        refuse_unknown(self.tokenizer, [str(p[Modality.T]) for p in given if Modality.T in p])
        settings = Settings(
            num_inference_steps, guidance_scale, weights, scheduler, eta, attend_to, strict_length
        )
        call_arguments.check_settings(settings)
        n, as_latents = len(prompts), output_type == "latent"
        start = call_arguments.starting_noise(latents, latent_shapes(self.preset, wanted), n)
        generators = sample_generators(generator, seed, n, wanted)
        call = Call(prompts, wanted, generators, settings, batch_size, as_latents, start)
        step_end = self._step_end(callback_on_step_end, callback_on_step_end_tensor_inputs)
        result = made_as(made_in_batches(self, call, step_end, self._bar_options), output_type)
        return result if return_dict else cast(Generation, tuple(result))

    def _step_end(self, callback: EndOfStep | None, names: Sequence[str]) -> StepCallback:
        """What a step of ours tells diffusers' callback, and takes from it."""

        def step_end(index: int, timestep: Any, latents: Latents) -> Latents | None:
            if callback is None:
                return None
            changed = callback(self, index, timestep, dict.fromkeys(names, latents))
            return (changed or {}).get("latents")

        return step_end

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of the progress bar (tqdm's), e.g. ``disable=True``; as in diffusers."""
        self._bar_options = options
