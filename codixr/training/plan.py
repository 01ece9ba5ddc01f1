"""What memory a stage needs on each GPU, worked out from the preset without any weights.

Notable: modules are built on the ``meta`` device, and activations are counted as what autograd
really keeps for the backward pass of one study (every tensor it saves, once, weights left out).
Autocast does nothing on ``meta``: activations are counted in float32, more than bf16 needs,
and the narrow copies that it makes of the weights are added.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from codixr.model import components
from codixr.model.presets import Preset
from codixr.training.memory import checkpoint_gradients
from codixr.training.stage_config import StageConfig

GB = 1e9


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on each GPU, but for ``studies`` and the counts of parameters."""

    stage: str
    learning: int
    """Parameters that are trained."""
    frozen: int
    """Parameters that are only run."""
    weights: float
    """In float32, and autocast's copies where it is on."""
    gradients: float
    optimizer: float
    average: float
    activations: float
    """Of one study, kept for the backward pass, with gradient checkpointing where it is on."""
    activations_whole: float
    """The same without gradient checkpointing."""
    studies: int
    """At once on a GPU."""
    accumulate: int
    checkpointing: bool

    @property
    def fixed(self) -> float:
        """What does not grow with the batch."""
        return self.weights + self.gradients + self.optimizer + self.average

    @property
    def total(self) -> float:
        """All of it."""
        return self.fixed + self.studies * self.activations


