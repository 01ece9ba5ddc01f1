"""A function as a model: it gets one study's conditions and returns what is to be made of them."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from codixr.modality import Modality
from codixr_bench.model import Conditions, Sample
from codixr_bench.task import Task


class PlainModel:
    """Calls ``function`` once a study.

    Args:
        function: takes conditions, and ``seed`` and ``task`` where it has such parameters; returns
            a picture, [H, W] or [1, H, W] in [0, 1], a text, or a mapping of modalities to them.
        name: in results; the function's own by default.
    """

    version = "0"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        own = getattr(function, "__name__", type(function).__name__)
        self.name = name or re.sub(r"\W+", "_", own).strip("_") or "function"
        self._function = function
        try:
            self._takes = set(inspect.signature(function).parameters) & {"seed", "task"}
        except (TypeError, ValueError):  # of some builtins there is none
            self._takes = set()
        self.uses_seeds = "seed" in self._takes
        """Otherwise its samples are taken to follow from the conditions alone."""

    def supports(self, task: Task) -> bool:
        """Any task: what the function returns is checked."""
        return True

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """One call a study; ValueError for an answer that doesn't say which output it is."""
        samples = []
        for inputs, seed in zip(conditions, seeds, strict=True):
            more = {"seed": seed, "task": task.name}
            answer = self._function(inputs, **{name: more[name] for name in self._takes})
            samples.append(_sample(answer, task))
        return samples


def _sample(answer: Any, task: Task) -> Sample:
    if not isinstance(answer, Mapping):
        if len(task.outputs) > 1:
            raise ValueError(f"'{task}' has several outputs: return a mapping of them")
        answer = {task.outputs[0]: answer}
    return {
        Modality(str(modality)): content if isinstance(content, str) else _picture(content)
        for modality, content in answer.items()
    }


def _picture(content: Any) -> Any:
    """float32 [1, H, W] of what is nearly that; anything else as it is, to be refused in words."""
    if not hasattr(content, "__array__"):
        return content
    picture = np.asarray(content)
    if not np.issubdtype(picture.dtype, np.floating):
        return picture
    picture = picture.astype(np.float32)
    return picture[None] if picture.ndim == 2 else picture
