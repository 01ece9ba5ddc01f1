"""The rows that stand in the repository."""

from pathlib import Path

from codixr_leaderboard.statistics_file import First, read_table
from codixr_leaderboard.submission import Submission, submission_of

ROWS = Path(__file__).parents[2] / "leaderboard" / "results" / "phantom"


def committed(model: str, task: str) -> First:
    """A committed result, and its statistics."""
    path = ROWS / f"{model}.json"
    found: Submission = submission_of(path.read_bytes(), path, checked=False)
    (result,) = (one for one in found.results if one.task == task)
    beside = ROWS / model / f"{task.replace('->', '-to-')}.parquet"
    return result, read_table(beside.read_bytes(), result.track.n, "it")
