"""A board as Markdown, LaTeX (booktabs) or CSV."""

import csv
import io
import re
from collections.abc import Callable

from codixr_bench.score import Score
from codixr_bench.show import tex
from codixr_bench.show.number import MISSING, interval, number
from codixr_leaderboard.ranking import Board, Row

WORD = "†"
"""Beside a value: it is the submitter's word."""


def named(row: Row) -> str:
    """A row's name in a plot of the score that ranks; with ``WORD`` where nobody checked it."""
    first = row.scores[0]
    stated = first is not None and row.is_stated(first.name)
    return f"{row.result.model.name} {WORD}" if stated else row.result.model.name


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
        f"**{caption(board)}**",
        "",
        f"| {' | '.join(heads)} |",
        "|---:|---|" + "---:|" * len(board.columns),
    ]
    for row in board.rows:
        cells = [_both(row, name, s) for name, s in zip(board.columns, row.scores, strict=True)]
        # Outside of code, an underscore or a star of a name would be markup.
        model = re.sub(r"([_*|\\`\[\]<])", r"\\\1", row.result.model.name)
        lines.append(f"| {rank(row)} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def latex(board: Board) -> str:
    r"""A ``tabular`` for ``\usepackage{booktabs}``."""
    heads = ["", "model", *(f"{n} {arrow(board, i)}" for i, n in enumerate(board.columns))]
    rows = []
    for row in board.rows:
        cells = [_both(row, name, s) for name, s in zip(board.columns, row.scores, strict=True)]
        rows.append(tex.row((rank(row), row.result.model.name, *cells)))
    align = f"rl{'r' * len(board.columns)}"
    return tex.tabular(caption(board), align, [tex.row(heads)], [rows]) + "\n"


def as_csv(board: Board) -> str:
    """Full precision: value and both ends of the interval of each score; how far it is checked."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    ends = [f"{name}{end}" for name in board.columns for end in ("", "_low", "_high")]
    heads = ["rank", "model", "version", "submitted", "track", "split", "n", "task"]
    writer.writerow([*heads, *ends, "badge", "self_reported"])
    for row in board.rows:
        cells: list[object] = []
        for score in row.scores:
            low, high = (score.ci95 if score and score.ci95 else (None, None))  # fmt: skip
            cells += [score.value if score else None, low, high]
        model, track = row.result.model, board.track
        about = [track.name, track.split, track.n, board.task]
        stated = " ".join(n for n in board.columns if row.is_self_reported or row.is_stated(n))
        cells += [row.standing.badge, stated]
        writer.writerow([row.rank, model.name, model.version, row.submitted, *about, *cells])
    return sink.getvalue()


DOWNLOADS: dict[str, Callable[[Board], str]] = {"csv": as_csv, "md": markdown, "tex": latex}
"""File ending -> writer."""


def title(board: Board) -> str:
    """``phantom L+T→F, test, n = 2,000``."""
    track = board.track
    task = board.task.replace("->", "→")
    return f"{track.name} {task}, {track.split}, n = {track.n:,}"


def caption(board: Board) -> str:
    """The title, and what ``WORD`` says where it stands."""
    told = f"; {WORD} self-reported" if board.states(board.columns) else ""
    return f"{title(board)}{told}"


def _both(row: Row, name: str, score: Score | None) -> str:
    ends, has_value = interval(score), score is not None and score.value is not None
    word = f" {WORD}" if has_value and row.is_stated(name) else ""
    value = number(name, score.value if score else None)
    return f"{value}{word}" + (f" [{ends}]" if ends else "")
