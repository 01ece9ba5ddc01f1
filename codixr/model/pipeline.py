"""CoDiXRPipeline: any of frontal X-ray, lateral X-ray and report from any others.

pipe = CoDiXRPipeline.from_pretrained()
result = pipe(inputs={"T": "Large left pleural effusion."}, outputs="F+L")
result.images["F"][0].save("frontal.png")

Notable: it speaks as diffusers' pipelines do, but it is not one of them: its outputs are of two
kinds, and each sample has a generator of its own, so that no sample depends on its batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast, get_args

import torch
from torch import Tensor, nn

from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import pretrained
from codixr.model.checkpoint_info import checkpoint_sha256
from codixr.model.conditioning import Conditioning
from codixr.model.familiarity import Doubts, Familiarity, refuse_unknown
from codixr.model.generation import (
    Generation,
    OutputType,
    Settings,
    as_type,
    chosen_scheduler,
    decoded,
    latents_of,
)
from codixr.model.image_vae import ImageVAE
from codixr.model.noise import from_seeds, sample_generators
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.prompts import Prompt, checked, modalities
from codixr.model.report_vae import ReportVAE
from codixr.model.sampling import AttendTo, Latents
from codixr.model.schedulers import for_steps, make_scheduler
from codixr.model.tokenizer import Tokenizers

__all__ = ["CoDiXRPipeline", "EndOfStep", "Generation", "Settings"]

EndOfStep = Callable[["CoDiXRPipeline", int, Any, dict[str, Any]], dict[str, Any]]
"""Diffusers' ``callback_on_step_end``: (pipeline, step, timestep, tensors) -> tensors."""


