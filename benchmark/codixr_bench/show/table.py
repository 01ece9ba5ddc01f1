"""Results as tables in a terminal: value, interval, n, the better direction, and a scale beside.

Works at 80 columns, and when piped: then without colour. A terminal that cannot show arrows gets
ASCII.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from codixr.data.labels import SHORT_NAMES
from codixr.modality import Modality
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.task import Task

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HEADLINES = ("fid_phantom", "fid_inception", "fid_xrv", "auroc_macro", "f1_macro", "bleu_1",
             "bleu_4", "label_f1_micro")  # fmt: skip
"""What a summary shows of every task, where it is there."""
AGREEMENTS = ("view_agreement", "report_image_agreement")
"""Of two outputs together: one column of a summary, in the place of the last BLEU."""
FAMILIES = {
    "auroc": "AUROC",
    "f1": "F1",
    "chex_auroc": "chex AUROC",
    "chex_f1": "chex F1",
    "label_f1": "label F1",
}
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
    names: Sequence[str] = HEADLINES,
) -> None:
    """Print several tasks at once: one row a task, output and model, one column a headline score.

    Args:
        results: one a task.
        scale: results of reference points; those of a task stand under its row.
        console: where to; standard output by default.
        names: the scores to show, without ``[F]`` or ``[L]``; those that no result has are not.
    """
    console = console or _console()
    show = _Shown(console)
    shown = [*results, *scale]
    present = {score.name.partition("[")[0]: score for r in shown for score in r.scores}
    agreement = next((present[name] for name in AGREEMENTS if name in present), None)
    left_out = "bleu_4" if agreement else ""
    columns = [present[name] for name in names if name in present and name != left_out]
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
            for number, one in enumerate(group):
                cells = [_headline(one, score.name, output) for score in columns]
                if agreement is not None:
                    cells.append(_agreement(one) if output is _first_output(result) else "")
                table.add_row(
                    result.task if number == 0 and output is _first_output(result) else "",
                    str(output) if number == 0 else "",
                    one.model.name,
                    *map(show.text, cells),
                    style="dim" if number else "",
                )
        table.add_section()
    show.table(table)


def format_value(score: Score, value: float | None) -> str:
    """A value as its score is usually read: distances and sacrebleu 4 digits, shares 3 decimals."""
    if value is None:
        return "–"
    if score.name.startswith(("fid", "sacrebleu")):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:.3f}"


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
        interval = ""
        if score.ci95 is not None:
            interval = " – ".join(format_value(score, end) for end in score.ci95)
        cells = [
            score.name,
            _arrow(score),
            format_value(score, score.value),
            interval,
            f"{score.n:,}",
            *(format_value(score, value) for value in beside),
        ]
        table.add_row(*map(show.text, cells))
        if score.floor is not None:
            floor = format_value(score, score.floor)
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
        base = family.name.partition("[")[0].removesuffix("_macro")
        head = f"{FAMILIES.get(base, base)} {_arrow(family)} "
        for one in results:
            score = one.score(family.name)
            if score is None:
                continue
            classes = [score.per_class.get(label) for label in labels]
            cells = [_short(cell.value if cell else None) for cell in classes]
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


def _headline(result: Result, name: str, output: Modality) -> str:
    """A cell of the summary; empty where the score is not one of this output."""
    base = name.partition("[")[0]
    of_image = not base.startswith(("bleu", "sacrebleu", "rouge", "label_f1"))
    if of_image is not output.is_image:
        return ""
    score = result.score(f"{base}[{output}]") or result.score(base)
    return format_value(score, score.value) if score else ""


def _agreement(result: Result) -> str:
    """A cell of the summary: of the two outputs together."""
    found = (result.score(name) for name in AGREEMENTS)
    return next((format_value(score, score.value) for score in found if score), "")


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


def _short(value: float | None) -> str:
    """Three decimals in four characters: ``.941``, ``1.00``."""
    if value is None:
        return "–"
    return f"{value:.3f}".removeprefix("0") if value < 0.9995 else "1.00"


def _console() -> "Console":
    from rich.console import Console

    return Console()
