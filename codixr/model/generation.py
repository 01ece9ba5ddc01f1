"""What one call of the pipeline does: conditions, the joint sampler, back to pictures and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor

from codixr.modality import Modality
from codixr.model.configs import JointOutputs, Preset, interval
from codixr.model.given import Given
from codixr.model.grid import Grid
from codixr.model.noise import draw
from codixr.model.prompts import latent_shapes
from codixr.model.sampling import AttendTo, Control, Flow, Latents, StepCallback, sample
from codixr.model.schedulers import check, make_scheduler
from codixr.model.tokenizer import decode, encode, ends

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline

OutputType = Literal["pil", "np", "pt", "latent"]


class Pictures(dict[Modality, Any]):
    """Pictures by view; another key is told how to ask."""

    def __missing__(self, key: Any) -> Any:
        there = ", ".join(f"images['{m}']" for m in self) or "none: only a report was made"
        raise KeyError(f"images[{key!r}]: pictures are by view; there are {there}")


class Generation(NamedTuple):
    """What one call made, by view, and the reports where T was asked for.

    Images: lists of grey PIL images; float32 [N, S, S, 1] for "np"; tensors [N, 1, S, S] for "pt".
    For "latent", tensors of clean latents, the reports' too.
    """

    images: dict[Modality, Any]
    reports: Any


@dataclass(frozen=True)
class Settings:
    """How samples are drawn; None leaves a number to the preset."""

    steps: int | None = None
    guidance: float | None = None
    weights: Mapping[str, float] | None = None
    scheduler: Any = None
    """A name, or one of diffusers' scheduler objects; None is the pipeline's own."""
    eta: float | None = None
    attend_to: AttendTo | None = None
    """None is "others"."""
    strict_length: bool = False
    timesteps: Sequence[int] | None = None
    sigmas: Sequence[float] | None = None
    strength: float = 1.0
    joint: JointOutputs | None = None
    guidance_interval: tuple[float, float] | None = None

    def grid(self, default: int) -> Grid:
        """Where the steps are; ``default`` of them where nothing is said."""
        return Grid(
            default if self.steps is None else self.steps,
            self.timesteps,
            self.sigmas,
            self.strength,
        )


def rounds_of(
    preset: Preset, outputs: Sequence[Modality], settings: Settings
) -> list[list[Modality]]:
    """The outputs that are made at once, round by round.

    ``attend_to`` says how outputs hear each other, so with it they are made together.
    """
    joint = settings.joint or ("together" if settings.attend_to else preset.diffusion.joint)
    return [[m] for m in outputs] if joint == "in-turn" else [list(outputs)]


def latents_of(
    pipe: "CoDiXRPipeline",
    given: Given,
    outputs: Sequence[Modality],
    generators: Mapping[Modality, Sequence[torch.Generator]],
    settings: Settings,
    callback: StepCallback | None = None,
    control: Control = lambda: (False, None),
) -> Latents:
    """Clean latents of every output.

    Where outputs are made in turn, each is decoded and stands among the prompts of those after it,
    and ``callback`` counts on from output to output and is told of the one being made.
    """
    clean: Latents = {}
    rounds, begun = rounds_of(pipe.preset, outputs, settings), 0
    for at, together in enumerate(rounds):
        if at and control()[0]:  # a callback wants no more: nothing else is begun
            break
        last = begun

        def told(index: int, timestep: Any, latents: Latents, first: int = begun) -> Latents | None:
            nonlocal last
            last = first + index + 1
            return None if callback is None else callback(first + index, timestep, latents)

        some = {m: generators[m] for m in together}
        clean |= _latents_together(pipe, given, together, some, settings, told, control)
        begun = last
        if at + 1 < len(rounds):
            made = {m: decoded(pipe, m, clean[m], some[m]) for m in together}
            given = given.knowing({m: list(x) for m, x in made.items()})
    return clean


def _latents_together(
    pipe: "CoDiXRPipeline",
    given: Given,
    outputs: Sequence[Modality],
    generators: Mapping[Modality, Sequence[torch.Generator]],
    settings: Settings,
    callback: StepCallback,
    control: Control,
) -> Latents:
    """Clean latents of the outputs of one round."""
    diffusion = pipe.preset.diffusion
    shapes = latent_shapes(pipe.preset, outputs)
    own = settings.guidance_interval
    asked = None if own is None else interval(own)
    guidance = {m: diffusion.guidance_of(m, scale=settings.guidance, within=asked) for m in outputs}
    scales = {m: scale for m, (scale, _) in guidance.items()}
    pipe.bring("prompt_encoder")
    told = pipe.conditioning.conditions(given, scales, settings.weights)
    begun = _begun(pipe, given, outputs)
    flows = {}
    for m in outputs:
        noise = draw(shapes[m], generators[m]) if given.noise is None else given.noise[m]
        clip = None if m.is_image else diffusion.report_clip
        flows[m] = Flow(
            pipe.denoisers[m],
            noise,
            told[m],
            generators[m],
            clip,
            diffusion.prediction_type,
            begun.get(m),
            getattr(pipe.denoisers[m], "mean_latent", None),
        )
    pipe.bring(*(f"denoiser_{m.lower()}" for m in outputs))
    return sample(
        flows,
        chosen_scheduler(pipe, settings.scheduler),
        settings.grid(diffusion.steps),
        guided={m: within for m, (_, within) in guidance.items()},
        eta=settings.eta,
        attend_to=settings.attend_to or "others",
        callback=callback,
        control=control,
    )


def _begun(pipe: "CoDiXRPipeline", given: Given, outputs: Sequence[Modality]) -> Latents:
    """The clean latents of what is edited: the VAEs' posterior means; empty for nothing."""
    if given.edited is None:
        return {}
    return {m: encoded(pipe, m, [prompt[m] for prompt in given.edited]) for m in outputs}


