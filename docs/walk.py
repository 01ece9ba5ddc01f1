"""Walk through a tutorial as its reader does: ``python docs/walk.py docs/tutorials/*.md``.

In an empty folder: a code block with ``title="NAME"`` becomes that file, the ``bash`` blocks run
one after another, and a ``text`` block under ``<!-- printed -->`` is what the ``bash`` block before
it prints. ``--write`` puts what they print into the page; a test
(``tests/test_docs_tutorials.py``) compares.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES = {"codixr": "codixr.cli", "codixr-bench": "codixr_bench.cli"}
_BLOCK = re.compile(
    r'^(?P<marked><!-- printed -->\n)?```(?P<language>\w+)(?: title="(?P<file>[^"]+)")?\n'
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SETTINGS = {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "LINES": "40"}


@dataclass(frozen=True)
class Step:
    """What a page shows as printed, and what was printed."""

    shown: str
    printed: str
    span: tuple[int, int]


def walk(page: Path, folder: Path) -> Iterator[Step]:
    """Do what the page says, in an empty folder; RuntimeError where a block fails."""
    programs = folder.parent / f"{folder.name}-bin"
    _write_programs(programs)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | _SETTINGS | {"PATH": path}
    printed = ""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["marked"]:
            yield Step(block["text"], printed, block.span("text"))
        elif block["file"]:
            file = folder / block["file"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block["text"], encoding="utf-8")
        elif block["language"] == "bash":
            printed = _run(block["text"], folder, environment, page)


def _run(script: str, folder: Path, environment: dict[str, str], page: Path) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{page.name} ends with {done.returncode}:\n{script}\n{done.stderr}")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def _write_programs(folder: Path) -> None:
    """The two commands as this Python runs them, whatever else is installed."""
    folder.mkdir()
    for program, module in MODULES.items():
        script = folder / program
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        script.chmod(0o755)


def main() -> int:
    """Walk through pages; with ``--write``, put what is printed into them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    parsed = parser.parse_args()
    for page in parsed.pages:
        print(page, file=sys.stderr)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "here"
            folder.mkdir()
            steps = list(walk(page, folder))
        text = page.read_text(encoding="utf-8")
        for step in reversed(steps):
            start, end = step.span
            if not parsed.write and step.shown != step.printed:
                print(step.printed)
            text = text[:start] + step.printed + text[end:]
        if parsed.write:
            page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
