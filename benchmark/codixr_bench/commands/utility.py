"""``codixr-bench utility``: what generated studies are worth for training, beside real ones."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr import messages
from codixr.arguments import add_json, at_least
from codixr.errors import InputError
from codixr_bench.commands import options

if TYPE_CHECKING:
    from codixr_bench.runs.utility_pools import RunPools
    from codixr_bench.runs.utility_verdict import ArmScore, Estimate

SEEDS = 3
Scored = Sequence[tuple["RunPools", list["ArmScore"]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``utility``."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folders of runs of the same studies; a run of the test split is tested on val",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument("--of", metavar="F|L|T", help="which output, of runs that made several")
    parser.add_argument(
        "--seeds",
        type=at_least(SEEDS),
        default=SEEDS,
        metavar="N",
        help=f"trainings of each arm (default and least: {SEEDS})",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only what the verdict is of, real and generated: a quarter of the trainings",
    )
    parser.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="a smaller loss of macro AUROC is none (default: 0.02)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where finished trainings are kept, so that a killed command goes on "
        "(default: runs/utility)",
    )
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the mix curve of each run")
    parser.add_argument(
        "--page", action="store_true", help="put each run's curve on its page, and in its folder"
    )
    options.add_scoring_compute(parser)
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Train, test, and print a table a run; exit code 0."""
    from codixr.atomic import write_atomically
    from codixr_bench.backbones import placement
    from codixr_bench.runs.figures import MIX
    from codixr_bench.runs.finish import RUNS
    from codixr_bench.runs.later_figures import put_on_page
    from codixr_bench.runs.utility import learn_all, modality_named, of_one_track
    from codixr_bench.runs.utility_pools import open_run, refuse_seen, tested_pool
    from codixr_bench.runs.utility_verdict import MARGIN, score_arms
    from codixr_bench.track import Track

    placement.use(parsed.device, options.pictures_at_once(parsed))
    margin = MARGIN if parsed.margin is None else parsed.margin
    if not 0.0 < margin < 0.5:
        raise InputError(f"--margin {margin}: a number between 0 and 0.5")
    if parsed.quick and (parsed.plot is not None or parsed.page):
        raise InputError("--quick makes no mix curve: leave it out, or --plot and --page")
    wanted = modality_named(parsed.of)
    runs = [open_run(folder, wanted, parsed.data) for folder in parsed.runs]
    of_one_track(runs)
    track = Track.load(runs[0].record.track).with_data(parsed.data)
    test = tested_pool(track, runs[0].tested_on, runs[0].modality, parsed.data)
    for run in runs:
        refuse_seen(run, test)
    scored = []
    for run in runs:
        title = f"utility of {run.record.model}"
        cache = parsed.cache or RUNS / "utility"
        learnt = learn_all(run, test, parsed.seeds, cache, title, quick=parsed.quick)
        scored.append((run, score_arms(learnt, margin)))
    if parsed.plot is not None:
        write_atomically(parsed.plot, _drawn(scored))
        messages.note("codixr-bench", f"the mix curve is in {parsed.plot}")
    if parsed.page:
        for folder, one in zip(parsed.runs, scored, strict=True):
            put_on_page(folder, MIX, _drawn([one]))
    if parsed.json:
        print(json.dumps([_as_json(run, arms, len(test), parsed.seeds) for run, arms in scored]))
    else:
        _print(scored, len(test), parsed.seeds)
    return 0


def _print(scored: Scored, tested: int, seeds: int) -> None:
    first = scored[0][0]
    mixed = any("%" in arm.name for _, arms in scored for arm in arms)
    print(
        f"{first.modality} · {first.record.track} {first.record.split}, "
        f"{first.record.n:,} studies; tested on {tested:,} real\nstudies of {first.tested_on}; "
        f"{seeds} trainings an arm{'; + % is of generated studies' if mixed else ''}"
    )
    for run, arms in scored:
        print(f"\n{run.record.model}: {len(run.firsts):,} different of {len(run.made):,}")
        print(f"{'learnt from':<23} {'studies':>7}  {'macro AUROC':<20}  minus real")
        print("─" * 78)
        for arm in arms:
            difference = "" if arm.minus_real is None else _shown(arm.minus_real, signed=True)
            print(f"{arm.name:<23} {arm.n:>7,}  {_shown(arm.auroc):<20}  {difference}".rstrip())
        verdict = next(arm.verdict for arm in arms if arm.verdict)
        print(f"learnt from generated studies: {verdict}")


def _shown(one: "Estimate", *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def _as_json(run: "RunPools", arms: list["ArmScore"], tested: int, seeds: int) -> dict[str, Any]:
    return {
        "model": run.record.model,
        "task": run.record.task,
        "track": run.record.track,
        "split": run.record.split,
        "n": run.record.n,
        "different": len(run.firsts),
        "modality": str(run.modality),
        "tested_on": run.tested_on,
        "tested": tested,
        "seeds": seeds,
        "signature": SIGNATURE,
        "arms": [asdict(arm) for arm in arms],
    }


SIGNATURE = "utility|auroc-macro|net:small4|steps:400x64|ci:studies+seeds|v:1"
"""What makes two results of ``utility`` comparable, beside track, split, n and seeds."""


def _drawn(scored: Scored) -> bytes:
    from codixr_bench.runs.utility import SHARES, mix_name
    from codixr_bench.show.curve import Curve, curves_svg

    curves = []
    for run, arms in scored:
        by_name = {arm.name: arm.auroc for arm in arms}
        found = [by_name[mix_name(share)] for share in SHARES]
        points = [(one.value, one.low, one.high) for one in found]
        curves.append(Curve(run.record.model, tuple(map(float, SHARES)), tuple(points)))
    first = scored[0][0]
    return curves_svg(
        curves,
        across="generated studies, % of the real third",
        up="macro AUROC on real studies",
        title=f"{first.modality}, {first.record.track}, n = {first.record.n:,}",
    )
