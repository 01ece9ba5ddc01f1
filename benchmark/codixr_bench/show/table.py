"""Results as tables in a terminal: value, interval, n, the better direction, and a scale beside.

Works at 80 columns, and when piped: then without colour. A terminal that cannot show arrows gets
ASCII.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from codixr.data.labels import SHORT_NAMES
from codixr.modality import Modality
from codixr_bench.metric import About, Family
from codixr_bench.registry import facts_of, family_of
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.show.number import cell, interval, number
from codixr_bench.task import Task

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_HEADS = {**SHORT_NAMES, "No Finding": "NoF."}
_PLAIN = str.maketrans({"↑": "^", "↓": "v", "–": "-", "·": "-", "…": "~", "→": ">"})


def print_table(
    result: Result, scale: Sequence[Result] = (), console: "Console | None" = None
) -> None:
    """Print one result: every score, then scores by pathology, then what is not scored and why.

    Args:
        result: what was scored.
        scale: results of reference points on the same task and track (``real``, ``noise``); their
            values stand beside. Others of other tasks or tracks are left out.
        console: where to; standard output by default.
    """
    console = console or _console()
    scale = [other for other in scale if _comparable(result, other)]
    show = _Shown(console)
    show.line(_heading(result), style="bold")
    if result.coverage.scored != result.coverage.expected:
        counted = f"{result.coverage.scored:,} of {result.coverage.expected:,} samples scored"
        show.line(counted, style="bold red")
    show.table(_scores_table(result, scale, show))
    for view in _views(result):
        show.table(_class_table(view, [result, *scale], show))
    for note in _not_scored(result):
        show.line(note, style="yellow")


def print_summary(
    results: Sequence[Result],
    scale: Sequence[Result] = (),
    console: "Console | None" = None,
) -> None:
    """Print several tasks at once: one row a task, output and model, one column a headline score.

    Which scores have a column, and in which order, their families say (``Facts.place``). Scores of
    two outputs together share a column; where there is one, a kind of report score has one column.

    Args:
        results: one a task.
        scale: results of reference points; those of a task stand under its row.
        console: where to; standard output by default.
    """
    console = console or _console()
    show = _Shown(console)
    shown = [*results, *scale]
    columns, agreement = _summary_columns([score for r in shown for score in r.scores])
    table = show.new_table()
    for head in ("task", "makes", "model"):
        show.add_column(table, head, 16)
    for score in columns:
        name = score.name.partition("[")[0]
        # Broken at its last underline: the task and the model need the width.
        head = "_\n".join(name.rsplit("_", 1))
        show.add_column(table, f"{head}\n{_arrow(score)}", justify="right")
    if agreement is not None:
        show.add_column(table, f"agreement\n{_arrow(agreement)}", justify="right")
    for result in results:
        group = [result, *(other for other in scale if _comparable(result, other))]
        for output in Task.parse(result.task).outputs:
            for row, one in enumerate(group):
                cells = [_headline(one, score.name, output) for score in columns]
                if agreement is not None:
                    cells.append(_together(one) if output is _first_output(result) else "")
                table.add_row(
                    result.task if row == 0 and output is _first_output(result) else "",
                    str(output) if row == 0 else "",
                    one.model.name,
                    *map(show.text, cells),
                    style="dim" if row else "",
                )
        table.add_section()
    show.table(table)


class _Shown:
    """A console, and what it can show."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.unicode = console.encoding.lower().replace("-", "").startswith("utf")

    def text(self, text: str) -> str:
        return text if self.unicode else text.translate(_PLAIN)

    def line(self, text: str, style: str) -> None:
        self.console.print(self.text(text), style=style, markup=False, highlight=False)

    def table(self, table: "Table") -> None:
        self.console.print(table)
        self.console.print()

    def new_table(self, gap: int = 2) -> "Table":
        """An empty table, ``gap`` spaces between its columns."""
        from rich import box
        from rich.table import Table

        return Table(
            box=box.SIMPLE_HEAD if self.unicode else box.ASCII2,
            show_edge=False,
            pad_edge=False,
            padding=(0, gap - 1, 0, 0) if self.unicode else 0,
            header_style="bold",
        )

    def add_column(self, table: "Table", head: str, width: int | None = None, **how: Any) -> None:
        """A column of one line; what is wider than ``width`` is cut."""
        cut: Literal["ellipsis", "crop"] = "ellipsis" if self.unicode else "crop"
        table.add_column(self.text(head), no_wrap=True, overflow=cut, max_width=width, **how)


def _scores_table(result: Result, scale: Sequence[Result], show: _Shown) -> "Table":
    table = show.new_table()
    show.add_column(table, "score", 28)
    show.add_column(table, "")
    show.add_column(table, "value", justify="right")
    show.add_column(table, "95 % interval", justify="center")
    show.add_column(table, "n", justify="right")
    for other in scale:
        show.add_column(table, other.model.name, 12, justify="right", style="dim")
    for score in result.scores:
        beside = [(found.value if (found := other.score(score.name)) else None) for other in scale]
        cells = [
            score.name,
            _arrow(score),
            number(score.name, score.value),
            interval(score, " – "),
            f"{score.n:,}",
            *(number(score.name, value) for value in beside),
        ]
        table.add_row(*map(show.text, cells))
        if score.floor is not None:
            floor = number(score.name, score.floor)
            note = ("  real against real", "", floor, "", "", *("" for _ in scale))
            table.add_row(*map(show.text, note), style="dim")
    return table


