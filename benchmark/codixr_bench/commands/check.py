"""What the gate said, for a person, a program, a test report, or GitHub."""

import argparse
import json
import os
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

from codixr import messages
from codixr.arguments import share
from codixr.errors import InputError
from codixr_bench.commands.compare import (
    PROGRAM,
    RESULT_HELP,
    heading,
    names_of,
    print_columns,
    print_notes,
)
from codixr_bench.comparing.comparison import ALPHA, NotComparableError
from codixr_bench.comparing.gate import LOSS, POWER, Margin, Tested, Verdict, check
from codixr_bench.show.number import chance, number, together

FORMATS = ("text", "json", "junit", "github")
EXIT_INPUT = 2
WIDTH = 90


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``check``."""
    parser.add_argument("new", type=Path, metavar="NEW", help=RESULT_HELP)
    parser.add_argument("--against", type=Path, required=True, metavar="OLD", help=RESULT_HELP)
    parser.add_argument(
        "--margin",
        action="append",
        metavar="SCORE=LOSS",
        help="a loss to accept, e.g. auroc_macro=0.01 or auroc_macro=1%%; repeatable",
    )
    parser.add_argument("--scores", metavar="A,B", help="only these scores; default: all")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument(
        "--loss",
        type=share,
        default=LOSS,
        metavar="SHARE",
        help=f"the relative loss that the needed n is told for (default: {LOSS})",
    )
    parser.add_argument(
        "--power",
        type=share,
        default=POWER,
        metavar="SHARE",
        help=f"the chance to find it that the needed n is told for (default: {POWER})",
    )


def main(parsed: argparse.Namespace) -> int:
    """Run the gate; exit code 0 not worse, 1 worse, 2 not comparable or bad input."""
    form: str = parsed.format
    try:
        verdict = check(
            parsed.new,
            parsed.against,
            margins=dict(Margin.parse(text) for text in parsed.margin or ()),
            only=names_of(parsed.scores),
            loss=parsed.loss,
            power=parsed.power,
        )
    except InputError as error:
        messages.error(PROGRAM, str(error))
        _REFUSALS[form](error)
        return EXIT_INPUT
    for comparison in verdict.comparisons:
        print_notes(comparison)
    _REPORTS[form](verdict, parsed.loss, parsed.power)
    return verdict.exit_code


def _text(verdict: Verdict, loss: float, power: float) -> None:
    for comparison in verdict.comparisons:
        print(heading(comparison))
        mine = [one for one in verdict.tested if one.difference in comparison.differences]
        print_columns(_rows(mine, loss))
        print()
    for said in (_conclusion(verdict), _reach(verdict, loss, power)):
        print(textwrap.fill(said, WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def _rows(tested: Sequence[Tested], loss: float) -> list[list[str]]:
    rows = [["score", "", "new", "old", "loss", "margin", "Holm p", f"n for {loss:.0%}", ""]]
    for one in tested:
        d = one.difference
        places = together(d.name, (d.first, d.second, d.gain))
        rows.append(
            [
                d.name if d.paired else f"{d.name} (unpaired)",
                "↑" if d.higher_is_better else "↓",
                number(d.name, d.first, places=places),
                number(d.name, d.second, places=places),
                number(d.name, -d.gain, places=places, sign=True),
                number(d.name, one.margin),
                chance(one.p_holm),
                f"{one.n_needed:,}" if one.n_needed else "–",
                "WORSE" if one.worse else "ok",
            ]
        )
    return rows


def _conclusion(verdict: Verdict) -> str:
    m = len(verdict.tested)
    scores = f"{m} score{'s' if m > 1 else ''}"
    if verdict.worse:
        names = ", ".join(one.difference.name for one in verdict.worse)
        return f"WORSE: {names} lost more than the margin ({scores}, {ALPHA:.0%} in all by Holm)"
    return f"not worse: no loss beyond its margin in {scores} ({ALPHA:.0%} in all, by Holm)"


def _reach(verdict: Verdict, loss: float, power: float) -> str:
    """What this many studies can find, and what they cannot."""
    seen = [one.difference.name for one in verdict.tested if one.power >= power]
    unseen = [one for one in verdict.tested if one.power < power and one.n_needed]
    said = f"a relative loss of {loss:.0%} is found with a chance of {power:.0%} or more in: "
    said += ", ".join(seen) or "none"
    if unseen:
        listed = ", ".join(f"{one.difference.name} {one.n_needed:,}" for one in unseen)
        said += f"; studies needed for the others: {listed}"
    return said


def _json(verdict: Verdict, loss: float, power: float) -> None:
    print(
        json.dumps(
            {
                "verdict": "worse" if verdict.worse else "not worse",
                "alpha": ALPHA,
                "loss": loss,
                "power": power,
                "scores": [_score(one) for one in verdict.tested],
                "notes": [note for c in verdict.comparisons for note in c.notes],
            },
            indent=2,
        )
    )


def _score(one: Tested) -> dict[str, object]:
    d = one.difference
    return {
        "task": d.task,
        "name": d.name,
        "new": d.first,
        "old": d.second,
        "loss": -d.gain,
        "margin": one.margin,
        "p": one.p,
        "p_holm": one.p_holm,
        "worse": one.worse,
        "paired": d.paired,
        "reason": d.reason or None,
        "n": d.n,
        "n_needed": one.n_needed,
        "power": one.power,
    }


def _junit(verdict: Verdict, loss: float, power: float) -> None:
    suite = _suite(tests=len(verdict.tested), failures=len(verdict.worse), errors=0)
    for one in verdict.tested:
        d = one.difference
        case = ET.SubElement(suite, "testcase", classname=f"check.{d.task}", name=d.name)
        if one.worse:
            ET.SubElement(case, "failure", message=_sentence(one), type="worse")
        if not d.paired:
            ET.SubElement(case, "system-out").text = f"unpaired: {d.reason}"
    _print_xml(suite)


def _github(verdict: Verdict, loss: float, power: float) -> None:
    for one in verdict.worse:
        print(f"::error title=codixr check::{_escaped(_sentence(one))}")
    print(f"::notice title=codixr check::{_escaped(_conclusion(verdict))}")
    lines = ["### codixr check", "", _conclusion(verdict), ""]
    for comparison in verdict.comparisons:
        mine = [one for one in verdict.tested if one.difference in comparison.differences]
        head, *rows = _rows(mine, loss)
        lines += [heading(comparison), "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines.append("")
    _summarise("\n".join([*lines, _reach(verdict, loss, power), ""]))


def _sentence(one: Tested) -> str:
    d = one.difference
    places = together(d.name, (d.first, d.second, d.gain))
    old, new = (number(d.name, value, places=places) for value in (d.second, d.first))
    return (
        f"{d.task} {d.name}: {old} → {new}, "
        f"loss {number(d.name, -d.gain, places=places)}, margin {number(d.name, one.margin)}, "
        f"p {chance(one.p_holm)} (Holm)"
    )


def _refused_json(error: InputError) -> None:
    fields = error.fields if isinstance(error, NotComparableError) else ()
    verdict = "not comparable" if fields else "bad input"
    print(json.dumps({"verdict": verdict, "fields": list(fields), "error": str(error)}, indent=2))


def _refused_junit(error: InputError) -> None:
    suite = _suite(tests=1, failures=0, errors=1)
    case = ET.SubElement(suite, "testcase", classname="check", name="comparable")
    ET.SubElement(case, "error", message=str(error), type="not comparable")
    _print_xml(suite)


def _refused_github(error: InputError) -> None:
    print(f"::error title=codixr check::{_escaped(str(error))}")
    _summarise(f"### codixr check\n\nno verdict: {error}\n")


def _suite(**counts: int) -> ET.Element:
    suite = ET.Element("testsuite", name="codixr-bench check")
    for name, count in counts.items():
        suite.set(name, str(count))
    return suite


def _print_xml(suite: ET.Element) -> None:
    ET.indent(suite)
    print('<?xml version="1.0" encoding="UTF-8"?>')
    print(ET.tostring(suite, encoding="unicode"))


def _escaped(text: str) -> str:
    """A message of a workflow command: one line, and no escape of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _summarise(markdown: str) -> None:
    """Add to the job's summary page, where GitHub offers one."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown)


_REPORTS: dict[str, Callable[[Verdict, float, float], None]] = {
    "text": _text,
    "json": _json,
    "junit": _junit,
    "github": _github,
}
_REFUSALS: dict[str, Callable[[InputError], None]] = {
    "text": lambda _: None,
    "json": _refused_json,
    "junit": _refused_junit,
    "github": _refused_github,
}
