"""The paper's tables as text for a terminal, Markdown, LaTeX with booktabs, or CSV."""

import csv
import io
from collections.abc import Callable, Sequence

from codixr_bench.paper.tables import PRINTED, Block
from codixr_bench.show import tex
from codixr_bench.show.number import MISSING


def terminal(blocks: Sequence[Block]) -> str:
    """Columns as wide as their widest cell; printed rows first."""
    return "\n\n".join(_terminal(block) for block in blocks)


def markdown(blocks: Sequence[Block]) -> str:
    """A pipe table a block."""
    return "\n\n".join(_markdown(block) for block in blocks)


def latex(blocks: Sequence[Block]) -> str:
    """A ``tabular`` a block, for ``\\usepackage{booktabs}``."""
    return "\n\n".join(_latex(block) for block in blocks)


def as_csv(blocks: Sequence[Block]) -> str:
    """One row a system and block: table, system, measured on, then a cell a column."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    for block in blocks:
        writer.writerow(["table", "system", "measured on", *_flat_columns(block)])
        for row in block.rows:
            cells = ["" if cell == MISSING else cell for cell in row.cells]
            writer.writerow([block.title, row.label, row.source, *cells])
    return sink.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[Sequence[Block]], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "latex": latex,
    "csv": as_csv,
}


def _flat_columns(block: Block) -> list[str]:
    heads = [head for head, width in block.groups for _ in range(width)]
    return [f"{h} {c}" for h, c in zip(heads, block.columns, strict=True)] if heads else [
        *block.columns
    ]  # fmt: skip


def _terminal(block: Block) -> str:
    lines = [["", "", *block.columns], *([r.label, r.source, *r.cells] for r in block.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    shown = []
    if block.groups:
        text, at = f"{'':{widths[0]}}  {'':{widths[1]}}", 2
        for head, width in block.groups:
            room = sum(widths[at : at + width]) + width - 1
            text += f"  {head:^{room}}"
            at += width
        shown.append(text.rstrip())
    starts, at = set(), 2
    for _, width in block.groups or ((("", len(block.columns))),):
        starts.add(at)
        at += width
    for line in lines:
        text = f"{line[0]:<{widths[0]}}  {line[1]:<{widths[1]}}"
        for i in range(2, len(line)):
            text += ("  " if i in starts else " ") + f"{line[i]:>{widths[i]}}"
        shown.append(text.rstrip())
    return "\n".join([block.title, *shown])


def _markdown(block: Block) -> str:
    columns = _flat_columns(block)
    lines = [
        f"**{block.title}**",
        "",
        "| " + " | ".join(["system", "measured on", *columns]) + " |",
        "|---|---|" + "---:|" * len(columns),
        *("| " + " | ".join([row.label, row.source, *row.cells]) + " |" for row in block.rows),
    ]
    return "\n".join(lines)


def _latex(block: Block) -> str:
    head = tex.groups(block.groups, skipped=2) if block.groups else []
    head.append(tex.row(["", "", *block.columns]))
    ours: list[str] = []
    printed: list[str] = []
    for row in block.rows:
        line = tex.row((row.label, row.source, *row.cells))
        (printed if row.source == PRINTED else ours).append(line)
    return tex.tabular(block.title, f"ll{'r' * len(block.columns)}", head, [printed, ours])
