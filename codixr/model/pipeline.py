"""CoDiXRPipeline: any of frontal X-ray, lateral X-ray and report from any others.

pipe = CoDiXRPipeline.from_pretrained()
result = pipe(inputs={"T": "Large left pleural effusion."}, outputs="F+L", seed=0)
result.images[Modality.F][0].save("frontal.png")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor, nn

from codixr.data.study import Image
from codixr.errors import InputError
from codixr.info import checkpoint_sha256
from codixr.modality import Modality
from codixr.model import pretrained
from codixr.model.image_vae import ImageVAE
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder, interpolate
from codixr.model.report_vae import ReportVAE
from codixr.model.tokenizer import Tokenizers, decode, encode, ends
from codixr.sampling import StepCallback, initial_noise, sample

Prompt = Mapping[Modality, Image | str]


@dataclass(frozen=True)
class Generation:
    """What one call made: grey PIL images by view, and reports where T was asked for."""

    images: dict[Modality, list[PILImage.Image]]
    reports: list[str] | None


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

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        revision: str | None = None,
        torch_dtype: torch.dtype | None = None,
    ) -> Self:
        """Load a folder that ``codixr`` wrote, or ``organisation/name`` from the Hugging Face hub.

        None is the embedded checkpoint. ``revision`` pins a hub's branch, tag or commit;
        ``torch_dtype`` is the weights' type in memory (default float32). Raises InputError for a
        missing, damaged or half-written folder, and for a hub that cannot be reached.
        """
        return cls(*pretrained.load(folder, revision=revision, dtype=torch_dtype))

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

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move every component to a device, a dtype, or both, as torch's ``Module.to`` does."""
        for module in self.modules.values():
            module.to(*args, **kwargs)
        self.__dict__.pop("_nulls", None)
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

    def encode_prompts(
        self, prompts: Sequence[Prompt], weights: Mapping[Modality, float] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Conditions and unconditional ones of prompts with equal modalities.

        Each [B, D], several modalities interpolated by ``weights`` (equal by default); or, where
        the preset fuses by "tokens", [B, K, D], one token a modality.
        """
        given = [m for m in Modality if m in prompts[0]]
        vectors, nulls = [], []
        for m in given:
            if m is Modality.T:
                reports = [cast(str, p[m]) for p in prompts]
                limit = self.preset.prompt.max_tokens
                tokens = encode(self.tokenizer, reports, limit)
                vectors.append(self.prompt_encoder.encode_text(*tokens))
            else:
                images = np.stack([self._checked(cast(Image, p[m]), m) for p in prompts])
                vectors.append(self.prompt_encoder.encode_image(torch.from_numpy(images)))
            nulls.append(self._nulls[m.is_image].expand(len(prompts), -1))
        shares = None if weights is None else [weights[m] for m in given]
        scale = self.preset.diffusion.context_scale
        if self.preset.diffusion.condition_fusion == "tokens":
            return torch.stack(vectors, 1) * scale, torch.stack(nulls, 1) * scale
        return interpolate(vectors, shares) * scale, interpolate(nulls, shares) * scale

    @cached_property
    def _nulls(self) -> dict[bool, Tensor]:
        """Unconditional vectors [1, D]: of the empty text (False), of an all-zero image (True)."""
        zero = torch.zeros(1, 1, self.size, self.size)
        return {
            False: self.prompt_encoder.encode_text(*encode(self.tokenizer, [""], 77)),
            True: self.prompt_encoder.encode_image(zero),
        }

    def _checked(self, image: Image, view: Modality) -> Image:
        if image.shape != (1, self.size, self.size):
            raise InputError(
                f"{view}: this checkpoint takes pictures of shape (1, {self.size}, {self.size}), "
                f"not {image.shape}; resize it"
            )
        low, high = float(image.min()), float(image.max())
        if not (low >= 0 and high <= 1):
            raise InputError(f"{view}: values must lie in [0, 1], not {low:.3g} to {high:.3g}")
        return image.astype(np.float32)

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Prompt],
        outputs: Sequence[Modality],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        weights: Mapping[Modality, float] | None = None,
        scheduler: str | None = None,
        callback: StepCallback | None = None,
    ) -> list[dict[Modality, Image | str]]:
        """One sample a prompt: float32 [1, S, S] in [0, 1] for a view, a string for T.

        A study's noise comes from its seed alone: the same sample whatever the batch.
        """
        diffusion = self.preset.diffusion
        condition, null = self.encode_prompts(prompts, weights)
        channels = self.image_vae.autoencoder.config.latent_channels
        side = self.preset.latent_size
        shapes = {
            m: (channels, side, side) if m.is_image else (self.preset.report_vae.latent_dim,)
            for m in outputs
        }
        latents = sample(
            {m: self.denoisers[m] for m in outputs},
            {m: initial_noise(seeds, m, shapes[m]) for m in outputs},
            condition,
            null,
            diffusion,
            steps=diffusion.steps if steps is None else steps,
            guidance=diffusion.guidance if guidance is None else guidance,
            clips={Modality.T: diffusion.report_clip},
            scheduler=scheduler,
            callback=callback,
        )
        made: dict[Modality, Sequence[Image | str]] = {}
        for m, latent in latents.items():
            if m.is_image:
                made[m] = list(self.image_vae.decode(latent).numpy())
            else:
                tokenizer = self.tokenizers.report_decoder
                made[m] = decode(tokenizer, self.report_vae.decode(latent, *ends(tokenizer)))
        return [{m: made[m][i] for m in outputs} for i in range(len(prompts))]

    def __call__(
        self,
        inputs: Mapping[str, Any],
        outputs: str | Sequence[str],
        *,
        seed: int = 0,
        num_images: int = 1,
        steps: int | None = None,
        guidance: float | None = None,
        weights: Mapping[Modality, float] | None = None,
        scheduler: str | None = None,
        callback: StepCallback | None = None,
    ) -> Generation:
        """Generate ``outputs`` ("F", "F+L", ...) from ``inputs`` by modality.

        A view is a grey PIL image or float32 [1, S, S] in [0, 1]; a report a string. Sample k of
        ``num_images`` uses seed ``seed + k``. Raises InputError when an output is also an input.
        """
        prompt = {Modality(m): self._content(Modality(m), x) for m, x in inputs.items()}
        parts = outputs.split("+") if isinstance(outputs, str) else outputs
        wanted = [m for m in Modality if m in {Modality(part) for part in parts}]
        if both := set(wanted) & set(prompt):
            names = ", ".join(sorted(both))
            raise InputError(f"{names} cannot be both input and output: choose one side")
        if not prompt or not wanted:
            raise InputError("give at least one input and one output")
        if num_images < 1:
            raise InputError(f"num_images {num_images}: give 1 or more")
        samples = self.generate(
            [prompt] * num_images,
            wanted,
            [seed + k for k in range(num_images)],
            steps=steps,
            guidance=guidance,
            weights=weights,
            scheduler=scheduler,
            callback=callback,
        )
        images = {m: [_as_pil(cast(Image, s[m])) for s in samples] for m in wanted if m.is_image}
        reports = [cast(str, s[Modality.T]) for s in samples] if Modality.T in wanted else None
        return Generation(images, reports)

    def _content(self, modality: Modality, content: Any) -> Image | str:
        if modality is Modality.T:
            if not isinstance(content, str) or not content.strip():
                raise InputError("T: give a report as a non-empty string")
            return content
        if isinstance(content, PILImage.Image):
            grey = content.convert("L").resize((self.size, self.size), PILImage.Resampling.LANCZOS)
            return np.asarray(grey, np.float32)[None] / np.float32(255)
        return np.asarray(content, np.float32)


def _as_pil(image: Image) -> PILImage.Image:
    return PILImage.fromarray((image[0] * 255).round().astype(np.uint8))
