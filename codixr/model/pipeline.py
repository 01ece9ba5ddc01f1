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
from codixr.model.configs import JointOutputs
from codixr.model.familiarity import Doubts
from codixr.model.generation import (
    Generation,
    OutputType,
    Settings,
    decoded,
    latents_of,
    made_as,
)
from codixr.model.given import Arguments, Given, given_by
from codixr.model.image_vae import ImageVAE
from codixr.model.noise import from_seeds, sample_generators
from codixr.model.pipeline_folder import StoredPipeline
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.prompts import Prompt, modalities, named
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
        self.bring("prompt_encoder")
        if not (own := named(prompts))[0]:
            raise InputError("prompts: they are empty; there is nothing to encode")
        own = self.conditioning.read_texts(own, strict_length=strict_length)
        return self.conditioning.encode(own, weights)

    def generate(
        self,
        prompts: Sequence[Prompt],
        outputs: Sequence[Modality],
        seeds: Sequence[int],
        settings: Settings | None = None,
        callback: StepCallback | None = None,
    ) -> list[dict[Modality, Image | str]]:
        """One sample a prompt: float32 [1, S, S] in [0, 1] for a view, a string for T.

        The batch of a benchmark. A study's noise comes from its seed alone: the same sample
        whatever the batch. ``callback`` is called after each step. Raises InputError as
        ``__call__``.
        """
        outputs, settings = modalities(outputs), settings or Settings()
        call_arguments.check_settings(settings)
        if len(seeds) != len(prompts):
            raise InputError(f"{len(seeds)} seeds for {len(prompts)} prompts: give one for each")
        generators = {m: from_seeds(seeds, m) for m in outputs}
        with self.working():
            given = Given(named(prompts))
            given = self.conditioning.read(given, strict_length=settings.strict_length)
            latents = latents_of(self, given, outputs, generators, settings, callback)
            made = {m: decoded(self, m, z, generators[m]) for m, z in latents.items()}
        return [
            {m: x[i].numpy() if isinstance(x, Tensor) else x[i] for m, x in made.items()}
            for i in range(len(prompts))
        ]

    def __call__(
        self,
        inputs: Mapping[str, Any] | None = None,
        outputs: str | Sequence[str] | None = None,
        *,
        num_images: int = 1,
        num_images_per_prompt: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        negative_prompt: str | Sequence[str] | Mapping[str, Any] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        image: Any = None,
        strength: float | None = None,
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
        joint: JointOutputs | None = None,
        attend_to: AttendTo | None = None,
        **others: Any,
    ) -> Generation:
        """Generate ``outputs`` ("F", "F+L", ...) from ``inputs``, by diffusers' conventions.

        ``inputs``: by modality a PIL image, an array [1, S, S] in [0, 1], a string, or a list of
        such, one a prompt; ``{}``: from nothing. In their place ``prompt_embeds`` [B, D], or
        [B, K, D] by tokens, as ``encode_prompts`` gives them. ``weights``: of several inputs.
        ``num_images`` (``num_images_per_prompt``): samples a prompt, the first prompt's first.
        ``num_inference_steps``, ``guidance_scale``, ``guidance_interval`` (between which noises it
        acts, shares of the timesteps, 0 clean): default: the preset's. ``timesteps`` or
        ``sigmas``: the steps themselves. ``scheduler``: a name or an object; ``eta``: DDIM's.
        ``negative_prompt``: a text, or inputs, to lead away from, ``negative_prompt_embeds`` alike.
        ``image``: what an output begins as, by output if there are several; ``strength``, in (0, 1]
        and .8 by default, is the share of the steps by which it is changed.
        ``generator``: one a sample in a list; from a single one, one a sample is drawn.
        ``seed``: sample k is that of ``seed + k``. ``latents``: noise to begin with, by output.
        ``output_type``: "pil", "np", "pt" or "latent". ``return_dict``: False for a tuple.
        ``callback_on_step_end``: after each step of each batch; ``latents`` is by output.
        ``batch_size``: samples at once; they do not depend on it. ``strict_length``: refuse a text
        over the limit. ``joint``: several outputs "together", each attending to the others'
        environment vectors, as in the paper, or "in-turn", in the order F, L, T, each a prompt for
        those after it (default: the preset's). ``attend_to``, together: "others", or "own" for
        CoDi's released behaviour.

        Raises InputError for what does not fit. Warns (OutsideTrainingWarning) of a text with
        unknown words, and of a picture unlike the checkpoint's training pictures.
        """
        call_arguments.no_others(others)
        names = callback_on_step_end_tensor_inputs
        wanted = call_arguments.outputs_of(outputs, output_type, callback_on_step_end, names)
        call_arguments.whole("batch_size", batch_size)
        call_arguments.check_seed(generator, seed)
        call_arguments.flag("return_dict", return_dict)
        told = (inputs, negative_prompt, prompt_embeds, negative_prompt_embeds, latents, image)
        each = call_arguments.each_of(num_images, num_images_per_prompt)
        given = given_by(Arguments(*told), wanted, each, self.preset, self.tokenizer)
        share = call_arguments.share_of(strength, image)
        how = (num_inference_steps, guidance_scale, weights, scheduler, eta, attend_to)
        last = (timesteps, sigmas, share, joint, guidance_interval)
        settings = Settings(*how, strict_length, *last)
        call_arguments.check_settings(settings)
        generators = sample_generators(generator, seed, len(given), wanted)
        given = self.conditioning.read(given, strict_length=strict_length)
        call = Call(given, wanted, generators, settings, batch_size, output_type == "latent")
        step_end = self._step_end(callback_on_step_end, names)
        with self.working():
            made = made_in_batches(self, call, step_end, self._bar_options)
        result = made_as(made, output_type)
        return result if return_dict else cast(Generation, tuple(result))

    def _step_end(self, callback: EndOfStep | None, names: Sequence[str]) -> StepCallback:
        """What a step of ours tells diffusers' callback, and takes from it."""

        def step_end(index: int, timestep: Any, latents: Latents) -> Latents | None:
            if callback is None:
                return None
            answer = callback(self, index, timestep, dict.fromkeys(names, latents))
            return call_arguments.changed_latents(answer, latents)

        return step_end

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of the progress bar (tqdm's), e.g. ``disable=True``; as in diffusers."""
        self._bar_options = options
