"""One planned scan of a CT collection: what it is made from, and the row it becomes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from codixr.data.labels import OBSERVATIONS
from codixr.data.shard_file import Row
from codixr.data.study import Image, Split, Study

VIEWS = ("frontal", "lateral")

Source = TypeVar("Source")
"""Of a scan: the path of a volume, or those of a frontal and a lateral picture."""


@dataclass(frozen=True, slots=True)
class PlannedScan(Generic[Source]):
    """One scan: its volumes best first (paths under the folder), its report and labels."""

    study: str
    subject: str
    split: Split
    volumes: tuple[Source, ...]
    report: str
    labels: tuple[int | None, ...]

    def row(
        self, frontal: Image, lateral: Image, sources: Mapping[str, str], notes: tuple[str, ...]
    ) -> Row:
        """The study; ``sources``: view → sha256 of what it came from."""
        study = Study(
            study_id=self.study,
            subject_id=self.subject,
            split=self.split,
            frontal=frontal,
            lateral=lateral,
            report=self.report,
            labels=dict(zip(OBSERVATIONS, self.labels, strict=True)),
        )
        report = hashlib.sha256(self.report.encode()).hexdigest()
        return Row(study, {**sources, "report": report}, notes)
