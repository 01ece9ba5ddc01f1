"""The samples of one call, a batch at a time, behind one progress bar."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from codixr.modality import Modality
from codixr.model.generation import Settings, chosen_scheduler, decoded, latents_of
from codixr.model.prompts import Prompt
from codixr.model.sampling import Latents, StepCallback
from codixr.model.schedulers import for_steps

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline


@dataclass(frozen=True)
class Call:
    """What one call asks for: a prompt and a generator a sample, and how they are drawn."""

    prompts: Sequence[Prompt]
    outputs: Sequence[Modality]
    generators: Mapping[Modality, Sequence[torch.Generator]]
    settings: Settings
    at_once: int
    as_latents: bool
    start: Mapping[Modality, Tensor] | None
    """Noise to begin with, in place of a draw."""


def made_in_batches(
    pipe: "CoDiXRPipeline", call: Call, step_end: StepCallback, bar: Mapping[str, Any]
) -> dict[Modality, list[Any]]:
    """Pictures [1, S, S], reports, or latents of every sample, by output.

    ``step_end`` may set the pipeline's ``_interrupt``: what was begun is kept, no more is begun.
    """
    made: dict[Modality, list[Any]] = {m: [] for m in call.outputs}
    pipe._interrupt, pipe._guidance_scale = False, None
    with _steps(pipe, call, bar) as advance:

        def step(index: int, timestep: Any, latents: Latents) -> Latents | None:
            advance()
            return step_end(index, timestep, latents)

        for first in range(0, len(call.prompts), call.at_once):
            if pipe._interrupt:
                break
            part = slice(first, first + call.at_once)
            some = {m: g[part] for m, g in call.generators.items()}
            noise = None if call.start is None else {m: z[part] for m, z in call.start.items()}
            clean = latents_of(
                pipe,
                call.prompts[part],
                call.outputs,
                some,
                call.settings,
                step,
                lambda: (pipe._interrupt, pipe._guidance_scale),
                noise,
            )
            for m, z in clean.items():
                made[m] += z.cpu() if call.as_latents else decoded(pipe, m, z, some[m])
    pipe._guidance_scale = None
    return made


@contextmanager
def _steps(
    pipe: "CoDiXRPipeline", call: Call, options: Mapping[str, Any]
) -> Iterator[Callable[[], object]]:
    """A bar over the calls of the denoisers; some schedulers make two a step."""
    from tqdm.auto import tqdm

    steps = call.settings.steps or pipe.preset.diffusion.steps
    calls = len(for_steps(chosen_scheduler(pipe, call.settings.scheduler), steps).timesteps)
    batches = -(-len(call.prompts) // call.at_once)
    with tqdm(total=batches * calls, **options) as bar:
        yield bar.update
