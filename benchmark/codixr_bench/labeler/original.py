"""The original labeler, where somebody has a working installation of it: a process of its own.

HOME is a checkout of stanfordmlgroup/chexpert-labeler (its ``label.py``). NegBio may lie beside it
in ``HOME/NegBio``, as its instructions say, or be installed. The interpreter is ``--python``, or
HOME's own environment (``.venv``, ``venv``, ``env``), or the first ``python`` on the path.

Notable:
- Reports travel in a temporary folder that only this user can read, and is removed. What the
  original prints is shown by length only: its errors may quote a report.
- It crashes on an empty cell: an empty report is handed over as a full stop, which mentions
  nothing either.
"""

import csv
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.labeler.label_files import open_labels
from codixr_bench.labeler.labels import Labels

_RULES = ("phrases", "patterns", "stages", "loader")


class OriginalLabeler:
    """Runs ``label.py`` of an installation; InputError when it is none, or fails."""

    name = "chexpert-original"
    tells_absent = True
    starts_slowly = True
    """Its parser takes many seconds to load: it is given all reports at once."""

    def __init__(self, home: Path, python: Path | None = None) -> None:
        self.home = home.resolve()
        if not (self.home / "label.py").is_file():
            raise InputError(
                f"--home '{home}' has no label.py: it must be a checkout of chexpert-labeler"
            )
        self.python = _interpreter(self.home, python)
        self.version = _fingerprint(self.home)

    def label(self, reports: Sequence[str]) -> list[Labels]:
        """The labels of each report; one run of the original for all of them."""
        if not reports:
            return []
        with tempfile.TemporaryDirectory(prefix="codixr-label-") as folder:
            source, target = Path(folder) / "reports.csv", Path(folder) / "labels.csv"
            with source.open("w", newline="", encoding="utf-8", errors="replace") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                    [report if report.strip() else "."] for report in reports
                )
            self._run(source, target)
            return _read(target, len(reports))

    def _run(self, source: Path, target: Path) -> None:
        command = [str(self.python), "label.py", "--reports_path", str(source)]
        command += ["--output_path", str(target)]
        paths = [str(self.home / "NegBio"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:
            done = subprocess.run(
                command, cwd=self.home, env=environment, capture_output=True, check=False
            )
        except OSError as error:
            raise InputError(f"cannot run '{self.python}': {error.strerror or error}") from error
        if done.returncode or not target.is_file():
            raise InputError(
                f"the original labeler in '{self.home}' stopped with code {done.returncode} "
                f"({len(done.stderr):,} bytes on its stderr, not shown: they may quote reports); "
                "run its own `python label.py --reports_path sample_reports.csv` to see why"
            )


def _interpreter(home: Path, python: Path | None) -> Path:
    if python is not None:
        return python
    for folder in (".venv", "venv", "env"):
        if (own := home / folder / "bin" / "python").is_file():
            return own
    if found := shutil.which("python") or shutil.which("python3"):
        return Path(found)
    raise InputError(
        f"no python to run the original labeler with: make its environment '{home / '.venv'}', "
        "or give `label` one with --python"
    )


def _fingerprint(home: Path) -> str:
    """Eight digits of the sha256 of its phrases, patterns and stages: what decides its labels."""
    total = hashlib.sha256()
    for path in sorted(p for folder in _RULES for p in (home / folder).rglob("*") if p.is_file()):
        if path.suffix in (".txt", ".py"):
            total.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:8]


def _read(path: Path, expected: int) -> list[Labels]:
    try:
        labels = [labels for _, labels in open_labels(path).rows()]
    except InputError as error:
        raise InputError(f"the original labeler's output cannot be read: {error}") from error
    if len(labels) != expected:
        raise InputError(f"the original labeler gave {len(labels)} rows for {expected} reports")
    return labels
