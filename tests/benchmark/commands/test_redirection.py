"""The shell's side of ``--task L+T->F``: real shells, real files."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench.commands.redirection import recover

BASH = shutil.which("bash") or "/bin/sh"
SCRIPT = """
import sys
from codixr.errors import InputError
from codixr_bench.commands.redirection import recover, undo
try:
    arguments, found = recover(sys.argv[1:])
except InputError as error:
    print("ERROR", error, file=sys.stderr)
    sys.exit(2)
stream = undo(found) if found else sys.stdout
print("MEANT", *arguments, file=stream)
if found:
    print("NOTE", found.advice, file=sys.stderr)
"""


@pytest.fixture
def command(tmp_path: Path) -> str:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return f"{sys.executable} {script}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line without a controlling terminal."""
    return subprocess.run(
        [BASH, "-c", line],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        env=os.environ | variables,
    )


@pytest.mark.parametrize(
    ("typed", "task", "file"),
    [
        ("--task L+T->F --model codixr", "L+T->F", "F"),
        ("--model codixr --task L+T->F", "L+T->F", "F"),
        ("--task=L+T->F", "L+T->F", "F"),
        ("--task T->F+L --limit 3", "T->F+L", "F+L"),
        ("--task L->T", "L->T", "T"),
        ("--task f->l+t", "F->L+T", "l+t"),
        ("--task L+T- > F", "L+T->F", "F"),
    ],
)
def test_an_unquoted_task_is_the_task_that_was_meant(
    command: str, folder: Path, typed: str, task: str, file: str
) -> None:
    done = shell(f"{command} run {typed}", folder)
    assert done.returncode == 0, done.stderr
    assert task in done.stderr.splitlines()[0]
    assert "MEANT run" in done.stderr.splitlines()[0], "without a terminal, the table is on stderr"
    assert f"--task '{task}'" in done.stderr.splitlines()[1]
    assert not (folder / file).exists(), "the empty file is removed"


def test_other_arguments_survive(command: str, folder: Path) -> None:
    done = shell(f"{command} run --task L+T->F --model codixr --limit 64", folder)
    assert done.stderr.startswith("MEANT run --task L+T->F --model codixr --limit 64\n")


def test_with_a_terminal_the_table_goes_there(command: str, folder: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(BASH, [BASH, "-c", f"{command} run --task L+T->F 2> notes.txt"])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"MEANT run --task L+T->F" in shown
    assert "Quote the task" in (folder / "notes.txt").read_text()
    assert not (folder / "F").exists()


@pytest.mark.parametrize(
    "line",
    [
        "{command} run --task L+T- > other.txt",
        "{command} run --task L+T- > Fx",
        "{command} run --task L+T- > sub/F",
        "{command} run --task L+T- >> F",
        "{command} run --task L+T- | cat",
        "{command} run --task L+T- > /dev/null",
        ": > F; ln F G; {command} run --task L+T- > F",
        ": > real.txt; ln -s real.txt F; {command} run --task L+T- > F",
        "{{ echo kept; {command} run --task L+T-; }} > F",
        "echo kept > F; {command} run --task L+T- >> F",
    ],
)
def test_any_other_case_is_refused_with_the_quoting_and_touches_nothing(
    command: str, folder: Path, line: str
) -> None:
    (folder / "sub").mkdir()
    done = shell("set -o pipefail; " + line.format(command=command), folder)
    assert done.returncode == 2
    assert "quote it: --task 'L+T->F'" in done.stderr
    assert "MEANT" not in done.stdout + done.stderr
    kept = folder / "F"
    if "kept" in line:
        assert kept.read_text() == "kept\n"


def test_several_processes_do_not_guess(command: str, folder: Path) -> None:
    done = shell(f"{command} run --task L+T->F", folder, WORLD_SIZE="2", RANK="1")
    assert done.returncode == 2
    assert (folder / "F").exists()


def test_the_task_still_has_to_make_sense(command: str, folder: Path) -> None:
    done = shell(f"{command} run --task F->F", folder)
    assert done.returncode == 2
    assert "inputs and outputs must differ" in done.stderr


def test_quoted_tasks_pass_through_untouched() -> None:
    arguments = ["run", "--task", "L+T->F", "--out", "a-", "--model", "x-"]
    assert recover(arguments) == (arguments, None)
    assert recover(["tasks"]) == (["tasks"], None)
    assert recover(["run", "--task"]) == (["run", "--task"], None)


def test_a_task_that_ends_in_a_dash_explains_quoting() -> None:
    with pytest.raises(InputError, match="your shell read '>' as a redirection"):
        recover(["run", "--task", "L+T-"])
