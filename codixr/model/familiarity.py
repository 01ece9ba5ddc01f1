"""Whether a text or a picture is like what a checkpoint was trained on; a warning where it isn't.

A text: words that the tokenizer has to cut up, as no training text had them. A picture: how far its
prompt vector lies from the subspace in which the training pictures' vectors vary (the residual of
a principal component analysis), against a limit that a stated share of held-out training pictures
passes. The subspace stands in ``familiarity.safetensors`` beside the checkpoint's components.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
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

FILE = "familiarity.safetensors"
DIRECTIONS = 48
"""Of the subspace. Fewer leave training pictures outside, more take in what is not one."""
FALSE_ALARMS = 0.005
"""Share of held-out training pictures beyond the limit."""


class OutsideTrainingWarning(UserWarning):
    """An input that is not like what the checkpoint was trained on: its output means little."""


@dataclass(frozen=True)
class Familiarity:
    """The subspace of a checkpoint's training pictures, in its prompt encoder's space."""

    mean: Tensor
    """[D]"""
    directions: Tensor
    """[D, k], orthonormal."""
    limit: float
    false_alarms: float

    def distances(self, vectors: Tensor) -> Tensor:
        """Of prompt vectors [B, D] of pictures, as shares of the limit: above 1 is outside."""
        away = vectors.detach().cpu().double() - self.mean.double()
        inside = away @ self.directions.double()
        residual = away.square().sum(1) - inside.square().sum(1)
        return residual.clamp(min=0).sqrt() / self.limit

    @classmethod
    def measure(cls, training: Tensor, held_out: Tensor, share: float = FALSE_ALARMS) -> Self:
        """From vectors [n, D] of training pictures, and of others like them for the limit."""
        mean = training.double().mean(0)
        _, vectors = torch.linalg.eigh(torch.cov(training.double().T))
        # Rounded as they will be stored, so that the limit is theirs.
        kept = vectors.flip(1)[:, :DIRECTIONS].half().contiguous()
        made = cls(mean.half(), kept, 1.0, share)
        limit = float(torch.quantile(made.distances(held_out), 1 - share))
        return cls(made.mean, made.directions, limit, share)

    def save(self, folder: Path) -> None:
        """Write ``folder/familiarity.safetensors``."""
        # One entry: safetensors writes several in an order of its own, and bits would differ.
        numbers = {"numbers": json.dumps({"limit": self.limit, "false_alarms": self.false_alarms})}
        write_tensors(folder / FILE, {"mean": self.mean, "directions": self.directions}, numbers)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """That of a checkpoint; None where it has none. InputError for a damaged one."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                entries = file.metadata()
                tensors = {name: file.get_tensor(name) for name in ("mean", "directions")}
            numbers = json.loads(entries["numbers"]) if "numbers" in entries else entries
            limit, share = (float(numbers[key]) for key in ("limit", "false_alarms"))
            return cls(tensors["mean"], tensors["directions"], limit, share)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None


def unknown_words(
    tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]
) -> list[tuple[int, int]] | None:
    """Of each report, its (unknown words, words); None for a tokenizer of no closed vocabulary.

    A word has a letter in it. It is unknown where it is no token of its own.
    """
    if tokenizer.unk_token_id is None or not tokenizer.init_kwargs.get("whole_words"):
        return None
    found = []
    for report in reports:
        encoding = tokenizer(report, add_special_tokens=False, verbose=False).encodings[0]
        text = report
        pieces: dict[int, list[int]] = {}
        lettered = set()
        for number, word, (start, end) in zip(
            encoding.ids, encoding.word_ids, encoding.offsets, strict=True
        ):
            pieces.setdefault(word, []).append(number)
            if any(letter.isalpha() for letter in text[start:end]):
                lettered.add(word)
        lost = [w for w in lettered if len(pieces[w]) > 1 or pieces[w][0] == tokenizer.unk_token_id]
        found.append((len(lost), len(lettered)))
    return found


def refuse_unknown(
    tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str], *, name: str = "T"
) -> None:
    """Raise InputError for a text without any known word: it would condition on nothing.

    Texts are named by ``name`` and their position, never quoted.
    """
    for i, (lost, words) in enumerate(unknown_words(tokenizer, reports) or []):
        if lost == words:
            raise InputError(
                f"{name}: {_which(i, reports)} has no word that the checkpoint was trained on: "
                "write it in radiology's English, or load a checkpoint that was trained on such "
                "text"
            )


def text_doubts(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[str]:
    """A line on texts with unknown words, if there are any."""
    counts = unknown_words(tokenizer, reports) or []
    partly = [(i, lost, words) for i, (lost, words) in enumerate(counts) if lost]
    if not partly:
        return []
    i, lost, words = partly[0]
    more = f" (and {len(partly) - 1} more)" if len(partly) > 1 else ""
    return [
        f"T: {_which(i, reports)}{more} has words that this checkpoint was not trained on, {lost} "
        f"of {words}: what they say may be missed"
    ]


def _which(i: int, reports: Sequence[str]) -> str:
    return "the text" if len(reports) == 1 else f"text {i} of {len(reports)}"


def picture_doubts(familiarity: Familiarity | None, view: Modality, vectors: Tensor) -> list[str]:
    """A line on pictures of one view, of prompt vectors [B, D], that are unlike the training's."""
    if familiarity is None:
        return []
    distances = familiarity.distances(vectors)
    far = int((distances > 1).sum())
    if not far:
        return []
    which = "the picture" if len(vectors) == 1 else f"{far} of {len(vectors)} pictures"
    verb = "does" if far == 1 else "do"
    return [
        f"{view}: {which} {verb} not look like this checkpoint's training pictures (distance "
        f"{float(distances.max()):.1f} of the limit, which {familiarity.false_alarms:.1%} of those "
        "pass too): the output says little about it"
    ]


class Doubts:
    """Warns of inputs outside the training; of each kind once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, kind: str, lines: Sequence[str]) -> None:
        """Warn of ``lines``, unless something of this kind was told already."""
        if lines and kind not in self._told:
            self._told.add(kind)
            for line in lines:
                warnings.warn(line, OutsideTrainingWarning, stacklevel=2)
