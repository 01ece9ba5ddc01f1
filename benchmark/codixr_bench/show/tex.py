r"""THE LaTeX writer: text as it has to be written, and tables for ``\usepackage{booktabs}``."""

from collections.abc import Collection, Sequence

_ESCAPES = {
    "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"$<$", ">": r"$>$", "→": r"$\rightarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "−": "$-$", "–": "--", "·": r"$\cdot$", "…": r"\dots{}", "≥": r"$\geq$", "≤": r"$\leq$",
}  # fmt: skip


def escape(text: str) -> str:
    """``text`` so that LaTeX prints it."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def row(cells: Sequence[str], bold: Collection[int] = ()) -> str:
    """A line of a table, every cell escaped; ``bold`` names the cells to print so."""
    texts = [
        rf"\textbf{{{escape(cell)}}}" if i in bold else escape(cell) for i, cell in enumerate(cells)
    ]
    return " & ".join(texts) + r" \\"


def groups(heads: Sequence[tuple[str, int]], skipped: int) -> list[str]:
    """A line of heads over several columns each, and a rule under each of them.

    Args:
        heads: (text, columns) from left to right.
        skipped: columns before the first head.
    """
    cells = [rf"\multicolumn{{{width}}}{{c}}{{{escape(text)}}}" for text, width in heads]
    lines = [" & ".join([*("" for _ in range(skipped)), *cells]) + r" \\"]
    at = skipped + 1
    for _, width in heads:
        lines.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    return lines


def tabular(comment: str, align: str, head: Sequence[str], blocks: Sequence[Sequence[str]]) -> str:
    r"""A ``tabular`` under a comment: lines of its head, then blocks of rows with a rule between.

    Args:
        comment: what the table is; one line.
        align: a letter a column, e.g. ``llrr``.
        head: lines, as ``row`` and ``groups`` write them.
        blocks: each some lines; empty ones are left out.
    """
    lines = [f"% {comment}", rf"\begin{{tabular}}{{{align}}}", r"\toprule", *head]
    for block in blocks:
        if block:
            lines += [r"\midrule", *block]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def table(caption: str, inside: str) -> str:
    r"""A ``table`` with a caption around one or more tabulars."""
    return "\n".join(
        [r"\begin{table}[t]", r"\centering", rf"\caption{{{escape(caption)}}}", inside,
         r"\end{table}"]
    )  # fmt: skip
