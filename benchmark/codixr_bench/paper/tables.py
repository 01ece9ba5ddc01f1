"""``codixr-bench table``: Tables II to V in the paper's layout, its printed rows beside ours.

A table is blocks of the same kind (Table III: AUROC, F1), each a row a system. Printed rows are
marked ``printed``: their split, images and weights are the paper's own, so they are a scale, not a
competitor. Ours name their track, split and n. What a result does not hold is ``–``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from codixr.data.labels import PATHOLOGIES, SHORT_NAMES
from codixr.errors import InputError
from codixr_bench.paper.printed import AUROC, BLEU, F1, FID, LABEL_F1, Printed
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.show.number import MISSING, cell, number

Name = Literal["II", "III", "IV", "V"]
NAMES: tuple[Name, ...] = ("II", "III", "IV", "V")
AVERAGES = ("micro", "macro", "weighted")
FID_TASKS = (("T->F", "L->F", "L+T->F"), ("T->L", "F->L", "F+T->L"))
REPORT_TASKS = ("F->T", "L->T", "F+L->T")
FID_SCORES = {"v3": "fid_inception", "XRV": "fid_xrv", "phantom": "fid_phantom"}
"""Column -> score; the last one only where a result has it."""
SECOND_JUDGES = ("chex",)
"""Classifiers beside the track's first one: rows of their own in Table III."""
PRINTED = "printed"
"""The source of a row that the paper prints."""
_PLACES = 2
"""Decimals of the paper's tables."""


@dataclass(frozen=True, slots=True)
class Row:
    """One system's cells."""

    label: str
    source: str
    """``printed``, or a track's split and n: what the row was measured on."""
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One table of rows; ``groups`` are (head, width) above the columns, or there are none."""

    title: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def paper_table(name: Name, results: Sequence[Result]) -> list[Block]:
    """The blocks of a table; InputError when no result is of one of its tasks."""
    image_tasks = (*FID_TASKS[0], *FID_TASKS[1]) if name == "II" else FID_TASKS[0]
    tasks = REPORT_TASKS if name in ("IV", "V") else image_tasks
    ours = sorted((r for r in results if r.task in tasks), key=lambda r: tasks.index(r.task))
    if results and not ours:
        raise InputError(f"Table {name} is about {', '.join(tasks)}: no result given is of these")
    if name == "II":
        return [_fid_block(view, FID_TASKS[i], ours) for i, view in enumerate(("F", "L"))]
    if name == "III":
        return [
            _class_block("III", family, printed, PATHOLOGIES, ours)
            for family, printed in (("auroc", AUROC), ("f1", F1))
        ]
    if name == "IV":
        return [_bleu_block(ours)]
    return [_class_block("V", "label_f1", LABEL_F1, (*PATHOLOGIES, "No Finding"), ours)]


def _fid_block(view: str, tasks: Sequence[str], results: Sequence[Result]) -> Block:
    has_own = any(result.score("fid_phantom") for result in results)
    columns = [c for c in FID_SCORES if c != "phantom" or has_own]
    rows = [
        Row(
            model,
            PRINTED,
            tuple(
                number(FID_SCORES[c], value, places=_PLACES)
                for task in tasks
                for c, value in zip(columns, _padded(of[task], len(columns)), strict=True)
            ),
        )
        for model, of in FID.items()
    ]
    rows += _ours_by_model(
        results,
        tasks,
        lambda result: [
            number(FID_SCORES[c], _value(result.score(FID_SCORES[c])), places=_PLACES)
            for c in columns
        ],
        len(columns),
    )
    groups = tuple((arrow(task), len(columns)) for task in tasks)
    title = f"Table II: FID of generated {view} ↓ (v3: Inception v3, XRV: XRV DenseNet)"
    return Block(title, groups, tuple(columns) * len(tasks), tuple(rows))


def _bleu_block(results: Sequence[Result]) -> Block:
    names = [f"bleu_{order}" for order in range(1, 5)]
    rows = [
        Row(model, PRINTED, tuple(_bleu(v) for task in REPORT_TASKS for v in of[task]))
        for model, of in BLEU.items()
    ]
    rows += _ours_by_model(
        results, REPORT_TASKS, lambda r: [_bleu(_value(r.score(name))) for name in names], 4
    )
    columns = tuple(f"B-{order}" for order in range(1, 5)) * len(REPORT_TASKS)
    groups = tuple((arrow(task), 4) for task in REPORT_TASKS)
    return Block("Table IV: BLEU-1 to 4 of generated reports ↑", groups, columns, tuple(rows))


def _bleu(value: float | None) -> str:
    return number("bleu_1", value, places=_PLACES)


def _class_block(
    table: str,
    family: str,
    printed: Mapping[tuple[str, str | None], Printed],
    classes: Sequence[str],
    results: Sequence[Result],
) -> Block:

    def shown(value: float | None) -> str:
        """As the paper writes them: ``.84``, ``.00``, ``1.00``."""
        return cell(f"{family}_macro", value, places=_PLACES)

    rows = [
        Row(f"{model} {arrow(task)}" if task else model, PRINTED, tuple(map(shown, values)))
        for (model, task), values in printed.items()
    ]
    seen_real: set[str] = set()
    for result in results:
        if result.model.name == "real":
            # The same pictures or reports whatever the condition: one row a track.
            if _measured_on(result) in seen_real:
                continue
            seen_real.add(_measured_on(result))
            label = "Real Data"
        else:
            label = f"{result.model.name} {arrow(result.task)}"
        for judge in ("", *SECOND_JUDGES):
            lead = f"{judge}_" if judge else ""
            macro = result.score(f"{lead}{family}_macro")
            if judge and macro is None:
                continue
            per_class = macro.per_class if macro is not None else {}
            cells = [shown(per_class[c].value if c in per_class else None) for c in classes]
            scores = [result.score(f"{lead}{family}_{average}") for average in AVERAGES]
            cells += [shown(_value(score)) for score in scores]
            by = f", by {judge}" if judge else ""
            rows.append(Row(label + by, _measured_on(result), tuple(cells)))
    heads = {"auroc": "AUROC ↑, classes of the X-ray classifier", "f1": "F1 ↑, at its thresholds",
             "label_f1": "F1 of report labels ↑"}  # fmt: skip
    short = {**SHORT_NAMES, "No Finding": "No F."}
    columns = (*(short[name] for name in classes), "Micro", "Macro", "Wght.")
    return Block(f"Table {table}: {heads[family]}", (), columns, tuple(rows))


def _ours_by_model(
    results: Sequence[Result],
    tasks: Sequence[str],
    cells: Callable[[Result], list[str]],
    width: int,
) -> list[Row]:
    """One row a model and track; a task it was not run on is left blank."""
    by_model: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        if result.task in tasks:
            key = (result.model.name, _measured_on(result))
            by_model.setdefault(key, {})[result.task] = result
    rows = []
    for (model, source), of in by_model.items():
        values = [cells(of[task]) if task in of else [MISSING] * width for task in tasks]
        label = "Real Data" if model == "real" else model
        rows.append(Row(label, source, tuple(cell for part in values for cell in part)))
    return rows


def arrow(task: str | None) -> str:
    """``L+T->F`` as the paper writes it."""
    return (task or "").replace("->", "→")


def _measured_on(result: Result) -> str:
    return f"{result.track.name} {result.track.split}, n={result.track.n}"


def _padded(values: Printed, width: int) -> Printed:
    return (*values, *(None,) * (width - len(values)))


def _value(score: Score | None) -> float | None:
    return None if score is None else score.value