def plan(
    preset: Preset, stage: str, config: StageConfig, gpus: int, memory_gb: float
) -> MemoryPlan:
    """The plan of a stage, with the least accumulation, then checkpointing, that fits.

    A tenth of the memory is left to the libraries. Where nothing fits, the last try stands.
    """
    module, loss = _stage_on_meta(preset, stage)
    learning = sum(p.numel() for p in module.parameters() if p.requires_grad)
    total = sum(p.numel() for p in module.parameters())
    whole = kept_bytes(module, loss)
    checkpoint_gradients(module)
    module.train()
    saved = kept_bytes(module, loss)
    share = config.batch // gpus
    steps = [config.accumulate]
    if config.accumulates:
        steps = [n for n in range(1, share + 1) if share % n == 0]
    tries = [(n, False) for n in steps if share // n >= min(8, share)]
    tries += [(n, True) for n in steps]
    found = None
    for accumulate, checkpointing in tries:
        found = MemoryPlan(
            stage=stage,
            learning=learning,
            frozen=total - learning,
            weights=(4.0 if config.precision == "no" else 6.0) * total,
            gradients=4.0 * learning,
            optimizer=8.0 * learning,
            average=4.0 * learning,
            activations=saved if checkpointing else whole,
            activations_whole=whole,
            studies=share // accumulate,
            accumulate=accumulate,
            checkpointing=checkpointing,
        )
        if found.total <= 0.9 * memory_gb * GB:
            break
    assert found is not None
    return found


def table(plans: list[MemoryPlan], gpus: int, memory_gb: float) -> str:
    """The plans as a table, GB on each GPU."""
    lines = [
        f"GB on each of {gpus} GPUs of {memory_gb:g} GB: weights in float32 (and autocast's "
        "copies), activations as kept for the backward pass, counted in float32",
        "",
        "| stage | trained M | frozen M | weights | gradients | AdamW | average | a study | "
        "with checkpointing | studies at once | total | settings |",
        "|---" * 12 + "|",
    ]
    for p in plans:
        settings = []
        if p.accumulate > 1:
            settings.append(f"accumulate={p.accumulate}")
        if p.checkpointing:
            settings.append("checkpoint_gradients=true")
        if p.total > 0.9 * memory_gb * GB:
            settings.append("does not fit: more GPUs, or FSDP")
        numbers = [p.weights, p.gradients, p.optimizer, p.average]
        saved = f"{p.activations / GB:.3f}" if p.checkpointing else "-"
        lines.append(
            f"| {p.stage} | {p.learning / 1e6:,.1f} | {p.frozen / 1e6:,.1f} | "
            + " | ".join(f"{n / GB:.1f}" for n in numbers)
            + f" | {p.activations_whole / GB:.3f} | {saved} | {p.studies} | {p.total / GB:.1f} | "
            + f"{', '.join(settings) or 'as it is'} |"
        )
    return "\n".join(lines)


def kept_bytes(module: nn.Module, loss: Callable[[], Tensor]) -> float:
    """Bytes that autograd keeps for the backward pass of ``loss``, weights left out."""
    weights = {id(p) for p in module.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        # A view is kept by keeping its base; no public attribute says which that is.
        base = tensor._base if tensor._base is not None else tensor
        if id(base) not in weights and id(base) not in kept:
            alive.append(base)  # an id is of one tensor as long as that lives
            kept[id(base)] = base.numel() * base.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss()
    return float(sum(kept.values()))


def _stage_on_meta(preset: Preset, stage: str) -> tuple[nn.Module, Callable[[], Tensor]]:
    """A stage's modules and its forward pass over one study."""
    with torch.device("meta"):
        return _built(preset, stage)


_FLOWS: dict[str, tuple[str, ...]] = {
    "image-ldm-F": ("denoiser_f",),
    "image-ldm-L": ("denoiser_l",),
    "report-ldm": ("denoiser_t",),
    "alignment-F+L": ("denoiser_f", "denoiser_l"),
    "alignment-F+T": ("denoiser_f", "denoiser_t"),
}
"""Stage -> the denoisers that it runs."""


def _built(preset: Preset, stage: str) -> tuple[nn.Module, Callable[[], Tensor]]:
    """A stage's modules and its forward pass, on whatever device is the default."""
    side = preset.image_size

    def image() -> Tensor:
        return torch.empty(1, 1, side, side, device="meta")

    def ids(count: int) -> Tensor:
        return torch.zeros(1, count, dtype=torch.long, device="meta")

    if stage == "prompt-encoders":
        encoder: Any = components.BUILDERS["prompt_encoder"](preset).train()
        words = ids(preset.prompt.max_tokens)

        def contrast() -> Tensor:
            pictures = torch.cat([image(), image()])
            channels = preset.prompt.vision["num_channels"]
            size = preset.prompt.vision["image_size"]
            pixels = torch.empty(len(pictures), channels, size, size, device="meta")
            vision = encoder.vision(pixel_values=pixels).image_embeds
            text = encoder.text(input_ids=words).text_embeds
            return vision.sum() + text.sum()

        return encoder, contrast
    if stage == "prompt-wording":
        text: Any = components.BUILDERS["prompt_encoder"](preset).train()
        text.vision.requires_grad_(False)
        return text, lambda: text.text(input_ids=ids(preset.prompt.max_tokens)).text_embeds.sum()
    if stage == "image-vae":
        vae: Any = components.BUILDERS["image_vae"](preset).train()

        def reconstruct() -> Tensor:
            mean, logvar = vae.posterior(torch.cat([image(), image()]))
            return vae.reconstruct(mean + logvar).sum()

        return vae, reconstruct
    if stage == "report-vae":
        report: Any = components.BUILDERS["report_vae"](preset).train()
        count = preset.report_vae.max_tokens

        def rebuild() -> Tensor:
            pooled = report.encoder(input_ids=ids(count)).pooler_output
            mean, _ = report.to_posterior(pooled).chunk(2, dim=-1)
            return report.logits(mean, ids(count - 1)).float().sum()

        return report, rebuild
    names = _FLOWS[stage]
    flows = nn.ModuleList(components.BUILDERS[name](preset) for name in names).train()
    together = len(flows) > 1
    each: list[Any] = list(flows)
    learning = each[1:] if stage == "alignment-F+T" else each
    for flow in each:
        flow.unet.requires_grad_(not together)
        flow.environment.requires_grad_(together and flow in learning)
    dims = preset.image_unet["cross_attention_dim"]

    def latent(name: str) -> Tensor:
        if name == "denoiser_t":
            return torch.empty(1, preset.report_vae.latent_dim, device="meta")
        c, s = preset.image_unet["in_channels"], preset.latent_size
        return torch.empty(1, c, s, s, device="meta")

    def denoise() -> Tensor:
        step = torch.zeros(1, dtype=torch.long, device="meta")
        condition = torch.empty(1, 1, dims, device="meta")
        noisy = [latent(name) for name in names]
        if not together:
            return each[0](noisy[0], step, condition).float().square().mean()
        first, second = (f.encode_environment(z, step) for f, z in zip(each, noisy, strict=True))
        errors = (
            each[0](noisy[0], step, condition, second),
            each[1](noisy[1], step, condition, first),
        )
        return errors[0].float().square().mean() + errors[1].float().square().mean()

    return flows, denoise