def _class_table(view: str, results: Sequence[Result], show: _Shown) -> "Table":
    """One row a family and model; one column a pathology, by the paper's short names."""
    result = results[0]
    families = [score for score in result.scores if score.per_class and _view(score) == view]
    labels = list(dict.fromkeys(label for score in families for label in score.per_class))
    table = show.new_table(gap=1)
    show.add_column(table, f"pathology {view}", 18)
    for label in labels:
        show.add_column(table, _HEADS.get(label, label), justify="right", min_width=4)
    for family in families:
        head = f"{_title(family.name)} {_arrow(family)} "
        for one in results:
            score = one.score(family.name)
            if score is None:
                continue
            classes = [score.per_class.get(label) for label in labels]
            cells = [cell(family.name, c.value if c else None) for c in classes]
            name = head + one.model.name if one is result else f"{'':{len(head)}}{one.model.name}"
            table.add_row(*map(show.text, (name, *cells)), style="" if one is result else "dim")
        table.add_section()
    return table


def _views(result: Result) -> list[str]:
    """``[F]``, ``[L]`` or nothing: the outputs that have scores by class, in order."""
    return list(dict.fromkeys(_view(score) for score in result.scores if score.per_class))


def _view(score: Score) -> str:
    return "".join(score.name.partition("[")[1:])


def _not_scored(result: Result) -> list[str]:
    """A line for every score or pathology without a value, and why."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for score in result.scores:
        if score.value is None:
            reasons.setdefault(("", score.reason or "no reason given"), []).append(score.name)
        for label, one in score.per_class.items():
            if one.value is None:
                key = (label, one.reason or "no reason given")
                reasons.setdefault(key, []).append(score.name)
    return [
        f"{label or ', '.join(names)}: not scored: {reason}"
        + (f" ({', '.join(names)})" if label else "")
        for (label, reason), names in reasons.items()
    ]


def _summary_columns(scores: Sequence[Score]) -> tuple[list[Score], Score | None]:
    """One score a column, in order, and one for those of two outputs together, if there is any."""
    found: dict[str, tuple[int, Score]] = {}
    pair: tuple[int, Score] | None = None
    for score in scores:
        facts = facts_of(score.name)
        if facts is None or facts.place is None or _lead(score.name):
            continue
        placed = (facts.place, score)
        if facts.about is About.PAIR:
            pair = placed if pair is None or placed[0] < pair[0] else pair
        else:
            found[score.name.partition("[")[0]] = placed
    columns = [score for _, score in sorted(found.values(), key=lambda placed: placed[0])]
    if pair is None:
        return columns, None
    kinds: set[Family | None] = set()
    kept = []
    for score in columns:
        kind = family_of(score.name)
        if _about(score) is About.REPORT and kind in kinds:
            continue
        kinds.add(kind)
        kept.append(score)
    return kept, pair[1]


def _headline(result: Result, name: str, output: Modality) -> str:
    """A cell of the summary; empty where the score is not one of this output."""
    base = name.partition("[")[0]
    score = result.score(f"{base}[{output}]") or result.score(base)
    if score is None or (_about(score) is About.PICTURE) is not output.is_image:
        return ""
    return number(score.name, score.value)


def _together(result: Result) -> str:
    """A cell of the summary: of the two outputs together."""
    found = [
        (facts.place, score)
        for score in result.scores
        if (facts := facts_of(score.name)) and facts.about is About.PAIR and facts.place is not None
    ]
    first = min(found, key=lambda placed: placed[0], default=None)
    return "" if first is None else number(first[1].name, first[1].value)


def _about(score: Score) -> "About | None":
    facts = facts_of(score.name)
    return None if facts is None else facts.about


def _title(name: str) -> str:
    """What a score's classes are called: ``chex AUROC``; its name where its family says nothing."""
    base = name.partition("[")[0]
    facts = facts_of(name)
    if facts is None or not facts.title:
        return base.removesuffix("_macro")
    return f"{_lead(name).replace('_', ' ')}{facts.title}"


def _lead(name: str) -> str:
    """What a second judge's score begins with: ``chex_``; mostly empty."""
    family = family_of(name)
    parsed = family.parse(name) if family else None
    return parsed.lead if parsed else ""


def _heading(result: Result) -> str:
    track = result.track
    return (
        f"{result.task} · {result.model.name} {result.model.version} · "
        f"{track.name} {track.split}, {track.n:,} studies"
    )


def _comparable(one: Result, other: Result) -> bool:
    return (one.task, one.track) == (other.task, other.track)


def _first_output(result: Result) -> Modality:
    return Task.parse(result.task).outputs[0]


def _arrow(score: Score) -> str:
    return "↑" if score.higher_is_better else "↓"


def _console() -> "Console":
    from rich.console import Console

    return Console()
