"""A folder of chest CT and a table of reports → a plan: real F, L and T of the same body.

Notable:
- Any collection: NIfTI files or folders of DICOM slices, anywhere under one folder, and a CSV that
  names each volume and its report. CT-RATE's tables are read as they are.
- One study a scan: of several reconstructions of it (CT-RATE: ``…_a_1``, ``…_a_2``), the first that
  can be read.
- Patients stay together: by the table's patient column, else by CT-RATE's file names, else each
  volume is taken for a patient of its own.
- Labels where the names agree; what a table doesn't label is unknown, never negative.
- These are reports of CT: an own track, whose numbers never stand beside those of X-ray reports.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codixr.data.ct_render import (
    GAMMA,
    GAP,
    MARGIN,
    SOURCE_DISTANCE,
    WINDOW,
    render_views,
    working_voxel,
)
from codixr.data.ct_volume import dicom_files, read_ct
from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import SourceFile, Step
from codixr.data.prepared import Row
from codixr.data.shards import Outcome, Plan, Reject
from codixr.data.splits import holdout_split
from codixr.data.study import SPLITS, Split, Study
from codixr.errors import InputError

VERSION = "1"
TEST_SHARE, VAL_SHARE, SEED = 0.2, 0.1, 0
SIZES = (32, 1024)

VOLUME_COLUMNS = ("volumename", "volume", "filename", "file")
REPORT_COLUMNS = (
    "impression", "impressions", "impressions_en", "report", "findings", "findings_en",
)  # fmt: skip
PATIENT_COLUMNS = ("patient", "patient_id", "patientid", "subject_id", "subject")
SAME_AS = {"lung nodule": "Lung Lesion"}
"""Label names of others that mean one of ours; equal names need no entry."""

_SUFFIXES = (".nii.gz", ".nii")
_CT_RATE = re.compile(r"((?:train|valid)_\d+)_([a-z]+)_\d+")
_LABEL_OF = {name.lower(): name for name in OBSERVATIONS} | SAME_AS
_VALUES = {"1": 1, "0": 0, "-1": -1, "": None}


@dataclass(frozen=True, slots=True)
class CtOptions:
    """What ``codixr prepare ct`` is told."""

    volumes: Path
    reports: Path
    labels: Path | None = None
    image_size: int = 256
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """One scan: its volumes best first (paths under the folder), its report and labels."""

    study: str
    subject: str
    split: Split
    volumes: tuple[str, ...]
    report: str
    labels: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class CtMaker:
    """A planned scan → its row."""

    root: Path
    size: int

    def __call__(self, item: PlannedScan) -> Outcome:
        """Render the first volume that can be read."""
        rejects: list[Reject] = []
        for name in item.volumes:
            path = self.root / name
            try:
                frontal, lateral = render_views(read_ct(path, working_voxel(self.size)), self.size)
                digest = _hash_volume(path)
            except (InputError, OSError) as error:
                rejects.append(Reject(name, "volume", _reason(error, path)))
                continue
            study = Study(
                study_id=item.study,
                subject_id=item.subject,
                split=item.split,
                frontal=frontal,
                lateral=lateral,
                report=item.report,
                labels=dict(zip(OBSERVATIONS, item.labels, strict=True)),
            )
            sources = {
                "frontal": digest,
                "lateral": digest,
                "report": hashlib.sha256(item.report.encode()).hexdigest(),
            }
            return Outcome(Row(study, sources), rejects=tuple(rejects))
        return Outcome(None, "no readable volume", tuple(rejects))


def plan_ct(options: CtOptions) -> Plan:
    """Read the tables and list the volumes; no volume is opened.

    InputError: no such folder or table, no column for volumes or reports, nothing in common.
    """
    check_renderer()
    size = options.image_size
    if not SIZES[0] <= size <= SIZES[1]:
        raise InputError(f"--size {size}: use {SIZES[0]} to {SIZES[1]}")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit} leaves no study; use 1 or more")
    found, twice = _find_volumes(options.volumes)
    table, source = _read_table(options.reports)
    columns = list(table[0])
    volume_column = _column(columns, VOLUME_COLUMNS, options.reports, "the volumes' names")
    report_column = _column(columns, REPORT_COLUMNS, options.reports, "the reports")
    patient_column = next((c for c in columns if c.lower() in PATIENT_COLUMNS), None)
    sources = {"reports": source}
    labels = _labels_of(table, volume_column, options.reports)
    labelled = set(_label_columns(table).values())
    if options.labels is not None:
        extra, sources["labels"] = _read_table(options.labels)
        named = _column(list(extra[0]), VOLUME_COLUMNS, options.labels, "the volumes' names")
        labels |= _labels_of(extra, named, options.labels)
        labelled |= set(_label_columns(extra).values())

    lost = dict.fromkeys(
        ("not in the folder", "name twice in the folder", "name twice in the table", "no report",
         "another reconstruction"), 0,
    )  # fmt: skip
    scans: dict[str, tuple[str, str, list[str]]] = {}
    names: set[str] = set()
    for row in table:
        name = _stem(row[volume_column])
        report = " ".join(row[report_column].split())
        match = _CT_RATE.fullmatch(name)
        if name in names:
            lost["name twice in the table"] += 1
        elif name in twice:
            lost["name twice in the folder"] += 1
        elif name not in found:
            lost["not in the folder"] += 1
        elif not report:
            lost["no report"] += 1
        else:
            patient = (row[patient_column].strip() if patient_column else "") or (
                match[1] if match else name
            )
            scan = f"{match[1]}_{match[2]}" if match else name
            if scan in scans:
                lost["another reconstruction"] += 1
            scans.setdefault(scan, (patient, report, []))[2].append(name)
        names.add(name)
    step = Step(
        name="rows with a volume",
        unit="studies",
        before=len(table),
        after=len(scans),
        removed={why: n for why, n in lost.items() if n},
    )
    if not scans:
        raise InputError(
            f"--reports: no row of '{options.reports}' names a volume under '{options.volumes}' "
            f"(column '{volume_column}') and has a report (column '{report_column}')"
        )
    chosen = sorted(scans)[: options.limit]
    ledger = [step]
    if len(chosen) < len(scans):
        over = len(scans) - len(chosen)
        ledger.append(
            Step(name="--limit", unit="studies", before=len(scans), after=len(chosen),
                 removed={"over --limit": over})
        )  # fmt: skip
    split_of = holdout_split((scans[s][0] for s in chosen), TEST_SHARE, VAL_SHARE, SEED)
    items: dict[Split, list[PlannedScan]] = {split: [] for split in SPLITS}
    unknown = (None,) * len(OBSERVATIONS)
    for scan in chosen:
        patient, report, volumes = scans[scan]
        volumes.sort()
        split = split_of[patient]
        paths = tuple(found[name] for name in volumes)
        known = next((labels[name] for name in volumes if name in labels), unknown)
        items[split].append(PlannedScan(scan, patient, split, paths, report, known))
    return Plan(
        track="ct",
        version=VERSION,
        simulated=False,
        image_size=size,
        recipe={
            "report": report_column.lower(),
            "patients": "column" if patient_column else "file names",
            "labels": sorted(labelled),
            "geometry": {"source_mm": SOURCE_DISTANCE, "gap_mm": GAP, "margin_mm": MARGIN},
            "display": {"window": list(WINDOW), "gamma": GAMMA},
            "split": {"rule": "holdout", "seed": SEED, "test": TEST_SHARE, "val": VAL_SHARE},
            "limit": options.limit,
            "tables": {name: s.sha256 for name, s in sources.items()},
        },
        items=items,
        make=CtMaker(options.volumes, size),
        sources=sources,
        ledger=tuple(ledger),
    )


def check_renderer() -> None:
    """InputError that names the extra, when a library for CT isn't installed."""
    from importlib.util import find_spec

    missing = [name for name in ("nanodrr", "nibabel") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"`codixr prepare ct` needs {' and '.join(missing)}: pip install 'codixr[ct]'"
        )


