"""LaTeX: every character printed as it is, and tables that booktabs reads."""

from codixr_bench.show.tex import escape, groups, row, tabular


def test_no_character_of_a_name_is_a_command():
    assert escape("50 % of a_b & {c}$ \\x") == r"50 \% of a\_b \& \{c\}\$ \textbackslash{}x"
    assert escape("T→F ↓ – −1") == r"T$\rightarrow$F $\downarrow$ -- $-$1"


def test_a_table_has_its_rules_between_blocks_and_none_for_an_empty_one():
    head = [*groups([("T→F", 2), ("L→F", 1)], skipped=1), row(["", "a", "b", "c"])]
    text = tabular("a table", "lrrr", head, [[row("wxyz")], [], [row("1234")]])
    assert text.splitlines() == [
        "% a table",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{T$\rightarrow$F} & \multicolumn{1}{c}{L$\rightarrow$F} \\",
        r"\cmidrule(lr){2-3}",
        r"\cmidrule(lr){4-4}",
        r" & a & b & c \\",
        r"\midrule",
        r"w & x & y & z \\",
        r"\midrule",
        r"1 & 2 & 3 & 4 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
