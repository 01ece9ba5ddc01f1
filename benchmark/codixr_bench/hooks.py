"""What a model may ask for beside ``generate``: optional, explicit, and off for ordinary models.

An ordinary model sees its task's inputs and a seed a study, nothing else. Reference points need
more: the training split (``constant``, ``retrieval``, ``noise``), or the truth itself (``real``).
They get it through these two protocols only; the truth has one door, and it says so in the result.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr_bench.model import GenerativeModel, Sample
from codixr_bench.task import Task

Setting = str | int | float | bool | None


@runtime_checkable
class LearnsFromTrack(Protocol):
    """A model that is fitted to the track's training split before it generates."""

    def prepare(self, train: StudyDataset | None, task: Task) -> None:
        """Called before the first ``generate`` of a task.

        ``train`` is the training split (its first ``train_limit`` studies, where the model has
        that attribute), or None on a track that has no training studies.
        """
        ...


@runtime_checkable
class SeesTruth(Protocol):
    """A reference point that is given the evaluated studies themselves: the upper reference."""

    def reproduce(self, studies: Sequence[Study], task: Task) -> list[Sample]:
        """Called in place of ``generate``: one sample a study, from its own outputs."""
        ...


@runtime_checkable
class SizesPictures(Protocol):
    """A model that makes pictures of any size, and is told which one the track evaluates."""

    def use_image_size(self, side: int | None) -> None:
        """Called before anything else of a run; None where the track takes any size."""
        ...


@runtime_checkable
class UsesDevice(Protocol):
    """A model that computes with torch, and is told where and in what type."""

    def use_device(self, device: str, dtype: str) -> None:
        """Called before anything is generated.

        ``device`` is one that is here: ``cpu``, ``cuda``, ``cuda:1``, ``mps``. ``dtype`` is
        ``float32``, ``bfloat16``, ``float16``, or ``auto``, which leaves it to the model. What is
        used in place of float32 has to stand among the model's ``settings``.
        """
        ...


@runtime_checkable
class TellsProgress(Protocol):
    """A model whose batches take minutes: it says how far it is within one."""

    def tell_progress(self, done: Callable[[int, int], None]) -> None:
        """Called before the first ``generate``: call ``done(steps so far, of how many)``."""
        ...


@runtime_checkable
class ChecksTrack(Protocol):
    """A model that fits some tracks only, and says so before anything of a run is made."""

    def check_track(self, name: str, image_size: int | None, *, simulated: bool) -> None:
        """InputError, with the cure, for a track that the model can't serve.

        ``image_size`` is the side of the track's square pictures, or None where it takes any;
        ``simulated`` is True where its studies are simulated, of no patient.
        """
        ...


def settings_of(model: GenerativeModel) -> dict[str, Setting]:
    """The model's generation settings (``model.settings``), e.g. steps and guidance; or none."""
    settings = getattr(model, "settings", None)
    return dict(settings) if isinstance(settings, Mapping) else {}


def checkpoint_of(model: GenerativeModel) -> str | None:
    """The sha256 of the model's checkpoint (``model.checkpoint_sha256``), or None."""
    digest = getattr(model, "checkpoint_sha256", None)
    return digest if isinstance(digest, str) else None


def uses_conditions(model: GenerativeModel) -> bool:
    """False for a model that declares ``uses_conditions = False``: it ignores its inputs."""
    return bool(getattr(model, "uses_conditions", True))


def uses_seeds(model: GenerativeModel) -> bool:
    """False for a model that declares ``uses_seeds = False``: it draws nothing at random."""
    return bool(getattr(model, "uses_seeds", True))


def needs_training(model: GenerativeModel) -> bool:
    """True for a model that declares ``needs_training``: it cannot run without training studies."""
    return bool(getattr(model, "needs_training", False))


def train_limit(model: GenerativeModel) -> int | None:
    """How many training studies the model asks for (``model.train_limit``); None for all."""
    limit = getattr(model, "train_limit", None)
    return limit if isinstance(limit, int) else None
