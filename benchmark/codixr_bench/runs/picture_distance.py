"""The distance between any two sets of pictures, outside of any track.

A is what was made, B what is real. The sides are independent: no picture of A belongs to one of B.
Beside the distance stands that of two disjoint parts of B, and a note on whatever makes the
number hard to read: few pictures, unequal numbers, pictures that are on both sides.
"""

from pathlib import Path

import numpy as np

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.user_paths import is_file
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.published import SCORE_NAMES, PublishedBackbone, backbone_of_file
from codixr_bench.backbones.weights import WEIGHTS, sha256_of
from codixr_bench.metrics.distance_scores import (
    KINDS,
    Asked,
    distance_scores,
    score_name,
)
from codixr_bench.metrics.distances import OF_PHANTOM
from codixr_bench.metrics.frechet import (
    FrechetDerivative,
    Influences,
    frechet_distance,
)
from codixr_bench.metrics.unrelated import unrelated_distance
from codixr_bench.registry import unknown
from codixr_bench.runs.picture_sets import Side
from codixr_bench.score import Score, Unrelated
from codixr_bench.statistics.influence_interval import influence_interval

METRICS = tuple(kind for kind in KINDS if kind != "fid_by_class")
"""What can be asked for: labels by class are a track's."""
_SEED = 20_240_529


def set_distances(
    a: Side, b: Side, backbone: Backbone, kinds: tuple[str, ...]
) -> tuple[list[Score], list[str]]:
    """The distances between what was made, ``a``, and what is real, ``b``; and notes on them.

    Raises InputError for sides of other features, or of a single picture.
    """
    notes = _notes(a, b, backbone)
    scores, more = _scores(a, b, backbone, kinds)
    return scores, notes + more


def open_backbone(named: str, view: Modality, weights: Path | None, *, allow: bool) -> Backbone:
    """The backbone of ``--backbone`` and ``--weights``; InputError for a name that is neither.

    ``allow`` takes other weights than the published ones; the signature says so.
    """
    if named in OF_PHANTOM:
        if weights is not None:
            raise InputError("--weights: the phantom's backbone comes with codixr; leave it out")
        return OF_PHANTOM[named](view)
    if named in SCORE_NAMES:
        return PublishedBackbone(named, weights, allow_unpinned=allow)
    path = Path(named)
    if not is_file(path):
        names = (*OF_PHANTOM, *SCORE_NAMES)
        raise unknown("backbone", named, names, " (or name a file of weights)")
    if weights is not None:
        raise InputError("--weights: --backbone names a file of weights already; give one of them")
    digest = sha256_of(path)
    known = next((file.backbone for file in WEIGHTS.values() if file.sha256 == digest), None)
    return PublishedBackbone(known or backbone_of_file(path), path, allow_unpinned=allow)


def _scores(
    a: Side, b: Side, backbone: Backbone, kinds: tuple[str, ...]
) -> tuple[list[Score], list[str]]:
    d = [len(side.statistics.mean) for side in (a, b)]
    if d[0] != d[1]:
        raise InputError(
            f"'{a.source}' has {d[0]} features, '{b.source}' {d[1]}: statistics of another backbone"
        )
    for side in (a, b):
        if side.statistics.n < 2:
            raise InputError(f"'{side.source}' holds one picture: a distance needs two or more")
    unrelated, notes = _unrelated(a, b)
    asked = Asked(
        backbone=backbone.name,
        signature=backbone.signature,
        kinds=kinds,
        n=a.n or 0,
        reference=f"independent:{b.n or 'unknown'}",
        unrelated=unrelated,
    )
    if a.rows is not None and b.rows is not None:
        return [one.score for one in distance_scores(a.rows, b.rows, asked)], notes
    found = distance_scores_without_rows(a, b, asked)
    return found, notes


def distance_scores_without_rows(a: Side, b: Side, asked: Asked) -> list[Score]:
    """Where a side is cached statistics: ``fid`` alone; its interval knows of the other side."""
    scores = []
    for kind in asked.kinds:
        name = score_name(kind, asked.backbone)
        signature = f"{kind}|backbone:{asked.signature}|ref:{asked.reference}|n:{asked.n}"
        better = kind not in ("fid", "kid", "fid_inf")
        if kind != "fid":
            reason = "cached statistics hold no single pictures"
            scores.append(
                Score(
                    name=name,
                    value=None,
                    reason=reason,
                    n=asked.n,
                    higher_is_better=better,
                    signature=signature,
                )
            )
            continue
        found, sampled = _against_statistics(a, b)
        ci95 = None
        if sampled:
            influence = found.first if a.rows is not None else found.second
            ci95 = influence_interval(found.value, influence, lowest=0.0)
            signature += f"|ci:influence,{sampled}-alone"
        scores.append(
            Score(
                name=name,
                value=found.value,
                ci95=ci95,
                n=asked.n,
                higher_is_better=False,
                unrelated=asked.unrelated,
                signature=signature,
            )
        )
    return scores


def _against_statistics(a: Side, b: Side) -> tuple[Influences, str]:
    none = np.zeros(0)
    if a.rows is None and b.rows is None:
        one, two = a.statistics, b.statistics
        value = frechet_distance(one.mean, one.covariance, two.mean, two.covariance)
        return Influences(value, none, none), ""
    derivative = FrechetDerivative(a.statistics, b.statistics)
    if a.rows is not None:
        first = np.concatenate([derivative.of_first(rows) for rows in a.rows.read()])
        return Influences(derivative.value, first - first.mean(), none), "A"
    assert b.rows is not None
    second = np.concatenate([derivative.of_second(rows) for rows in b.rows.read()])
    return Influences(derivative.value, none, second - second.mean()), "B"


def _unrelated(a: Side, b: Side) -> tuple[Unrelated | None, list[str]]:
    """The distance between two disjoint parts of B, of as many pictures as A."""
    if b.rows is None:
        return None, ["B is cached statistics: a distance within B needs pictures"]
    found = unrelated_distance(b.rows, a.n or len(b.rows))
    if found is None:
        return None, ["B has fewer than four pictures: too few for a distance within B"]
    if found.extrapolated:
        half = len(b.rows) // 2
        return found, [
            f"the distance within B is of {half:,} pictures a side, carried over to {found.n:,}"
        ]
    return found, []


def _notes(a: Side, b: Side, backbone: Backbone) -> list[str]:
    notes = []
    d = len(b.statistics.mean)
    least = getattr(backbone, "least_n", 0)
    for name, side in (("A", a), ("B", b)):
        if side.n is None:
            notes.append(f"{name} doesn't say of how many pictures it is")
        elif side.n <= d:
            notes.append(
                f"{name} has {side.n:,} pictures, and there are {d:,} features: the covariance is "
                "singular, and most of the distance is bias"
            )
        elif side.n < least:
            notes.append(
                f"{name} has {side.n:,} pictures: under {least:,} the bias is large; "
                "compare only at equal n"
            )
        if len(side.sizes) > 1:
            notes.append(
                f"the pictures of {name} have {len(side.sizes)} sizes: the backbone resizes each"
            )
    if a.n is not None and b.n is not None and a.n != b.n:
        notes.append(f"A has {a.n:,} pictures, B {b.n:,}: rank no models by distances of unequal n")
    if shared := len(a.digests & b.digests):
        notes.append(
            f"{shared:,} of {len(a.digests):,} different pictures of A are on the side of B too, "
            "pixel by pixel: the distance is too low"
        )
    return notes
