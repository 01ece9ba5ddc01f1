"""OpenI whole → a plan: the pictures of the user's download, the reports of the installed package.

Notable:
- PNG or DICOM release, Kaggle's copy or R2Gen's, any folders (``openi_layouts.py``): a picture is
  known by its number; where both are there, DICOM counts.
- Views. The headers' View Position is often wrong: 1,030 examinations "PA and lateral" have two
  pictures whose headers both say PA. So torchxrayvision's table of views from a projection of the
  pictures themselves goes first; it has one picture a study. Where such a study has two pictures
  and its name says that one is lateral, the other one is the other view. Then come Kaggle's table,
  where the copy has it, and the header's word (torchxrayvision's table of headers, else the file's
  own); else the view is unknown and the picture is left out, not guessed at. A note in each study
  says which of these it was.
- A study has a frontal view, a lateral view and an impression. All are test studies, as
  ``openi.py`` says; the collection has one examination a patient.
- Labels are the MeSH indexing (``openi_mesh.py``), so they are independent of any report labeler.
"""

import csv
import gzip
import hashlib
import io
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from codixr.data.candidates import read_views
from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import SourceFile, Step
from codixr.data.openi import OpenIReport, find_archive, read_reports
from codixr.data.openi_layouts import BY_KAGGLE, BY_PLACE, Copy, Key, find_pictures, key_of
from codixr.data.preparation_plan import Made, Plan
from codixr.data.shard_file import Row
from codixr.data.sizes import check_image_size
from codixr.data.study import Study
from codixr.errors import InputError

VERSION = "1-pictures"
HEADERS, PROJECTED = "nlmcxr_dicom_metadata.csv.gz", "nlmcxr_tsne_pa.csv.gz"
FRONTAL = ("PA", "AP")
LATERAL = ("LL", "LATERAL", "RL", "LARGE LATERAL")
_BY_PROJECTION = "a view from the projection of the pictures"
_BY_EXCLUSION = "a view by exclusion: the other of two pictures"


@dataclass(frozen=True, slots=True)
class PlannedExam:
    """One study: pictures best first (paths under the folder), its impression and MeSH labels."""

    number: int
    frontal: tuple[str, ...]
    lateral: tuple[str, ...]
    notes: tuple[str, ...]
    report: str
    labels: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OpenIMaker:
    """A planned study → its row."""

    root: Path
    size: int

    def __call__(self, item: PlannedExam) -> Made:
        """Read the first readable picture of each view."""
        files = {"frontal": item.frontal, "lateral": item.lateral}
        found = read_views(
            {
                view: [(Path(name).name, self.root / name) for name in names]
                for view, names in files.items()
            },
            self.size,
        )
        if found.missing is not None:
            return Made(None, f"no readable {found.missing} view", found.rejects)
        study = Study(
            study_id=f"CXR{item.number}",
            subject_id=f"CXR{item.number}",
            split="test",
            frontal=found.images["frontal"],
            lateral=found.images["lateral"],
            report=item.report,
            labels=dict(zip(OBSERVATIONS, item.labels, strict=True)),
        )
        sources = {
            "report": hashlib.sha256(item.report.encode()).hexdigest(),
            **found.sources,
        }
        notes = tuple(dict.fromkeys((*item.notes, *found.notes)))
        return Made(Row(study, sources, notes), rejects=found.rejects)


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture with a known view; the smallest comes first."""

    rank: int
    """Of its view's kind: PA before AP."""
    number: str
    name: str
    notes: tuple[str, ...]
    """How the view was found, where that isn't the header, and the picture, where by its place."""


Views = dict[int, dict[str, list[_Picture]]]
"""Examination → frontal, lateral → its pictures."""


