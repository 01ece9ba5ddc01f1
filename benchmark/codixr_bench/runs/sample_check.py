"""What a model is given of a study, and whether what it gives back is what the task asks for."""

from collections.abc import Mapping

import numpy as np

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.task import Task


def conditions_of(study: Study, task: Task, position: int, *, needed: bool = True) -> Conditions:
    """The task's inputs of one study, and nothing else of it.

    Raises InputError, naming the position, for a study that lacks an input; unless ``needed`` is
    False: then the conditions lack it too.
    """
    conditions: dict[Modality, Content] = {}
    for modality in task.inputs:
        content = study.get(modality)
        if content is not None:
            conditions[modality] = content
        elif needed:
            raise InputError(
                f"the study at position {position} has no {modality}, which '{task}' is given"
            )
    return conditions


def check_sample(
    sample: Sample, task: Task, position: int, image_size: int | None, model_name: str
) -> None:
    """InputError, naming the position, for a sample that is not what ``task`` asks for.

    Pictures have to be float32 [1, S, S], finite, in [0, 1]; reports are text, maybe empty.
    """
    fault = fault_of(sample, task, image_size)
    if fault is not None:
        raise InputError(
            f"model '{model_name}', '{task}': its sample at position {position} {fault}"
        )


def fault_of(sample: object, task: Task, image_size: int | None) -> str | None:
    """What is wrong with a sample, to follow "the sample …"; None where nothing is."""
    if not isinstance(sample, Mapping):
        return f"is a {type(sample).__name__}, not a mapping of modalities"
    if set(sample) != set(task.outputs):
        known = [m.value for m in Modality if m in sample]
        other = ["other keys"] if len(known) < len(sample) else []  # they may quote a study
        got = " and ".join(["+".join(known), *other] if known else other) or "nothing"
        return f"holds {got} instead of {'+'.join(task.outputs)}"
    for modality in task.outputs:
        fault = _content_fault(sample[modality], modality, image_size)
        if fault is not None:
            return f"{fault} ({modality})"
    return None


def _content_fault(content: object, modality: Modality, image_size: int | None) -> str | None:
    if not modality.is_image:
        if not isinstance(content, str):
            return f"is a {type(content).__name__}, not text"
        try:
            content.encode()
        except UnicodeEncodeError:
            return "is text that cannot be written as UTF-8"
        return None
    if not isinstance(content, np.ndarray):
        return f"is a {type(content).__name__}, not a NumPy array"
    if content.dtype != np.float32:
        return f"has type {content.dtype}, not float32"
    side = image_size or (content.shape[-1] if content.ndim else 0)
    if content.shape != (1, side, side) or side == 0:
        return f"has shape {list(content.shape)}, not [1, {side or 'S'}, {side or 'S'}]"
    if not np.isfinite(content).all():
        return f"has {int((~np.isfinite(content)).sum())} values that are NaN or infinite"
    if content.min() < 0 or content.max() > 1:
        return f"has values from {content.min():.3g} to {content.max():.3g}, not in [0, 1]"
    return None
