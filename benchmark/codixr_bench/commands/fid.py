"""``codixr-bench fid A B``: the distance between any two sets of pictures, outside of any track."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr import messages
from codixr.arguments import add_json, at_least
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.commands import options

if TYPE_CHECKING:
    from codixr_bench.runs.picture_sets import Side
    from codixr_bench.score import Score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fid``."""
    parser.add_argument("a", type=Path, metavar="A", help="what was made: anything that B may be")
    parser.add_argument(
        "b",
        type=Path,
        metavar="B",
        help="what is real: a folder of pictures (DICOM too, and folders of them), a folder of "
        "`codixr prepare`, a run, a Parquet with pictures, or statistics (.npz with mu and sigma)",
    )
    parser.add_argument(
        "--backbone",
        required=True,
        metavar="NAME",
        help="inception, xrv, phantom, another of `codixr-bench backbones`, or a file of weights",
    )
    options.add_weights(parser, "FILE", "the backbone's weights; NAME=FILE too, as in `run`")
    parser.add_argument(
        "--metrics",
        default="fid",
        metavar="A,B",
        help="fid (default), kid, precision, recall, density, coverage, fid_inf",
    )
    parser.add_argument(
        "--shards-averaged",
        type=at_least(2),
        metavar="N",
        help="also print what the mean of N parts' distances would be, which some benchmarks "
        "publish, and how many times the distance that is",
    )
    parser.add_argument(
        "--view",
        choices=(Modality.F.value, Modality.L.value),
        default=Modality.F.value,
        help="of samples that hold both views, and of the phantom's backbone (default: F)",
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="of a side that is a folder of `codixr prepare` (default: test)",
    )
    options.add_scoring_compute(parser)
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the distances between two sets; exit code 0."""
    from codixr_bench.backbones import placement
    from codixr_bench.runs.picture_distance import open_backbone, set_distances
    from codixr_bench.runs.picture_sets import PictureSet, open_sides, side_of

    placement.use(parsed.device, options.pictures_at_once(parsed))
    kinds = _kinds(parsed.metrics)
    view = Modality(parsed.view)
    opened = open_sides(parsed.a, parsed.b, view, parsed.split)
    weights = options.weights_by_name(parsed.weights, default=parsed.backbone)
    if other := sorted(set(weights) - {parsed.backbone}):
        raise InputError(f"--weights: '{other[0]}' is not the backbone '{parsed.backbone}'")
    file = weights.get(parsed.backbone)
    backbone = open_backbone(parsed.backbone, view, file, allow=parsed.allow_unpinned)
    _ = backbone.signature
    a, b = (
        side_of(side, backbone, f"features of {name}") if isinstance(side, PictureSet) else side
        for name, side in zip("AB", opened, strict=True)
    )
    scores, notes = set_distances(a, b, backbone, kinds)
    for note in notes:
        messages.note("codixr-bench", note)
    averaged = None
    if parsed.shards_averaged is not None:
        from codixr_bench.runs.shards_averaged import average_of_shards

        averaged = average_of_shards(a, b, parsed.shards_averaged)
    if parsed.json:
        found = _as_json([a, b], scores, notes)
        if averaged is not None:
            found["shards_averaged"] = asdict(averaged) | {"factor": averaged.factor}
        print(json.dumps(found, indent=2))
        return 0
    _print([a, b], scores)
    if averaged is not None:
        print(
            f"mean of {averaged.shards} parts' distances: {averaged.value:.5g}, "
            f"{averaged.factor:.2f} times that of the whole; no distance, publish none such"
        )
    return 0


def _kinds(named: str) -> tuple[str, ...]:
    from codixr_bench.runs.picture_distance import METRICS

    kinds = tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    unknown = [name for name in kinds if name not in METRICS]
    if unknown or not kinds:
        raise InputError(
            f"--metrics '{named}': unknown {', '.join(unknown) or 'name'}; "
            f"known: {', '.join(METRICS)}"
        )
    return kinds


def _as_json(sides: "list[Side]", scores: "list[Score]", notes: list[str]) -> dict[str, Any]:
    a, b = sides
    return {
        "schema_version": 1,
        "a": {"source": str(a.source), "n": a.n},
        "b": {"source": str(b.source), "n": b.n},
        "rankable": a.n is not None and a.n == b.n,
        "scores": [score.model_dump(mode="json") for score in scores],
        "notes": notes,
    }


def _print(sides: "list[Side]", scores: "list[Score]") -> None:
    n = [f"{side.n:,}" if side.n is not None else "?" for side in sides]
    print(f"A {n[0]} pictures · B {n[1]} pictures")
    for score in scores:
        if score.value is None:
            print(f"{score.name:<22} –  {score.reason}")
            continue
        ci95 = "" if score.ci95 is None else f"  [{score.ci95[0]:.5g}, {score.ci95[1]:.5g}]"
        print(f"{score.name:<22} {score.value:.5g}{ci95}")
        if (within := score.unrelated) is not None:
            ends = ", ".join(f"{end:.5g}" for end in within.ci95)
            how = "halves carried over" if within.extrapolated else "same n"
            print(f"  unrelated pictures of B, {how}: {within.value:.5g} [{ends}]")
    for score in scores:
        print(score.signature)
