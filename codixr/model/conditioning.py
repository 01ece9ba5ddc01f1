"""From prompts to what the denoisers are told: condition vectors, and unconditional ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.attention import log_weights
from codixr.model.familiarity import (
    Doubts,
    Familiarity,
    autoencoder_errors,
    picture_doubts,
    text_doubts,
)
from codixr.model.given import Given
from codixr.model.presets import Preset
from codixr.model.prompt_encoder import PromptEncoder, interpolate
from codixr.model.prompts import Prompt, as_image, fit_reports, shares
from codixr.model.sampling import Condition
from codixr.model.tokenizer import encode
from codixr.model.unpictured import unpictured_doubts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from codixr.model.image_vae import ImageVAE

NEGATIVE = "negative_prompt"
"""What a doubt of it, or a fault, is said of."""
OF_MADE = 0.5
"""Of an input's weight, that of an output which is a prompt for later ones, beside a report. Of
.25, .5 and 1, at .5 F and L of ``tiny`` agree nearly as at 1, and show what the text asks for
nearly as at .25."""


class Conditioning:
    """The prompt encoder at work; it keeps the unconditional vectors, so its weights must stay."""

    def __init__(
        self,
        preset: Preset,
        encoder: PromptEncoder,
        tokenizer: "PreTrainedTokenizerBase",
        familiarity: Familiarity | None = None,
        doubts: Doubts | None = None,
        image_vae: "ImageVAE | None" = None,
    ) -> None:
        self.image_vae = image_vae
        self.preset, self.encoder, self.tokenizer = preset, encoder, tokenizer
        self.familiarity, self.doubts = familiarity, doubts or Doubts()
        weight = next(encoder.parameters())
        self.device, self.dtype = weight.device, weight.dtype

    def like(self, other: "Conditioning") -> bool:
        """Whether the vectors of both are the same."""
        own, theirs = (
            (id(c.encoder), id(c.tokenizer), c.device, c.dtype, c.preset) for c in (self, other)
        )
        return own == theirs

    def read(self, given: Given, *, strict_length: bool) -> Given:
        """What one call is given, its texts and those it leads away from read once.

        InputError, with ``strict_length``, tells of both where both are too long.
        """
        read: list[list[Prompt]] = []
        faults: list[str] = []
        for prompts, away in ((given.prompts, False), (given.negatives or (), True)):
            try:
                read.append(self.read_texts(prompts, strict_length=strict_length, away=away))
            except InputError as error:
                faults.append(str(error))
        if faults:
            raise InputError("; ".join(faults))
        own, others = read
        return replace(given, prompts=own, negatives=others or None)

    def read_texts(
        self, prompts: Sequence[Prompt], *, strict_length: bool, away: bool = False
    ) -> list[Prompt]:
        """A call's prompts, once: texts outside the training are told of, too long ones cut.

        Texts are numbered as in the call, not in a batch. Those that the call leads ``away`` from
        are told of as the negative prompt's, and nobody is told that the model can't draw what they
        name. What was one object stays one. InputError, with ``strict_length``, for a text that is
        too long.
        """
        if not prompts or Modality.T not in prompts[0]:
            return list(prompts)
        distinct = {id(p): p for p in prompts}
        texts = [str(p[Modality.T]) for p in distinct.values()]
        if self.preset.tokenizers.lower_case:
            texts = [text.lower() for text in texts]
        name = NEGATIVE if away else str(Modality.T)
        lines = text_doubts(self.tokenizer, texts)
        self.doubts.tell(name, [f"{name}: {line.removeprefix('T: ')}" for line in lines])
        if not away:
            self.doubts.tell("not pictured", unpictured_doubts(self.tokenizer, texts))
        limit = self.preset.prompt.max_tokens
        fitted = fit_reports(self.tokenizer, texts, limit, strict=strict_length, name=name)
        own = {
            place: {**p, Modality.T: text}
            for (place, p), text in zip(distinct.items(), fitted, strict=True)
        }
        return [own[id(p)] for p in prompts]

    def encode(
        self,
        prompts: Sequence[Prompt],
        weights: Mapping[str, float] | None = None,
        *,
        made: frozenset[Modality] = frozenset(),
        away: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Conditions and unconditional ones, as ``CoDiXRPipeline.encode_prompts``.

        Texts are as ``read_texts`` gives them. Nobody is told whether what the call ``made`` itself
        looks familiar; a strange picture that it leads ``away`` from is the negative prompt's.
        """
        given = [m for m in Modality if m in prompts[0]]
        distinct = {id(p): p for p in prompts}
        rows = torch.tensor([list(distinct).index(id(p)) for p in prompts], device=self.device)
        each = list(distinct.values())
        named = {m: f"{NEGATIVE}: {m}" if away else str(m) for m in given if m not in made}
        vectors = [self._vectors(m, [p[m] for p in each], named.get(m))[rows] for m in given]
        nulls = [self.nulls[m.is_image].expand(len(prompts), -1) for m in given]
        parts, scale = shares(weights, given), self.preset.diffusion.context_scale
        if self.preset.diffusion.condition_fusion == "tokens":
            return torch.stack(vectors, 1) * scale, torch.stack(nulls, 1) * scale
        return interpolate(vectors, parts) * scale, interpolate(nulls, parts) * scale

    @torch.no_grad()
    def conditions(
        self,
        given: Given,
        guidance: Mapping[Modality, float],
        weights: Mapping[str, float] | None = None,
    ) -> dict[Modality, Condition]:
        """What each output's flow is told, what guidance leads away from, and how far.

        Without inputs both are the unconditional vector, and there is nothing to guide.
        """
        prompts, outputs, shares_in_attention = given.prompts, list(guidance), None
        if weights and not set(prompts[0]) - given.made:
            raise InputError("weights are for inputs, and there are none")
        nulls = told = self._untold(outputs, len(prompts))
        if prompts[0]:
            weights = with_made(weights, list(prompts[0]), given.made)
            vectors, null = self.encode(prompts, weights, made=given.made)
            told, nulls = dict.fromkeys(outputs, vectors), dict.fromkeys(outputs, null)
            parts = shares(weights, [m for m in Modality if m in prompts[0]])
            shares_in_attention = log_weights(parts) if vectors.ndim == 3 else None
        if given.embeds is not None:
            vectors, untold = self._here(given.embeds), self._untold(outputs, len(prompts))
            if prompts[0]:
                count = len(given.made)
                vectors = _beside(vectors, told[outputs[0]], count)
                if vectors.ndim == 2:
                    untold = {m: _beside(untold[m], nulls[m], count) for m in outputs}
            told, nulls, shares_in_attention = dict.fromkeys(outputs, vectors), untold, None
        if given.negative_embeds is not None:
            nulls = dict.fromkeys(outputs, self._here(given.negative_embeds))
        elif given.negatives is not None:
            away, _ = self.encode(given.negatives, away=True)
            nulls = dict.fromkeys(outputs, away)
        return {
            m: Condition(v, v)
            if nulls[m] is (v := told[m])
            else Condition(v, _shaped(nulls[m], v), guidance[m], shares_in_attention)
            for m in outputs
        }

    def _untold(self, outputs: Sequence[Modality], count: int) -> dict[Modality, Tensor]:
        """What each flow is told of nothing, as in training [count, D].

        The empty text's vector for a view, the empty picture's for a report.
        """
        scale = self.preset.diffusion.context_scale
        vectors = {m: self.nulls[not m.is_image] * scale for m in outputs}
        return {m: v.expand(count, -1) for m, v in vectors.items()}

    def _here(self, vectors: Tensor) -> Tensor:
        return vectors.to(self.device, self.dtype)

    def _vectors(self, m: Modality, contents: Sequence[Any], name: str | None) -> Tensor:
        """Unit vectors [B, D] of contents of one modality; doubts of pictures name ``name``."""
        if m is Modality.T:
            if self.preset.tokenizers.lower_case:
                contents = [report.lower() for report in contents]
            ids, mask = encode(self.tokenizer, contents, self.preset.prompt.max_tokens)
            return self.encoder.encode_text(ids.to(self.device), mask.to(self.device))
        size = self.preset.image_size
        images = np.stack([as_image(image, m, size) for image in contents])
        pixels = torch.from_numpy(images).to(self.device, self.dtype)
        vectors = self.encoder.encode_image(pixels)
        if name is not None and self.familiarity is not None and not self.doubts.told(name):
            errors = None
            if self.image_vae is not None and self.familiarity.error_limit is not None:
                errors = autoencoder_errors(self.image_vae, pixels)
            lines = picture_doubts(self.familiarity, m, vectors, errors)
            self.doubts.tell(name, [f"{name}{line.removeprefix(m)}" for line in lines])
        return vectors

    @cached_property
    def nulls(self) -> dict[bool, Tensor]:
        """Unconditional vectors [1, D]: of the empty text (False), of an all-zero image (True)."""
        size = self.preset.image_size
        with torch.no_grad():
            ids, mask = encode(self.tokenizer, [""], self.preset.prompt.max_tokens)
            zero = torch.zeros(1, 1, size, size, device=self.device, dtype=self.dtype)
            return {
                False: self.encoder.encode_text(ids.to(self.device), mask.to(self.device)),
                True: self.encoder.encode_image(zero),
            }


