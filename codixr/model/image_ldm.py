"""The X-ray denoiser: diffusers' UNet2DConditionModel, unforked, plus the environment parts.

The cross-modal transformers hang on the UNet's attention blocks as forward hooks: the UNet's own
weights keep their names, and Stable Diffusion's load as they are. Cross-attention to one vector is
done without queries and keys (``codixr.model.attention``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from codixr.model.attention import ContextAttention, as_tokens, attend_by, weigh
from codixr.model.environment import CrossModalTransformer, ImageEnvironmentEncoder
from codixr.model.presets import EnvironmentConfig
from codixr.model.unet_call import compiled, lean, predict, sharable


class ImageEnvironment(nn.Module):
    """V and the cross-modal transformers of one X-ray flow: what the alignment stage trains."""

    def __init__(
        self,
        latent_channels: int,
        time_dim: int,
        attention_channels: list[int],
        config: EnvironmentConfig,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = ImageEnvironmentEncoder(latent_channels, time_dim, config)
        self.cross = nn.ModuleList(CrossModalTransformer(c, config) for c in attention_channels)


class XrayDenoiser(nn.Module):
    """Predicts the noise in an X-ray's latent.

    ``forward(latents [B, c, h, w], timestep [B], condition, environment [B, E] | None)``;
    ``condition`` is one vector a sample [B, D], or K tokens [B, K, D]; ``environment`` is what the
    other flows' V say, or None when one modality is made alone.
    """

    def __init__(self, unet: dict[str, Any], environment: EnvironmentConfig) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(**unet)
        self.prompt_attention = ContextAttention()
        attend_by(self.prompt_attention, self.unet)
        channels, places = [], []
        for block in (*self.unet.down_blocks, *self.unet.up_blocks):
            attentions = list(getattr(block, "attentions", ()))
            channels += [attention.in_channels for attention in attentions]
            if environment.after_upsampling and attentions and getattr(block, "upsamplers", None):
                attentions[-1] = block.upsamplers[-1]
            places += attentions
        time_dim = self.unet.time_embedding.linear_2.out_features
        self.environment = ImageEnvironment(unet["in_channels"], time_dim, channels, environment)
        self.vector: Tensor | None = None
        self.mean_latent: Tensor | None = None
        """What it was trained on, on average [c, h, w]: sampling begins there (``mean_latent``)."""
        for place, cross in zip(places, self.environment.cross, strict=True):
            place.register_forward_hook(_CrossModalHook(self, cross))

    def encode_environment(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """This flow's V: one unit vector [B, E]."""
        encoder = self.environment.encoder
        if encoder.time is not None:
            return encoder(latents, encoder.time(timestep))
        sinusoid = self.unet.time_proj(timestep).to(latents.dtype)
        return encoder(latents, self.unet.time_embedding(sinusoid))

    @contextmanager
    def same_condition(self) -> Iterator[None]:
        """Within it condition and weights must not change: what follows from them is kept.

        Nothing is kept where torch compiles the calls: it might keep that for longer.
        """
        if compiled(self.unet) or compiled(self):
            yield
            return
        with self.prompt_attention.held(), lean(self.unet):
            yield

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition: Tensor,
        environment: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """The predicted noise, the shape of ``latents``; ``log_weights`` [K] weigh the tokens."""
        self.vector = environment
        weigh(self.prompt_attention, self.unet, log_weights)
        context = as_tokens(condition)
        if sharable(self.unet, latents, timestep):
            return predict(self.unet, latents, timestep, context)
        return self.unet(latents, timestep, context, return_dict=False)[0]


class _CrossModalHook:
    """Lets the output of an attention block, or of an upsampling, see the other flow's vector.

    An object, not a closure, so that a copied denoiser listens to its own vector.
    """

    cross: Any
    """A CrossModalTransformer: a ModuleList says only that it is a module."""

    def __init__(self, denoiser: XrayDenoiser, cross: nn.Module) -> None:
        self.denoiser, self.cross = denoiser, cross

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> Any:
        if self.denoiser.vector is None:
            return output
        if isinstance(output, tuple):  # an attention block's
            return (self.cross.on_grid(output[0], self.denoiser.vector), *output[1:])
        return self.cross.on_grid(output, self.denoiser.vector)
