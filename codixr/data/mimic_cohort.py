"""The rules that make MIMIC-CXR's cohort, one step each, and what each leaves out.

A step takes what the one before left and adds a line to the ledger: ``before`` − ``removed`` =
``after``, always. Ids of what is contradictory or broken go to the rejects.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from codixr.data.manifest import Step
from codixr.data.mimic_tables import (
    LABEL_COLUMNS,
    METADATA_COLUMNS,
    PICTURE,
    STUDY,
    SUBJECT,
    VIEW_HINTS,
    ReportStore,
    Table,
    report_text,
)
from codixr.data.preparation_plan import Reject
from codixr.data.report import impression
from codixr.data.study import Split
from codixr.progress import Progress

Release = Literal["dicom", "jpg"]
View = Literal["F", "L"]

T = TypeVar("T")
R = TypeVar("R")

VIEWS: dict[str, View] = {
    **dict.fromkeys(("PA", "AP", "AP AXIAL", "PA LLD", "PA RLD", "AP LLD", "AP RLD"), "F"),
    **dict.fromkeys(("LATERAL", "LL", "RL", "XTABLE LATERAL"), "L"),
}
"""ViewPosition -> F or L, best first."""
_RANK = {name: rank for rank, name in enumerate(VIEWS)}
_CODES = {
    "postero-anterior": "PA",
    "antero-posterior": "AP",
    "lateral": "LATERAL",
    "left lateral": "LL",
}
_IO_THREADS = 16


def picture_path(root: Path, subject: str, study: str, name: str, release: Release) -> Path:
    """Where a picture is in the download."""
    suffix = "dcm" if release == "dicom" else "jpg"
    return root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}" / f"{name}.{suffix}"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One row of the metadata table; ``when`` sorts by date and time of day."""

    name: str
    subject: str
    study: str
    position: str
    hints: tuple[str, ...]
    when: tuple[str, float]


def list_images(table: Table, ledger: list[Step], rejects: list[Reject]) -> list[ListedImage]:
    """The images of the metadata table, less the rows that contradict one another."""
    rows = table.rows
    hints = [rows[name] if name in rows else [""] * len(rows) for name in VIEW_HINTS]
    images: list[ListedImage] = []
    removed: Counter[str] = Counter()
    for number, row in enumerate(
        zip(*(rows[name] for name in METADATA_COLUMNS), *hints, strict=True), start=2
    ):
        name, subject, study, position, date, time, *more = row
        if not (PICTURE.fullmatch(name) and SUBJECT.fullmatch(subject) and STUDY.fullmatch(study)):
            removed["malformed id"] += 1
            rejects.append(Reject(f"row {number}", "table", "malformed id"))
            continue
        when = (date, _seconds(time))
        images.append(
            ListedImage(name, subject, study, position.strip().upper(), tuple(more), when)
        )
    patients: dict[str, set[str]] = {}
    places: dict[str, set[tuple[str, str]]] = {}
    for image in images:
        patients.setdefault(image.study, set()).add(image.subject)
        places.setdefault(image.name, set()).add((image.subject, image.study))
    kept: dict[str, ListedImage] = {}
    for image in images:
        if len(patients[image.study]) > 1:
            reason = "study listed for two patients"
        elif len(places[image.name]) > 1:
            reason = "picture listed for two studies"
        elif image.name in kept:
            removed["listed twice"] += 1
            continue
        else:
            kept[image.name] = image
            continue
        removed[reason] += 1
        rejects.append(Reject(image.name, "table", reason))
    ledger.append(_step("listed", "images", len(rows), removed))
    return list(kept.values())


def with_view(images: list[ListedImage], ledger: list[Step]) -> dict[View, list[ListedImage]]:
    """Frontal and lateral images, best first; the others are counted."""
    found: dict[View, list[ListedImage]] = {"F": [], "L": []}
    removed: Counter[str] = Counter()
    for image in images:
        position = image.position or position_from_hints(*image.hints)
        view = VIEWS.get(position)
        if view is None:
            removed["another view" if position else "view unknown"] += 1
        else:
            found[view].append(image)
    for view, of_view in found.items():
        of_view.sort(key=lambda i: (_RANK.get(i.position, len(_RANK)), i.when, i.name))
        found[view] = of_view
    ledger.append(_step("frontal or lateral", "images", len(images), removed))
    return found


def position_from_hints(code: str = "", procedure: str = "") -> str:
    """A ViewPosition for a picture without one, or an empty string.

    ``code`` is ViewCodeSequence's meaning; ``procedure`` (free text) counts when it names one view
    only: CHEST (PORTABLE AP), but not CHEST (PA AND LAT).
    """
    if code.strip().lower() in _CODES:
        return _CODES[code.strip().lower()]
    words = set("".join(c if c.isalpha() else " " for c in procedure.upper()).split())
    named: list[str] = [name for name in ("PA", "AP") if name in words]
    named += ["LATERAL"] if words & {"LAT", "LATERAL"} else []
    return named[0] if len(named) == 1 else ""


