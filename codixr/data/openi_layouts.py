"""Where a copy of OpenI's pictures has them: the collection's own names, Kaggle's, or R2Gen's.

Notable:
- The collection's: ``CXR1000_IM-0003-1001.png``, ``1000_IM-0003-1001.dcm``, in any folder. Kaggle's
  copy is of this kind: ``images/images_normalized/1000_IM-0003-1001.dcm.png``, with
  ``indiana_projections.csv`` (uid, filename, projection) beside it.
- R2Gen's: ``images/CXR2384_IM-0942/0.png``, with ``annotation.json`` (split → id, report,
  image_path). The picture k of a folder is the k-th that the examination's report names.
- Reports, labels and the split are the track's own in each: R2Gen's text (the findings) and split,
  and the text of ``indiana_reports.csv``, are not read.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codixr.errors import InputError

ANNOTATION, PROJECTIONS = "annotation.json", "indiana_projections.csv"
BY_PLACE = "a picture known by its place among the examination's (R2Gen's layout)"
BY_KAGGLE = "a view from indiana_projections.csv"
_NAME = re.compile(r"(?:CXR)?(\d+)(?:_\d+)?_IM-([\d-]+)(?:\.dcm)?\.(?:dcm|png|jpg)", re.IGNORECASE)
_FOLDER = re.compile(r"CXR(\d+)(?:_\d+)?_IM-(\d+)", re.IGNORECASE)
_PLACE = re.compile(r"(\d{1,2})\.(?:png|jpg|jpeg)", re.IGNORECASE)
_SUFFIXES = (".dcm", ".png", ".jpg", ".jpeg")
_LARGEST = 64 << 20

Key = tuple[int, str]
"""A report file's number, and the rest of a picture's name: 1000, 0003-1001."""


@dataclass(frozen=True)
class Copy:
    """What was found under a folder."""

    pictures: dict[Key, str]
    """Key → path under the folder; DICOM before PNG before JPEG."""
    by_place: frozenset[Key]
    """Those of R2Gen's layout."""
    views: dict[Key, str]
    """FRONTAL or LATERAL, as ``indiana_projections.csv`` has it."""
    tables: tuple[Path, ...]
    """Files of the copy that were read."""
    listed: int | None
    """Pictures that its tables name; None without a table."""
    missing: int
    """Of these, not there."""


def find_pictures(root: Path, names: Mapping[int, Sequence[str]]) -> Copy:
    """The pictures under ``root``, in any of the layouts.

    ``names``: a report file's number → its pictures' names, in its order. InputError: no folder, no
    picture, or a table of the copy that can't be read.
    """
    if not root.is_dir():
        raise InputError(
            f"--pictures: '{root}' is not a folder; give the one of your OpenI download"
        )
    ranked: dict[Key, tuple[int, str]] = {}
    by_place: set[Key] = set()
    for path in root.rglob("*"):
        placed = None
        if (key := key_of(path.name)) is None:
            key = placed = _placed(path, names)
        if key is None or not path.is_file():
            continue
        rank = (_SUFFIXES.index(path.suffix.lower()), path.relative_to(root).as_posix())
        if key not in ranked or rank < ranked[key]:
            ranked[key] = rank
            (by_place.add if placed else by_place.discard)(key)
    if not ranked:
        raise InputError(
            f"--pictures: no picture of OpenI under '{root}'; they are called like "
            "CXR1_1_IM-0001-3001.png, 1_IM-0001-3001.dcm or CXR1_1_IM-0001/0.png"
        )
    pictures = {key: name for key, (_, name) in ranked.items()}
    views: dict[Key, str] = {}
    listed: list[Key | None] = []
    tables = []
    if (table := _beside(root, PROJECTIONS)) is not None:
        tables.append(table)
        views = _projections(table)
        listed += views
    if (table := _beside(root, ANNOTATION)) is not None:
        tables.append(table)
        listed += _annotated(table, names)
    missing = sum(key is None or key not in pictures for key in listed)
    return Copy(
        pictures,
        frozenset(by_place),
        views,
        tuple(tables),
        len(listed) if tables else None,
        missing,
    )


def key_of(name: str) -> Key | None:
    """The key of a file of the collection's own name; None for another."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def _placed(path: Path, names: Mapping[int, Sequence[str]]) -> Key | None:
    """The key of ``CXR2384_IM-0942/0.png``; one of no picture where the report names fewer."""
    folder, place = _FOLDER.fullmatch(path.parent.name), _PLACE.fullmatch(path.name)
    if folder is None or place is None:
        return None
    number, exam, k = int(folder[1]), folder[2], int(place[1])
    keys = [key for name in names.get(number, ()) if (key := key_of(f"{name}.png")) is not None]
    of_exam = [key for key in keys if key[1].partition("-")[0] == exam]
    return of_exam[k] if k < len(of_exam) else (number, f"{exam}, picture {k}")


def _beside(root: Path, name: str) -> Path | None:
    """A copy's table: in the folder, or above it where its pictures' folder was given."""
    places: Iterable[Path] = (root, *list(root.absolute().parents)[:2])
    return next((path for place in places if (path := place / name).is_file()), None)


def _projections(path: Path) -> dict[Key, str]:
    text = _read(path)
    found = {}
    try:
        rows = csv.DictReader(text.splitlines())
        for row in rows:
            key = key_of((row["filename"] or "").strip())
            view = (row["projection"] or "").strip().upper()
            if key is not None:
                found[key] = view if view in ("FRONTAL", "LATERAL") else ""
    except (KeyError, csv.Error) as error:
        raise InputError(
            f"'{path}' is not Kaggle's table (uid, filename, projection): {type(error).__name__} "
            f"{error}; take it from the download again, or move it away"
        ) from None
    return found


def _annotated(path: Path, names: Mapping[int, Sequence[str]]) -> list[Key | None]:
    """The pictures that R2Gen's file names; None for a path that is none of its layout."""
    try:
        content: Any = json.loads(_read(path))
        entries = [entry for split in content.values() for entry in split]
        paths = [Path(str(one)) for entry in entries for one in entry["image_path"]]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is not R2Gen's annotation.json ({type(error).__name__}); take it from the "
            "download again, or move it away"
        ) from None
    return [_placed(one, names) for one in paths]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"'{path}' is far too large ({path.stat().st_size:,} bytes)")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
        raise InputError(f"'{path}' cannot be read ({kind}); move it away") from None
