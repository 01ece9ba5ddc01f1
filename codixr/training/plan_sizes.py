"""A stage without weights or data: what it keeps, computes and has beside it, from its sizes.

Notable: modules are built on the ``meta`` device. What autograd keeps is every tensor that it saves
for the backward pass of one study, once, weights left out; the work is counted by torch's own
FlopCounterMode over forward and backward pass. The same stage on a real device gives a step's time.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from codixr.model import components, lora
from codixr.model.presets import Preset
from codixr.training.memory import checkpoint_gradients
from codixr.training.sharding import BLOCKS
from codixr.training.stage_config import Precision

DENOISERS = ("image-ldm", "report-ldm", "alignment")
"""Families of stages that see what frozen encoders make."""


@dataclass(frozen=True)
class Sizes:
    """Of one stage; bytes and operations are of one study."""

    learning: int
    """Parameters that are trained."""
    frozen: int
    """Parameters of the stage that are only run."""
    beside: int
    """Parameters of frozen encoders that run at every step without a cache."""
    block: int
    """Parameters of the largest block, which sharded training gathers alone."""
    root: int
    """Parameters of no block, which it gathers for the whole step."""
    kept: float
    """Bytes that autograd keeps in float32."""
    kept_checkpointed: float
    """The same where activations are computed twice."""
    work: float
    """Floating-point operations, forward and backward; a product and a sum are two."""
    work_forward: float


def sizes(preset: Preset, stage: str, lora_rank: int = 0) -> Sizes:
    """Work a stage's sizes out; half a minute for the paper's.

    ``lora_rank`` above 0: a denoiser's LoRA matrices are trained, not its weights.
    """
    module, loss = on_paper(preset, stage)
    if lora_rank:
        _train_lora(preset, module, lora_rank)
    learning = sum(p.numel() for p in module.parameters() if p.requires_grad)
    total = sum(p.numel() for p in module.parameters())
    blocks = {
        id(part): sum(p.numel() for p in part.parameters())
        for part in module.modules()
        if type(part).__name__ in BLOCKS
    }
    with FlopCounterMode(display=False) as forward:
        value: Any = loss()
    with FlopCounterMode(display=False) as backward:
        value.backward()
    kept = kept_bytes(module, loss)
    checkpoint_gradients(module)
    module.train()
    encoders = ("image_vae", "report_vae", "prompt_encoder") if stage.startswith(DENOISERS) else ()
    return Sizes(
        learning=learning,
        frozen=total - learning,
        beside=sum(_count(preset, name) for name in encoders if _needs(stage, name)),
        block=max(blocks.values(), default=0),
        root=total - sum(blocks.values()),
        kept=kept,
        kept_checkpointed=kept_bytes(module, loss),
        work=float(forward.get_total_flops() + backward.get_total_flops()),
        work_forward=float(forward.get_total_flops()),
    )


def _train_lora(preset: Preset, flows: nn.Module, rank: int) -> None:
    """As the stage of a denoiser does it; ``flows`` is what ``on_paper`` built."""
    tokens = preset.diffusion.condition_fusion == "tokens"
    with torch.device("meta"):
        for flow in flows.children():
            lora.add(flow.get_submodule("unet"), lora.usual(rank, tokens=tokens), "default")


def _count(preset: Preset, name: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in components.BUILDERS[name](preset).parameters())


def _needs(stage: str, encoder: str) -> bool:
    """Whether a denoiser's stage runs an encoder where nothing is cached."""
    makes_report = stage in ("report-ldm", "alignment-F+T")
    if encoder == "report_vae":
        return makes_report
    return encoder == "prompt_encoder" or stage != "report-ldm"


def seconds_a_study(
    preset: Preset,
    stage: str,
    device: torch.device,
    studies: int = 1,
    precision: Precision = "no",
    steps: int = 3,
) -> float:
    """Seconds of forward, backward and AdamW for a study, ``studies`` at once; the best of some.

    On real weights that are random, and pictures that are black: time does not depend on them.
    """
    module, loss = on_paper(preset, stage, str(device), studies)
    optimizer = torch.optim.AdamW(p for p in module.parameters() if p.requires_grad)
    kind = torch.float16 if precision == "fp16" else torch.bfloat16
    wait: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    best = float("inf")
    for _ in range(steps + 1):  # the first one warms up: AdamW's moments, kernels that are chosen
        wait()
        began = time.perf_counter()
        with nullcontext() if precision == "no" else torch.autocast(device.type, kind):
            value: Any = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        wait()
        best = min(best, time.perf_counter() - began)
    return best / studies


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


_FLOWS: dict[str, tuple[str, ...]] = {
    "image-ldm-F": ("denoiser_f",),
    "image-ldm-L": ("denoiser_l",),
    "report-ldm": ("denoiser_t",),
    "alignment-F+L": ("denoiser_f", "denoiser_l"),
    "alignment-F+T": ("denoiser_f", "denoiser_t"),
}
"""Stage -> the denoisers that it runs."""


def on_paper(
    preset: Preset, stage: str, device: str = "meta", studies: int = 1
) -> tuple[nn.Module, Callable[[], Tensor]]:
    """A stage's modules and its loss over some studies, of the right sizes and no meaning."""
    with torch.device(device):
        return _built(preset, stage, device, studies)


def _built(
    preset: Preset, stage: str, device: str, studies: int
) -> tuple[nn.Module, Callable[[], Tensor]]:
    side = preset.image_size

    def image() -> Tensor:
        return torch.zeros(studies, 1, side, side, device=device)

    def ids(count: int) -> Tensor:
        return torch.zeros(studies, count, dtype=torch.long, device=device)

    if stage in ("prompt-encoders", "prompt-details"):
        encoder: Any = components.BUILDERS["prompt_encoder"](preset).train()
        encoder.text.requires_grad_(stage == "prompt-encoders")
        words = ids(preset.prompt.max_tokens)

        def contrast() -> Tensor:
            pictures = torch.cat([image(), image()])
            channels = preset.prompt.vision["num_channels"]
            size = preset.prompt.vision["image_size"]
            pixels = torch.zeros(len(pictures), channels, size, size, device=device)
            vision = encoder.vision(pixel_values=pixels).image_embeds
            text = encoder.text(input_ids=words).text_embeds
            return vision.sum() + text.sum()

        return encoder, contrast
    if stage in ("prompt-wording", "prompt-lexicon"):
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
            pooled = report.encoder(input_ids=ids(count), use_cache=False).pooler_output
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
            return torch.zeros(studies, preset.report_vae.latent_dim, device=device)
        c, s = preset.image_unet["in_channels"], preset.latent_size
        return torch.zeros(studies, c, s, s, device=device)

    def denoise() -> Tensor:
        step = torch.zeros(studies, dtype=torch.long, device=device)
        condition = torch.zeros(studies, 1, dims, device=device)
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
