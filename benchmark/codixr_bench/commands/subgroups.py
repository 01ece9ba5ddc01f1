"""``codixr-bench subgroups RUN --by sex,age``: scores by group, and the gaps between groups."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr import messages
from codixr.arguments import add_json
from codixr.errors import InputError
from codixr_bench.commands import options
from codixr_bench.commands.compare import names_of
from codixr_bench.comparing.side import Side, load_sides
from codixr_bench.result_files import STATISTICS_NAME
from codixr_bench.show.number import chance, number, together

if TYPE_CHECKING:
    from codixr_bench.comparing.subgroups import ByGroup, Group, Subgroups

PROGRAM = "codixr-bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``subgroups``."""
    parser.add_argument("run", type=Path, metavar="RUN", help=options.RESULT)
    parser.add_argument(
        "--by",
        required=True,
        metavar="A,B",
        help="which groups: e.g. sex,age,view on mimic-cxr, age,view on openi, "
        "sex,age on ct, sex,age,view,body_size on phantom, or columns of --groups",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument(
        "--tables",
        type=Path,
        metavar="DIR",
        help="of mimic-cxr: the folder of its metadata, patients and admissions tables; of ct: "
        "the table of its headers, or the folder of such tables",
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="CSV",
        help="a table of your own: position, study_id or subject_id, and a column a group",
    )
    parser.add_argument(
        "--scores", metavar="A,B", help="only these scores, or all (default: the primary ones)"
    )
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the gaps")
    parser.add_argument(
        "--page", action="store_true", help="put the gaps on the run's page, and in its folder"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the scores by group; exit code 0, whatever the gaps."""
    from codixr.atomic import write_atomically
    from codixr_bench.comparing.subgroups import by_groups
    from codixr_bench.runs.figures import GAPS
    from codixr_bench.runs.later_figures import put_on_page
    from codixr_bench.runs.study_groups import groups_of

    attributes = list(dict.fromkeys(names_of(parsed.by)))
    if not attributes:
        raise InputError("--by names no group, e.g. --by sex,age")
    found = []
    for side in load_sides(parsed.run).values():
        if side.statistics is None:
            cure = "give the run's folder"
            raise InputError(f"'{side.path}' has no {STATISTICS_NAME} beside it: {cure}")
        only = _wanted(side, parsed.scores)
        groups = groups_of(side.result, attributes, parsed.data, parsed.tables, parsed.groups)
        found.append((side, by_groups(side, groups, only)))
    if parsed.plot is not None:
        write_atomically(parsed.plot, _drawn(found, "--plot"))
        messages.note(PROGRAM, f"the gaps are drawn in {parsed.plot}")
    if parsed.page:
        for one in found:
            put_on_page(one[0].path.parent, GAPS, _drawn([one], "--page"))
    if parsed.json:
        print(json.dumps([_as_json(*one) for one in found], indent=2))
        return 0
    for side, subgroups in found:
        _print(side, subgroups)
    print("gap: of the two groups that differ most clearly; its interval and p hold for all pairs;")
    print("Holm: for the primary scores too; seen from: a gap that is found 4 times in 5.")
    return 0


def _wanted(side: Side, asked: str | None) -> tuple[str, ...]:
    from codixr_bench.registry import facts_of

    names = names_of(asked)
    known = [score.name for score in side.result.scores]
    if names == ("all",):
        return ()
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"'{side.path}' has no score '{unknown[0]}'; it has: {', '.join(known)}")
    primary = [name for name in known if (facts := facts_of(name)) is not None and facts.primary]
    return tuple(names or primary)


def _print(side: Side, found: "Subgroups") -> None:
    result = side.result
    track = result.track
    print(
        f"{result.task} · {result.model.name} {result.model.version} · {track.name} {track.split}, "
        f"{track.n:,} studies"
    )
    for attribute, groups in found.shown.items():
        scores = [one for one in found.scores if one.attribute == attribute]
        print(f"\n{attribute}")
        if len(groups) < 2:
            print("  fewer than two groups can be shown")
        elif not scores:
            print("  no score has a value in each of its groups")
        else:
            _print_table(scores, groups)
        if hidden := found.hidden[attribute]:
            messages.note(PROGRAM, f"{attribute}: {hidden} small groups are not shown")
        if without := found.without.get(attribute):
            names = ", ".join(without)
            messages.note(PROGRAM, f"{attribute}: too few in some group, in no average: {names}")
    if found.not_by_group:
        names = ", ".join(found.not_by_group)
        messages.note(PROGRAM, f"not by group, no study has its own: {names}")
    print()


def _print_table(scores: Sequence["ByGroup"], groups: Sequence["Group"]) -> None:
    wide = max(len("score"), *(len(one.score) + 2 for one in scores))
    width = max(len("group"), *(len(group.name) for group in groups))
    print(f"{'score':<{wide}} {'group':<{width}} {'n':>6} {'value':>8}  95 % interval")
    print("─" * 78)
    for one in scores:
        _print_score(one, wide, width)


def _print_score(one: "ByGroup", wide: int, width: int) -> None:
    gap = one.gap
    places = together(one.score, [group.value for group in one.groups])
    for at, group in enumerate(one.groups):
        name = f"{one.score} {'↑' if one.higher_is_better else '↓'}" if at == 0 else ""
        value = number(one.score, group.value, places=places)
        ends = " to ".join(number(one.score, end, places=places) for end in group.ci95)
        print(f"{name:<{wide}} {group.group:<{width}} {group.n:>6,} {value:>8}  {ends}")
    between, low, high = (
        number(one.score, x, places=places, sign=True) for x in (gap.value, *gap.interval)
    )
    holm = "" if gap.p_holm is None else f", Holm {chance(gap.p_holm)}"
    seen = number(one.score, gap.seen_from, places=places)
    print(f"{'':<{wide}} gap {gap.higher} − {gap.lower}: {between}, {low} to {high}")
    print(f"{'':<{wide}} p {chance(gap.p)}{holm}; seen from {seen}")


def _as_json(side: Side, found: "Subgroups") -> dict[str, Any]:
    result = side.result
    return {
        "task": result.task,
        "track": result.track.model_dump(mode="json"),
        "model": result.model.model_dump(mode="json"),
        "groups": {
            attribute: {group.name: len(group.rows) for group in groups}
            for attribute, groups in found.shown.items()
        },
        "hidden": dict(found.hidden),
        "without": {name: list(labels) for name, labels in found.without.items()},
        "scores": [asdict(one) for one in found.scores],
        "not_by_group": list(found.not_by_group),
    }


def _drawn(found: list[tuple[Side, "Subgroups"]], option: str) -> bytes:
    from codixr_bench.show.gap_plot import GapLine, gaps_svg

    lines = []
    for side, subgroups in found:
        for one in subgroups.scores:
            task = f"{side.result.task}: " if len(found) > 1 else ""
            label = f"{task}{one.score}, {one.attribute}: {one.gap.higher} − {one.gap.lower}"
            lines.append(GapLine(label, one.gap.value, one.gap.interval, one.gap.seen_from))
    if not lines:
        raise InputError(f"{option}: no score has two groups to draw")
    result = found[0][0].result
    track = result.track
    title = f"{result.model.name}, {track.name} {track.split}, n = {track.n:,}"
    return gaps_svg(lines, title)
