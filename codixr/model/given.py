"""What the samples of one call are made from: one place a sample, so that a batch is a slice.

A call's arguments are checked here and spread over its samples, the first prompt's first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.familiarity import refuse_unknown
from codixr.model.presets import Preset
from codixr.model.prompts import Prompt, checked, latent_shapes, modality

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Arguments(NamedTuple):
    """Those of a call that say what its samples are made from, as the user gave them."""

    inputs: Any
    negative_prompt: Any = None
    prompt_embeds: Any = None
    negative_prompt_embeds: Any = None
    latents: Any = None
    image: Any = None


@dataclass(frozen=True)
class Given:
    """One place a sample in each; None where there is nothing of the kind."""

    prompts: Sequence[Prompt]
    negatives: Sequence[Prompt] | None = None
    """What guidance leads away from, in place of the unconditional vector."""
    embeds: Tensor | None = None
    """Conditions [N, D] or [N, K, D] as ``encode_prompts`` gives them; the prompts are empty."""
    negative_embeds: Tensor | None = None
    noise: Mapping[Modality, Tensor] | None = None
    """What to begin with, in place of a draw."""
    edited: Sequence[Prompt] | None = None
    """The picture of each output, or its report, that a sample is made by changing."""
    made: frozenset[Modality] = frozenset()
    """Which of the prompts' modalities this call made itself: outputs before this one."""

    def __len__(self) -> int:
        return len(self.prompts)

    def part(self, rows: slice) -> "Given":
        """Some of the samples."""
        return Given(
            self.prompts[rows],
            None if self.negatives is None else self.negatives[rows],
            None if self.embeds is None else self.embeds[rows],
            None if self.negative_embeds is None else self.negative_embeds[rows],
            None if self.noise is None else {m: z[rows] for m, z in self.noise.items()},
            None if self.edited is None else self.edited[rows],
            self.made,
        )

    def knowing(self, made: Mapping[Modality, Sequence[Any]]) -> "Given":
        """The same with outputs, one a sample, among the prompts."""
        prompts = [
            {**prompt, **{m: contents[i] for m, contents in made.items()}}
            for i, prompt in enumerate(self.prompts)
        ]
        return replace(self, prompts=prompts, made=self.made | set(made))


def given_by(
    asked: Arguments,
    outputs: Sequence[Modality],
    each: int,
    preset: Preset,
    tokenizer: "PreTrainedTokenizerBase",
) -> Given:
    """What ``each`` samples a prompt are made from.

    Raises InputError for contents that don't fit each other, the model or the outputs.
    """
    if asked.inputs is None and asked.prompt_embeds is None:
        raise InputError(
            "inputs: give a mapping of modalities, e.g. {'T': 'No effusion.'}, {} to make from "
            "nothing, or prompt_embeds"
        )
    embeds = _vectors("prompt_embeds", asked.prompt_embeds, preset)
    if embeds is None:
        prompts = checked(asked.inputs, preset.image_size)
    elif asked.inputs:
        raise InputError("give inputs or prompt_embeds, not both")
    else:
        prompts = [{}] * len(embeds)
    edited = _edited(asked.image, outputs, preset.image_size)
    if edited and len(edited) > 1 == len(prompts):  # one prompt for several pictures
        prompts, embeds = prompts * len(edited), embeds if embeds is None else embeds[:1]
    if edited and len(edited) not in (1, len(prompts)):
        raise InputError(f"image: {len(edited)} for {len(prompts)} prompts; give one for each")
    if both := [m for m in outputs if m in prompts[0]]:
        raise InputError(f"{', '.join(both)} cannot be both input and output: choose one side")
    negatives = _negatives(asked.negative_prompt, len(prompts), preset.image_size)
    negative_embeds = _vectors("negative_prompt_embeds", asked.negative_prompt_embeds, preset)
    if negatives is not None and negative_embeds is not None:
        raise InputError("give negative_prompt or negative_prompt_embeds, not both")
    if negative_embeds is not None and len(negative_embeds) not in (1, len(prompts)):
        raise InputError(
            f"negative_prompt_embeds: {len(negative_embeds)} for {len(prompts)} prompts"
        )
    for name, told in (("T", prompts), ("negative_prompt", negatives or ())):
        texts = [str(p[Modality.T]) for p in told if Modality.T in p]
        refuse_unknown(tokenizer, [text for text in texts if text], name=name)
    count = len(prompts)

    def rows(vectors: Tensor | None) -> Tensor | None:
        return None if vectors is None else vectors[_places(len(vectors), count, each)]

    return Given(
        [prompts[i] for i in _places(count, count, each)],
        negatives and [negatives[i] for i in _places(len(negatives), count, each)],
        rows(embeds),
        rows(negative_embeds),
        noise=_starting_noise(asked.latents, latent_shapes(preset, outputs), count * each),
        edited=edited and [edited[i] for i in _places(len(edited), count, each)],
    )


