"""What a pipeline is made of: its components by name, where they are, and what they read."""

from pathlib import Path

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

    @property
    def conditioning(self) -> Conditioning:
        """Kept, with its unconditional vectors, until the encoder moves or is another."""
        now = Conditioning(
            self.preset, self.prompt_encoder, self.tokenizer, self.familiarity, self._doubts
        )
        if self._conditioning is None or not now.like(self._conditioning):
            self._conditioning = now
        return self._conditioning
