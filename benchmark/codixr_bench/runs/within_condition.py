"""``diversity_within_image``, ``diversity_within_report``: how unlike are samples of one study?

A run with ``--samples-per-study`` has several outputs of one condition. They are compared with each
other, as ``diversity_image`` and ``diversity_report`` compare studies of the same labels, over the
same of those studies' real outputs: 0 is a model that always answers the same, whatever the seed.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images, suffix_of
from codixr_bench.metric import INFLUENCE, Columns
from codixr_bench.metrics.compared_cells import at_side
from codixr_bench.metrics.diversity import ONE_PICTURE, ms_ssim
from codixr_bench.metrics.influence_score import influence_score
from codixr_bench.metrics.label_pairs import NO_PAIRS, label_keys, partners
from codixr_bench.metrics.report_diversity import ONE_REPORT, report_words, words_apart
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.model import Sample
from codixr_bench.runs.scoring import SampleSource
from codixr_bench.score import Score

Array = NDArray[np.float64]
_BATCH = 64


def within_conditions(
    sources: Sequence[SampleSource], dataset: StudyDataset
) -> tuple[list[Score], Columns]:
    """The scores of each output of a run's K sample sets, and each study's influence on them.

    Raises InputError for a sample without an output.
    """
    task = sources[0].task
    kept: dict[Modality, list[Array]] = {output: [] for output in task.outputs}
    real: dict[Modality, list[Any]] = {output: [] for output in task.outputs}
    keys: list[NDArray[np.int64]] = []
    for positions, sets in _batches(sources):
        studies = [dataset[position] for position in positions]
        keys.append(label_keys(studies))
        for output in task.outputs:
            if output.is_image:
                made = [_levels(generated_images(positions, one, output)[:, 0]) for one in sets]
                pairs = [1.0 - ms_ssim(one, other) for one, other in combinations(made, 2)]
                real[output] += list(_levels(real_images(positions, studies, output)[:, 0]))
            else:
                texts = [list(report_pairs(positions, studies, one, blank=True)) for one in sets]
                words = [[report_words(made) for _, made in one] for one in texts]
                pairs = [
                    np.array([words_apart(*two) for two in zip(one, other, strict=True)])
                    for one, other in combinations(words, 2)
                ]
                real[output] += [report_words(own) for own, _ in texts[0]]
            kept[output].append(np.mean(pairs, axis=0))
    scores: list[Score] = []
    columns: dict[str, NDArray[np.generic]] = {}
    partner = partners(np.concatenate(keys))
    for output in task.outputs:
        kind = "image" if output.is_image else "report"
        name = f"diversity_within_{kind}{suffix_of(task, output) if output.is_image else ''}"
        apart = _images_apart if output.is_image else _reports_apart
        own, others = np.concatenate(kept[output]), apart(real[output], partner)
        score, influence = _score(name, len(sources), own, others, partner)
        scores.append(score)
        if influence is not None:
            columns[f"{name}{INFLUENCE}"] = influence
    return scores, columns


def _score(
    name: str, k: int, made: Array, real: Array, partner: NDArray[np.intp]
) -> tuple[Score, Array | None]:
    n, which = len(made), partner >= 0
    value, influence, reason = None, np.zeros(n), None
    whole = float(real.mean()) if len(real) else 0.0
    if not which.any():
        reason = NO_PAIRS
    elif whole <= 0.0:
        reason = ONE_PICTURE if "image" in name else ONE_REPORT
    else:
        value = float(made.mean()) / whole
        influence = (made - made.mean()) / whole
        influence[which] -= value * (real - whole) / whole * n / which.sum()
        influence -= influence.mean()
    score = influence_score(
        name,
        (value, influence, reason),
        n=n,
        higher_is_better=True,
        signature=f"{name.partition('[')[0]}|over:real|samples:{k}",
        lowest=0.0,
        highest=np.inf,
    )
    return score, influence if reason is None else None


def _images_apart(real: Sequence[Any], partner: NDArray[np.intp]) -> Array:
    pictures = np.asarray(real, dtype=np.float32)
    which = np.flatnonzero(partner >= 0)
    return 1.0 - ms_ssim(pictures[which], pictures[partner[which]])


def _reports_apart(real: Sequence[Any], partner: NDArray[np.intp]) -> Array:
    which = np.flatnonzero(partner >= 0)
    return np.array([words_apart(real[int(i)], real[int(partner[i])]) for i in which])


def _levels(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures at 64 x 64 and 256 grey levels, as ``diversity_image`` keeps them."""
    small = np.stack([at_side(picture) for picture in pictures])
    return np.asarray(np.rint(255 * small) / np.float32(255), dtype=np.float32)


def _batches(sources: Sequence[SampleSource]) -> Iterator[tuple[range, list[list[Sample]]]]:
    """(positions, the samples of each set), whatever the sizes of the stores' batches."""
    streams = zip(*(_one_by_one(source) for source in sources), strict=True)
    held: list[tuple[Sample, ...]] = []
    first = 0
    for samples in streams:
        held.append(samples)
        if len(held) == _BATCH:
            yield range(first, first + len(held)), [list(one) for one in zip(*held, strict=True)]
            first, held = first + len(held), []
    if held:
        yield range(first, first + len(held)), [list(one) for one in zip(*held, strict=True)]


def _one_by_one(source: SampleSource) -> Iterator[Sample]:
    for _, samples in source.batches():
        yield from samples