def _find_volumes(root: Path) -> tuple[dict[str, str], set[str]]:
    """Name -> path under ``root`` of each volume; and the names that are there twice."""
    if not root.is_dir():
        raise InputError(
            f"--volumes: '{root}' is no folder; give the one that holds the CT volumes"
        )
    found: dict[str, str] = {}
    twice: set[str] = set()
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        here = [path for path in sorted(folder.iterdir()) if path.name.endswith(_SUFFIXES)]
        if folder != root and not here and dicom_files(folder):
            here = [folder]
        for path in here:
            name = _stem(path.name)
            if name in found:
                twice.add(name)
            found[name] = path.relative_to(root).as_posix()
    if not found:
        raise InputError(
            f"--volumes: no .nii, .nii.gz or DICOM series under '{root}'; a series is a folder "
            "that holds its slices"
        )
    return found, twice


def _read_table(path: Path) -> tuple[list[dict[str, str]], SourceFile]:
    try:
        content = path.read_bytes()
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}; give a CSV table") from None
    except (UnicodeDecodeError, csv.Error) as error:
        kind = type(error).__name__  # the message could quote a report
        raise InputError(f"'{path}' is no CSV table in UTF-8 ({kind})") from None
    if not rows:
        raise InputError(f"'{path}' has no rows; give a CSV with a header and a row a volume")
    return rows, SourceFile(sha256=hashlib.sha256(content).hexdigest(), rows=len(rows))


def _column(columns: Sequence[str], known: Iterable[str], path: Path, what: str) -> str:
    by_name = {column.strip().lower(): column for column in columns}
    for name in known:
        if name in by_name:
            return by_name[name]
    raise InputError(f"'{path}' has no column for {what}: name it one of {', '.join(known)}")


def _label_columns(table: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The columns that hold labels -> the observation each means."""
    named = {column: _LABEL_OF.get(column.strip().lower()) for column in table[0]}
    return {column: name for column, name in named.items() if name is not None}


def _labels_of(
    table: Sequence[Mapping[str, str]], volume_column: str, path: Path
) -> dict[str, tuple[int | None, ...]]:
    """Volume's name -> a label an observation; empty for a table without label columns."""
    columns = _label_columns(table)
    if not columns:
        return {}
    found: dict[str, tuple[int | None, ...]] = {}
    for place, row in enumerate(table, 1):
        known: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
        for column, name in columns.items():
            text = row[column].strip().removesuffix(".0")
            if text not in _VALUES:
                raise InputError(
                    f"'{path}', row {place}, column '{column}': a label is 1, 0, -1 or nothing"
                )
            known[name] = _VALUES[text]
        labels = tuple(known[name] for name in OBSERVATIONS)
        found.setdefault(_stem(row[volume_column]), labels)  # as for reports: the first row counts
    return found


def _stem(name: str) -> str:
    """A volume's name as a table and a folder both give it: no path, no suffix."""
    last = name.strip().replace("\\", "/").rstrip("/").rpartition("/")[2]
    for suffix in _SUFFIXES:
        if last.endswith(suffix):
            return last.removesuffix(suffix)
    return last


def _hash_volume(path: Path) -> str:
    """sha256 of the file, or of the series' files in the order of their names."""
    files = dicom_files(path) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _reason(error: Exception, path: Path) -> str:
    """What went wrong, without the path."""
    if isinstance(error, OSError):
        return "file missing" if isinstance(error, FileNotFoundError) else "file cannot be read"
    return str(error).removeprefix(f"{path}: ")
