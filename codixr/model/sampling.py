"""The joint sampler: one loop, any inputs, any outputs.

All flows walk down the same timesteps together. While two or more are made at once, each one's
environment encoder summarises its latent at every step, and the others attend to it
(paper, eq. 3-5). Guidance runs the conditional and unconditional halves in one batch. Latents and
schedulers stay in float32 whatever the denoisers' precision.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from codixr.modality import Modality
from codixr.model.configs import scale_at
from codixr.model.environment import others_mean
from codixr.model.grid import Grid, Steps
from codixr.model.schedulers import abar_at, make_scheduler, step_options

__all__ = ["AttendTo", "Condition", "Flow", "StepCallback", "make_scheduler", "sample"]

AttendTo = Literal["others", "own"]
"""Whose vector a joint output sees: the other flows' (the papers), or its own (CoDi's code)."""

Latents = dict[Modality, Tensor]
StepCallback = Callable[[int, Any, Latents], Latents | None]
"""(step 0-based, timestep, latents) -> latents to go on with, or None."""


Control = Callable[[], tuple[bool, float | None]]
"""() -> (whether to stop here, the guidance from here on or None for the same)."""


@dataclass(frozen=True)
class Condition:
    """What a denoiser is told: ``eps = eps_u + guidance * (eps_c - eps_u)``.

    ``given`` and ``null`` are one vector a sample [B, D], or K tokens [B, K, D], whose
    ``log_weights`` [K] are None where they count the same.
    """

    given: Tensor
    null: Tensor
    guidance: float = 1.0
    log_weights: Tensor | None = None

    @property
    def doubled(self) -> bool:
        """Whether the unconditional half is needed."""
        return self.guidance != 1.0

    def context(self, like: Tensor) -> Tensor:
        """What one batch is conditioned on: both halves, or the condition alone."""
        halves = (self.given, self.null) if self.doubled else (self.given,)
        return torch.cat(halves).to(like)

    def mix(self, eps: Tensor) -> Tensor:
        """The guided noise of both halves' noise."""
        if not self.doubled:
            return eps
        with_prompt, without = eps.chunk(2)
        return without + self.guidance * (with_prompt - without)


@dataclass(frozen=True)
class Flow:
    """One output: who denoises it, from which noise [B, ...], and each sample's generator."""

    denoiser: nn.Module
    noise: Tensor
    condition: Condition
    generators: Sequence[torch.Generator]
    clip: float | None = None
    """Bound on the predicted clean latent."""
    prediction_type: str = "epsilon"
    """What the denoiser gives: "epsilon" or "v_prediction"."""
    clean: Tensor | None = None
    """The latent [B, ...] that is noised to begin with (SDEdit); None begins from noise."""
    mean: Tensor | None = None
    """The mean [...] of what was trained on, which the noise of the first step has in it."""


@torch.inference_mode()
def sample(
    flows: Mapping[Modality, Flow],
    scheduler: Any,
    steps: Grid | int,
    *,
    guided: Mapping[Modality, tuple[float, float]] = MappingProxyType({}),
    eta: float | None = None,
    attend_to: AttendTo = "others",
    callback: StepCallback | None = None,
    control: Control = lambda: (False, None),
) -> Latents:
    """Clean latents of every flow, float32.

    ``scheduler`` is any of diffusers' that ``schedulers.py`` allows; ``eta`` is DDIM's. Guidance
    acts at the timesteps of a flow's ``guided``, shares of them all (all of them where nothing is
    said); at the others it is at most 1. Each sample's noise comes from its own generator,
    whatever else is in the batch. ``control`` is asked before each step whether to stop, and for
    another guidance.
    Raises InputError for steps or an eta that the scheduler does not take.
    """
    grid = steps if isinstance(steps, Grid) else Grid(steps)
    likes = {m: next(flow.denoiser.parameters()) for m, flow in flows.items()}
    laid = {m: grid.on(scheduler, likes[m].device) for m in flows}
    schedulers = {m: steps.scheduler for m, steps in laid.items()}
    options = {m: step_options(schedulers[m], list(f.generators), eta) for m, f in flows.items()}
    latents = {m: _first(flow, laid[m], likes[m].device) for m, flow in flows.items()}
    with _Told(flows, likes) as told:
        for index in range(len(next(iter(laid.values())).timesteps)):
            at = {m: steps.timesteps[index] for m, steps in laid.items()}
            t = at[next(iter(flows))]
            stop, guidance = control()
            if stop:
                break
            noise = float(t) / schedulers[next(iter(flows))].config.num_train_timesteps
            told.go_on(guidance, noise, guided)
            flows = told.flows
            inputs = {m: schedulers[m].scale_model_input(latents[m], at[m]) for m in flows}
            vectors = _environments(flows, inputs, likes, t, attend_to)
            for m, flow in flows.items():
                eps = _guided(flow, inputs[m].to(likes[m]), at[m], told.contexts[m], vectors[m])
                if flow.clip is not None or flow.prediction_type == "v_prediction":
                    eps = _as_noise(flow, inputs[m], eps, abar_at(schedulers[m], float(t)))
                step = schedulers[m].step(eps, at[m], latents[m], return_dict=False, **options[m])
                latents[m] = step[0]
            if callback is not None and (changed := callback(index, t, dict(latents))) is not None:
                latents = {m: changed[m].to(latents[m]) for m in flows}
    return latents


