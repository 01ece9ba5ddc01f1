"""What a user may give: checked, never guessed at, and brought to what the encoders read.

Pictures are padded and resized by ``codixr.data.picture``, as those of a dataset are. A message
names a modality, and a text by its position; it never quotes one.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PILImage
from torch import Tensor

from codixr.data.picture import fit_square
from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.familiarity import texts_at
from codixr.model.presets import Preset

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SENTENCE_END = re.compile(r"(?<=[.;?!])\s+")
_GREY_16_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_EIGHT_BIT = ("1", "L", "LA", "P", "RGB", "RGBA")

logger = logging.getLogger(__name__)


Prompt = Mapping[Modality, Image | str]
"""What one sample is made from."""


def checked(inputs: Mapping[str, Any], size: int, *, empty: bool = False) -> list[Prompt]:
    """One prompt for each place of the lists in ``inputs``; pictures float32 [1, size, size].

    InputError for lists of different lengths, and for a content that is not what its name says;
    a report may be ``empty`` or not.
    """
    if not isinstance(inputs, Mapping):
        raise InputError("inputs: give a mapping of modalities, e.g. {'T': 'No effusion.'}")
    given = {modality(name): listed(content) for name, content in inputs.items()}
    if len(given) < len(inputs):
        raise InputError("inputs: T and R both mean the report; give one of them")
    lengths = {m: len(contents) for m, contents in given.items()}
    if empties := [str(m) for m, length in lengths.items() if not length]:
        raise InputError(f"{' and '.join(empties)}: an empty list; leave it out")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{length} of {m}" for m, length in lengths.items())
        raise InputError(f"inputs of different lengths: {told}; give each the same number")
    each: dict[Modality, list[Any]] = {
        m: [as_image(c, m, size) if m.is_image else as_report(c, empty) for c in contents]
        for m, contents in given.items()
    }
    count = max(lengths.values(), default=1)
    return [{m: contents[i] for m, contents in each.items()} for i in range(count)]


def modality(name: str) -> Modality:
    """``"F"`` → Modality.F, and ``"R"``, as the paper writes reports, → T; InputError otherwise."""
    try:
        return Modality(name)
    except ValueError:
        raise InputError(f"'{str(name)[:20]}' is not a modality: F, L or T") from None


def modalities(names: str | Iterable[str]) -> list[Modality]:
    """``"F+L"`` or ``["F", "L"]`` → the modalities in the order F, L, T; InputError otherwise."""
    if not isinstance(names, Iterable):
        raise InputError(f"outputs {names!r}: give modalities, e.g. outputs='F+L'")
    parts = names.split("+") if isinstance(names, str) else names
    asked = {modality(part) for part in parts}
    if not asked:
        raise InputError("no output is asked for: give e.g. outputs='F+L'")
    return [m for m in Modality if m in asked]


def named(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The same prompts with modalities for names; what was one object stays one.

    InputError unless there are some, mappings of the same modalities.
    """
    if isinstance(prompts, str | Mapping) or not isinstance(prompts, Sequence) or not prompts:
        raise InputError("prompts: give a list of mappings, e.g. [{'T': 'No effusion.'}]")
    for p in prompts:
        if not isinstance(p, Mapping):
            raise InputError("prompts: give a list of mappings, e.g. [{'T': 'No effusion.'}]")
    each = {id(p): {modality(name): content for name, content in p.items()} for p in prompts}
    if len({frozenset(p) for p in each.values()}) > 1:
        raise InputError("prompts: they have different modalities; give them in calls of their own")
    return [each[id(p)] for p in prompts]


def shares(weights: Mapping[str, float] | None, given: Sequence[Modality]) -> list[float]:
    """The user's weights of the inputs, normalised to sum 1; equal where there are none.

    Raises InputError for weights that are negative, sum to zero, or name other things than inputs.
    """
    if weights is None:
        return [1 / len(given)] * len(given)
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InputError(f"weights: that of {modality(name)} is {weight!r}; give a number")
    named = {modality(name): float(weight) for name, weight in weights.items()}
    if set(named) != set(given):
        raise InputError(
            f"weights are given for {'+'.join(sorted(named))}, inputs are {'+'.join(given)}: "
            "give each input one weight"
        )
    values = [named[m] for m in given]
    if not all(0 <= value < float("inf") for value in values):
        raise InputError(f"weights {values}: each has to be 0 or more, and finite")
    if not (total := sum(values)) > 0:
        raise InputError("the weights sum to zero: nothing is left to generate from")
    return [value / total for value in values]