def with_made(
    weights: Mapping[str, float] | None, given: Sequence[Modality], made: frozenset[Modality]
) -> Mapping[str, float] | None:
    """Weights of all that is ``given``, where the call ``made`` some of it itself.

    That counts as much as an input on average, and beside a report ``OF_MADE`` of it: a picture may
    show less than its report asked for.
    """
    inputs = [m for m in given if m not in made]
    if not made or not inputs:
        return weights
    told: Mapping[str, float] = dict.fromkeys(map(str, inputs), 1.0) if weights is None else weights
    share = OF_MADE if Modality.T in inputs else 1.0
    return {**told, **dict.fromkeys(made, share * sum(told.values()) / len(told))}


def _beside(embeds: Tensor, made: Tensor, count: int) -> Tensor:
    """A user's vectors, which count as one report, and those of ``count`` outputs made before."""
    if embeds.ndim == 3:
        return torch.cat([embeds, made], 1)
    return (embeds + OF_MADE * count * made) / (1 + OF_MADE * count)


def _shaped(null: Tensor, like: Tensor) -> Tensor:
    """The unconditional half in the conditions' shape: a single token stands for K equal ones.

    A softmax over equal tokens gives what the one gives.
    """
    if null.ndim < like.ndim:
        null = null[:, None]
    if like.ndim == 3 and null.shape[1] not in (1, like.shape[1]):
        raise InputError(
            f"the negative prompt has {null.shape[1]} tokens and the prompt {like.shape[1]}: give "
            "one, or as many"
        )
    return null.expand_as(like)
