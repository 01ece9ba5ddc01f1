"""``codixr-bench site``: static pages from the results files, byte for byte the same each time.

Pages hold no date of building and load nothing from elsewhere; a plain script adds sorting, and
without it every table is complete and in order. A file that fails the check stops the build.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codixr import messages
from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.result_files import read_strict
from codixr_bench.show.interval_plot import MOST, Line, intervals_svg
from codixr_bench.show.number import interval, number
from codixr_bench.task import GROUPS
from codixr_leaderboard import cards, table
from codixr_leaderboard.accepted import tracks
from codixr_leaderboard.grids import grid_path, may_have_grids
from codixr_leaderboard.ownership import together_problems
from codixr_leaderboard.printed import MARK, PrintedRows, is_printed, read_printed
from codixr_leaderboard.ranking import Board, Row, boards, measured
from codixr_leaderboard.standing import Standing, Standings, reader_of, standings_of
from codixr_leaderboard.studies import Studies, in_order
from codixr_leaderboard.submission import (
    RefusedError,
    Submission,
    read_submission,
    results_below,
    slug,
)

PROGRAM = "codixr-bench"
_HERE = Path(__file__).parent
COLUMNS = 6
"""Scores side by side in a table of other scores."""
_STATIC = ("style.css", "sort.js")
_MARKER = ".codixr-site"
"""Says that a folder is ours to write into."""


def read_results(
    root: Path,
) -> tuple[list[Submission], dict[str, list[PrintedRows]], Standings]:
    """All checked submissions below ``root``, printed rows by track, and what is known of each.

    A result whose statistics don't give its scores is not ranked, and a note says why.
    """
    files: dict[Path, Submission] = {}
    printed: dict[str, list[PrintedRows]] = {}
    for file in results_below(root):
        if is_printed(read_strict(file.read_bytes(), f"'{file}'")):
            printed.setdefault(file.parent.name, []).append(read_printed(file))
        else:
            files[file] = read_submission(file)
    for row, problem in together_problems(list(files.values())):
        raise RefusedError(f"the row '{row.model}' of {row.track}", [problem])
    studies = Studies(in_order([(row, reader_of(file)) for file, row in files.items()]))
    standings: dict[tuple[str, str, str], Standing] = {}
    for file, row in files.items():
        found = standings_of(file, row, studies, strict=False)
        for (track, name, task), known in found.items():
            if known.fault:
                messages.note(PROGRAM, f"{track}/{name}, {task} isn't ranked: {known.fault}")
        standings |= found
    return list(files.values()), printed, standings


def build(root: Path, out: Path) -> int:
    """Build the site of the results in ``root`` into ``out``; returns the number of pages.

    Raises InputError for a results file that is refused, and for a folder with other files in it.
    """
    submissions, printed, standings = read_results(root)
    return build_pages(submissions, printed, out, standings, root)


def build_pages(
    submissions: Sequence[Submission],
    printed: dict[str, list[PrintedRows]],
    out: Path,
    standings: Standings | None = None,
    root: Path | None = None,
) -> int:
    """Write all pages, downloads and pictures; an earlier site in ``out`` is replaced."""
    _clear(out)
    all_boards = boards(submissions, standings)
    page = _pages(out)
    listed = [
        {
            "name": track.name,
            "title": track.title,
            "boards": [board for board in all_boards if board.track.name == track.name],
            "printed": printed.get(track.name, []),
        }
        for track in tracks().values()
    ]
    by_name = {str(track["name"]): track for track in listed}
    page("index", "index.html", tracks=listed)
    for track in listed:
        if rows := printed.get(str(track["name"])):
            page("paper", f"{track['name']}-paper.html", tables=_printed_tables(rows))
    places: dict[tuple[str, str], dict[str, tuple[Board, Row]]] = {}
    for board in all_boards:
        page(
            "board",
            f"{board.stem}.html",
            board=board,
            track=by_name[board.track.name],
            simulated=tracks()[board.track.name].simulated,
            others=_narrow(board.others),
        )
        for ending, download in table.DOWNLOADS.items():
            _write(out / f"{board.stem}.{ending}", download(board))
        lines = [Line(table.named(r), s) for r in board.rows if (s := r.scores[0]) is not None]
        drawn = intervals_svg(lines, board.columns[0], table.title(board))
        write_atomically(out / f"{board.stem}.svg", drawn)
        for row in board.rows:
            places.setdefault((board.track.name, row.slug), {})[board.task] = (board, row)
    for submission in submissions:
        name = slug(submission.model)
        _write(out / "results" / submission.track / f"{name}.json", submission.to_json().decode())
        here = places[submission.track, name]
        page(
            "model",
            f"models/{submission.track}-{name}.html",
            submission=submission,
            slug=name,
            places=here,
            grids=_grids(out, submission, root),
            curves=_curves(out, submission, {task: board for task, (board, _) in here.items()}),
        )
    for name, (title, text) in cards.pages().items():
        page("card", name, title=title, text=text)
    for name in _STATIC:
        _write(out / name, (_HERE / "static" / name).read_text(encoding="utf-8"))
    return 1 + len(all_boards) + len(submissions) + len(printed)


def _grids(out: Path, submission: Submission, root: Path | None) -> dict[str, str]:
    """Copy the sample grids of one of the project's own rows; task -> the picture's name."""
    copied: dict[str, str] = {}
    if root is None or not may_have_grids(submission):
        return copied
    row = root / submission.track / f"{slug(submission.model)}.json"
    for result in submission.results:
        picture = grid_path(row, result.task)
        if picture.is_file():
            name = f"{submission.track}-{slug(submission.model)}-{picture.stem}{picture.suffix}"
            copied[result.task] = f"models/{name.lower().replace('+', '')}"
            make_folder(out / "models")
            write_atomically(out / copied[result.task], picture.read_bytes())
    return copied


def _curves(out: Path, submission: Submission, tables: dict[str, Board]) -> dict[str, str]:
    """Draw the first score over a model's versions, measured alike; task -> the picture's name."""
    drawn = {}
    for task, board in tables.items():
        lines = [
            Line(f"{result.model.version}", score)
            for result in submission.versions(task)
            if measured(result) == board.signatures
            and (score := result.score(board.columns[0])) is not None
        ]
        if len(lines) > 1:
            drawn[task] = f"models/{board.stem}-{slug(submission.model)}-versions.svg"
            make_folder(out / "models")
            # The newest ones, where there are many; oldest at the top.
            picture = intervals_svg(lines[-MOST:], board.columns[0], table.title(board))
            write_atomically(out / drawn[task], picture)
    return drawn


def _pages(out: Path) -> Callable[..., None]:
    """A function that renders a template into a file."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["task"] = lambda task: task.replace("->", "→")
    environment.globals.update(
        zip=zip, number=number, interval=interval, rank=table.rank, card=cards.card_page,
        arrow=table.arrow, mark=MARK, most=MOST, word=table.WORD,
    )  # fmt: skip

    def page(template: str, name: str, **content: Any) -> None:
        root = "../" * name.count("/")
        text = environment.get_template(f"{template}.html.j2").render(root=root, **content)
        _write(out / name, text)

    return page


def _narrow(names: Sequence[str]) -> list[tuple[str | None, list[str]]]:
    """Scores in tables that a page of 1,280 pixels holds: (page of their card, names)."""
    by_card: dict[str | None, list[str]] = {}
    for name in names:
        by_card.setdefault(cards.card_page(name), []).append(name)
    return [
        (card, found[first : first + COLUMNS])
        for card, found in by_card.items()
        for first in range(0, len(found), COLUMNS)
    ]


def _printed_tables(
    rows: Sequence[PrintedRows],
) -> list[tuple[str, list[str], list[tuple[PrintedRows, dict[str, float | None]]]]]:
    """Task, its scores, and the systems that have it."""
    found = []
    for task in GROUPS["paper"]:
        own = [(one, one.tasks[task.name]) for one in rows if task.name in one.tasks]
        names = list(dict.fromkeys(name for _, cells in own for name in cells))
        if own:
            found.append((task.name, names, own))
    return found


def _clear(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file: the pages need a folder")
    if out.exists() and any(out.iterdir()):
        if not (out / _MARKER).is_file():
            raise InputError(
                f"'{out}' holds files that `make site` didn't write: name another folder"
            )
        shutil.rmtree(out)
    make_folder(out)
    _write(out / _MARKER, "")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
