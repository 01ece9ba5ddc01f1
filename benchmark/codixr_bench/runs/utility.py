"""Utility: what generated studies are worth for training, beside real ones of the same studies.

A small fixed classifier learns from generated pictures (or reports) with the labels that were asked
for, and is tested on real studies that no arm has seen (TSTR; Esteban et al. 2017, Ravuri and
Vinyals 2019). Beside it stand the same from the real ones (TRTR), from generated ones on generated
ones (TSTS), and a mix: a third of the real studies, with 0 to 200 % generated ones of other studies
added. Every arm has the same number of steps; a content that was made twice counts once.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codixr.atomic import make_folder, write_atomically
from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones import placement
from codixr_bench.runs.utility_network import (
    STEPS,
    Probabilities,
    learn_pictures,
    learn_reports,
)
from codixr_bench.runs.utility_pools import Pool, RunPools

SHARES = (0, 25, 50, 100, 200)
"""Per cent of generated studies, of the real ones in the mix."""
REAL, MADE, MADE_ON_MADE = "real", "generated", "generated on generated"
LEAST = 30
"""Studies: under it nothing is learnt that could be compared."""
_FORMAT = 1


@dataclass(frozen=True)
class Arm:
    """What is learnt from, and what it is tested on."""

    name: str
    train: Pool
    test: Pool


@dataclass(frozen=True)
class Learnt:
    """An arm's answers: probabilities [seeds, m, k] of the studies it was tested on."""

    name: str
    n: int
    """Studies learnt from, in the first seed."""
    probabilities: NDArray[np.float64]
    labels: tuple[NDArray[np.int8], ...]
    """[m, k] of each seed: they differ where the tested studies do."""
    patients: tuple[str, ...] | None
    """Of the tested studies, where they are the same for all seeds."""


def mix_name(share: int) -> str:
    """``real third + 50 %``, of generated studies."""
    return f"real third + {share} %"


def arms_of(run: RunPools, test: Pool, seed: int, *, quick: bool = False) -> Iterator[Arm]:
    """Every arm of a run; ``seed`` chooses the studies of the mix, and the tested fifth.

    ``quick``: only the two that the verdict is of.
    """
    if len(run.made) < LEAST:
        raise InputError(
            f"the run has {len(run.made)} studies, and utility is learnt from {LEAST} or more: "
            "give a larger --limit to `run`"
        )
    made = run.made.at(run.firsts)
    yield Arm(REAL, run.real, test)
    yield Arm(MADE, made, test)
    if quick:
        return
    draw = np.random.default_rng((20_261_128, seed))
    places = draw.permutation(len(made))
    kept = max(1, len(made) // 5)
    yield Arm(MADE_ON_MADE, made.at(places[kept:]), made.at(places[:kept]))
    order = draw.permutation(len(run.made))
    third = len(order) // 3
    base, others = order[:third], order[third:]
    others = others[np.isin(others, run.firsts)]
    for share in SHARES:
        more = run.made.at(others[: third * share // 100])
        yield Arm(mix_name(share), run.real.at(base).joined(more), test)


def learn_all(
    run: RunPools,
    test: Pool,
    seeds: int,
    cache: Path | None,
    title: str,
    *,
    quick: bool = False,
) -> list[Learnt]:
    """Every arm with every seed; what ``cache`` holds already is not learnt again."""
    found: dict[str, list[Probabilities]] = {}
    arms: dict[str, list[Arm]] = {}
    for seed in range(seeds):
        for arm in arms_of(run, test, seed, quick=quick):
            arms.setdefault(arm.name, []).append(arm)
    total = sum(len(each) for each in arms.values())
    with Progress(title, total, unit="trainings") as bar:
        for name, each in arms.items():
            for seed, arm in enumerate(each):
                found.setdefault(name, []).append(_learn(arm, seed, cache))
                bar.advance(1)
    return [
        Learnt(
            name,
            len(arms[name][0].train),
            np.stack(answers),
            tuple(arm.test.labels for arm in arms[name]),
            test.patients if arms[name][0].test is test else None,
        )
        for name, answers in found.items()
    ]


def _learn(arm: Arm, seed: int, cache: Path | None) -> Probabilities:
    parts = [_FORMAT, STEPS, seed, arm.train.digest(), arm.test.digest(), list(PATHOLOGIES)]
    if (kind := placement.device().type) != "cpu":
        parts.append(kind)
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    place = None if cache is None else cache / f"{key}.npy"
    if place is not None and place.is_file():
        try:
            kept = np.load(place, allow_pickle=False)
            if kept.shape == arm.test.labels.shape:
                return np.asarray(kept, dtype=np.float64)
        except (OSError, ValueError):
            pass  # half a file of a disk that failed: it is learnt again
    answers = _answers(arm, seed)
    if place is not None:
        make_folder(place.parent)
        buffer = io.BytesIO()
        np.save(buffer, answers)
        write_atomically(place, buffer.getvalue())
    return answers


def _answers(arm: Arm, seed: int) -> Probabilities:
    if arm.train.pictures is not None and arm.test.pictures is not None:
        return learn_pictures(arm.train.pictures, arm.train.labels, arm.test.pictures, seed)
    return learn_reports(list(arm.train.reports), arm.train.labels, list(arm.test.reports), seed)


def of_one_track(runs: Sequence[RunPools]) -> None:
    """InputError where runs are of other tracks, splits, studies or modalities."""
    first = runs[0]
    for run in runs[1:]:
        for what, one, other in (
            ("track", first.record.track_fingerprint, run.record.track_fingerprint),
            ("split", first.record.split, run.record.split),
            ("number of studies", first.record.n, run.record.n),
            ("modality", first.modality, run.modality),
        ):
            if one != other:
                names = f"'{first.record.model}' and '{run.record.model}'"
                raise InputError(f"{names} are of another {what}: compare runs of the same studies")


def modality_named(given: str | None) -> Modality | None:
    """``--of F``; InputError for what is none."""
    if given is None:
        return None
    try:
        return Modality(given.upper())
    except ValueError as error:
        raise InputError(f"--of '{given}': F, L or T") from error
