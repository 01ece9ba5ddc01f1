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

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codixr.data.ct_projections import ProjectionMaker, find_projections
from codixr.data.ct_render import (
    GAMMA,
    GAP,
    MARGIN,
    SOURCE_DISTANCE,
    WINDOW,
    render_views,
    working_voxel,
)
from codixr.data.ct_scan import VIEWS, PlannedScan
from codixr.data.ct_tables import (
    CT_RATE,
    VOLUME_SUFFIXES,
    CtTables,
    read_tables,
    scan_name,
    volume_name,
)
from codixr.data.ct_volume import dicom_files, read_ct
from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import Step
from codixr.data.preparation_plan import Made, Plan, Reject, reject_reason
from codixr.data.sizes import check_image_size
from codixr.data.splits import holdout_split
from codixr.data.study import SPLITS, Split
from codixr.errors import InputError

VERSION = "1"
TEST_SHARE, VAL_SHARE, SEED = 0.2, 0.1, 0

_UNKNOWN = (None,) * len(OBSERVATIONS)


@dataclass(frozen=True, slots=True)
class CtOptions:
    """What ``codixr prepare ct`` is told."""

    volumes: Path | None
    reports: Path
    labels: Path | None = None
    projections: Path | None = None
    """In place of ``volumes``: a folder of pictures that somebody projected (DRR-RATE)."""
    image_size: int = 256
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class CtMaker:
    """A planned scan → its row."""

    root: Path
    size: int

    def __call__(self, item: PlannedScan[str]) -> Made:
        """Render the first volume that can be read."""
        rejects: list[Reject] = []
        for name in item.volumes:
            path = self.root / name
            try:
                volume = read_ct(path, working_voxel(self.size))
                frontal, lateral = render_views(volume, self.size)
                digest = _hash_volume(path)
            except (InputError, OSError) as error:
                rejects.append(Reject(name, "volume", reject_reason(error, path)))
                continue
            row = item.row(frontal, lateral, dict.fromkeys(VIEWS, digest), volume.notes)
            return Made(row, rejects=tuple(rejects))
        return Made(None, "no readable volume", tuple(rejects))


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan: its patient, its report, the names of its reconstructions."""

    patient: str
    report: str
    volumes: list[str]


def plan_ct(options: CtOptions) -> Plan:
    """Read the tables and list the volumes, or the projections; none is opened.

    InputError: no such folder or table, no column for volumes or reports, nothing in common.
    """
    size = options.image_size
    check_image_size(size)
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit} leaves no study; use 1 or more")
    maker: CtMaker | ProjectionMaker
    found: Mapping[str, Any]
    if options.projections is not None:
        where, maker = options.projections, ProjectionMaker(options.projections, size)
        found, twice = find_projections(where)
    elif options.volumes is not None:
        check_renderer()
        where, maker = options.volumes, CtMaker(options.volumes, size)
        found, twice = _find_volumes(where)
    else:
        raise InputError("no scans: give --volumes DIR, or --projections DIR")
    tables = read_tables(options.reports, options.labels)
    ledger: list[Step] = []
    scans = _scans(tables, found.keys(), twice, ledger)
    if not scans:
        raise InputError(
            f"--reports: no row of '{options.reports}' names a scan under '{where}' "
            f"(column '{tables.volume_column}') and has a report (column "
            f"'{tables.report_column}')"
        )
    chosen = sorted(scans)[: options.limit]
    if over := len(scans) - len(chosen):
        removed = {"over --limit": over}
        ledger.append(_step("--limit", len(scans), len(chosen), removed))
    split_of = holdout_split((scans[s].patient for s in chosen), TEST_SHARE, VAL_SHARE, SEED)
    items: dict[Split, list[PlannedScan[Any]]] = {split: [] for split in SPLITS}
    for name in chosen:
        scan = scans[name]
        split = split_of[scan.patient]
        volumes = sorted(scan.volumes)
        paths = tuple(found[volume] for volume in volumes)
        known = next((tables.labels[v] for v in volumes if v in tables.labels), _UNKNOWN)
        items[split].append(PlannedScan(name, scan.patient, split, paths, scan.report, known))
    return Plan(
        track="ct",
        version=VERSION,
        simulated=False,
        image_size=size,
        recipe=_recipe(tables, options.limit, projected=options.projections is not None),
        items=items,
        make=maker,
        sources=tables.sources,
        ledger=tuple(ledger),
    )


def _scans(
    tables: CtTables, found: Collection[str], twice: Collection[str], ledger: list[Step]
) -> dict[str, _Scan]:
    """The scans that have a volume in the folder and a report, by name."""
    lost = dict.fromkeys(
        ("not in the folder", "name twice in the folder", "name twice in the table", "no report",
         "another reconstruction"), 0,
    )  # fmt: skip
    scans: dict[str, _Scan] = {}
    names: set[str] = set()
    for row in tables.rows:
        name = volume_name(row[tables.volume_column])
        report = " ".join(row[tables.report_column].split())
        match = CT_RATE.fullmatch(name)
        if name in names:
            lost["name twice in the table"] += 1
        elif name in twice:
            lost["name twice in the folder"] += 1
        elif name not in found:
            lost["not in the folder"] += 1
        elif not report:
            lost["no report"] += 1
        else:
            given = row[tables.patient_column].strip() if tables.patient_column else ""
            patient = given or (match[1] if match else name)
            scan = scan_name(name)
            if scan in scans:
                lost["another reconstruction"] += 1
            scans.setdefault(scan, _Scan(patient, report, [])).volumes.append(name)
        names.add(name)
    removed = {why: n for why, n in lost.items() if n}
    ledger.append(_step("rows with a volume", len(tables.rows), len(scans), removed))
    return scans


def _step(name: str, before: int, after: int, removed: dict[str, int]) -> Step:
    return Step(name=name, unit="studies", before=before, after=after, removed=removed)


def _recipe(tables: CtTables, limit: int | None, *, projected: bool) -> dict[str, Any]:
    drawing: dict[str, Any] = {"projections": "as they are"}
    if not projected:
        drawing = {
            "geometry": {"source_mm": SOURCE_DISTANCE, "gap_mm": GAP, "margin_mm": MARGIN},
            "display": {"window": list(WINDOW), "gamma": GAMMA},
        }
    return {
        "report": tables.report_column.lower(),
        "patients": "column" if tables.patient_column else "file names",
        "labels": sorted(tables.labelled),
        **drawing,
        "split": {"rule": "holdout", "seed": SEED, "test": TEST_SHARE, "val": VAL_SHARE},
        "limit": limit,
        "tables": {name: source.sha256 for name, source in tables.sources.items()},
    }


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
            f"--volumes: '{root}' is not a folder; give the one that holds the CT volumes"
        )
    found: dict[str, str] = {}
    twice: set[str] = set()
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        here = [path for path in sorted(folder.iterdir()) if path.name.endswith(VOLUME_SUFFIXES)]
        if folder != root and not here and dicom_files(folder):
            here = [folder]
        for path in here:
            name = volume_name(path.name)
            if name in found:
                twice.add(name)
            found[name] = path.relative_to(root).as_posix()
    if not found:
        raise InputError(
            f"--volumes: no .nii, .nii.gz or DICOM series under '{root}'; a series is a folder "
            "that holds its slices"
        )
    return found, twice


def _hash_volume(path: Path) -> str:
    """sha256 of the file, or of the series' files in the order of their names."""
    files = dicom_files(path) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
