"""The paper's tables as text for a terminal, Markdown, LaTeX with booktabs, or CSV.

The best of each column is bold. A caption stands above; LaTeX puts the blocks of one source into
one ``table``.
"""

import csv
import io
import os
import sys
from collections.abc import Callable, Sequence

from codixr_bench.paper.tables import Block
from codixr_bench.show import tex
from codixr_bench.show.columns import Column, Columns, Paper
from codixr_bench.show.number import MISSING

WIDTH = 80
"""Columns that a table takes at most where there is no terminal."""


def terminal(blocks: Sequence[Block], caption: str = "") -> str:
    """At most as wide as the terminal, or 80: what doesn't fit stands below, under the same names.

    Bold in a terminal only.
    """
    from rich.console import Console

    sink = io.StringIO()
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal or "COLUMNS" in os.environ else WIDTH
    console = Console(file=sink, width=width, force_terminal=is_terminal)
    paper = Paper(console, unicode=_shows_arrows())
    if caption:
        paper.line(caption, style="bold")
    for block in blocks:
        paper.line(block.title, style="bold")
        heads = [
            f"{head}\n{column}" if head else column
            for head, column in zip(_heads(block), block.columns, strict=True)
        ]
        table = Columns([Column(""), *(Column(head, "right") for head in heads)], gap=1)
        best = block.best()
        for i, row in enumerate(block.rows):
            bold = {column + 1 for line, column in best if line == i}
            table.row([row.label, *row.cells], bold=bold)
        paper.table(table)
    return sink.getvalue().rstrip("\n")


def markdown(blocks: Sequence[Block], caption: str = "") -> str:
    """A pipe table a block."""
    return "\n\n".join(filter(None, [caption, *map(_markdown, blocks)]))


def latex(blocks: Sequence[Block], caption: str = "") -> str:
    r"""A ``tabular`` a block, for ``booktabs``; with a caption, a ``table`` a source."""
    if not caption:
        return "\n\n".join(map(_latex, blocks))
    sources = list(dict.fromkeys(block.source for block in blocks))
    found = []
    for source in sources:
        inside = "\n\\par\\medskip\n".join(_latex(b) for b in blocks if b.source == source)
        text = caption if len(sources) == 1 else f"{caption} ({source})"
        found.append(tex.table(text, inside))
    return "\n\n".join(found)


def as_csv(blocks: Sequence[Block], caption: str = "") -> str:
    """One row a system and block: table, system, measured on, then a cell a column."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    for block in blocks:
        title = caption or block.title
        writer.writerow(["table", "system", "measured on", *_flat_columns(block)])
        for row in block.rows:
            cells = ["" if cell == MISSING else cell for cell in row.cells]
            writer.writerow([title, row.label, row.source, *cells])
    return sink.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[Sequence[Block], str], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "latex": latex,
    "csv": as_csv,
}


def _shows_arrows() -> bool:
    return (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")


def _heads(block: Block) -> list[str]:
    """What stands above each column, or nothing."""
    found = [head for head, width in block.groups for _ in range(width)]
    return found or [""] * len(block.columns)


def _flat_columns(block: Block) -> list[str]:
    return [f"{h} {c}".lstrip() for h, c in zip(_heads(block), block.columns, strict=True)]


def _markdown(block: Block) -> str:
    columns, best = _flat_columns(block), block.best()
    lines = [
        f"**{block.title}**",
        "",
        "| " + " | ".join(["system", *columns]) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for i, row in enumerate(block.rows):
        cells = [f"**{c}**" if (i, j) in best else c for j, c in enumerate(row.cells)]
        lines.append("| " + " | ".join([row.label, *cells]) + " |")
    return "\n".join(lines)


def _latex(block: Block) -> str:
    head = tex.groups(block.groups, skipped=1) if block.groups else []
    head.append(tex.row(["", *block.columns]))
    best = block.best()
    rows = [
        tex.row([row.label, *row.cells], bold={j + 1 for line, j in best if line == i})
        for i, row in enumerate(block.rows)
    ]
    return tex.tabular(block.title, f"l{'r' * len(block.columns)}", head, [rows])