def plan_openi(
    pictures: Path, size: int = 256, limit: int | None = None, archive: Path | None = None
) -> Plan:
    """Match the pictures with reports and views; no pixel is read.

    ``archive``: another copy of ``NLMCXR_reports.tgz``, with the two tables beside it; by default
    the ones of the installed torchxrayvision. InputError: a folder or table is missing or corrupt,
    no picture of the collection is there.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit} leaves no study; use 1 or more")
    check_image_size(size)
    archive = archive or find_archive()
    tables = (archive, archive.parent / HEADERS, archive.parent / PROJECTED)
    reports = read_reports(archive)
    ledger: list[Step] = []
    copy = find_pictures(pictures, {number: report.pictures for number, report in reports.items()})
    views = _views_of_exams(pictures, copy, reports, tables, ledger)
    both = sorted(number for number, has in views.items() if len(has) == 2)
    missing = {
        f"no {view} view": sum(view not in has for has in views.values())
        for view in ("frontal", "lateral")
    }
    ledger.append(_step("with both views", "studies", len(views), len(both), missing))
    chosen = both[:limit]
    if len(chosen) < len(both):
        over = {"over --limit": len(both) - len(chosen)}
        ledger.append(_step("--limit", "studies", len(both), len(chosen), over))
    sources = {
        path.name: SourceFile(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (*tables, *copy.tables)
    }
    order = "torchxrayvision's projection, the other of two pictures, DICOM header"
    if copy.views:
        order = order.replace("DICOM", "indiana_projections.csv, DICOM")
    return Plan(
        track="openi",
        version=VERSION,
        simulated=False,
        image_size=size,
        recipe={
            "frontal": list(FRONTAL),
            "lateral": list(LATERAL),
            "views": order,
            "report": "IMPRESSION, white space collapsed",
            "labels": "MeSH, major terms",
            "limit": limit,
            "tables": {name: source.sha256 for name, source in sources.items()},
        },
        items={"test": [_exam(number, views[number], reports[number]) for number in chosen]},
        make=OpenIMaker(pictures, size),
        sources=sources,
        ledger=tuple(ledger),
        label_policy="unmentioned-negative",
    )


def _views_of_exams(
    folder: Path,
    copy: Copy,
    reports: Mapping[int, OpenIReport],
    tables: tuple[Path, Path, Path],
    ledger: list[Step],
) -> Views:
    """The pictures in ``folder`` that have a report and a known view, by examination."""
    headers, projected = _table(tables[1], "View Position"), _table(tables[2], "tsne-view")
    found = copy.pictures
    if copy.listed is not None:
        there = {"image missing": copy.missing}
        after = copy.listed - copy.missing
        ledger.append(_step("named by the copy's table", "images", copy.listed, after, there))
    lost = dict.fromkeys(("no report with an impression", "view unknown", "other view"), 0)
    excluded = _by_exclusion(reports, projected)
    views: Views = {}
    for key, name in sorted(found.items()):
        number = key[0]
        position, how = projected.get(key, ""), _BY_PROJECTION
        if not position:
            position, how = excluded.get(key, ""), _BY_EXCLUSION
        if not position:
            position, how = copy.views.get(key, ""), BY_KAGGLE
        if not position:
            position, how = headers.get(key, ""), ""
        position = position or _view_of_file(folder / name, key in headers)
        if number not in reports:
            lost["no report with an impression"] += 1
        elif not position:
            lost["view unknown"] += 1
        elif position not in (*FRONTAL, "FRONTAL", *LATERAL):
            lost["other view"] += 1
        else:
            known = LATERAL if position in LATERAL else (*FRONTAL, "FRONTAL")
            view = "lateral" if known is LATERAL else "frontal"
            notes = tuple(filter(None, (how, BY_PLACE if key in copy.by_place else "")))
            entry = _Picture(known.index(position), key[1], name, notes)
            views.setdefault(number, {}).setdefault(view, []).append(entry)
    kept = len(found) - sum(lost.values())
    ledger.append(_step("pictures with a view", "images", len(found), kept, lost))
    return views


def _exam(number: int, has: Mapping[str, list[_Picture]], report: OpenIReport) -> PlannedExam:
    best = {view: sorted(found, key=astuple) for view, found in has.items()}
    return PlannedExam(
        number,
        tuple(picture.name for picture in best["frontal"]),
        tuple(picture.name for picture in best["lateral"]),
        tuple(sorted({note for found in best.values() for note in found[0].notes})),
        report.impression,
        tuple(report.labels[name] for name in OBSERVATIONS),
    )


def _by_exclusion(
    reports: Mapping[int, OpenIReport], projected: Mapping[Key, str]
) -> dict[Key, str]:
    """The view of the other picture, where an examination with a lateral view has two pictures."""
    found = {}
    for report in reports.values():
        keys = [key for name in report.pictures if (key := key_of(f"{name}.png"))]
        known = [key for key in keys if key in projected]
        if report.lateral and len(report.pictures) == len(keys) == 2 and len(known) == 1:
            other = keys[1 - keys.index(known[0])]
            found[other] = "PA" if projected[known[0]] in LATERAL else "LATERAL"
    return found


def _step(name: str, unit: str, before: int, after: int, lost: Mapping[str, int]) -> Step:
    removed = {why: n for why, n in lost.items() if n}
    return Step(name=name, unit=unit, before=before, after=after, removed=removed)


def _table(path: Path, column: str) -> dict[Key, str]:
    """Key -> the column's value, upper case, of a table of the installed torchxrayvision."""
    try:
        with gzip.open(path) as file:
            rows = list(csv.DictReader(io.StringIO(file.read().decode("utf-8"), newline="")))
        named = {row["imageid"]: (row[column] or "").strip().upper() for row in rows}
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise InputError(
            f"track 'openi': cannot read {path} ({type(error).__name__}); reinstall it with "
            "`pip install --force-reinstall --no-deps torchxrayvision`"
        ) from None
    found = {}
    for name, value in named.items():
        if key := key_of(f"{name}.png"):
            found[key] = {"L": "LATERAL"}.get(value, value)
    return found


def _view_of_file(path: Path, listed: bool) -> str:
    """The view in the header of a DICOM file that the table doesn't list; else nothing."""
    if listed or path.suffix.lower() != ".dcm":
        return ""
    from pydicom import dcmread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = dcmread(path, stop_before_pixels=True, specific_tags=["ViewPosition"])
            return str(header.get("ViewPosition") or "").strip().upper()
    except Exception:  # pydicom raises anything on broken files; the pixels' reader reports them
        return ""
