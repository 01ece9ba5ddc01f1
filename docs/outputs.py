"""``make docs-outputs``: every output that a document shows is what its command prints.

A block of output stands between two comments::

    <!-- output: codixr-bench tasks -->
    ```text
    …
    ```
    <!-- /output -->

This runs each command in an empty folder, 80 columns wide, without colour, and writes what it
prints on standard output into the block. A test (``tests/test_docs.py``) compares the two.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
MODULES = {"codixr": "codixr.cli", "codixr-bench": "codixr_bench.cli"}
_BLOCK = re.compile(
    r"^<!-- output: (?P<command>.+?) -->\n```text\n(?P<text>.*?)^```\n<!-- /output -->$",
    re.MULTILINE | re.DOTALL,
)
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+")


def shown(page: Path) -> Iterator[tuple[str, str]]:
    """(command, output) of every marked block of a page."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield found["command"], found["text"]


def printed(command: str) -> str:
    """What the command prints on standard output; RuntimeError with its stderr when it fails."""
    program, *arguments = shlex.split(command)
    settings = {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", MODULES[program], *arguments],
            cwd=folder,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    if done.returncode != 0:
        raise RuntimeError(f"`{command}` ends with {done.returncode}:\n{done.stderr}")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def differences(old: str, new: str) -> list[str]:
    """Lines that differ by more than a number's last decimal (another processor's rounding)."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) != len(after):
        return [f"{len(before)} lines, and {len(after)} now"]
    return [f"- {a}\n+ {b}" for a, b in zip(before, after, strict=True) if not _same_line(a, b)]


def _same_line(old: str, new: str) -> bool:
    words = [_NUMBER.sub("#", line).split() for line in (old, new)]
    numbers = [_NUMBER.findall(line) for line in (old, new)]
    return words[0] == words[1] and all(
        a == b or (0 < _decimals(a) == _decimals(b) and abs(_value(a) - _value(b)) < _unit(a))
        for a, b in zip(*numbers, strict=True)
    )


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _unit(number: str) -> float:
    return 1.01 * 10.0 ** -_decimals(number)


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def main() -> int:
    """Write every marked block anew; prints the pages that changed."""
    made: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command, _ in shown(page):
            if command not in made:
                print(f"docs: {command}", file=sys.stderr)
                made[command] = printed(command)
        new = _BLOCK.sub(
            lambda m: (
                f"<!-- output: {m['command']} -->\n```text\n{made[m['command']]}```\n"
                "<!-- /output -->"
            ),
            text,
        )
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
