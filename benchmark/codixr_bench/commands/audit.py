"""``codixr-bench audit TABLE.csv``: what in a printed table can't be so."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from codixr.arguments import add_json
from codixr.errors import InputError
from codixr_bench.paper.audit import Measure, audit, read_table, unchecked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``audit``."""
    parser.add_argument(
        "table",
        type=Path,
        metavar="TABLE.csv",
        help="names first, then a column a class, and micro, macro, weighted, n; rows 'support' "
        "and 'negatives' hold each class's counts",
    )
    parser.add_argument(
        "--measure",
        choices=[str(measure) for measure in Measure],
        default=str(Measure.OTHER),
        help="what the cells are (default: other, of which only the means are checked)",
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the findings; exit code 1 where numbers contradict one another, else 0."""
    path: Path = parsed.table
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"'{path}' cannot be read: {reason}") from error
    table, measure = read_table(content, f"'{path}'"), Measure(parsed.measure)
    found = audit(table, measure)
    open_ = unchecked(table, measure)
    if parsed.json:
        rows = [asdict(finding) for finding in found]
        print(json.dumps({"findings": rows, "unchecked": open_}, indent=2))
    else:
        for finding in found:
            print(f"{finding.kind}: {finding.row}, {finding.column}: {finding.says}")
        for one in open_:
            print(f"not checked: {one}")
        wrong = sum(finding.is_contradiction for finding in found)
        print(
            f"{wrong} contradiction{'' if wrong == 1 else 's'} and {len(found) - wrong} warning"
            f"{'' if len(found) - wrong == 1 else 's'} in {len(table.rows)} rows, rounding "
            "allowed for"
        )
    return 1 if any(finding.is_contradiction for finding in found) else 0
