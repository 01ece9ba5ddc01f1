"""Small stand-ins: a dataset, and a model whose samples depend on the seed and the conditions."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codixr.data.study import Split, Study
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.runs.record import RunRecord
from codixr_bench.task import Task

SIDE = 8


class FakeDataset:
    """``n`` studies of random pictures and short reports, all modalities."""

    name = "fake"
    version = "1"
    split: Split = "test"
    fingerprint = "0" * 64
    modalities = frozenset(Modality)

    def __init__(self, n: int = 20, side: int = SIDE) -> None:
        self.n = n
        self.side = side

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Study:
        if not 0 <= index < self.n:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        pictures = rng.integers(256, size=(2, 1, self.side, self.side)).astype(np.float32) / 255
        words = rng.choice(["no", "effusion", "mild", "edema", "clear", "lungs"], size=5)
        return Study(
            study_id=f"study-{index}",
            subject_id=f"study-{index}",
            split="test",
            frontal=pictures[0],
            lateral=pictures[1],
            report=" ".join(words),
            labels={"Edema": int("edema" in words)},
        )


class SeededModel:
    """Draws everything from the study's seed, and adds the mean of its picture inputs."""

    name = "seeded"
    version = "1"
    settings = {"steps": 3}  # noqa: RUF012
    side = SIDE

    def __init__(self) -> None:
        self.batches: list[int] = []

    def supports(self, task: Task) -> bool:
        return True

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        self.batches.append(len(seeds))
        return [self._sample(c, task, s) for c, s in zip(conditions, seeds, strict=True)]

    def _sample(self, condition: Conditions, task: Task, seed: int) -> Sample:
        assert set(condition) == set(task.inputs), "a model sees its inputs, and nothing else"
        rng = np.random.default_rng(seed)
        shift = sum(float(c.mean()) for c in condition.values() if not isinstance(c, str))
        sample: dict[Modality, Content] = {}
        for modality in task.outputs:
            if modality.is_image:
                picture = (rng.random((1, self.side, self.side)) + shift) % 1.0
                levels = np.floor(picture * 256).astype(np.float32)
                sample[modality] = levels / np.float32(255)
            else:
                sample[modality] = f"seed {rng.integers(1000)}"
        return sample


class KilledModel(SeededModel):
    """Ends its own process at the call number $KILL_AT_CALL, by $KILL_BY: SIGKILL, or ``exit``."""

    side = 64

    def __init__(self) -> None:
        super().__init__()
        if "COUNT_PROCESSES" in os.environ:
            Path(f"process-{os.environ['RANK']}").touch()

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        if len(self.batches) == int(os.environ.get("KILL_AT_CALL", "-1")):
            how = os.environ.get("KILL_BY", "SIGKILL")
            if how == "sys.exit":
                sys.exit(0)
            if how == "os._exit":
                os._exit(0)
            parent = "KILL_PARENT" in os.environ
            os.kill(os.getppid() if parent else os.getpid(), getattr(signal, how))
            time.sleep(20 if parent else 0)
        return super().generate(conditions, task, seeds)


def record(n: int = 20, chunk_size: int = 8, task: str = "L+T->F", **changes: object) -> RunRecord:
    """A run's record, with whatever a test wants to differ."""
    values: dict[str, object] = {
        "task": task,
        "track": "fake",
        "track_version": "1",
        "track_fingerprint": "0" * 64,
        "split": "test",
        "n": n,
        "seed": 0,
        "model": "seeded",
        "model_version": "1",
        "checkpoint_sha256": None,
        "settings": {"steps": 3},
        "chunk_size": chunk_size,
    }
    return RunRecord(**(values | changes))  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
