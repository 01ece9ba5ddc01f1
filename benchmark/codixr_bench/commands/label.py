"""``codixr-bench label``: reports in, CheXpert's labels out; or why; or how far two agree."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, positive
from codixr.errors import InputError
from codixr.progress import Progress
from codixr.user_paths import is_file
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.canary import check
from codixr_bench.labeler.interface import READINGS, Labeler, load_labeler, signature
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.nonreports import is_missing, is_report
from codixr_bench.labeler.reading import Reading, Reports, open_reports
from codixr_bench.labeler.sections import SectionCutter
from codixr_bench.labeler.stream import label_stream
from codixr_bench.labeler.tables import SEPARATORS, Named
from codixr_bench.labeler.writing import LabelWriter, keep_reports, open_output
from codixr_bench.runs.supervision import Interrupted, interruptible

_PROGRAM = "codixr-bench"
_FILES = (".csv", ".csv.gz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "reports",
        nargs="?",
        metavar="REPORTS",
        help="a CSV, JSON-lines or Parquet file, a folder or zip of .txt, a folder that "
        "`codixr prepare` made, or - for standard input; packed or not, told by its content",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="default: standard output")
    _add_reading(parser)
    _add_output(parser)
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes (default: 1)"
    )
    add_labeler(parser)
    parser.add_argument(
        "--explain", metavar="TEXT", help="show why a text gets its labels (- reads it from stdin)"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="agreement of two files of labels (matched by study_id), of two labelers, or of both",
    )
    parser.add_argument("--ids", action="store_true", help="with --compare: what differs, by name")
    add_json(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column", metavar="NAME", help="the reports' column, in a file with a header"
    )
    parser.add_argument("--id", metavar="NAME", help="call reports by this column in the output")
    parser.add_argument(
        "--delimiter",
        metavar="C",
        help="a CSV's separator: a character, or tab; default: as its header has it, else a comma",
    )
    parser.add_argument("--lines", action="store_true", help="plain text, one report a line")
    parser.add_argument(
        "--sections", metavar="A,B", help="read these sections only, e.g. findings,impression"
    )
    parser.add_argument(
        "--require-section",
        action="store_true",
        help="leave out a report that has none of --sections, instead of reading all of it",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the output holds the reports, as the original's does; default: only where "
        "the input has nothing else to call them by",
    )
    parser.add_argument(
        "--safe-csv",
        action="store_true",
        help="write no cell that a spreadsheet runs as a formula, nor control characters",
    )


def add_labeler(parser: argparse.ArgumentParser) -> None:
    """``--labeler``, ``--reading``, ``--home``, ``--python``: who reads the reports."""
    parser.add_argument(
        "--labeler",
        default=DEFAULT,
        metavar="NAME",
        help=f"{DEFAULT} (default), original, chexbert, or package.module:Class",
    )
    parser.add_argument(
        "--reading",
        choices=tuple(READINGS),
        default="original",
        help=f"of {DEFAULT}: as the original labels (default), or as a radiologist reads",
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="where the original is installed")
    parser.add_argument("--python", type=Path, metavar="FILE", help="what runs the original")


def main(parsed: argparse.Namespace) -> int:
    """Run the subcommand; the exit code."""
    _refuse_what_does_not_go_together(parsed)
    if parsed.explain is not None:
        return _explain(parsed)
    with interruptible():
        try:
            return _compare(parsed) if parsed.compare is not None else _label(parsed)
        except Interrupted as interruption:
            kept = "what was printed is not all" if parsed.output is None else "no file was written"
            messages.say(_PROGRAM, f"interrupted: {kept}")
            return interruption.exit_code


# What goes together


def _refuse_what_does_not_go_together(parsed: argparse.Namespace) -> None:
    """InputError for an option that would have no effect."""
    given = {
        "REPORTS": parsed.reports is not None,
        "-o": parsed.output is not None,
        "--column": parsed.column is not None,
        "--id": parsed.id is not None,
        "--delimiter": parsed.delimiter is not None,
        "--lines": parsed.lines,
        "--sections": parsed.sections is not None,
        "--require-section": parsed.require_section,
        "--text": parsed.text is not None,
        "--safe-csv": parsed.safe_csv,
        "--workers": parsed.workers > 1,
        "--labeler": parsed.labeler != DEFAULT,
        "--home": parsed.home is not None,
        "--python": parsed.python is not None,
        "--reading": parsed.reading != "original",
        "--compare": parsed.compare is not None,
        "--ids": parsed.ids,
        "--json": parsed.json,
    }
    if parsed.explain is not None:
        told = {"--reading", "--labeler", "--json"}
        _refuse(given, "--explain, which takes a text", set(given) - told)
    elif parsed.compare is not None:
        _refuse(
            given,
            "--compare",
            {"-o", "--text", "--safe-csv", "--workers", "--labeler", "--reading"},
        )
        if all(map(_is_file, parsed.compare)):
            told = {"--ids", "--json", "--compare"}
            _refuse(given, "two files of labels, compared as they are", set(given) - told)
    else:
        _refuse(given, "labelling: it is for --compare", {"--ids"})
        if parsed.reports is None:
            raise InputError("no reports: name a file or folder, or - for standard input")
        if parsed.json and parsed.output is None:
            raise InputError(
                "--json prints how many reports there were, and standard output holds the labels: "
                "name a file for them by -o"
            )
    if parsed.require_section and parsed.sections is None:
        raise InputError("--require-section needs --sections: which ones?")
    if parsed.reading != "original" and parsed.labeler != DEFAULT:
        raise InputError(f"--reading is of {DEFAULT}; leave out --labeler {parsed.labeler}")
    if parsed.labeler != DEFAULT and parsed.workers > 1:
        raise InputError(f"--workers is for {DEFAULT}: other labelers have their own ways")


def _refuse(given: dict[str, bool], what: str, options: set[str]) -> None:
    wrong = [name for name, is_given in given.items() if is_given and name in options]
    if wrong:
        raise InputError(f"{', '.join(wrong)} doesn't go with {what}")


def _delimiter(text: str | None) -> str | None:
    if text is None:
        return None
    one = SEPARATORS.get(text, text)
    if len(one) != 1 or one in '"\r\n':
        raise InputError(f"--delimiter '{text}' is not one character, nor {', '.join(SEPARATORS)}")
    return one


def _open(parsed: argparse.Namespace) -> Reports:
    reports = open_reports(
        parsed.reports,
        Reading(parsed.column, parsed.id, _delimiter(parsed.delimiter), parsed.lines),
    )
    for note in reports.notes:
        messages.note(_PROGRAM, note)
    return reports


def _cutter(parsed: argparse.Namespace) -> SectionCutter | None:
    if parsed.sections is None:
        return None
    return SectionCutter(parsed.sections, required=parsed.require_section)


# Labelling


@dataclass
class _Counts:
    """What the reports were like."""

    reports: int = 0
    empty: int = 0
    missing: int = 0
    other: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, report: str, labels: Labels) -> None:
        self.reports += 1
        if not report.strip():
            self.empty += 1
        elif is_missing(report):
            self.missing += 1
        elif not is_report(report, labels):
            self.other += 1

    def tell(self, labeler: Labeler) -> None:
        """Say how many reports were labelled, and what to know about them."""
        seconds = time.monotonic() - self.began
        reports = "report" if self.reports == 1 else "reports"
        messages.say(
            _PROGRAM,
            f"{self.reports:,} {reports} labelled by {signature(labeler)} in {seconds:.1f} s",
        )
        alike = "No Finding, as for any text without a mention"
        if self.empty:
            messages.note(_PROGRAM, f"empty reports: {self.empty:,}: {alike}")
        if self.missing:
            messages.note(
                _PROGRAM,
                f"reports that say nan, None or the like: {self.missing:,}: missing values that "
                f"a program wrote out; {alike}",
            )
        if self.other:
            messages.note(
                _PROGRAM,
                f"texts that don't read like a chest report in English: {self.other:,}: their "
                "labels mean nothing",
            )


def _label(parsed: argparse.Namespace) -> int:
    keep_reports(parsed.output, parsed.reports)
    reports = _open(parsed)
    cutter = _cutter(parsed)
    labeler = _labeler(parsed)
    with_text = reports.with_text if parsed.text is None else parsed.text
    # The original's format has nothing but the text; otherwise a name has to stand there.
    identity = reports.identity if not (with_text and reports.identity == "row") else None
    counts = _Counts()
    with (
        open_output(parsed.output, at_once=cutter is not None) as file,
        Progress("labelling", unit="reports") as bar,
    ):
        writer = LabelWriter(file, identity, with_text=with_text, safe=parsed.safe_csv)
        for (name, report), labels in label_stream(
            reports.rows, labeler, workers=parsed.workers, cutter=cutter
        ):
            writer.write(name, report, labels)
            counts.add(report, labels)
            if counts.reports % 500 == 0:
                bar.advance(500)
        _finish(counts.reports, cutter)
        writer.begin()
    counts.tell(labeler)
    if with_text and identity is None and parsed.text is None:
        messages.note(
            _PROGRAM,
            "the rows are called by their reports, as the original calls them: --id NAME takes a "
            "column of yours instead, --no-text their numbers",
        )
    if parsed.json:
        kinds = {"reports": counts.reports, "empty": counts.empty, "missing": counts.missing}
        kinds |= {"not_like_a_report": counts.other}
        content = {"file": str(parsed.output), "labeler": signature(labeler), **kinds}
        print(json.dumps(content, indent=2))
    return 0


def _finish(count: int, cutter: SectionCutter | None) -> None:
    """InputError where there was nothing to label; a note on reports without the sections."""
    if cutter is not None:
        cutter.finish()
        if without := cutter.counts.without:
            done = "left out" if cutter.required else "read whole, as the original does"
            names = ", ".join(cutter.wanted)
            have = "report has" if without == 1 else "reports have"
            messages.note(_PROGRAM, f"{without:,} {have} no section {names}: {done}")
    if not count and (cutter is None or not cutter.counts.reports):
        raise InputError("there is a header, and no report under it")


def _labeler(parsed: argparse.Namespace) -> Labeler:
    name = READINGS[parsed.reading] if parsed.labeler == DEFAULT else parsed.labeler
    labeler = load_labeler(name, parsed.home, parsed.python)
    check(labeler)
    return labeler


def _explain(parsed: argparse.Namespace) -> int:
    from codixr_bench.labeler.explain import explanation, print_explanation

    if parsed.labeler != DEFAULT:
        raise InputError(f"--explain knows the rules of {DEFAULT} only")
    text = sys.stdin.read() if parsed.explain == "-" else parsed.explain
    if not text.strip():
        raise InputError("--explain: the text is empty")
    if parsed.json:
        print(json.dumps(explanation(text, reading=parsed.reading), indent=2))
    else:
        print_explanation(text, reading=parsed.reading)
    return 0


# Comparing


def _is_file(name: str) -> bool:
    return name.endswith(_FILES) or is_file(name)


def _compare(parsed: argparse.Namespace) -> int:
    from codixr_bench.labeler.comparing import as_json, match, print_comparison
    from codixr_bench.labeler.label_files import STUDY, open_labels, shared_name, study_of

    names: tuple[str, str] = tuple(parsed.compare)
    one, other = (open_labels(Path(name)) if _is_file(name) else None for name in names)
    if one is not None and other is not None:
        by = shared_name(one.names, other.names)
        found = match(names, one.rows(by), other.rows(by), by)
    else:
        labelers = [_side(name, parsed) for name in names if not _is_file(name)]
        if parsed.reports is None:
            raise InputError("no reports: a labeler needs some; name a file or folder, or -")
        reports, cutter = _open(parsed), _cutter(parsed)
        file = one or other
        if file is None:
            found = match(names, *_both(reports, cutter, *labelers), None)
        else:
            by = shared_name(file.names, [reports.identity])
            labelled = _named(label_stream(reports.rows, labelers[0], cutter=cutter))
            if by == STUDY:
                labelled = ((study_of(name), labels) for name, labels in labelled)
            sides = (file.rows(by), labelled) if one is not None else (labelled, file.rows(by))
            found = match(names, *sides, by)
        _finish(found.matched, cutter)
    if parsed.json:
        print(as_json(found, ids=parsed.ids))
    else:
        print_comparison(found, ids=parsed.ids)
    return 0


def _side(name: str, parsed: argparse.Namespace) -> Labeler:
    if "original" not in parsed.compare and (parsed.home or parsed.python):
        raise InputError("--home and --python belong to the labeler original")
    is_original = name == "original"
    labeler = load_labeler(
        name, parsed.home if is_original else None, parsed.python if is_original else None
    )
    check(labeler)
    return labeler


def _both(
    reports: Reports, cutter: SectionCutter | None, first: Labeler, second: Labeler
) -> tuple[Iterator[tuple[str, Labels]], Iterator[tuple[str, Labels]]]:
    """What two labelers say of the same reports, which are read once."""
    one, other = tee(reports.rows)
    again = (
        None if cutter is None else SectionCutter(",".join(cutter.wanted), required=cutter.required)
    )
    return (
        _named(label_stream(one, first, cutter=cutter)),
        _named(label_stream(other, second, cutter=again)),
    )


def _named(rows: Iterator[tuple[Named, Labels]]) -> Iterator[tuple[str, Labels]]:
    return ((name, labels) for (name, _), labels in rows)
