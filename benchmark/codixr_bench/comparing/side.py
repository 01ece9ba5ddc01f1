"""One side of a comparison: a result, and the statistics of its studies that must fit it."""

from dataclasses import dataclass
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.comparing.edits import edit_of, interval_misfit, value_misfit
from codixr_bench.comparing.influences import columns_about_studies, influences
from codixr_bench.metric import Columns, Influence
from codixr_bench.result import Result
from codixr_bench.result_files import RESULT_NAME, STATISTICS_NAME
from codixr_bench.statistics.influence import PATIENT, pseudovalued, read_statistics


@dataclass(frozen=True)
class Side:
    """One result, and the statistics of its studies where they are at hand."""

    path: Path
    result: Result
    statistics: Path | None

    def influences(self) -> tuple[Columns, dict[str, Influence]]:
        """The columns about the studies themselves, and each score's influence.

        Raises InputError for a score whose own numbers don't fit, and for statistics that are
        damaged or give other scores than the result beside them has: another run's, or edited.
        """
        cure = "the file was edited or damaged; score the samples again"
        for score in self.result.scores:
            if (fault := edit_of(score)) is not None:
                raise InputError(f"'{self.path}': {score.name} {fault}: {cure}")
        if self.statistics is None:
            return {}, {}
        columns = read_statistics(self.statistics, self.result.track.n)
        names = [score.name for score in self.result.scores]
        found = influences(columns, names)
        stored = pseudovalued(columns)
        for score in self.result.scores:
            if (one := found.get(score.name)) is None:
                continue
            if value_misfit(score, one):
                raise InputError(
                    f"'{self.statistics}' gives {score.name} {one.value:.6g}, '{self.path}' has "
                    f"{score.value:.6g}: they are of two runs, or one was edited; score the "
                    "samples again"
                )
            if score.name in stored and interval_misfit(score, one, columns.get(PATIENT)):
                raise InputError(
                    f"'{self.statistics}' and the interval of {score.name} in '{self.path}' don't "
                    "fit: they are of two runs, or one was edited; score the samples again"
                )
        return columns_about_studies(columns, names), found


def load_sides(path: Path) -> dict[str, Side]:
    """Task -> side, from a result file, a run's folder, or a task group's folder of folders.

    Raises InputError where there is no result, or two results of one task.
    """
    files = [path]
    if path.is_dir():
        files = [path / RESULT_NAME]
        if not files[0].is_file():
            files = sorted(path.glob(f"*/{RESULT_NAME}"))
        if not files:
            raise InputError(
                f"'{path}' has no '{RESULT_NAME}', and neither have its folders; give a run's "
                "folder, e.g. runs/phantom/L+T-to-F/codixr, or a result file"
            )
    sides: dict[str, Side] = {}
    for file in files:
        result = Result.load(file)
        if result.task in sides:
            raise InputError(f"'{path}' holds two results of '{result.task}': give one of them")
        beside = file.parent / STATISTICS_NAME
        sides[result.task] = Side(file, result, beside if beside.is_file() else None)
    return sides
