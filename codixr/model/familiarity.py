"""Whether a text or a picture is like what a checkpoint was trained on; a warning where it isn't.

A text: words that the tokenizer has to cut up, as no training text had them. A picture: how far its
prompt vector lies from the subspace in which the training pictures' vectors vary (the residual of
a principal component analysis), and how far the picture lies from what the image autoencoder makes
of it, against limits that a stated share of held-out training pictures passes. A view: whether the
vector is on the other view's side of Fisher's discriminant. The numbers stand in
``familiarity.safetensors`` beside the checkpoint's components.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.tensor_file import write_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from codixr.model.image_vae import ImageVAE

SPELT = "spelt_words"
"""Where a tokenizer keeps the words that its tower met in pieces: it knows them all the same."""
FILE = "familiarity.safetensors"
DIRECTIONS = 48
"""Of the subspace. Fewer leave training pictures outside, more take in what is not one."""
FALSE_ALARMS = 0.005
"""Share of held-out training pictures beyond the limit."""
CLEARLY = 1.5
"""Times the limit that no chance explains."""
SELDOM = 0.01
"""A chance below which it isn't one."""


class OutsideTrainingWarning(UserWarning):
    """An input that is not like what the checkpoint was trained on: its output means little."""


@dataclass(frozen=True)
class Familiarity:
    """What a checkpoint's training pictures are like, to its prompt encoder and image VAE."""

    mean: Tensor
    """[D]"""
    directions: Tensor
    """[D, k], orthonormal."""
    limit: float
    false_alarms: float
    error_limit: float | None = None
    """Of the autoencoder's error; None where it was not measured."""
    lateral: Tensor | None = None
    """[D], unit: from F's vectors towards L's; None where it was not measured."""
    view_limits: tuple[float, float] | None = None
    """Along ``lateral``: what F's vectors stay below, and L's above."""

    def distances(self, vectors: Tensor, errors: Tensor | None = None) -> Tensor:
        """Of pictures, as shares of the limit: above 1 is outside; [B].

        Of their prompt vectors [B, D] and the autoencoder's errors [B] (``autoencoder_errors``),
        whichever is farther.
        """
        away = vectors.detach().cpu().double() - self.mean.double()
        inside = away @ self.directions.double()
        residual = away.square().sum(1) - inside.square().sum(1)
        found = residual.clamp(min=0).sqrt() / self.limit
        if errors is None or self.error_limit is None:
            return found
        return torch.maximum(found, errors.detach().cpu().double() / self.error_limit)

    def of_the_other_view(self, view: Modality, vectors: Tensor) -> Tensor:
        """Whether vectors [B, D] of pictures given as ``view`` are the other view's; bool [B]."""
        if self.lateral is None or self.view_limits is None:
            return torch.zeros(len(vectors), dtype=torch.bool)
        along = vectors.detach().cpu().double() @ self.lateral.double()
        above, below = self.view_limits
        return along > above if view is Modality.F else along < below

    @classmethod
    def measure(
        cls,
        training: Mapping[Modality, Tensor],
        held_out: Mapping[Modality, Tensor],
        share: float = FALSE_ALARMS,
        errors: Tensor | None = None,
    ) -> Self:
        """From each view's vectors [n, D] of training pictures, and of others for the limits.

        ``errors`` are the autoencoder's of the others; then each limit is passed by half of the
        ``share``.
        """
        seen = torch.cat(list(training.values())).double()
        mean = seen.mean(0)
        _, vectors = torch.linalg.eigh(torch.cov(seen.T))
        # Rounded as they will be stored, so that the limits are theirs.
        kept = vectors.flip(1)[:, :DIRECTIONS].half().contiguous()
        made = cls(mean.half(), kept, 1.0, share)
        others = torch.cat(list(held_out.values()))
        each = share if errors is None else share / 2
        limit = float(torch.quantile(made.distances(others), 1 - each))
        made = replace(made, limit=limit)
        if errors is not None:
            made = replace(made, error_limit=float(torch.quantile(errors.double(), 1 - each)))
        if {Modality.F, Modality.L} <= training.keys():
            lateral = _fisher(training[Modality.F].double(), training[Modality.L].double()).half()
            frontal, side = (
                held_out[view].double() @ lateral.double() for view in (Modality.F, Modality.L)
            )
            limits = float(frontal.quantile(1 - share)), float(side.quantile(share))
            made = replace(made, lateral=lateral, view_limits=limits)
        return made

    def save(self, folder: Path) -> None:
        """Write ``folder/familiarity.safetensors``."""
        # One entry: safetensors writes several in an order of its own, and bits would differ.
        numbers: dict[str, object] = {"limit": self.limit, "false_alarms": self.false_alarms}
        tensors = {"mean": self.mean, "directions": self.directions}
        if self.error_limit is not None:
            numbers["error_limit"] = self.error_limit
        if self.lateral is not None:
            numbers["view_limits"] = self.view_limits
            tensors["lateral"] = self.lateral
        write_tensors(folder / FILE, tensors, {"numbers": json.dumps(numbers)})

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """That of a checkpoint; None where it has none. InputError for a damaged one."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                entries = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            numbers = json.loads(entries["numbers"]) if "numbers" in entries else entries
            limit, share = (float(numbers[key]) for key in ("limit", "false_alarms"))
            made = cls(tensors["mean"], tensors["directions"], limit, share)
            if "error_limit" in numbers:
                made = replace(made, error_limit=float(numbers["error_limit"]))
            if "lateral" in tensors:
                above, below = (float(x) for x in numbers["view_limits"])
                made = replace(made, lateral=tensors["lateral"], view_limits=(above, below))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None
        return made


def _fisher(first: Tensor, second: Tensor) -> Tensor:
    """Fisher's linear discriminant of two clouds [n, D]: a unit vector, from the first's side."""
    within = torch.cov(torch.cat([first - first.mean(0), second - second.mean(0)]).T)
    ridge = 1e-3 * within.diagonal().mean() * torch.eye(len(within), dtype=within.dtype)
    direction = torch.linalg.solve(within + ridge, second.mean(0) - first.mean(0))
    return direction / direction.norm()


@torch.no_grad()
def autoencoder_errors(vae: "ImageVAE", pictures: Tensor) -> Tensor:
    """How far pictures [B, 1, H, W] are from what the image autoencoder makes of them: RMS, [B]."""
    weight = next(vae.parameters())
    here = pictures.to(weight.device, weight.dtype)
    again = vae.reconstruct(vae.posterior(here)[0])
    return (again - here).float().square().mean((1, 2, 3)).sqrt().cpu()


def unknown_words(
    tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]
) -> list[tuple[int, int]] | None:
    """Of each report, its (unknown words, words); None for a tokenizer of no closed vocabulary.

    A word has a letter in it, and no digit. It is unknown where it is neither a token of its own
    nor one of the words that the tower met in pieces.
    """
    if tokenizer.unk_token_id is None or not tokenizer.init_kwargs.get("whole_words"):
        return None
    spelt = frozenset(tokenizer.init_kwargs.get(SPELT, ()))
    found = []
    for report in reports:
        encoding = tokenizer(report, add_special_tokens=False, verbose=False).encodings[0]
        pieces: dict[int, list[int]] = {}
        spans: dict[int, list[int]] = {}
        for number, word, span in zip(
            encoding.ids, encoding.word_ids, encoding.offsets, strict=True
        ):
            pieces.setdefault(word, []).append(number)
            spans.setdefault(word, []).extend(span)
        words = {w: report[min(ends) : max(ends)].lower() for w, ends in spans.items()}
        lettered = [w for w, text in words.items() if _is_word(text)]
        lost = [
            w
            for w in lettered
            if (len(pieces[w]) > 1 or pieces[w][0] == tokenizer.unk_token_id)
            and words[w] not in spelt
        ]
        found.append((len(lost), len(lettered)))
    return found


def _is_word(text: str) -> bool:
    """Whether it has a letter and no digit: "8cm" and "49m" are numbers."""
    return any(c.isalpha() for c in text) and not any(c.isdigit() for c in text)


def refuse_unknown(
    tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str], *, name: str = "T"
) -> None:
    """Raise InputError for a text without any known word: it would condition on nothing.

    Texts are named by ``name`` and their position, never quoted.
    """
    for i, (lost, words) in enumerate(unknown_words(tokenizer, reports) or []):
        if lost == words:
            raise InputError(
                f"{name}: {texts_at([i], reports)} has no word that the checkpoint was trained on: "
                "write it in radiology's English, or load a checkpoint that was trained on such "
                "text"
            )


def text_doubts(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[str]:
    """A line on texts with unknown words, if there are any."""
    counts = unknown_words(tokenizer, reports) or []
    partly = [(i, lost, words) for i, (lost, words) in enumerate(counts) if lost]
    if not partly:
        return []
    which = texts_at([i for i, _, _ in partly], reports)
    _, lost, words = partly[0]
    return [
        f"T: {which} has words that this checkpoint was not trained on, {lost} of {words}: what "
        "they say may be missed"
    ]


def texts_at(places: Sequence[int], reports: Sequence[str]) -> str:
    """The first of some texts by its number, from 1, and how many more; never their words."""
    which = "the text" if len(reports) == 1 else f"text {places[0] + 1} of {len(reports)}"
    return f"{which} (and {len(places) - 1} more)" if len(places) > 1 else which


def picture_doubts(
    familiarity: Familiarity | None, view: Modality, vectors: Tensor, errors: Tensor | None = None
) -> list[str]:
    """Lines on pictures given as one view that are unlike the training's, or of the other view.

    ``vectors`` [B, D] are their prompt vectors, ``errors`` [B] the autoencoder's. Of many pictures
    a few are beyond the limit by chance: they are told of where they are more than that, or one is
    ``CLEARLY`` beyond it.
    """
    if familiarity is None:
        return []
    lines, distances = [], familiarity.distances(vectors, errors)
    far, farthest = int((distances > 1).sum()), float(distances.max())
    if far and (farthest > CLEARLY or _beyond_chance(far, len(vectors), familiarity.false_alarms)):
        which, does, _ = _pictures(far, len(vectors))
        lines.append(
            f"{view}: {which} {does} not look like this checkpoint's training pictures (distance "
            f"{farthest:.1f} of the limit, which {familiarity.false_alarms:.1%} of "
            "those pass too): the output says little about it"
        )
    turned = int((familiarity.of_the_other_view(view, vectors) & (distances <= 1)).sum())
    if _beyond_chance(turned, len(vectors), familiarity.false_alarms):
        which, _, looks = _pictures(turned, len(vectors))
        name = "a lateral" if view is Modality.F else "a frontal"
        other = Modality.L if view is Modality.F else Modality.F
        lines.append(
            f"{view}: {which} {looks} like {name} view ({familiarity.false_alarms:.1%} of this "
            f"checkpoint's training pictures do too): give it as {other} if it is one"
        )
    return lines


def _beyond_chance(count: int, of: int, share: float) -> bool:
    """Whether so many of ``of`` pictures would seldom be beyond a limit that ``share`` pass."""
    fewer = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count))
    return 1 - fewer < SELDOM


def _pictures(count: int, of: int) -> tuple[str, str, str]:
    which = "the picture" if of == 1 else f"{count} of {of} pictures"
    return which, *(("does", "looks") if count == 1 else ("do", "look"))


class Doubts:
    """Warns of inputs outside the training; of each kind once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def told(self, kind: str) -> bool:
        """Whether something of this kind was told already."""
        return kind in self._told

    def tell(self, kind: str, lines: Sequence[str]) -> None:
        """Warn of ``lines``, unless something of this kind was told already."""
        if lines and kind not in self._told:
            self._told.add(kind)
            for line in lines:
                warnings.warn(line, OutsideTrainingWarning, stacklevel=2)
