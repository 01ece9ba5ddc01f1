"""``--task L+T->F`` without quotes: the shell took ``>F`` for a redirection; run what was meant.

Bash turns ``codixr-bench run --task L+T->F --model codixr`` into the task ``L+T-`` with standard
output in a new file ``F``. That is recognised when nothing else fits: standard output is an empty
regular file in the working directory, opened by ``>``, whose name is a set of modalities. The file
is removed, the table goes to the terminal. In any other case nothing is touched, and the task that
ends in ``-`` is refused with a line on quoting.
"""

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.runs.processes import current_processes
from codixr_bench.task import Task

_STDOUT = 1


@dataclass(frozen=True, slots=True)
class Redirection:
    """What the shell took away: the task meant, and the empty file that stands for its outputs."""

    task: Task
    file: Path

    @property
    def advice(self) -> str:
        """One line on how to quote."""
        return (
            f"your shell read '>{self.file.name}' as a redirection; the empty file "
            f"'{self.file.name}' is removed. Quote the task: --task '{self.task}' "
            f"(or write --task {self.task.folder})"
        )


def recover(argv: Sequence[str]) -> tuple[list[str], Redirection | None]:
    """The arguments that were meant, and what was recovered; None where nothing was lost.

    Raises InputError, with a line on quoting, for a task that ends in ``-`` in any other case.
    """
    where = _task_argument(argv)
    if where is None:
        return list(argv), None
    index, prefix, spelled = where
    file = _modality_file()
    if file is None or current_processes().size > 1:
        Task.parse(spelled)  # says how to quote
        raise InputError(f"task '{spelled}' ends in '-'; quote it, e.g. --task 'L+T->F'")
    task = Task.parse(f"{spelled}>{file.name}")
    meant = [*argv[:index], f"{prefix}{task.name}", *argv[index + 1 :]]
    return meant, Redirection(task, file)


def undo(redirection: Redirection) -> TextIO:
    """Remove the empty file, point standard output at the terminal, and return that stream.

    Without a terminal the table goes to stderr. Nothing is removed when the file is not the empty
    one any more.
    """
    if _modality_file() == redirection.file:
        redirection.file.unlink()
    try:
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        os.dup2(2, _STDOUT)
        return sys.stderr
    sys.stdout.flush()
    os.dup2(terminal, _STDOUT)
    os.close(terminal)
    return sys.stdout


def _task_argument(argv: Sequence[str]) -> tuple[int, str, str] | None:
    """(index, what stands before the value, the value) of a ``--task`` value that ends in ``-``."""
    for index, argument in enumerate(argv):
        if argument.startswith("--task="):
            value = argument.removeprefix("--task=")
            prefix = "--task="
        elif index > 0 and argv[index - 1] == "--task":
            value, prefix = argument, ""
        else:
            continue
        if value.endswith("-") and len(value) > 1:
            return index, prefix, value
    return None


def _modality_file() -> Path | None:
    """The file in the working directory that standard output is, if it can only be a mistake.

    Found by its inode, so that it works without ``/proc``: regular, empty, opened by ``>`` and not
    by ``>>``, with one name, which is a set of modalities.
    """
    if sys.platform == "win32":
        return None  # its shells tell no one how a file was opened
    import fcntl

    try:
        status = os.fstat(_STDOUT)
        flags = fcntl.fcntl(_STDOUT, fcntl.F_GETFL)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size or status.st_nlink != 1:
        return None
    if flags & os.O_APPEND:
        return None
    for entry in os.scandir("."):
        if _is_modality_set(entry.name) and os.path.samestat(
            status, entry.stat(follow_symlinks=False)
        ):
            return Path(entry.name)
    return None


def _is_modality_set(name: str) -> bool:
    letters = [letter.upper().replace("R", "T") for letter in name.split("+")]
    return all(letter in tuple(Modality) for letter in letters)