def _edited(content: Any, outputs: Sequence[Modality], size: int) -> list[Prompt] | None:
    """What each output begins as: a mapping of all outputs, or of the only one its content."""
    if content is None:
        return None
    if not isinstance(content, Mapping):
        if len(outputs) > 1:
            raise InputError(f"image: give a mapping with each of {'+'.join(outputs)}")
        content = {outputs[0]: content}
    try:
        prompts = checked(content, size)
    except InputError as error:
        raise InputError(f"image: {error}") from None
    if set(prompts[0]) != set(outputs):
        raise InputError(
            f"image: it is of {'+'.join(prompts[0]) or 'nothing'}, and the outputs are "
            f"{'+'.join(outputs)}: all begin from a noised one, or none does"
        )
    return prompts


def _negatives(content: Any, count: int, size: int) -> list[Prompt] | None:
    """A text or a list of texts, "" too; or, as ``inputs``, a mapping of modalities."""
    if content is None:
        return None
    named = content if isinstance(content, Mapping) else {Modality.T: content}
    try:
        prompts = checked(named, size, empty=True)
    except InputError as error:
        raise InputError(f"negative_prompt: {error}") from None
    if not prompts[0]:
        raise InputError("negative_prompt: it is empty; leave it out")
    if len(prompts) not in (1, count):
        raise InputError(f"negative_prompt: {len(prompts)} for {count} prompts; give one for each")
    return prompts


def _vectors(name: str, value: Any, preset: Preset) -> Tensor | None:
    """Conditions [B, D] or [B, K, D] of a user; K is 1 unless the model fuses by tokens."""
    if value is None:
        return None
    width = preset.prompt.embed_dim
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise InputError(f"{name}: give a tensor of floats [B, {width}], as encode_prompts does")
    shape = tuple(value.shape)
    if value.ndim not in (2, 3) or shape[-1] != width or 0 in shape:
        raise InputError(f"{name}: give a tensor [B, {width}] or [B, K, {width}], not {shape}")
    if not bool(torch.isfinite(value).all()):
        raise InputError(f"{name}: they hold NaN or infinite values")
    if preset.diffusion.condition_fusion == "tokens":
        return value if value.ndim == 3 else value[:, None]
    if value.ndim == 3 and shape[1] > 1:
        raise InputError(f"{name}: this model reads one vector a sample, not {shape[1]}")
    return value.reshape(len(value), width)


def _places(own: int, count: int, each: int) -> list[int]:
    """For every sample, the place of its prompt among ``own``: one a prompt, or one for all."""
    return [i if own > 1 else 0 for i in range(count) for _ in range(each)]


def _starting_noise(
    latents: Any, shapes: Mapping[Modality, tuple[int, ...]], count: int
) -> dict[Modality, Tensor] | None:
    """``latents`` of the call by modality, each [count, ...]; InputError where they do not fit."""
    if latents is None:
        return None
    if isinstance(latents, Tensor) and len(shapes) == 1:
        latents = dict.fromkeys(shapes, latents)
    if not isinstance(latents, Mapping):
        raise InputError("latents: give a tensor for one output, or a mapping by output")
    given = {modality(name): value for name, value in latents.items()}
    if given.keys() != shapes.keys():
        raise InputError(f"latents: give those of {'+'.join(shapes)}")
    for m, shape in shapes.items():
        value = given[m]
        if not isinstance(value, Tensor) or tuple(value.shape) != (count, *shape):
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"latents of {m}: give a tensor {(count, *shape)}, not {found}")
        if not value.is_floating_point():
            raise InputError(f"latents of {m}: give floats, not {value.dtype}")
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"latents of {m}: they hold NaN or infinite values")
    return given
