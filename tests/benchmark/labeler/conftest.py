"""Reference labels and the reports they belong to; the agreement table at the end of a run.

The references lie outside the repository (``CODIXR_SHARED``, or ``../shared`` beside it).
"""

import csv
import os
import tarfile
import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from pathlib import Path

import pytest

from codixr.data.openi import find_archive

ROOT = Path(__file__).parents[3]
TABLE: list[str] = []


def shared(name: str) -> Path:
    folder = Path(os.environ.get("CODIXR_SHARED", ROOT.parent / "shared")) / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}: set CODIXR_SHARED")
    return folder


@lru_cache(maxsize=1)
def openi_roots() -> dict[str, ElementTree.Element]:
    """Report id -> its file's tree."""
    found = {}
    with tarfile.open(find_archive()) as archive:
        for member in archive:
            if member.name.endswith(".xml"):
                root = ElementTree.fromstring(archive.extractfile(member).read())
                found[root.find("uId").get("id")] = root
    return found


@lru_cache(maxsize=1)
def openi_sections() -> dict[str, dict[str, str]]:
    """Section -> report id -> text."""
    found: dict[str, dict[str, str]] = {"impression": {}, "findings": {}}
    for name, root in openi_roots().items():
        for section in root.iter("AbstractText"):
            kind = section.get("Label").lower()
            if kind in found and section.text and section.text.strip():
                found[kind][name] = section.text
    return found


def cells(values: list[str]) -> list[int | None]:
    return [None if value == "" else int(float(value)) for value in values]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def pytest_terminal_summary(terminalreporter):
    if TABLE:
        terminalreporter.section("agreement with the original's labels")
        for line in TABLE:
            terminalreporter.write_line(line)