def _first(flow: Flow, steps: Steps, device: torch.device) -> Tensor:
    """What a flow begins with, in its scheduler's own space."""
    noise = flow.noise.to(device, torch.float32)
    begun = flow.mean if flow.clean is None else flow.clean
    if begun is None:
        return noise * steps.scheduler.init_noise_sigma
    clean = begun.to(device, torch.float32).expand_as(noise)
    return steps.scheduler.add_noise(clean, noise, steps.timesteps[:1].expand(len(noise)))


class _Told:
    """What the flows are told while they are sampled; their denoisers keep what follows from it."""

    def __init__(self, flows: Mapping[Modality, Flow], likes: Mapping[Modality, Tensor]) -> None:
        self.flows, self._likes, self._held = dict(flows), likes, ExitStack()
        self._guidance = {m: f.condition.guidance for m, f in flows.items()}
        self.contexts: dict[Modality, Tensor] = {}

    def __enter__(self) -> Self:
        for m, flow in self.flows.items():
            self.contexts[m] = flow.condition.context(self._likes[m])
            self._held.enter_context(flow.denoiser.same_condition())  # type: ignore[operator]
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def go_on(
        self,
        guidance: float | None,
        noise: float,
        guided: Mapping[Modality, tuple[float, float]],
    ) -> None:
        """The next step, at a noise in [0, 1]; another guidance from here on, if any."""
        before = self.flows
        for m, f in before.items():
            if guidance is not None and f.condition.given is not f.condition.null:
                self._guidance[m] = guidance
        scales = {
            m: scale_at(noise, g, guided.get(m, (0.0, 1.0))) for m, g in self._guidance.items()
        }
        self.flows = {
            m: replace(f, condition=replace(f.condition, guidance=scales[m]))
            for m, f in before.items()
        }
        if any(f.condition.doubled != before[m].condition.doubled for m, f in self.flows.items()):
            self._held.close()  # what was kept is of another batch
            self.__enter__()


def _guided(flow: Flow, x: Tensor, t: Tensor, context: Tensor, vector: Tensor | None) -> Tensor:
    """The guided prediction of one flow, float32.

    Guidance of v is that of the noise: both are the same at x, but for a factor.
    """
    halves = 2 if flow.condition.doubled else 1
    weights = flow.condition.log_weights
    eps = flow.denoiser(
        torch.cat([x] * halves),
        t.to(x.device).expand(halves * len(x)),
        context,
        None if vector is None else torch.cat([vector] * halves),
        None if weights is None else weights.to(x),
    )
    return flow.condition.mix(eps.float())


def _environments(
    flows: Mapping[Modality, Flow],
    inputs: Latents,
    likes: Mapping[Modality, Tensor],
    t: Tensor,
    attend_to: AttendTo,
) -> dict[Modality, Tensor | None]:
    """What each flow attends to at this step; None when one is made alone."""
    if len(flows) < 2:
        return dict.fromkeys(flows)
    vectors = {
        m: flow.denoiser.encode_environment(  # type: ignore[operator]
            inputs[m].to(likes[m]), t.to(likes[m].device).expand(len(inputs[m]))
        )
        for m, flow in flows.items()
    }
    if attend_to == "own":
        return dict(vectors)
    seen = {m: {other: v.to(likes[m]) for other, v in vectors.items()} for m in flows}
    return {m: others_mean(seen[m], m) for m in flows}


def _as_noise(flow: Flow, x: Tensor, predicted: Tensor, abar: float) -> Tensor:
    """The noise of a prediction, or that of the same clean latent clipped to the flow's bound."""
    signal, spread = abar**0.5, (1 - abar) ** 0.5
    is_v = flow.prediction_type == "v_prediction"
    if flow.clip is None:
        return signal * predicted + spread * x if is_v else predicted
    clean = signal * x - spread * predicted if is_v else (x - spread * predicted) / signal
    return (x - signal * clean.clamp(-flow.clip, flow.clip)) / spread
