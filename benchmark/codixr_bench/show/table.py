"""Results as tables in a terminal: value, interval, n, the better direction, and a scale beside.

Works at 80 columns, and when piped: then without colour, and nothing is cut.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.data.labels import SHORT_NAMES
from codixr.modality import Modality
from codixr_bench.metric import About, Family
from codixr_bench.registry import facts_of, family_of
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.show.columns import Column, Columns, Paper
from codixr_bench.show.number import MISSING, cell, interval, number
from codixr_bench.show.remarks import remarks
from codixr_bench.task import Task

if TYPE_CHECKING:
    from rich.console import Console

LONG = 12
"""A run's table of more scores than these begins with the primary ones, and tells of the rest."""
_HEADS = {**SHORT_NAMES, "No Finding": "NoF."}


def print_table(
    result: Result,
    scale: Sequence[Result] = (),
    console: "Console | None" = None,
    *,
    folder: Path | None = None,
) -> None:
    """Print one result: its scores, then scores by pathology, then what is not scored and why.

    Args:
        result: what was scored.
        scale: results of reference points on the same task and track (``real``, ``noise``); their
            values stand beside. Others of other tasks or tracks are left out.
        console: where to; standard output by default.
        folder: of the run. Given, a long table has the primary scores only, every warning, and the
            command that shows the rest.
    """
    paper = Paper(console)
    scale = [other for other in scale if _comparable(result, other)]
    whole_result = result
    if folder is not None:
        result = first_of(result)
    paper.line(heading(result), style="bold")
    if result.coverage.scored != result.coverage.expected:
        counted = f"{result.coverage.scored:,} of {result.coverage.expected:,} samples scored"
        paper.line(counted, style="bold red")
    paper.table(_scores_table(result, scale))
    for view in views(result):
        paper.table(_class_table(view, [result, *scale]))
    notes = remarks(result)
    for note in notes:
        paper.line(note, style="yellow")
    if (scores := len(whole_result.scores) - len(result.scores)) > 0:
        left = len(remarks(whole_result)) - len(notes)
        said = f" and {left} more note{'s' if left > 1 else ''}" if left > 0 else ""
        show = f"codixr-bench show {shlex.quote(str(folder))}"
        paper.line(f"+ {scores} more scores{said}: {show}", style="bold")


def first_of(result: Result) -> Result:
    """The result with what is looked at first: its primary scores, where it has many."""
    primary = [one for one in result.scores if (facts := facts_of(one.name)) and facts.primary]
    if not primary or len(result.scores) <= LONG:
        return result
    return result.model_copy(update={"scores": tuple(primary)})


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
    shown = [*results, *scale]
    columns, agreement = _summary_columns([score for r in shown for score in r.scores])
    table = Columns([Column("task"), Column("makes"), Column("model", cut=True)], names=3)
    for score in columns:
        name = score.name.partition("[")[0]
        # Broken at its last underline: the task and the model need the width.
        head = "_\n".join(name.rsplit("_", 1))
        table.heads.append(Column(f"{head}\n{arrow(score)}", "right"))
    if agreement is not None:
        table.heads.append(Column(f"agreement\n{arrow(agreement)}", "right"))
    for result in results:
        group = [result, *(other for other in scale if _comparable(result, other))]
        for output in Task.parse(result.task).outputs:
            for row, one in enumerate(group):
                cells = [_headline(one, score.name, output) for score in columns]
                if agreement is not None:
                    cells.append(_together(one) if output is _first_output(result) else "")
                task = result.task if row == 0 and output is _first_output(result) else ""
                makes = str(output) if row == 0 else ""
                table.row([task, makes, one.model.name, *cells], dim=row > 0)
        table.end_section()
    Paper(console).table(table)


def _scores_table(result: Result, scale: Sequence[Result]) -> Columns:
    with_skill = any(score.skill is not None for score in result.scores)
    # n stands in the heading too: it gives way to the skill where all scores have the same.
    with_n = not with_skill or any(score.n != result.track.n for score in result.scores)
    table = Columns(
        [
            Column("score", cut=True),
            Column(""),
            Column("value", "right"),
            Column("95 % interval", "center"),
            *([Column("skill", "right")] if with_skill else []),
            *([Column("n", "right")] if with_n else []),
            *(Column(other.model.name, "right", cut=True, dim=True) for other in scale),
        ]
    )
    for score in result.scores:
        beside = [other.score(score.name) for other in scale]
        table.row(
            [
                score.name,
                arrow(score),
                whole(score),
                "" if only_classes(score) else interval(score, " – "),
                *([skill(score)] if with_skill else []),
                *([f"{score.n:,}"] if with_n else []),
                *(whole(other) if other else MISSING for other in beside),
            ]
        )
        if (unrelated := score.unrelated) is not None:
            shown = [number(score.name, v) for v in (unrelated.value, *unrelated.ci95)]
            how = "1/n" if unrelated.extrapolated else "same n"
            row = [f"  unrelated real, {how}", "", shown[0], f"{shown[1]} – {shown[2]}"]
            table.row([*row, *("" for _ in range(with_skill + with_n + len(scale)))], dim=True)
    return table


def _class_table(view: str, results: Sequence[Result]) -> Columns:
    """One row a family and model; one column a pathology, by the paper's short names."""
    result = results[0]
    families = [score for score in result.scores if score.per_class and view_of(score) == view]
    labels = list(dict.fromkeys(label for score in families for label in score.per_class))
    heads = [Column(_HEADS.get(label, label), "right") for label in labels]
    table = Columns([Column(f"pathology {view}", cut=True), *heads], gap=1)
    for family in families:
        head = f"{title(family.name)} {arrow(family)} "
        for one in results:
            score = one.score(family.name)
            if score is None:
                continue
            classes = [score.per_class.get(label) for label in labels]
            cells = [cell(family.name, c.value if c else None) for c in classes]
            name = head + one.model.name if one is result else f"{'':{len(head)}}{one.model.name}"
            table.row([name, *cells], dim=one is not result)
        table.end_section()
    return table


def skill(score: Score) -> str:
    """0.00 for one answer to everything, 1.00 for the ceiling; a dash where it has no meaning."""
    if score.skill is None or score.skill.value is None or only_classes(score):
        return MISSING
    return f"{score.skill.value:z.2f}"


def whole(score: Score) -> str:
    """A score's value, unless it mixes what can't be mixed."""
    return MISSING if only_classes(score) else number(score.name, score.value)


def only_classes(score: Score) -> bool:
    """Whether only its classes are numbers, and their mean mixes what can\'t be mixed."""
    facts = facts_of(score.name)
    return facts is not None and facts.only_classes


def views(result: Result) -> list[str]:
    """``[F]``, ``[L]`` or nothing: the outputs that have scores by class, in order."""
    return list(dict.fromkeys(view_of(score) for score in result.scores if score.per_class))


def view_of(score: Score) -> str:
    """``[F]``, ``[L]`` or nothing."""
    return "".join(score.name.partition("[")[1:])


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


def title(name: str) -> str:
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


def heading(result: Result) -> str:
    """The task, the model, and the studies."""
    track = result.track
    return (
        f"{result.task} · {result.model.name} {result.model.version} · "
        f"{track.name} {track.split}, {track.n:,} studies"
    )


def _comparable(one: Result, other: Result) -> bool:
    return (one.task, one.track) == (other.task, other.track)


def _first_output(result: Result) -> Modality:
    return Task.parse(result.task).outputs[0]


def arrow(score: Score) -> str:
    """The better direction."""
    return "↑" if score.higher_is_better else "↓"
