"""What the gate said, for a person, a program, a test report, or GitHub."""

import argparse
import json
import os
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, share
from codixr.errors import InputError
from codixr.own_files import explained
from codixr.quoting import discreet
from codixr_bench.commands.compare import (
    PROGRAM,
    RESULT_HELP,
    heading,
    names_of,
    print_columns,
    print_notes,
)
from codixr_bench.comparing.comparison import ALPHA, Comparison, NotComparableError
from codixr_bench.comparing.gate import LOSS, POWER, Asked, Margin, Tested, Verdict, check
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
        help="a loss to accept: auroc_macro=0.01, auroc_macro=1%%, or 1%% of every other score; "
        "repeatable",
    )
    parser.add_argument(
        "--scores",
        metavar="A,B",
        help="these scores, or all; default: the primary ones; a note names the others",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    add_json(shown)
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
    parser.add_argument(
        "--require-power",
        type=share,
        metavar="SHARE",
        help="exit code 1 where a score could lose --loss and pass with a greater chance than "
        "1 - SHARE",
    )
    parser.add_argument(
        "--non-inferior",
        action="store_true",
        help="exit code 1 unless every 95 %% interval stays within its --margin",
    )
    parser.add_argument(
        "--allow-same", action="store_true", help="go on where both sides are one file"
    )


def main(parsed: argparse.Namespace) -> int:
    """Run the gate; exit code 0 passes, 1 doesn't, 2 not comparable or bad input."""
    form: str = "json" if parsed.json else parsed.format
    try:
        asked = Asked(
            margins=dict(Margin.parse(text) for text in parsed.margin or ()),
            loss=parsed.loss,
            power=parsed.power,
            require_power=parsed.require_power,
            non_inferior=parsed.non_inferior,
        )
        verdict = check(
            parsed.new,
            parsed.against,
            asked=asked,
            only=names_of(parsed.scores),
            allow_same=parsed.allow_same,
        )
    except InputError as wrong:
        error = explained(wrong, "codixr-bench check", parsed)
        given = [*(parsed.margin or ()), parsed.scores or ""]
        if (said := discreet(str(error), given)) != str(error):
            error = InputError(said)
        messages.error(PROGRAM, str(error))
        _REFUSALS[form](error)
        return EXIT_INPUT
    for comparison in verdict.comparisons:
        print_notes(comparison)
    _REPORTS[form](verdict)
    return verdict.exit_code


def _text(verdict: Verdict) -> None:
    for comparison in verdict.comparisons:
        print(heading(comparison))
        print_columns(_rows(verdict, comparison))
        print()
    for said in (*_conclusions(verdict), _reach(verdict)):
        print(textwrap.fill(said, WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def _rows(verdict: Verdict, comparison: Comparison) -> list[list[str]]:
    asked = verdict.asked
    worst = ["worst"] if asked.non_inferior else []
    head = [
        "score",
        "",
        "new",
        "old",
        "loss",
        *worst,
        "margin",
        "Holm p",
        f"n for {asked.loss:.0%}",
    ]
    rows = [[*head, ""]]
    for one in verdict.tested:
        d = one.difference
        if d not in comparison.differences:
            continue
        places = together(d.name, (d.first, d.second, d.gain))
        worst = [number(d.name, one.worst, places=places, sign=True)] if asked.non_inferior else []
        rows.append(
            [
                d.name if d.paired else f"{d.name} (unpaired)",
                "↑" if d.higher_is_better else "↓",
                number(d.name, d.first, places=places),
                number(d.name, d.second, places=places),
                number(d.name, -d.gain, places=places, sign=True),
                *worst,
                number(d.name, one.margin),
                chance(one.p_holm),
                f"{one.n_needed:,}" if one.n_needed else "–",
                _word(verdict, one),
            ]
        )
    return rows


def _word(verdict: Verdict, one: Tested) -> str:
    if one.worse:
        return "WORSE"
    if one in verdict.unproven:
        return "UNPROVEN"
    return "UNSEEN" if one in verdict.unseen else "ok"


def _conclusions(verdict: Verdict) -> list[str]:
    """What the gate says, a sentence each; the first one is the verdict."""
    m, asked = len(verdict.tested), verdict.asked
    scores = f"{m} score{'s' if m > 1 else ''}"
    said = []
    if verdict.worse:
        said.append(
            f"WORSE: {_names(verdict.worse)} lost more than the margin "
            f"({scores}, {ALPHA:.0%} in all by Holm)"
        )
    if verdict.unproven:
        said.append(
            f"UNPROVEN: the 95 % interval of {_names(verdict.unproven)} leaves a loss beyond the "
            "margin open"
        )
    if verdict.unseen:
        said.append(
            f"UNSEEN: a relative loss of {asked.loss:.0%} in {_names(verdict.unseen)} is found "
            f"with a chance below {asked.require_power or 0.0:.0%}, so a pass would mean nothing"
        )
    if said:
        return said
    if asked.non_inferior:
        return [f"not inferior: the 95 % interval of {scores} stays within the margin"]
    return [f"not worse: no loss beyond its margin in {scores} ({ALPHA:.0%} in all, by Holm)"]


def _names(tested: Sequence[Tested]) -> str:
    return ", ".join(one.difference.name for one in tested)


def _reach(verdict: Verdict) -> str:
    """What this many studies can find, and what they cannot."""
    power = verdict.asked.power
    seen = [one for one in verdict.tested if one.power is not None and one.power >= power]
    unseen = [one for one in verdict.tested if one not in seen and one.n_needed]
    near = [one for one in verdict.tested if one.power is None]
    said = f"a relative loss of {verdict.asked.loss:.0%} is found with a chance of {power:.0%} or "
    said += f"more in: {_names(seen) or 'none'}"
    if unseen:
        listed = ", ".join(f"{one.difference.name} {one.n_needed:,}" for one in unseen)
        said += f"; studies needed for the others: {listed}"
    if near:
        said += f"; no share of the old value is a loss where that may be 0: {_names(near)}"
    return said


def _json(verdict: Verdict) -> None:
    asked = verdict.asked
    print(
        json.dumps(
            {
                "verdict": _verdict(verdict),
                "alpha": ALPHA,
                "loss": asked.loss,
                "power": asked.power,
                "require_power": asked.require_power,
                "non_inferior": asked.non_inferior,
                "scores": [_score(verdict, one) for one in verdict.tested],
                "notes": [note for c in verdict.comparisons for note in c.notes],
            },
            indent=2,
        )
    )


def _verdict(verdict: Verdict) -> str:
    if verdict.worse:
        return "worse"
    if verdict.unproven:
        return "unproven"
    return "unseen" if verdict.unseen else "not worse"


def _score(verdict: Verdict, one: Tested) -> dict[str, object]:
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
        "worst": one.worst,
        "says": _word(verdict, one).lower(),
        "paired": d.paired,
        "reason": d.reason or None,
        "n": d.n,
        "n_needed": one.n_needed,
        "power": one.power,
    }


def _junit(verdict: Verdict) -> None:
    failed = [one for one in verdict.tested if _word(verdict, one) != "ok"]
    suite = _suite(tests=len(verdict.tested), failures=len(failed), errors=0)
    for one in verdict.tested:
        d = one.difference
        case = ET.SubElement(suite, "testcase", classname=f"check.{d.task}", name=d.name)
        if one in failed:
            kind = _word(verdict, one).lower()
            ET.SubElement(case, "failure", message=_sentence(one), type=kind)
        if not d.paired:
            ET.SubElement(case, "system-out").text = f"unpaired: {d.reason}"
    _print_xml(suite)


def _github(verdict: Verdict) -> None:
    for one in verdict.tested:
        if (word := _word(verdict, one)) != "ok":
            print(f"::error title=codixr check::{_escaped(f'{word}: {_sentence(one)}')}")
    conclusions = _conclusions(verdict)
    for said in conclusions:
        print(f"::notice title=codixr check::{_escaped(said)}")
    lines = ["### codixr check", "", *conclusions, ""]
    for comparison in verdict.comparisons:
        head, *rows = _rows(verdict, comparison)
        lines += [heading(comparison), "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines.append("")
    _summarise("\n".join([*lines, _reach(verdict), ""]))


def _sentence(one: Tested) -> str:
    d = one.difference
    places = together(d.name, (d.first, d.second, d.gain))
    old, new = (number(d.name, value, places=places) for value in (d.second, d.first))
    return (
        f"{d.task} {d.name}: {old} → {new}, "
        f"loss {number(d.name, -d.gain, places=places)} "
        f"(up to {number(d.name, one.worst, places=places)}), margin {number(d.name, one.margin)}, "
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


_REPORTS: dict[str, Callable[[Verdict], None]] = {
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
