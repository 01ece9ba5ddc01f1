"""The samples of one call, a batch at a time, behind one progress bar."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from codixr.modality import Modality
from codixr.model.call_arguments import guidance_set
from codixr.model.generation import Settings, chosen_scheduler, decoded, latents_of, rounds_of
from codixr.model.given import Given
from codixr.model.sampling import Latents, StepCallback

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline


@dataclass(frozen=True)
class Call:
    """What one call asks for: what its samples are made from, and how."""

    given: Given
    outputs: Sequence[Modality]
    generators: Mapping[Modality, Sequence[torch.Generator]]
    settings: Settings
    at_once: int
    as_latents: bool


def made_in_batches(
    pipe: "CoDiXRPipeline", call: Call, step_end: StepCallback, bar: Mapping[str, Any]
) -> dict[Modality, list[Any]]:
    """Pictures [1, S, S], reports, or latents of every sample, by output.

    ``step_end`` may set the pipeline's ``_interrupt``: what was begun is kept, no more is begun.
    """
    made: dict[Modality, list[Any]] = {m: [] for m in call.outputs}
    pipe._interrupt, pipe._guidance_scale = False, None
    pipe._asked_guidance, _ = pipe.preset.diffusion.guidance_of(
        call.outputs[0], scale=call.settings.guidance
    )
    with _steps(pipe, call, bar) as advance:

        def step(index: int, timestep: Any, latents: Latents) -> Latents | None:
            advance()
            return step_end(index, timestep, latents)

        for first in range(0, len(call.given), call.at_once):
            if pipe._interrupt:
                break
            part = slice(first, first + call.at_once)
            some = {m: g[part] for m, g in call.generators.items()}
            clean = latents_of(
                pipe,
                call.given.part(part),
                call.outputs,
                some,
                call.settings,
                step,
                lambda: (bool(pipe._interrupt), guidance_set(pipe._guidance_scale)),
            )
            for m, z in clean.items():
                made[m] += z.cpu() if call.as_latents else decoded(pipe, m, z, some[m])
    pipe._guidance_scale = None
    return {m: x for m, x in made.items() if x or not pipe._interrupt}


@contextmanager
def _steps(
    pipe: "CoDiXRPipeline", call: Call, options: Mapping[str, Any]
) -> Iterator[Callable[[], object]]:
    """A bar over the calls of the denoisers; some schedulers make two a step."""
    from tqdm.auto import tqdm

    grid = call.settings.grid(pipe.preset.diffusion.steps)
    calls = len(grid.on(chosen_scheduler(pipe, call.settings.scheduler)).timesteps)
    calls *= len(rounds_of(pipe.preset, call.outputs, call.settings))
    pipe._num_timesteps = calls
    batches = -(-len(call.given) // call.at_once)
    with tqdm(total=batches * calls, **options) as bar:
        yield bar.update