@torch.no_grad()
def encoded(pipe: "CoDiXRPipeline", m: Modality, contents: Sequence[Any]) -> Tensor:
    """Normalised latents of pictures [1, S, S] or of reports; the inverse of ``decoded``."""
    pipe.bring(name := "image_vae" if m.is_image else "report_vae")
    vae: Any = pipe.modules[name]
    like = next(vae.parameters())
    if m.is_image:
        return vae.encode(torch.from_numpy(np.stack(contents)).to(like)).float()
    if pipe.preset.tokenizers.lower_case:
        contents = [report.lower() for report in contents]
    limit = pipe.preset.report_vae.max_tokens
    ids, mask = encode(pipe.tokenizers.report_encoder, contents, limit)
    return vae.encode(ids.to(like.device), mask.to(like.device)).float()


def chosen_scheduler(pipe: "CoDiXRPipeline", wanted: Any) -> Any:
    """A scheduler by name or as it is; None is the pipeline's own."""
    if wanted is None:
        wanted = pipe.scheduler
    if isinstance(wanted, str):
        return make_scheduler(pipe.preset.diffusion, 1, wanted)
    return check(pipe.preset.diffusion, wanted)


@torch.no_grad()
def decoded(
    pipe: "CoDiXRPipeline",
    m: Modality,
    latents: Tensor,
    generators: Sequence[torch.Generator],
) -> Tensor | list[str]:
    """float32 [B, 1, S, S] in [0, 1] of a view's latents; the texts of reports'.

    ``generators``, one a sample, draw a report's words where the preset has a temperature.
    """
    if m.is_image:
        pipe.bring("image_vae")
        like = next(pipe.image_vae.parameters())
        return pipe.image_vae.decode(latents.to(like)).float().cpu()
    pipe.bring("report_vae")
    tokenizer = pipe.tokenizers.report_decoder
    like = next(pipe.report_vae.parameters())
    diffusion = pipe.preset.diffusion
    ids = pipe.report_vae.decode(
        latents.to(like),
        *ends(tokenizer),
        temperature=diffusion.report_temperature,
        generators=generators,
        most=diffusion.report_tokens,
    )
    return decode(tokenizer, ids)


def made_as(made: Mapping[Modality, list[Any]], output_type: OutputType) -> Generation:
    """A call's samples by output, in the form that the caller wants."""
    reports: Any = made.get(Modality.T)
    if reports and output_type == "latent":
        reports = torch.stack(reports)
    images = {m: _as_type(x, output_type) for m, x in made.items() if m.is_image}
    return Generation(Pictures(images), reports)


def _as_type(images: list[Tensor], output_type: OutputType) -> Any:
    """Pictures [1, S, S] in [0, 1] in the form that the caller wants."""
    if output_type == "pil":
        return [PILImage.fromarray((x[0] * 255).round().byte().numpy()) for x in images]
    stacked = torch.stack(images)
    return stacked.permute(0, 2, 3, 1).numpy() if output_type == "np" else stacked
