"""The cohort ledger and Table I of prepared data, beside the paper's counts, for people to read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codixr.data import paper
from codixr.data.labels import PATHOLOGIES, label_policy
from codixr.data.manifest import Manifest, Step
from codixr.data.prepared import PreparedDataset


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of our numbers beside the paper's."""

    what: str
    ours: int
    paper: int

    @property
    def difference(self) -> int:
        """Ours less theirs."""
        return self.ours - self.paper


@dataclass(frozen=True, slots=True)
class TableRow:
    """One pathology of Table I."""

    pathology: str
    negatives: int
    positives: int
    paper_negatives: int | None
    paper_positives: int | None


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What ``codixr info --data`` shows."""

    folder: str
    track: str
    image_size: int
    label_policy: str
    splits: dict[str, dict[str, int]]
    ledger: list[dict[str, Any]]
    compared: list[dict[str, Any]]
    table_i_split: str
    table_i: list[TableRow]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def is_mimic(track: str) -> bool:
    """Whether the paper's counts mean anything for this track."""
    return track.startswith("mimic-cxr")


def compare_with_paper(steps: Sequence[Step], test_studies: int) -> list[Comparison]:
    """Archive, cohort and test set, ours and the paper's."""
    last = steps[-1]
    listed = next((step.before for step in steps if step.unit == "images"), 0)
    return [
        Comparison("images in the archive", listed, paper.ARCHIVE_IMAGES),
        Comparison("studies in the cohort", last.after, paper.COHORT_STUDIES),
        Comparison("images in the cohort", 2 * last.after, paper.COHORT_IMAGES),
        Comparison("images in the test set", 2 * test_studies, paper.TEST_SAMPLES),
    ]


def describe_data(folder: Path, policy: str | None = None) -> DataSummary:
    """Counts, ledger and Table I of a prepared folder, without its pictures.

    Table I is of the test split (else the first one there is). InputError as ``PreparedDataset``.
    """
    manifest = Manifest.read(folder)
    name = policy or manifest.label_policy
    label_policy(name)
    test = manifest.splits.get("test")
    shown = "test" if test and test.studies else next(iter(manifest.splits))
    labels = PreparedDataset(folder, shown, policy=name).label_matrix(PATHOLOGIES)
    real = is_mimic(manifest.track)
    rows = []
    for column, pathology in enumerate(PATHOLOGIES):
        negatives, positives = ((labels[:, column] == value).sum() for value in (0, 1))
        theirs = paper.TABLE_I[pathology] if real else (None, None)
        rows.append(TableRow(pathology, int(negatives), int(positives), *theirs))
    compared = compare_with_paper(manifest.ledger, test.studies if test else 0) if real else []
    return DataSummary(
        folder=str(folder),
        track=manifest.track,
        image_size=manifest.image_size,
        label_policy=name,
        splits={
            split: {"studies": s.studies, "patients": s.patients, **s.modalities}
            for split, s in manifest.splits.items()
        },
        ledger=[step.model_dump() for step in manifest.ledger],
        compared=[asdict(c) | {"difference": c.difference} for c in compared],
        table_i_split=shown,
        table_i=rows,
    )


def ledger_lines(steps: Sequence[Step]) -> list[str]:
    """The ledger as a table for the terminal."""
    lines = [f"{'step':22}{'':9}{'before':>9}{'after':>9}  left out"]
    for step in steps:
        removed = ", ".join(f"{n:,} {why}" for why, n in step.removed.items())
        lines.append(f"{step.name:22}{step.unit:9}{step.before:>9,}{step.after:>9,}  {removed}")
    return lines


def comparison_lines(compared: Sequence[Comparison]) -> list[str]:
    """Our counts beside the paper's."""
    lines = ["", f"{'':31}{'ours':>9}{'paper':>9}{'difference':>12}"]
    for c in compared:
        lines.append(f"{c.what:31}{c.ours:>9,}{c.paper:>9,}{c.difference:>+12,}")
    return lines


def summary_lines(summary: DataSummary) -> list[str]:
    """``codixr info --data`` as text."""
    lines = [
        summary.folder,
        f"track {summary.track}, {summary.image_size}×{summary.image_size}, "
        f"label policy '{summary.label_policy}'",
        "",
        f"{'split':8}{'studies':>9}{'patients':>10}{'F':>9}{'L':>9}{'T':>9}",
    ]
    for name, counts in summary.splits.items():
        cells = [counts[key] for key in ("studies", "patients", "F", "L", "T")]
        widths = (9, 10, 9, 9, 9)
        lines.append(
            f"{name:8}" + "".join(f"{n:>{w},}" for n, w in zip(cells, widths, strict=True))
        )
    lines += ["", *ledger_lines([Step(**step) for step in summary.ledger])]
    if summary.compared:
        compared = [Comparison(c["what"], c["ours"], c["paper"]) for c in summary.compared]
        lines += comparison_lines(compared)
    heads = ("negatives", "positives") * (2 if summary.compared else 1)
    who = f"{'':28}{'ours':>20}{'paper':>22}" if summary.compared else ""
    lines += ["", f"Table I, split '{summary.table_i_split}'", *([who] if who else [])]
    lines.append(f"{'pathology':28}" + "".join(f"{head:>11}" for head in heads))
    for row in summary.table_i:
        numbers = [row.negatives, row.positives, row.paper_negatives, row.paper_positives]
        cells_text = "".join(f"{n:>11,}" for n in numbers if n is not None)
        lines.append(f"{row.pathology:28}{cells_text}")
    return lines
