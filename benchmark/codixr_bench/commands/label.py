"""``codixr-bench label``: reports in, CheXpert's labels out; or why; or how far two agree.

What labels is imported inside the functions: ``--help`` must not load it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codixr import messages
from codixr.arguments import positive
from codixr.errors import InputError
from codixr.progress import Progress
from codixr_bench.labeler import DEFAULT

if TYPE_CHECKING:
    from codixr_bench.labeler.agreement import Agreement, Tally
    from codixr_bench.labeler.interface import Labeler
    from codixr_bench.labeler.labels import Labels
    from codixr_bench.labeler.reading import Reports
    from codixr_bench.labeler.stream import Named

_SHOWN_ROWS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "reports",
        nargs="?",
        metavar="REPORTS",
        help="a CSV as the original takes it (one column, no header), a CSV or Parquet file with "
        "--column, a folder of .txt, a folder that `codixr prepare` made, or - for standard input",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="default: standard output")
    parser.add_argument(
        "--column", metavar="NAME", help="the reports' column, in a file with a header"
    )
    parser.add_argument("--id", metavar="NAME", help="call reports by this column in the output")
    parser.add_argument("--lines", action="store_true", help="plain text, one report a line")
    parser.add_argument(
        "--sections", metavar="A,B", help="read these sections only, e.g. findings,impression"
    )
    parser.add_argument(
        "--text",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the output holds the reports, as the original's does; default: only where "
        "the input has nothing else to call them by",
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument(
        "--labeler",
        default=DEFAULT,
        metavar="NAME",
        help=f"{DEFAULT} (default), original, chexbert, or package.module:Class",
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="where the original is installed")
    parser.add_argument("--python", type=Path, metavar="FILE", help="what runs the original")
    parser.add_argument(
        "--explain", metavar="TEXT", help="show why a text gets its labels (- reads it from stdin)"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="agreement of two labelers, or of a CSV of labels with one",
    )
    parser.add_argument("--json", action="store_true", help="with --compare: JSON on stdout")


def main(parsed: argparse.Namespace) -> int:
    """Run the subcommand; the exit code."""
    from codixr_bench.labeler.canary import check
    from codixr_bench.labeler.interface import load_labeler, signature
    from codixr_bench.labeler.reading import open_reports
    from codixr_bench.labeler.writing import LabelWriter, open_output

    if parsed.explain is not None:
        return _explain(parsed)
    if parsed.reports is None:
        raise InputError("no reports: name a file or folder, or - for standard input")
    reports = open_reports(parsed.reports, parsed.column, parsed.id, lines=parsed.lines)
    if reports.note:
        messages.note("codixr-bench", reports.note)
    if parsed.compare is not None:
        return _compare(parsed, reports)
    labeler = load_labeler(parsed.labeler, parsed.home, parsed.python)
    check(labeler)
    with_text = reports.with_text if parsed.text is None else parsed.text
    # The original's format has nothing but the text; otherwise a name has to stand there.
    identity = reports.identity if not (with_text and reports.identity == "row") else None
    began = time.monotonic()
    count = empty = 0
    with open_output(parsed.output) as file:
        writer = LabelWriter(file, identity, with_text=with_text)
        for (name, report), labels in _labelled(parsed, reports, labeler):
            writer.write(name, report, labels)
            count += 1
            empty += not report.strip()
    seconds = time.monotonic() - began
    messages.say(
        "codixr-bench", f"{count:,} reports labelled by {signature(labeler)} in {seconds:.1f} s"
    )
    if empty:
        messages.note(
            "codixr-bench",
            f"{empty:,} of them are empty: No Finding, as for any text without a mention",
        )
    return 0


def _labelled(
    parsed: argparse.Namespace, reports: "Reports", labeler: "Labeler"
) -> "Iterator[tuple[Named, Labels]]":
    from codixr_bench.labeler.stream import label_stream

    sections = tuple(s.strip().lower() for s in (parsed.sections or "").split(",") if s.strip())
    external = parsed.labeler != DEFAULT
    if external and parsed.workers > 1:
        raise InputError(f"--workers is for {DEFAULT}: other labelers have their own ways")
    with Progress("labelling", 0, unit="reports") as bar:
        for done, row in enumerate(
            label_stream(reports.read(), labeler, workers=parsed.workers, sections=sections), 1
        ):
            yield row
            if done % 500 == 0:
                bar.advance(500)


def _explain(parsed: argparse.Namespace) -> int:
    from codixr_bench.labeler.explain import print_explanation

    if parsed.labeler != DEFAULT:
        raise InputError(f"--explain knows the rules of {DEFAULT} only")
    text = sys.stdin.read() if parsed.explain == "-" else parsed.explain
    print_explanation(text)
    return 0


def _compare(parsed: argparse.Namespace, reports: "Reports") -> int:
    from codixr_bench.labeler.agreement import Tally
    from codixr_bench.labeler.stream import chunks

    first, second = (_side(name, parsed) for name in parsed.compare)
    tally = Tally()
    with Progress("comparing", 0, unit="reports") as bar:
        for chunk in chunks(reports.read()):
            one, other = first(chunk), second(chunk)
            for (identity, _), a, b in zip(chunk, one, other, strict=True):
                tally.add(identity, a, b)
            bar.advance(len(chunk))
    for name, side in zip(parsed.compare, (first, second), strict=True):
        if isinstance(side, _File):
            side.finish(name)
    found = tally.agreements()
    if parsed.json:
        differ = tally.differing
        rows = [{**asdict(one), "differ": differ.get(one.observation, [])} for one in found]
        print(json.dumps({"a": parsed.compare[0], "b": parsed.compare[1], "by": rows}, indent=2))
    else:
        _print_agreements(found, tally)
    return 0


class _File:
    """A CSV of labels as one side of a comparison, read beside the reports."""

    def __init__(self, path: Path) -> None:
        self._rows = read_labels(path)

    def __call__(self, chunk: "list[Named]") -> "list[Labels]":
        labels = [labels for _, labels in zip(chunk, self._rows, strict=False)]
        if len(labels) != len(chunk):
            raise InputError("the CSV of labels has fewer rows than there are reports")
        return labels

    def finish(self, name: str) -> None:
        if next(self._rows, None) is not None:
            raise InputError(f"'{name}' has more rows than there are reports")


def _side(name: str, parsed: argparse.Namespace) -> "Callable[[list[Named]], list[Labels]]":
    """A labeler by name, or a CSV of labels by path."""
    from codixr_bench.labeler.canary import check
    from codixr_bench.labeler.interface import load_labeler

    if name.endswith(".csv"):
        return _File(Path(name))
    is_original = name == "original"
    labeler = load_labeler(
        name, parsed.home if is_original else None, parsed.python if is_original else None
    )
    check(labeler)
    return lambda chunk: labeler.label([report for _, report in chunk])


def read_labels(path: Path) -> "Iterator[Labels]":
    """The labels of a CSV with a column an observation, as this command and the original write it.

    InputError names the file, and the row or the column that is wrong.
    """
    import csv

    from codixr.data.labels import OBSERVATIONS

    csv.field_size_limit(1 << 30)
    values = {"": None, "1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1}
    try:
        file = path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    with file:
        rows = csv.DictReader(file)
        for name in OBSERVATIONS:
            if name not in (rows.fieldnames or ()):
                raise InputError(f"'{path}' has no column '{name}': it holds no CheXpert labels")
        for number, row in enumerate(rows, 1):
            cells = [row[name] for name in OBSERVATIONS]
            if not all(cell in values for cell in cells):
                raise InputError(f"'{path}', row {number}: a label is none of 1, 0, -1 and blank")
            yield tuple(values[cell] for cell in cells)


def _print_agreements(found: "list[Agreement]", tally: "Tally") -> None:
    from rich.console import Console
    from rich.table import Table

    from codixr_bench.labeler.agreement import CLASSES

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("observation")
    for head in ("same", "mentioned", "kappa", *CLASSES):
        table.add_column(head, justify="right")
    for one in found:
        cells = [one.agreement, one.mentioned, one.kappa, *one.by_class.values()]
        table.add_row(one.observation, *(_shown(cell) for cell in cells))
    console.print(table)
    console.print()
    console.print(
        f"{found[0].n:,} reports; same: equal labels; mentioned: equal where either mentions it; "
        "kappa: Cohen's over the four classes, then of each class against the rest",
        highlight=False,
    )
    for name, rows in tally.differing.items():
        more = f", and {len(rows) - _SHOWN_ROWS:,} more" if len(rows) > _SHOWN_ROWS else ""
        shown = ", ".join(rows[:_SHOWN_ROWS])
        console.print(f"{name}: differs in {shown}{more}", markup=False, highlight=False)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
