"""What a contract found wrong, in plain words."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "interface",
    "crash",
    "count",
    "sample",
    "blank picture",
    "empty report",
    "inputs changed",
    "not reproducible",
    "batch-dependent",
    "seeds ignored",
    "condition ignored",
    "name",
    "range",
    "interval",
    "signature",
    "merge",
    "statistics",
    "influence",
    "direction",
    "JSON",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a model does wrong."""

    kind: Kind
    task: str
    """Empty where it is not about a task."""
    what: str

    def __str__(self) -> str:
        return f"{self.task}: {self.what}" if self.task else self.what


@dataclass(frozen=True)
class Report:
    """What ``check_model`` or ``check_metric`` found."""

    name: str
    """Of what was tried."""
    tasks: tuple[str, ...]
    """The tasks that were tried."""
    faults: tuple[Fault, ...]
    what: Literal["model", "metric"] = "model"

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def __str__(self) -> str:
        tried = f"{self.what} '{self.name}' on {', '.join(self.tasks) or 'no task'}"
        if self.passed:
            return f"{tried}: does what the benchmark asks"
        lines = [f"- {fault}" for fault in self.faults]
        plural = "s" if len(lines) > 1 else ""
        return "\n".join([f"{tried}: {len(lines)} fault{plural}", *lines])
