"""``codixr-bench table``: Tables II to V in the paper's layout, its printed rows and ours.

A table is blocks of the same kind (Table III: AUROC, F1), each a row a system. Only what was
measured alike shares a block: the printed rows (the paper's own split, images and weights), then
ours, apart for every track, split, n and way of scoring. What a result does not hold is ``–``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from codixr.data.labels import PATHOLOGIES, SHORT_NAMES
from codixr.errors import InputError
from codixr_bench.paper.printed import AUROC, BLEU, F1, FID, LABEL_F1, Printed
from codixr_bench.result import Result
from codixr_bench.score import ClassScore, Score
from codixr_bench.show.number import MISSING, cell, number

Name = Literal["II", "III", "IV", "V"]
NAMES: tuple[Name, ...] = ("II", "III", "IV", "V")
AVERAGES = ("micro", "macro", "weighted")
FID_TASKS = (("T->F", "L->F", "L+T->F"), ("T->L", "F->L", "F+T->L"))
REPORT_TASKS = ("F->T", "L->T", "F+L->T")
FID_SCORES = {"v3": "fid_inception", "XRV": "fid_xrv", "phantom": "fid_phantom"}
"""Column -> score; the last one is not the paper's."""
BLEU_SCORES = {f"B-{order}": f"bleu_{order}" for order in range(1, 5)}
SECOND_JUDGES = ("chex",)
"""Classifiers beside the track's first one: rows of their own in Table III."""
PRINTED = "printed"
"""The source of a row that the paper prints."""
REAL = "Real Data"
_PLACES = 2
"""Decimals of the paper's tables."""
_VARYING = re.compile(r"\|(n|floor-n):\d+|\|(left-out|classes):[^|]*")
"""Parts of a signature that tell studies and labels apart, not ways of scoring."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell: as it is written, and its value for what is best."""

    text: str = MISSING
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One system's cells."""

    label: str
    source: str
    """``printed``, or a track's split and n: what the row was measured on."""
    entries: tuple[Entry, ...]
    judge: str = ""
    """A second classifier's name, whose numbers are compared among themselves."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The entries as they are written."""
        return tuple(entry.text for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Block:
    """One table of rows; ``groups`` are (head, width) above the columns, or there are none."""

    title: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lower: bool = False
    """Whether lower is better."""

    @property
    def source(self) -> str:
        """What all its rows were measured on."""
        return self.rows[0].source

    def best(self) -> set[tuple[int, int]]:
        """(row, column) of the best of each column, ties too, unless all are alike.

        The real data don't compete.
        """
        found: set[tuple[int, int]] = set()
        for judge in {row.judge for row in self.rows}:
            racing = [
                (i, row)
                for i, row in enumerate(self.rows)
                if row.judge == judge and not row.label.startswith(REAL)
            ]
            for column in range(len(self.columns)):
                values = {
                    i: value
                    for i, row in racing
                    if (value := row.entries[column].value) is not None
                }
                if len(set(values.values())) > 1:
                    first = min(values.values()) if self.lower else max(values.values())
                    found |= {(i, column) for i, value in values.items() if value == first}
        return found


def paper_table(
    name: Name, results: Sequence[Result], *, own: bool = False, intervals: bool = False
) -> list[Block]:
    """The blocks of a table.

    Args:
        name: the table's number.
        results: ours; those of other tasks are left out.
        own: leave out the printed rows.
        intervals: write 95 % intervals behind our values.

    Raises:
        InputError: no result is of one of the table's tasks.
    """
    image_tasks = (*FID_TASKS[0], *FID_TASKS[1]) if name == "II" else FID_TASKS[0]
    tasks = REPORT_TASKS if name in ("IV", "V") else image_tasks
    ours = sorted((r for r in results if r.task in tasks), key=lambda r: tasks.index(r.task))
    if (results or own) and not ours:
        raise InputError(f"Table {name} is about {', '.join(tasks)}: no result given is of these")
    groups: list[list[Result]] = [] if own else [[]]
    groups += _measured_alike(ours, name)
    blocks = [
        block
        for group in groups
        for block in _blocks(name, group, intervals=intervals)
        if block.rows
    ]
    return [replace(block, title=f"{block.title}; {block.source}") for block in blocks]


def _blocks(name: Name, group: Sequence[Result], *, intervals: bool) -> list[Block]:
    """Of results that were measured alike; of the printed rows where there are none."""
    if name == "II":
        return [
            _task_block(
                f"Table II: FID of generated {view} ↓ (v3: Inception v3, XRV: XRV DenseNet)",
                FID_SCORES, FID, FID_TASKS[i], group, lower=True, intervals=intervals,
            )
            for i, view in enumerate(("F", "L"))
        ]  # fmt: skip
    if name == "IV":
        title = "Table IV: BLEU-1 to 4 of generated reports ↑"
        return [_task_block(title, BLEU_SCORES, BLEU, REPORT_TASKS, group, intervals=intervals)]
    if name == "III":
        return [
            _class_block("III", family, printed, PATHOLOGIES, group, intervals=intervals)
            for family, printed in (("auroc", AUROC), ("f1", F1))
        ]
    classes = (*PATHOLOGIES, "No Finding")
    return [_class_block("V", "label_f1", LABEL_F1, classes, group, intervals=intervals)]


def _measured_alike(results: Sequence[Result], name: Name) -> list[list[Result]]:
    """Results of the same track, split and n, and of scores that were made the same way."""
    found: list[tuple[tuple[object, ...], dict[str, str], list[Result]]] = []
    for result in results:
        own = {
            score.name: _VARYING.sub("", score.signature)
            for score in result.scores
            if _is_shown(score.name, name) and score.value is not None
        }
        key = (result.track.model_dump_json(),)
        for other, signatures, group in found:
            if other == key and all(signatures.get(n, s) == s for n, s in own.items()):
                signatures.update(own)
                group.append(result)
                break
        else:
            found.append((key, dict(own), [result]))
    return [group for _, _, group in found]


def _is_shown(score: str, name: Name) -> bool:
    if name == "II":
        return score in FID_SCORES.values()
    if name == "IV":
        return score in BLEU_SCORES.values()
    families = ("label_f1",) if name == "V" else ("auroc", "f1")
    leads = ("",) if name == "V" else ("", *(f"{judge}_" for judge in SECOND_JUDGES))
    return score in {f"{lead}{of}_{average}" for lead in leads for of in families
                     for average in AVERAGES}  # fmt: skip


def _task_block(
    title: str,
    scores: Mapping[str, str],
    printed: Mapping[str, Mapping[str, Printed]],
    tasks: Sequence[str],
    results: Sequence[Result],
    *,
    lower: bool = False,
    intervals: bool,
) -> Block:
    """A row a model, a group of columns a task."""
    columns = list(scores)
    rows = []
    if results:
        # A column that nobody fills only takes room.
        columns = [c for c in columns if any(r.score(scores[c]) for r in results)]

        def ours(result: Result) -> list[Entry]:
            return [_entry(result.score(scores[c]), number, intervals=intervals) for c in columns]

        rows = _by_model(results, tasks, ours, len(columns)) if columns else []
    else:
        widest = max(len(values) for of in printed.values() for values in of.values())
        columns = columns[:widest]
        for model, of in printed.items():
            entries = [
                Entry(number(scores[c], value, places=_PLACES), value)
                for task in tasks
                for c, value in zip(columns, of[task], strict=True)
            ]
            rows.append(Row(model, PRINTED, tuple(entries)))
    groups = tuple((arrow(task), len(columns)) for task in tasks)
    return Block(title, groups, tuple(columns) * len(tasks), tuple(rows), lower)


def _class_block(
    table: str,
    family: str,
    printed: Mapping[tuple[str, str | None], Printed],
    classes: Sequence[str],
    results: Sequence[Result],
    *,
    intervals: bool,
) -> Block:
    """A row a model and task, a column a class."""
    rows = []
    if not results:
        for (model, task), values in printed.items():
            label = f"{model} {arrow(task)}" if task else model
            entries = [Entry(cell(f"{family}_macro", v, places=_PLACES), v) for v in values]
            rows.append(Row(label, PRINTED, tuple(entries)))
    seen_real = False
    for result in results:
        label = f"{result.model.name} {arrow(result.task)}"
        if result.model.name == "real":
            # The same pictures or reports whatever the condition: one row.
            if seen_real:
                continue
            seen_real, label = True, REAL
        for judge in ("", *SECOND_JUDGES):
            lead = f"{judge}_" if judge else ""
            macro = result.score(f"{lead}{family}_macro")
            if macro is None and (judge or not any(map(result.score, _averages(family)))):
                continue
            entries = [
                _class_entry(f"{family}_macro", macro.per_class.get(c) if macro else None,
                             intervals=intervals)
                for c in classes
            ]  # fmt: skip
            entries += [
                _entry(result.score(f"{lead}{one}"), cell, intervals=intervals)
                for one in _averages(family)
            ]
            by = f", by {judge}" if judge else ""
            rows.append(Row(label + by, _measured_on(result), tuple(entries), judge))
    heads = {"auroc": "AUROC ↑, classes of the X-ray classifier", "f1": "F1 ↑, at its thresholds",
             "label_f1": "F1 of report labels ↑"}  # fmt: skip
    short = {**SHORT_NAMES, "No Finding": "NoF."}
    columns = (*(short[name] for name in classes), "Mic.", "Mac.", "Wgt.")
    return Block(f"Table {table}: {heads[family]}", (), columns, tuple(rows))


def _averages(family: str) -> list[str]:
    return [f"{family}_{average}" for average in AVERAGES]


def _by_model(
    results: Sequence[Result],
    tasks: Sequence[str],
    entries: Callable[[Result], list[Entry]],
    width: int,
) -> list[Row]:
    """One row a model; a task it was not run on is left blank."""
    by_model: dict[str, dict[str, Result]] = {}
    for result in results:
        if result.task in tasks:
            by_model.setdefault(result.model.name, {})[result.task] = result
    rows = []
    for model, of in by_model.items():
        found = [entries(of[task]) if task in of else [Entry()] * width for task in tasks]
        label = REAL if model == "real" else model
        source = _measured_on(next(iter(of.values())))
        rows.append(Row(label, source, tuple(entry for part in found for entry in part)))
    return rows


def arrow(task: str | None) -> str:
    """``L+T->F`` as the paper writes it."""
    return (task or "").replace("->", "→")


def _measured_on(result: Result) -> str:
    return f"{result.track.name} {result.track.split}, n={result.track.n}"


def _entry(score: Score | None, shown: Callable[..., str], *, intervals: bool) -> Entry:
    if score is None or score.value is None:
        return Entry()
    text = shown(score.name, score.value, places=_PLACES)
    return Entry(text + _ends(score.name, score.ci95, shown, wanted=intervals), score.value)


def _class_entry(name: str, one: ClassScore | None, *, intervals: bool) -> Entry:
    if one is None or one.value is None:
        return Entry()
    text = cell(name, one.value, places=_PLACES)
    return Entry(text + _ends(name, one.ci95, cell, wanted=intervals), one.value)


def _ends(
    name: str, ci95: tuple[float, float] | None, shown: Callable[..., str], *, wanted: bool
) -> str:
    if not wanted or ci95 is None:
        return ""
    return f" [{', '.join(shown(name, end, places=_PLACES) for end in ci95)}]"
