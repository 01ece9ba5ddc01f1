"""A table in a terminal whose numbers are never cut: long names give way, then columns move below.

A terminal that cannot show arrows gets ASCII. Without a terminal, as in a pipe or a file, there is
room for everything, unless ``COLUMNS`` says otherwise.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PLAIN = str.maketrans({"↑": "^", "↓": "v", "–": "-", "·": "-", "…": "~", "→": ">"})
_SHORTEST = 8
"""Letters of a name that are always shown."""
_PIPE = 10_000
"""Columns of what is not a terminal."""
Side = Literal["left", "center", "right"]


def standard_output() -> "Console":
    """Standard output as rich writes it."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=_PIPE)
    return console


class Paper:
    """A console, and what it can show."""

    def __init__(self, console: "Console | None", *, unicode: bool | None = None) -> None:
        self.console = console or standard_output()
        encoding = self.console.encoding.lower().replace("-", "")
        self.unicode = encoding.startswith("utf") if unicode is None else unicode

    def text(self, text: str) -> str:
        """``text`` in letters that the console has."""
        return text if self.unicode else text.translate(_PLAIN)

    def line(self, text: str, style: str) -> None:
        """Print one line."""
        self.console.print(self.text(text), style=style, markup=False, highlight=False)

    def table(self, columns: "Columns") -> None:
        """Print a table, in as many parts as the width asks for, and an empty line."""
        for part in columns.parts(self.console.width):
            self.console.print(_drawn(self, columns, part))
            self.console.print()


@dataclass
class Column:
    """One column: ``cut`` ones are names, which may be shortened; others are whole or not there."""

    head: str
    side: Side = "left"
    cut: bool = False
    dim: bool = False

    @property
    def head_width(self) -> int:
        """Of its longest line."""
        return max(map(len, self.head.split("\n")))


@dataclass
class Columns:
    """Heads and rows; the first ``names`` columns stand in every part of a table that is split."""

    heads: list[Column] = field(default_factory=list)
    names: int = 1
    gap: int = 2
    rows: list[tuple[Sequence[str], str, Collection[int]]] = field(default_factory=list)
    """Cells, a style, and the cells that are bold."""
    ends: set[int] = field(default_factory=set)
    """Rows with a line under them."""

    def row(self, cells: Sequence[str], *, dim: bool = False, bold: Collection[int] = ()) -> None:
        """Add a row."""
        if len(cells) != len(self.heads):
            raise ValueError(f"{len(cells)} cells for {len(self.heads)} columns")
        self.rows.append((cells, "dim" if dim else "", bold))

    def end_section(self) -> None:
        """A line under the last row."""
        self.ends.add(len(self.rows) - 1)

    def widths(self) -> list[int]:
        """Of every column, with nothing cut."""
        return [
            max([head.head_width, *(len(cells[i]) for cells, _, _ in self.rows)])
            for i, head in enumerate(self.heads)
        ]

    def parts(self, room: int) -> list[dict[int, int]]:
        """Column -> width, for each part of the table that fits ``room``."""
        widths = self.widths()
        names = {i: widths[i] for i in range(self.names)}
        numbers = {i: width for i, width in enumerate(widths) if i >= self.names}
        self._shorten({**names, **numbers}, room, names, numbers)
        taken = sum(names.values()) + self.gap * len(names)
        found: list[dict[int, int]] = []
        part: dict[int, int] = {}
        for i, width in numbers.items():
            wanted = taken + sum(part.values()) + self.gap * len(part) + width
            if part and wanted > room:
                found.append({**names, **part})
                part = {}
            part[i] = width
        return [*found, {**names, **part}]

    def _shorten(self, widths: dict[int, int], room: int, *groups: dict[int, int]) -> None:
        """Take from the widest names what is over, down to ``_SHORTEST`` letters each."""
        over = sum(widths.values()) + self.gap * (len(widths) - 1) - room
        while over > 0:
            able = [i for i, w in widths.items() if self.heads[i].cut and w > _SHORTEST]
            if not able:
                break
            widest = max(able, key=lambda i: widths[i])
            widths[widest] -= 1
            over -= 1
        for group in groups:
            group.update({i: widths[i] for i in group})


def _drawn(paper: Paper, columns: Columns, part: dict[int, int]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if paper.unicode else box.ASCII2,
        show_edge=False,
        pad_edge=False,
        padding=(0, columns.gap - 1, 0, 0) if paper.unicode else 0,
        header_style="bold",
    )
    cut: Literal["ellipsis", "crop"] = "ellipsis" if paper.unicode else "crop"
    for i, width in part.items():
        head = columns.heads[i]
        table.add_column(
            paper.text(head.head),
            no_wrap=True,
            overflow=cut,
            width=width,
            justify=head.side,
            style="dim" if head.dim else "",
        )
    for number, (cells, style, bold) in enumerate(columns.rows):
        shown = [
            Text(paper.text(cells[i]), style="bold" if i in bold else "", overflow=cut)
            for i in part
        ]
        table.add_row(*shown, style=style)
        if number in columns.ends:
            table.add_section()
    return table
