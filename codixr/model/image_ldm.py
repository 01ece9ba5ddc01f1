"""The X-ray denoiser: diffusers' UNet2DConditionModel, unforked, plus the environment parts.

The cross-modal transformers hang on the UNet's attention blocks as forward hooks: the UNet's own
weights keep their names, and Stable Diffusion's load as they are.
"""

from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from codixr.model.environment import CrossModalTransformer, ImageEnvironmentEncoder
from codixr.model.presets import EnvironmentConfig


class ImageEnvironment(nn.Module):
    """V and the cross-modal transformers of one X-ray flow: what the alignment stage trains."""

    def __init__(
        self, latent_channels: int, attention_channels: list[int], config: EnvironmentConfig
    ) -> None:
        super().__init__()
        self.encoder = ImageEnvironmentEncoder(latent_channels, config)
        self.cross = nn.ModuleList(CrossModalTransformer(c, config) for c in attention_channels)


class XrayDenoiser(nn.Module):
    """Predicts the noise in an X-ray's latent.

    ``forward(latents [B, c, h, w], timestep [B], condition [B, D], environment [B, E] | None)``;
    ``environment`` is what the other flows' V say, or None when one modality is made alone.
    """

    def __init__(self, unet: dict[str, Any], environment: EnvironmentConfig) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(**unet)
        attentions = [
            attention
            for block in (*self.unet.down_blocks, *self.unet.up_blocks)
            for attention in getattr(block, "attentions", ())
        ]
        channels = [attention.in_channels for attention in attentions]
        self.environment = ImageEnvironment(unet["in_channels"], channels, environment)
        self._vector: Tensor | None = None
        for attention, cross in zip(attentions, self.environment.cross, strict=True):
            attention.register_forward_hook(self._attend_with(cross))

    def _attend_with(self, cross: CrossModalTransformer) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
            if self._vector is None:
                return output
            return (cross.on_grid(output[0], self._vector), *output[1:])

        return hook

    def encode_environment(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """This flow's V: one unit vector [B, E]."""
        return self.environment.encoder(latents, timestep)

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition: Tensor,
        environment: Tensor | None = None,
    ) -> Tensor:
        """The predicted noise, the shape of ``latents``."""
        self._vector = environment
        return self.unet(latents, timestep, condition.unsqueeze(1), return_dict=False)[0]
