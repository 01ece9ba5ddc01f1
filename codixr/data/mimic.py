"""MIMIC-CXR → a plan: which studies, which pictures, which report, which split.

The paper's cohort: studies with a frontal view, a lateral view and an impression (section II).

Notable:
- Frontal: PA, AP and their decubitus and axial kinds; lateral: LATERAL, LL, RL, XTABLE LATERAL.
  A missing ViewPosition is taken from the view code or, where that names one view only, from the
  procedure; else the picture is left out.
- A study with several pictures of a view: PA before AP, then by acquisition time, then by id. When
  the first can't be read, the next one takes its place.
- Every step counts what it leaves out; ids of what is broken go to rejects.csv in the user's own
  folder, and nowhere else.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codixr.data import mimic_cohort as cohort
from codixr.data.candidates import Candidate, read_views
from codixr.data.labels import OBSERVATIONS, label_policy
from codixr.data.manifest import SourceFile, Step
from codixr.data.mimic_cohort import VIEWS, Release, picture_path
from codixr.data.mimic_tables import (
    LABEL_COLUMNS,
    METADATA_COLUMNS,
    SPLIT_COLUMNS,
    ReportStore,
    read_table,
)
from codixr.data.preparation_plan import Made, Plan, Reject
from codixr.data.shard_file import Row
from codixr.data.sizes import check_image_size
from codixr.data.splits import PAPER_SEED, VAL_SHARE, official_split, paper_split
from codixr.data.study import SPLITS, Split, Study
from codixr.errors import InputError

VERSION = "1"
SplitRule = Literal["official", "paper"]


@dataclass(frozen=True, slots=True)
class MimicOptions:
    """What ``codixr prepare mimic-cxr`` is told; folders default to ``root``."""

    root: Path
    tables: Path | None = None
    reports: Path | None = None
    release: Release = "dicom"
    split: SplitRule = "official"
    label_policy: str = "paper"
    image_size: int = 256
    limit: int | None = None
    seed: int = PAPER_SEED


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study: pictures best first (ids), its impression, the labeler's own labels."""

    study: str
    subject: str
    split: Split
    frontal: tuple[str, ...]
    lateral: tuple[str, ...]
    report: str
    report_sha256: str
    labels: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class MimicMaker:
    """A planned study → its row: pictures read by the paper's steps."""

    root: Path
    release: Release
    size: int

    def __call__(self, item: PlannedStudy) -> Made:
        """Read the pictures; the first readable one of each view is taken."""
        found = read_views(
            {
                "frontal": self._files(item, item.frontal),
                "lateral": self._files(item, item.lateral),
            },
            self.size,
        )
        if found.missing is not None:
            return Made(None, f"no readable {found.missing} view", found.rejects)
        study = Study(
            study_id=item.study,
            subject_id=item.subject,
            split=item.split,
            report=item.report,
            labels=dict(zip(OBSERVATIONS, item.labels, strict=True)),
            frontal=found.images["frontal"],
            lateral=found.images["lateral"],
        )
        sources = {"report": item.report_sha256, **found.sources}
        return Made(Row(study, sources, found.notes), rejects=found.rejects)

    def _files(self, item: PlannedStudy, names: tuple[str, ...]) -> list[Candidate]:
        return [
            (name, picture_path(self.root, item.subject, item.study, name, self.release))
            for name in names
        ]


def plan_mimic(options: MimicOptions, *, quiet: bool = False) -> Plan:
    """Read tables and reports, apply the rules; no picture is opened.

    InputError: a folder or table is missing, unreadable or not MIMIC-CXR's; an unknown policy.
    """
    label_policy(options.label_policy)
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit} leaves no study; use 1 or more")
    check_image_size(options.image_size)
    root = options.root
    if not (root / "files").is_dir():
        raise InputError(
            f"--root: '{root}' has no folder 'files'; give the folder of your MIMIC-CXR download"
        )
    tables = options.tables or root
    metadata = read_table(tables, "metadata", METADATA_COLUMNS)
    labels = read_table(tables, "chexpert", LABEL_COLUMNS)
    used = [metadata, labels]
    ledger: list[Step] = []
    rejects: list[Reject] = []
    images = cohort.list_images(metadata, ledger, rejects)
    by_view = cohort.with_view(images, ledger)
    by_view = cohort.on_disk(by_view, root, options.release, ledger, quiet)
    studies = cohort.with_both_views(by_view, ledger)
    store = ReportStore(options.reports or root)
    texts = cohort.with_impression(studies, store, ledger, rejects, quiet)
    if options.split == "official":
        table = read_table(tables, "split", SPLIT_COLUMNS)
        used.append(table)
        rows = table.rows[["subject_id", "split"]].itertuples(index=False, name=None)
        split_of: Mapping[str, Split | None] = official_split(rows)
    else:
        pictures = Counter(studies[study][0] for study in texts)
        split_of = paper_split({subject: 2 * n for subject, n in pictures.items()}, options.seed)
    chosen = cohort.in_a_split(texts, studies, split_of, ledger)
    chosen = cohort.limited(chosen, options.limit, ledger)
    known = cohort.labels_of_studies(labels, rejects)
    unknown = (None,) * len(OBSERVATIONS)
    items: dict[Split, list[PlannedStudy]] = {split: [] for split in SPLITS}
    for study in chosen:
        subject, frontal, lateral = studies[study]
        split = split_of[subject]
        assert split is not None, "studies outside the splits were left out"
        text, digest = texts[study]
        found = known.get((subject, study), unknown)
        items[split].append(
            PlannedStudy(study, subject, split, frontal, lateral, text, digest, found)
        )
    sources = {table.name: table.source for table in used}
    return Plan(
        track="mimic-cxr" if options.release == "dicom" else "mimic-cxr-jpg",
        version=VERSION,
        simulated=False,
        image_size=options.image_size,
        recipe=_recipe(options, sources),
        items=items,
        make=MimicMaker(root, options.release, options.image_size),
        sources=sources,
        ledger=tuple(ledger),
        rejects=tuple(rejects),
        label_policy=options.label_policy,
    )


def _recipe(options: MimicOptions, sources: Mapping[str, SourceFile]) -> dict[str, Any]:
    rule: dict[str, Any] = {"rule": options.split}
    if options.split == "paper":
        rule |= {"seed": options.seed, "val_share": VAL_SHARE}
    return {
        "release": options.release,
        "frontal": [name for name, view in VIEWS.items() if view == "F"],
        "lateral": [name for name, view in VIEWS.items() if view == "L"],
        "report": "last IMPRESSION section, white space collapsed, any length",
        "split": rule,
        "limit": options.limit,
        "tables": {name: source.sha256 for name, source in sources.items()},
    }