def listed(content: Any) -> list[Any]:
    """The contents of one input: a list's, a batch's [B, 1, S, S], or the one there is."""
    several = isinstance(content, list | tuple) or getattr(content, "ndim", 0) == 4
    return list(content) if several else [content]


def as_image(content: Any, view: Modality, size: int) -> Image:
    """A user's picture of one view as float32 [1, size, size] in [0, 1].

    A PIL image of any size is made grey, padded to a square and resized; an array or tensor has
    to be [1, size, size] in [0, 1] already. InputError otherwise.
    """
    if isinstance(content, PILImage.Image):
        return fit_square(_grey(content, view), size)
    array = content.detach().cpu().float().numpy() if isinstance(content, Tensor) else content
    if not isinstance(array, np.ndarray):
        raise InputError(
            f"{view}: a {type(content).__name__} is not a picture; give a PIL image, "
            f"or an array [1, {size}, {size}] in [0, 1]"
        )
    floating = content.is_floating_point() if isinstance(content, Tensor) else array.dtype.kind
    if floating not in (True, "f"):
        raise InputError(
            f"{view}: an array of {array.dtype} has no known white; give floats in [0, 1]"
        )
    if array.shape != (1, size, size):
        raise InputError(
            f"{view}: this checkpoint takes pictures of shape (1, {size}, {size}), one channel, "
            f"not {array.shape}; give a PIL image to have it made grey and resized"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{view}: the picture holds NaN or infinite values")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise InputError(f"{view}: values must lie in [0, 1], not {low:.3g} to {high:.3g}")
    return array.astype(np.float32)


def _grey(picture: PILImage.Image, view: Modality) -> np.ndarray:
    if picture.mode in _GREY_16_BIT:
        return np.asarray(picture).astype(np.float32) / np.float32(65535)
    if picture.mode in _EIGHT_BIT:
        return np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    raise InputError(
        f"{view}: a PIL image of mode {picture.mode} has no known white; convert it to 'L'"
    )


def latent_shapes(preset: Preset, outputs: Sequence[Modality]) -> dict[Modality, tuple[int, ...]]:
    """The shape of one sample's latent, by output: [c, h, w] of a view, [d] of a report."""
    image, report = preset.latent_shape, (preset.report_vae.latent_dim,)
    return {m: image if m.is_image else report for m in outputs}


def as_report(content: Any, empty: bool = False) -> str:
    """A user's report; InputError for anything but a text with something in it."""
    if not isinstance(content, str) or not (empty or content.strip()):
        raise InputError("T: give a report as a non-empty string")
    return content


def fit_reports(
    tokenizer: "PreTrainedTokenizerBase",
    reports: Sequence[str],
    limit: int,
    *,
    strict: bool,
    name: str = "T",
) -> list[str]:
    """The reports, those over ``limit`` tokens cut at the end of a sentence, with a warning.

    A first sentence that is too long is left for the tokenizer to cut. With ``strict`` a report
    that is too long is an InputError. Reports are named by ``name`` and their position.
    """
    counts = [_count(tokenizer, report) for report in reports]
    long = [i for i, count in enumerate(counts) if count > limit]
    if not long:
        return list(reports)
    which = f"{texts_at(long, reports)} has {counts[long[0]]} tokens"
    if strict:
        raise InputError(f"{name}: {which}, and the model reads {limit}: shorten it")
    fitted = list(reports)
    for i in long:
        fitted[i] = _cut(tokenizer, reports[i], limit)
    whole = sum(_count(tokenizer, fitted[i]) <= limit for i in long)
    where = {len(long): ", from the end of a sentence on,", 0: ", from within a sentence on,"}
    logger.warning(
        "%s: %s, and the model reads %d: the rest%s is left out",
        name,
        which,
        limit,
        where.get(whole, ""),
    )
    return fitted


def _count(tokenizer: "PreTrainedTokenizerBase", text: str) -> int:
    return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])


def _cut(tokenizer: "PreTrainedTokenizerBase", report: str, limit: int) -> str:
    kept, *rest = SENTENCE_END.split(report)
    for sentence in rest:
        longer = f"{kept} {sentence}"
        if _count(tokenizer, longer) > limit:
            break
        kept = longer
    return kept
