"""Scores and statistics of a few phantom studies, without a run's folder."""

from collections.abc import Sequence

import numpy as np

from codixr.data.phantom import PhantomDataset
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.model import Sample
from codixr_bench.runs.seeds import study_seed
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import by_name


class SmallRuns:
    """The first ``n`` test studies with the pictures and reports of a task's outputs."""

    def __init__(self, task: str, n: int) -> None:
        self.task, self.n = Task.parse(task), n
        data = PhantomDataset("test", limit=n)
        for output in self.task.outputs:
            if output.is_image:
                data.images(output)
        self.studies = [data[i] for i in range(n)]
        self.real = [self._outputs(study) for study in self.studies]

    def noisy(self) -> list[Sample]:
        """Every third picture is noisy, every fourth another study's, every other report the first.

        So that each score has studies which differ in it.
        """
        found: list[Sample] = []
        for position, study in enumerate(self.studies):
            rng = np.random.default_rng(study_seed(study.study_id, self.task, 0))
            other = self.real[position - 1 if position % 4 == 0 else position]
            sample: Sample = {}
            for output in self.task.outputs:
                if output.is_image:
                    spread = 0.09 if position % 3 == 0 else 0.01
                    noise = rng.normal(0.0, spread, other[output].shape)
                    sample[output] = np.clip(other[output] + noise, 0.0, 1.0).astype(np.float32)
                else:
                    sample[output] = self.real[position if position % 2 else 0][output]
            found.append(sample)
        return found

    def run(
        self, samples: Sequence[Sample], metrics: Sequence[str] = ()
    ) -> tuple[dict[str, Score], dict[str, np.ndarray]]:
        """Scores by name, and the columns of the statistics with influences as they are."""
        scores, columns = {}, {}
        for metric in Track.load("phantom").metrics(self.task, tuple(metrics)):
            metric.update(range(self.n), self.studies, samples)
            scores |= by_name(metric.compute())
            columns |= metric.statistics()
        return scores, columns

    def _outputs(self, study: Study) -> Sample:
        every = {Modality.F: study.frontal, Modality.L: study.lateral, Modality.T: study.report}
        return {output: every[output] for output in self.task.outputs}
