"""What a pipeline is made of: its components by name, where they are, and what they read."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import nn

from codixr.modality import Modality
from codixr.model.checkpoint_info import checkpoint_sha256
from codixr.model.components import BUILDERS
from codixr.model.conditioning import Conditioning
from codixr.model.familiarity import Doubts, Familiarity
from codixr.model.presets import Preset
from codixr.model.tokenizer import Tokenizers


class PipelineParts(DiffusionPipeline):  # type: ignore[misc]  # diffusers is read without types
    """The components of a pipeline, which ``register_modules`` set, and their common facts."""

    preset: Preset
    source: Path | None = None
    """The folder that it was loaded from."""
    familiarity: Familiarity | None = None
    """What its training pictures are like; None where the checkpoint does not say."""
    _sha256: str | None = None
    _conditioning: Conditioning | None = None
    _doubts: Doubts
    _interrupt = False
    _guidance_scale: float | None = None
    """What a callback has set; None leaves what the call asked for."""
    _asked_guidance = 1.0
    _num_timesteps = 0

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The components with weights, by name, but for those that it was made without."""
        found = {name: getattr(self, name) for name in BUILDERS}
        return {name: module for name, module in found.items() if module is not None}

    @property
    def components(self) -> dict[str, Any]:
        """What the pipeline is made of: ``CoDiXRPipeline(**pipe.components)`` is another one."""
        return {**super().components, "preset": self.preset}

    @property
    def guidance_scale(self) -> float:
        """Of the call that runs, as a callback sees it; between calls that of the last one."""
        own = self._guidance_scale
        return self._asked_guidance if own is None else own

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether that guidance changes anything."""
        return self.guidance_scale != 1

    @property
    def num_timesteps(self) -> int:
        """Steps of the call that runs, or of the last one."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Whether a callback has asked to stop."""
        return self._interrupt

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

    @property
    def conditioning(self) -> Conditioning:
        """Kept, with its unconditional vectors, until the encoder moves or is another."""
        now = Conditioning(
            self.preset,
            self.prompt_encoder,
            self.tokenizer,
            self.familiarity,
            self._doubts,
            self.image_vae,
        )
        if self._conditioning is None or not now.like(self._conditioning):
            self._conditioning = now
        return self._conditioning
