"""The house keeps its sizes: functions, classes, files, and the benchmark's root."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FUNCTION, CLASS, FILE, ROOT_FILES = 80, 250, 400, 14
TABLE = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)


def sources() -> list[Path]:
    return [
        path
        for room in ("codixr", "benchmark", "leaderboard", "tests")
        for path in sorted((ROOT / room).rglob("*.py"))
    ]


def too_long(text: str) -> Iterator[str]:
    """What is over its limit, e.g. "class Writer: 260 lines, at most 250"."""
    tree, lines = ast.parse(text), len(text.splitlines())
    # A module of literals alone is a table of data.
    if lines > FILE and not all(isinstance(node, TABLE) for node in tree.body):
        yield f"file: {lines} lines, at most {FILE}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kind, most = (
                ("class", CLASS) if isinstance(node, ast.ClassDef) else ("function", FUNCTION)
            )
            found = (node.end_lineno or 0) - node.lineno + 1
            if found > most:
                yield f"{kind} {node.name}: {found} lines, at most {most}"


def test_no_function_class_or_file_is_over_its_limit() -> None:
    paths = sources()
    assert len(paths) > 300
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {one}"
        for path in paths
        for one in too_long(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_benchmarks_root_holds_the_public_nouns_only() -> None:
    assert len(list((ROOT / "benchmark" / "codixr_bench").glob("*.py"))) <= ROOT_FILES


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f():\n" + "    x = 1\n" * 79, []),
        ("def f():\n" + "    x = 1\n" * 80, ["function f: 81 lines, at most 80"]),
        ("class C:\n" + "    x = 1\n" * 250, ["class C: 251 lines, at most 250"]),
        ("x = 1\n" * 401, []),
        ("x = 1\n" * 400 + "def f(): ...\n", ["file: 401 lines, at most 400"]),
    ],
)
def test_what_is_a_line_too_long_is_found(text: str, found: list[str]) -> None:
    assert list(too_long(text)) == found
