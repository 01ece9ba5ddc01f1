"""A finished run's samples beside the studies they are of, for those who look at single ones."""

from dataclasses import dataclass
from pathlib import Path

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.errors import InputError
from codixr_bench.model import Sample
from codixr_bench.runs.one_task import SAMPLES
from codixr_bench.runs.record import RECORD_NAME, RunRecord
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task
from codixr_bench.track import Track


@dataclass(frozen=True)
class StoredStudies:
    """The samples of a run and its studies, by their position in the split."""

    store: SampleStore
    track: Track
    data_dir: Path | None

    @classmethod
    def open(cls, folder: Path, data_dir: Path | None = None) -> "StoredStudies":
        """A run's folder; InputError for another one, or for other data than it was made for."""
        inner = folder / SAMPLES
        store = SampleStore.open(inner if (inner / RECORD_NAME).is_file() else folder)
        track = Track.load(store.record.track).with_data(data_dir)
        found = cls(store, track, data_dir)
        if found.dataset().fingerprint != store.record.track_fingerprint:
            raise InputError(f"'{folder}' was made for other data of the track '{track.name}'")
        return found

    @property
    def record(self) -> RunRecord:
        """What the run is."""
        return self.store.record

    @property
    def task(self) -> Task:
        """What it was asked for."""
        return self.store.task

    def dataset(self) -> StudyDataset:
        """The evaluated studies."""
        return self.track.dataset(self.record.split, self.record.n, self.data_dir)

    def refuse_to_show(self, *, asked: bool) -> None:
        """InputError for studies of patients, unless it was asked for."""
        if not (self.track.shows_content or asked):
            raise InputError(
                f"the track '{self.track.name}' holds studies of patients: --show-content draws "
                "them; keep what it writes where your agreement allows"
            )

    def samples(self, positions: "list[int]") -> list[Sample]:
        """What was made for some studies; InputError for one that isn't in the run."""
        found = []
        for position in positions:
            if not 0 <= position < self.record.n:
                raise InputError(f"--position {position}: the run has 0 to {self.record.n - 1}")
            chunk = position // self.record.chunk_size
            found.append(self.store.read(chunk)[position - self.store.positions(chunk).start])
        return found

    def studies(self, positions: "list[int]") -> list[Study]:
        """The studies themselves."""
        dataset = self.dataset()
        return [dataset[position] for position in positions]
