"""A board as Markdown, LaTeX (booktabs) or CSV."""

import csv
import io
import re
from collections.abc import Callable

from codixr_bench.score import Score
from codixr_bench.show import tex
from codixr_bench.show.number import MISSING, interval, number
from codixr_leaderboard.ranking import Board, Row


def rank(row: Row) -> str:
    """``1``, ``1=`` in a tie, or a dash for a reference point."""
    return MISSING if row.rank is None else f"{row.rank}{'=' if row.tied else ''}"


def arrow(board: Board, column: int) -> str:
    """↑ where higher is better, else ↓."""
    scores = (row.scores[column] for row in board.rows)
    first = next((score for score in scores if score is not None), None)
    return "↓" if first is not None and not first.higher_is_better else "↑"


def markdown(board: Board) -> str:
    """A pipe table, and what was measured on."""
    heads = ["rank", "model", *(f"{n} {arrow(board, i)}" for i, n in enumerate(board.columns))]
    lines = [
        f"**{title(board)}**",
        "",
        f"| {' | '.join(heads)} |",
        "|---:|---|" + "---:|" * len(board.columns),
    ]
    for row in board.rows:
        cells = [_both(name, s) for name, s in zip(board.columns, row.scores, strict=True)]
        # Outside of code, an underscore or a star of a name would be markup.
        model = re.sub(r"([_*|\\`\[\]<])", r"\\\1", row.result.model.name)
        lines.append(f"| {rank(row)} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def latex(board: Board) -> str:
    r"""A ``tabular`` for ``\usepackage{booktabs}``."""
    heads = ["", "model", *(f"{n} {arrow(board, i)}" for i, n in enumerate(board.columns))]
    rows = []
    for row in board.rows:
        cells = [_both(name, s) for name, s in zip(board.columns, row.scores, strict=True)]
        rows.append(tex.row((rank(row), row.result.model.name, *cells)))
    align = f"rl{'r' * len(board.columns)}"
    return tex.tabular(title(board), align, [tex.row(heads)], [rows]) + "\n"


def as_csv(board: Board) -> str:
    """Full precision: value and both ends of the interval of each score."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    ends = [f"{name}{end}" for name in board.columns for end in ("", "_low", "_high")]
    writer.writerow(["rank", "model", "version", "submitted", "track", "split", "n", "task", *ends])
    for row in board.rows:
        cells: list[object] = []
        for score in row.scores:
            low, high = (score.ci95 if score and score.ci95 else (None, None))  # fmt: skip
            cells += [score.value if score else None, low, high]
        model, track = row.result.model, board.track
        about = [track.name, track.split, track.n, board.task]
        writer.writerow([row.rank, model.name, model.version, row.submitted, *about, *cells])
    return sink.getvalue()


DOWNLOADS: dict[str, Callable[[Board], str]] = {"csv": as_csv, "md": markdown, "tex": latex}
"""File ending -> writer."""


def title(board: Board) -> str:
    """``phantom L+T→F, test, n = 2,000``."""
    track = board.track
    task = board.task.replace("->", "→")
    return f"{track.name} {task}, {track.split}, n = {track.n:,}"


def _both(name: str, score: Score | None) -> str:
    ends = interval(score)
    return number(name, score.value if score else None) + (f" [{ends}]" if ends else "")