class CoDiXRPipeline:
    """The whole model: prompt encoders, image and report VAEs, three denoisers, one sampler."""

    def __init__(
        self,
        preset: Preset,
        modules: Mapping[str, nn.Module],
        tokenizers: Tokenizers,
        source: Path | None = None,
    ) -> None:
        self.preset = preset
        self.modules = dict(modules)
        self.tokenizers = tokenizers
        self.tokenizer = tokenizers.prompt
        self.source = source
        self._sha256: str | None = None
        self.prompt_encoder = cast(PromptEncoder, modules["prompt_encoder"])
        self.image_vae = cast(ImageVAE, modules["image_vae"])
        self.report_vae = cast(ReportVAE, modules["report_vae"])
        self.denoisers = {m: modules[f"denoiser_{m.lower()}"] for m in Modality}
        self.scheduler = make_scheduler(preset.diffusion, preset.diffusion.steps)
        self._progress_bar: dict[str, Any] = {}
        self._conditioning: Conditioning | None = None
        self.familiarity: Familiarity | None = None
        """What its training pictures are like; None where the checkpoint does not say."""
        self._doubts = Doubts()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        revision: str | None = None,
        torch_dtype: torch.dtype | None = None,
        components: Mapping[str, str | Path] | None = None,
    ) -> Self:
        """Load a folder that ``codixr`` wrote, or ``organisation/name`` from the Hugging Face hub.

        None is the embedded checkpoint. ``revision`` pins a hub's branch, tag or commit;
        ``torch_dtype`` is the weights' type in memory (default float32). ``components``
        names other projects' parts to load instead of the folder's own: ``image_vae`` and
        ``denoiser_f``/``_l`` (Stable Diffusion's ``vae`` and ``unet`` folders), ``prompt_encoder``
        (a CLIP folder), ``report_vae`` (a file of Optimus, with its two tokenizers; or a GPT-2
        folder, as a start for training). Raises InputError for a missing, damaged or half-written
        folder, and for a hub that cannot be reached.
        """
        parts = pretrained.load(folder, revision=revision, dtype=torch_dtype, others=components)
        pipe = cls(*parts)
        if "prompt_encoder" not in (components or {}):
            pipe.familiarity = Familiarity.load(parts[-1])
        return pipe

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        torch_dtype: torch.dtype | None = None,
        max_shard_size: int | str = "5GB",
    ) -> None:
        """Write the model to ``folder``, its index last: a half-written folder is refused."""
        pretrained.save(
            self.preset, self.modules, self.tokenizers, folder, torch_dtype, max_shard_size
        )
        if self.familiarity is not None:
            self.familiarity.save(Path(folder))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move every component to a device, a dtype, or both, as torch's ``Module.to`` does."""
        for module in self.modules.values():
            module.to(*args, **kwargs)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.prompt_encoder.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
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
        made = {m: decoded(self, m, z) for m, z in latents.items()}
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
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        weights: Mapping[str, float] | None = None,
        scheduler: Any = None,
        eta: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        seed: int | None = None,
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
            num_images: samples a prompt; those of the first prompt come first.
            num_inference_steps, guidance_scale: default: the preset's.
            weights: of several inputs, e.g. ``{"T": 2, "L": 1}``; default: equal.
            scheduler: a name or an object for this call; else ``pipe.scheduler``.
            eta: DDIM's.
            generator: one a sample in a list; from a single one, one a sample is drawn.
            seed: without generators: sample k is that of ``seed + k``. With neither, torch's global
                generator decides, as in diffusers.
            output_type: "pil", "np", "pt" or "latent". Reports are strings, but for "latent".
            return_dict: False for a plain tuple (images, reports); the usual one unpacks too.
            callback_on_step_end: called after each step of each batch; ``latents`` is a mapping of
                modalities to tensors.
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
        each = _positive("num_images", num_images)
        prompts = [prompt for prompt in checked(inputs, self.size) for _ in range(each)]
        _check(prompts, wanted, output_type, callback_on_step_end_tensor_inputs)
        refuse_unknown(
            self.tokenizer, [str(p[Modality.T]) for p in prompts[::each] if Modality.T in p]
        )
        generators = sample_generators(generator, seed, len(prompts), wanted)
        settings = Settings(
            num_inference_steps, guidance_scale, weights, scheduler, eta, attend_to, strict_length
        )
        made: dict[Modality, list[Any]] = {m: [] for m in wanted}
        starts = range(0, len(prompts), _positive("batch_size", batch_size))
        with self._progress(len(starts), settings) as advance:

            def step_end(index: int, timestep: Any, latents: Latents) -> Latents | None:
                advance()
                if callback_on_step_end is None:
                    return None
                tensors = dict.fromkeys(callback_on_step_end_tensor_inputs, latents)
                changed = callback_on_step_end(self, index, timestep, tensors)
                return (changed or {}).get("latents")

            for start in starts:
                part = slice(start, start + batch_size)
                some = {m: g[part] for m, g in generators.items()}
                latents = latents_of(self, prompts[part], wanted, some, settings, step_end)
                for m, z in latents.items():
                    made[m] += z.cpu() if output_type == "latent" else decoded(self, m, z)
        images = {m: as_type(made[m], output_type) for m in wanted if m.is_image}
        reports: Any = made.get(Modality.T)
        if reports and output_type == "latent":
            reports = torch.stack(reports)
        result = Generation(images, reports)
        return result if return_dict else cast(Generation, tuple(result))

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of the progress bar (tqdm's), e.g. ``disable=True``; as in diffusers."""
        self._progress_bar = options

    @contextmanager
    def _progress(self, batches: int, settings: Settings) -> Iterator[Callable[[], object]]:
        """A bar over the calls of the denoisers; some schedulers make two a step."""
        from tqdm.auto import tqdm

        steps = settings.steps or self.preset.diffusion.steps
        calls = len(for_steps(chosen_scheduler(self, settings.scheduler), steps).timesteps)
        with tqdm(total=batches * calls, **self._progress_bar) as bar:
            yield bar.update


def _check(
    prompts: Sequence[Prompt],
    outputs: Sequence[Modality],
    output_type: str,
    tensor_inputs: Sequence[str],
) -> None:
    if both := [m for m in outputs if m in prompts[0]]:
        names = ", ".join(both)
        raise InputError(f"{names} cannot be both input and output: choose one side")
    if output_type not in get_args(OutputType):
        raise InputError(f"output_type '{output_type}': one of {', '.join(get_args(OutputType))}")
    if unknown := set(tensor_inputs) - {"latents"}:
        raise InputError(f"callback_on_step_end_tensor_inputs: no {', '.join(unknown)} here")


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise InputError(f"{name} {number}: give 1 or more")
    return number
