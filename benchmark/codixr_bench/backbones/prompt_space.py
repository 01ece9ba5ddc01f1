"""The space in which ``clip_agreement`` compares outputs: the embedded checkpoint's prompt encoder.

It was trained on simulated studies, contrastively over F, L and T, and it also conditions the
embedded model: read ``clip_agreement`` beside the scores of the judges, which do not.
"""

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codixr.modality import Modality
from codixr_bench.backbones.placement import device, placed
from codixr_bench.model import Content

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline

_BATCH = 64
_REMEMBERED = 64
"""Batches: the court shows one output with a hundred faults, and its partner is the same each time.
"""
_seen: OrderedDict[tuple[object, ...], NDArray[np.float64]] = OrderedDict()


class PromptSpace:
    """Unit vectors of one modality; a ``Reader``."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality

    @property
    def signature(self) -> str:
        """E.g. ``codixr-tiny|weights:ab12cd34``: of the prompt encoder's weights alone."""
        return f"codixr-tiny|weights:{_weights_digest()[:8]}"

    def read(self, contents: Sequence[Content]) -> NDArray[np.float64]:
        """Pictures or reports -> [B, D].

        A report without one known word says nothing and agrees with nothing: the zero vector.
        Raises InputError for pictures of another size or range.
        """
        batches = [contents[i : i + _BATCH] for i in range(0, len(contents), _BATCH)]
        return np.concatenate([self._vectors(batch) for batch in batches])

    def _vectors(self, batch: Sequence[Content]) -> NDArray[np.float64]:
        if self.modality.is_image:
            return self._encoded(batch)
        reports = [str(report) for report in batch]
        width = self._encoded([""]).shape[1]
        found = np.zeros((len(reports), width))
        known = _known_words(reports)
        said = [i for i, report in enumerate(reports) if report.strip() and known[i]]
        if said:
            found[said] = self._encoded([reports[i] for i in said])
        return found

    def _encoded(self, contents: Sequence[Content]) -> NDArray[np.float64]:
        """The vectors of a batch: from memory, or by the encoder."""
        key = (self.modality, id(_pipeline()), str(device()), *map(_digest, contents))
        if None in key:
            return self._encoded_anew(contents)
        if key not in _seen:
            _seen[key] = self._encoded_anew(contents)
        _seen.move_to_end(key)
        if len(_seen) > _REMEMBERED:
            _seen.popitem(last=False)
        return _seen[key].copy()

    def _encoded_anew(self, contents: Sequence[Content]) -> NDArray[np.float64]:
        import torch
        from torch.nn import functional

        from codixr.model.familiarity import OutsideTrainingWarning

        with torch.inference_mode(), warnings.catch_warnings():
            # What a model wrote is judged, not doubted: strange words agree with little.
            warnings.simplefilter("ignore", OutsideTrainingWarning)
            pipeline = placed(_pipeline())
            vectors, _ = pipeline.encode_prompts([{self.modality: c} for c in contents])
            flat = vectors.double().cpu().reshape(len(contents), -1)
            unit: NDArray[np.float64] = functional.normalize(flat, dim=-1).numpy()
        return unit


def _digest(content: Content) -> bytes | None:
    """Of a report or a picture of numbers; None for what can't be told by its bytes."""
    if isinstance(content, str):
        return hashlib.sha256(content.encode(errors="surrogatepass")).digest()
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "fu":
        return None
    digest = hashlib.sha256(f"{content.dtype} {content.shape}".encode())
    digest.update(np.ascontiguousarray(content).data)
    return digest.digest()


def _known_words(reports: Sequence[str]) -> list[bool]:
    """Whether each report has a word that the encoder knows."""
    from codixr.model.familiarity import unknown_words

    counts = unknown_words(_pipeline().tokenizer, reports)
    return [True] * len(reports) if counts is None else [lost < words for lost, words in counts]


@lru_cache(maxsize=1)
def _pipeline() -> "CoDiXRPipeline":
    from codixr.model.pipeline import CoDiXRPipeline

    return CoDiXRPipeline.from_pretrained()


@lru_cache(maxsize=1)
def _weights_digest() -> str:
    """sha256 over the prompt encoder's parameters, in the order of their names."""
    digest = hashlib.sha256()
    state = _pipeline().prompt_encoder.state_dict()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].float().cpu().numpy().tobytes())
    return digest.hexdigest()
