"""A task: which modalities a model is given, and which it has to make."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from codixr.errors import InputError
from codixr.modality import Modality

_ORDER = tuple(Modality)
_ARROW = re.compile(r"->|→|-to-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Task:
    """Inputs and outputs, e.g. ``L+T->F``: disjoint, the outputs not empty.

    The canonical name lists modalities in the order F, L, T: ``Task.parse("T+L→F").name`` is
    ``"L+T->F"``. Empty inputs (``"->F"``) are not a task of this benchmark.
    """

    inputs: tuple[Modality, ...]
    outputs: tuple[Modality, ...]

    @property
    def name(self) -> str:
        """The canonical name, e.g. ``L+T->F``."""
        return f"{'+'.join(self.inputs)}->{'+'.join(self.outputs)}"

    @property
    def folder(self) -> str:
        """The name as a folder that needs no quoting in a shell, e.g. ``L+T-to-F``."""
        return f"{'+'.join(self.inputs)}-to-{'+'.join(self.outputs)}"

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def of(inputs: Iterable[Modality], outputs: Iterable[Modality]) -> "Task":
        """A task from any order of modalities; InputError when it makes no sense."""
        given, made = tuple(inputs), tuple(outputs)
        spelled = f"{'+'.join(given)}->{'+'.join(made)}"
        for side in (given, made):
            if len(set(side)) != len(side):
                raise InputError(f"task '{spelled}' names a modality twice on one side")
        if not given or not made:
            side_name = "input" if not given else "output"
            raise InputError(f"task '{spelled}' has no {side_name}; an example: 'L+T->F'")
        if both := set(given) & set(made):
            names = ", ".join(sorted(both))
            raise InputError(
                f"task '{spelled}' asks to generate {names} from {names} itself: "
                "inputs and outputs must differ (see `codixr-bench tasks`)"
            )
        return Task(tuple(m for m in _ORDER if m in given), tuple(m for m in _ORDER if m in made))

    @staticmethod
    def parse(text: str) -> "Task":
        """Read ``L+T->F``, ``T+L→F``, ``l+t-to-f``; R is T, as in the paper.

        Raises InputError with the cure: among others for a ``>`` that the shell took.
        """
        sides = _ARROW.split(text.strip())
        if len(sides) != 2:
            if text.rstrip().endswith("-"):
                raise InputError(
                    f"task '{text}': your shell read '>' as a redirection; "
                    f"quote it: --task '{text}>F' (or write {text}to-F)"
                )
            raise InputError(
                f"task '{text}' is not of the form INPUTS->OUTPUTS, e.g. 'L+T->F'; "
                "groups: paper, joint, all (see `codixr-bench tasks`)"
            )
        return Task.of(*(_parse_side(side, text) for side in sides))


def _parse_side(side: str, task: str) -> list[Modality]:
    if not side.strip():
        return []
    modalities = []
    for part in side.split("+"):
        letter = part.strip().upper().replace("R", "T")
        if letter not in _ORDER:
            raise InputError(
                f"task '{task}': '{part.strip()}' is not a modality; "
                "F is frontal X-ray, L lateral X-ray, T (or R) report"
            )
        modalities.append(Modality(letter))
    return modalities


def _tasks(*names: str) -> tuple[Task, ...]:
    return tuple(Task.parse(name) for name in names)


PAPER_TASKS = _tasks("T->F", "L->F", "L+T->F", "T->L", "F->L", "F+T->L", "F->T", "L->T", "F+L->T")
"""The nine of the paper's Tables II to V."""
JOINT_TASKS = _tasks("T->F+L", "F->L+T", "L->F+T")
"""Two outputs at once (paper, section V)."""
GROUPS: dict[str, tuple[Task, ...]] = {
    "paper": PAPER_TASKS,
    "joint": JOINT_TASKS,
    "all": PAPER_TASKS + JOINT_TASKS,
}


def parse_tasks(text: str) -> tuple[Task, ...]:
    """One task, or the tasks of a group (``paper``, ``joint``, ``all``)."""
    group = GROUPS.get(text.strip().lower())
    return group if group is not None else (Task.parse(text),)
