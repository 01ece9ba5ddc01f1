"""The joint sampler: one loop, any inputs, any outputs.

All flows walk down the same timesteps together. While two or more are made at once, each one's
environment encoder summarises its latent at every step, and the others attend to it
(paper, eq. 3-5). Guidance runs the conditional and unconditional halves in one batch.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.environment import others_mean
from codixr.model.presets import DiffusionConfig

StepCallback = Callable[[int, int], None]
"""(step 0-based, steps)."""


def make_scheduler(config: DiffusionConfig, steps: int, name: str | None = None) -> Any:
    """A diffusers scheduler for the preset's noise schedule, set to ``steps``.

    Raises InputError for an unknown scheduler or a number of steps outside 1 .. train_steps.
    """
    name = name or config.scheduler
    kind: Any = getattr(diffusers, name, None)
    if not hasattr(kind, "set_timesteps"):
        raise InputError(f"'{name}' is no scheduler of diffusers, e.g. DDIMScheduler")
    if not 1 <= steps <= config.train_steps:
        raise InputError(f"--steps {steps}: give 1 to {config.train_steps}")
    wanted = {
        "num_train_timesteps": config.train_steps,
        "beta_start": config.beta_start,
        "beta_end": config.beta_end,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    known = inspect.signature(kind.__init__).parameters
    scheduler = kind(**{k: v for k, v in wanted.items() if k in known})
    scheduler.set_timesteps(steps)
    return scheduler


def initial_noise(seeds: Sequence[int], modality: Modality, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise [B, *shape], each study's drawn from its own seed and modality."""
    flow = list(Modality).index(modality)
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed((seed + flow * 0x9E3779B97F4A7C15) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)


@torch.no_grad()
def sample(
    denoisers: Mapping[Modality, nn.Module],
    noise: Mapping[Modality, Tensor],
    condition: Tensor,
    null: Tensor,
    config: DiffusionConfig,
    *,
    steps: int,
    guidance: float,
    clips: Mapping[Modality, float | None],
    scheduler: str | None = None,
    callback: StepCallback | None = None,
) -> dict[Modality, Tensor]:
    """Clean latents of every flow in ``noise``.

    ``condition`` and ``null`` [B, D] are the prompt's vectors and the unconditional ones;
    ``eps = eps_u + guidance * (eps_c - eps_u)``. ``clips`` bounds a flow's predicted clean latent.
    """
    flows = list(noise)
    schedulers = {m: make_scheduler(config, steps, scheduler) for m in flows}
    latents = {m: noise[m] * schedulers[m].init_noise_sigma for m in flows}
    guided = guidance != 1.0
    context = torch.cat([condition, null]) if guided else condition
    timesteps = schedulers[flows[0]].timesteps
    for index, t in enumerate(timesteps):
        inputs = {m: schedulers[m].scale_model_input(latents[m], t) for m in flows}
        stamp = t.expand(len(condition)).to(context.device)
        environments = _environments(denoisers, inputs, stamp)
        for m in flows:
            x, own = inputs[m], environments[m]
            double = torch.cat([x, x]) if guided else x
            both = torch.cat([own, own]) if guided and own is not None else own
            steps_of = torch.cat([stamp, stamp]) if guided else stamp
            eps = denoisers[m](double, steps_of, context, both)
            if guided:
                with_prompt, without = eps.chunk(2)
                eps = without + guidance * (with_prompt - without)
            if (bound := clips.get(m)) is not None:
                eps = _clip_clean(x, eps, _abar(schedulers[m], t), bound)
            latents[m] = schedulers[m].step(eps, t, latents[m], return_dict=False)[0]
        if callback is not None:
            callback(index, len(timesteps))
    return latents


def _environments(
    denoisers: Mapping[Modality, nn.Module], inputs: Mapping[Modality, Tensor], stamp: Tensor
) -> dict[Modality, Tensor | None]:
    if len(inputs) < 2:
        return dict.fromkeys(inputs, None)
    vectors = {m: denoisers[m].encode_environment(x, stamp) for m, x in inputs.items()}
    return {m: others_mean(vectors, m) for m in inputs}


def _abar(scheduler: Any, t: Tensor) -> Tensor:
    return scheduler.alphas_cumprod[int(t)]


def _clip_clean(x: Tensor, eps: Tensor, abar: Tensor, bound: float) -> Tensor:
    """The noise that predicts the same clean latent, clipped to +-bound."""
    clean = ((x - (1 - abar).sqrt() * eps) / abar.sqrt()).clamp(-bound, bound)
    return (x - abar.sqrt() * clean) / (1 - abar).sqrt()