def on_disk(
    images: dict[View, list[ListedImage]],
    root: Path,
    release: Release,
    ledger: list[Step],
    quiet: bool,
) -> dict[View, list[ListedImage]]:
    """Those whose files are there: a download may be partial."""

    def is_there(image: ListedImage) -> bool:
        return picture_path(root, image.subject, image.study, image.name, release).is_file()

    total = sum(map(len, images.values()))
    kept: dict[View, list[ListedImage]] = {}
    with Progress("looking for pictures", total, 0, "files", quiet=quiet) as bar:
        for view, of_view in images.items():
            there = _threaded(is_there, of_view, bar)
            kept[view] = [image for image, found in zip(of_view, there, strict=True) if found]
    missing = total - sum(map(len, kept.values()))
    removed = Counter({"file missing": missing} if missing else {})
    ledger.append(_step("on the disk", "images", total, removed))
    return kept


def with_both_views(
    images: dict[View, list[ListedImage]], ledger: list[Step]
) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Study -> patient, frontal ids, lateral ids; in the order of patients and studies."""
    names: dict[View, dict[str, list[str]]] = {"F": {}, "L": {}}
    patients: dict[str, str] = {}
    for view, of_view in images.items():
        for image in of_view:
            names[view].setdefault(image.study, []).append(image.name)
            patients[image.study] = image.subject
    removed: Counter[str] = Counter()
    kept = {}
    for study in sorted(patients, key=lambda study: (patients[study], study)):
        frontal, lateral = (tuple(names[view].get(study, ())) for view in ("F", "L"))
        if frontal and lateral:
            kept[study] = (patients[study], frontal, lateral)
        else:
            removed["no lateral view" if frontal else "no frontal view"] += 1
    ledger.append(_step("with both views", "studies", len(patients), removed))
    return kept


def with_impression(
    studies: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]],
    store: ReportStore,
    ledger: list[Step],
    rejects: list[Reject],
    quiet: bool,
) -> dict[str, tuple[str, str]]:
    """Study -> impression, sha256 of its report file."""

    def read(study: str) -> tuple[str, str] | str:
        try:
            content = store.read(studies[study][0], study)
            if content is None:
                return "no report file"
            text = impression(report_text(content))
        except ValueError as error:
            return str(error)
        return (text, hashlib.sha256(content).hexdigest()) if text else "no impression"

    with Progress("reading reports", len(studies), 0, "reports", quiet=quiet) as bar:
        found = _threaded(read, list(studies), bar)
    removed: Counter[str] = Counter()
    texts = {}
    for study, result in zip(studies, found, strict=True):
        if isinstance(result, str):
            removed[result] += 1
            if result != "no impression":
                rejects.append(Reject(study, "report", result))
        else:
            texts[study] = result
    ledger.append(_step("with an impression", "studies", len(studies), removed))
    return texts


def in_a_split(
    texts: Mapping[str, tuple[str, str]],
    studies: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]],
    split_of: Mapping[str, Split | None],
    ledger: list[Step],
) -> list[str]:
    """The studies, in order, whose patient is in exactly one split."""
    removed: Counter[str] = Counter()
    kept = []
    for study in texts:
        subject = studies[study][0]
        if split_of.get(subject) is None:
            removed["patient in two splits" if subject in split_of else "in no split"] += 1
        else:
            kept.append(study)
    ledger.append(_step("in a split", "studies", len(texts), removed))
    return kept


def limited(studies: list[str], limit: int | None, ledger: list[Step]) -> list[str]:
    """The first ``limit`` studies; a limit doesn't move anybody to another split."""
    if limit is None or len(studies) <= limit:
        return studies
    removed = Counter({"over --limit": len(studies) - limit})
    ledger.append(_step("the first ones", "studies", len(studies), removed))
    return studies[:limit]


def labels_of_studies(
    table: Table, rejects: list[Reject]
) -> dict[tuple[str, str], tuple[int | None, ...]]:
    """(patient, study) -> the fourteen values; a study with contradicting rows has none."""
    values = {"": None, "1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1}
    found: dict[tuple[str, str], tuple[int | None, ...]] = {}
    wrong: dict[tuple[str, str], str] = {}
    for subject, study, *cells in table.rows[list(LABEL_COLUMNS)].itertuples(
        index=False, name=None
    ):
        key = (subject, study)
        if any(cell not in values for cell in cells):
            wrong[key] = "a label is not 1, 0, -1 or blank"
            continue
        row = tuple(values[cell] for cell in cells)
        if found.setdefault(key, row) != row:
            wrong[key] = "two rows contradict each other"
    for (subject, study), reason in wrong.items():
        found.pop((subject, study), None)
        item = study if STUDY.fullmatch(study) else "a malformed id"
        rejects.append(Reject(item, "labels", reason))
    return found


def _step(name: str, unit: str, before: int, removed: Counter[str]) -> Step:
    return Step(
        name=name,
        unit=unit,
        before=before,
        after=before - removed.total(),
        removed=dict(sorted(removed.items())),
    )


def _threaded(job: Callable[[T], R], items: Iterable[T], bar: Progress) -> list[R]:
    found = []
    with ThreadPoolExecutor(_IO_THREADS) as pool:
        for result in pool.map(job, items):
            found.append(result)
            bar.advance()
    return found


def _seconds(time: str) -> float:
    try:
        value = float(time)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.inf
