"""Stand-ins for metrics' tests: a backbone, a classifier, studies, and splits into shards."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.model import Sample
from codixr_bench.score import ClassScore, Score, Unrelated

SIDE = 4
UNRELATED = Unrelated(value=8.9, ci95=(7.5, 10.5), n=20, draws=20, extrapolated=False)


class PixelBackbone:
    """A picture's pixels are its features: d = 16."""

    name = "pixels"
    signature = "pixels|weights:none"

    def features(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return images.reshape(len(images), -1)


class PixelClassifier:
    """The first ten pixels of a picture are its probabilities."""

    classes = PATHOLOGIES
    threshold_policy = "fixed-0.5"
    signature = "pixels|weights:none"
    thresholds = np.full(len(PATHOLOGIES), 0.5)

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return images.reshape(len(images), -1)[:, : len(PATHOLOGIES)]


def studies_and_samples(n: int, seed: int = 0) -> tuple[list[Study], list[Sample]]:
    """Random pictures with ties, labels of every kind, reports of a small vocabulary."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(21, size=(n, 2, 1, SIDE, SIDE)).astype(np.float32) / 20
    studies: list[Study] = []
    samples: list[Sample] = []
    for position in range(n):
        labels = {name: int(rng.integers(-1, 2)) for name in PATHOLOGIES}
        labels |= {"Edema": None} if position % 3 == 0 else {}  # type: ignore[dict-item]
        study = Study(
            study_id=f"secret-{position}",
            subject_id=f"secret-{position}",
            split="test",
            frontal=pictures[position, 0],
            report=_report(rng, lowest=1),
            labels=labels,
        )
        studies.append(study)
        samples.append({Modality.F: pictures[position, 1], Modality.T: _report(rng, lowest=0)})
    return studies, samples


def _report(rng: np.random.Generator, lowest: int) -> str:
    words = ["No", "pleural", "effusion.", "Mild", "edema,", "lungs", "clear", "st.-post"]
    return " ".join(rng.choice(words, size=int(rng.integers(lowest, 12))))


@st.composite
def shards(draw: st.DrawFn, n: int) -> list[list[list[int]]]:
    """The positions 0..n-1 in any order, cut into shards of batches."""
    positions = draw(st.permutations(range(n)))
    cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=6)))
    batches = [list(part) for part in np.split(np.array(positions), cuts)]
    owners = draw(st.lists(st.integers(0, 2), min_size=len(batches), max_size=len(batches)))
    return [[b for b, o in zip(batches, owners, strict=True) if o == shard] for shard in range(3)]


def scored_in(
    split: Sequence[Sequence[Sequence[int]]],
    make: Any,
    studies: Sequence[Study],
    samples: Sequence[Sample],
) -> Any:
    """A metric that saw the studies in shards of batches, merged."""
    whole = make()
    for shard in split:
        part = make()
        for batch in shard:
            part.update(batch, [studies[i] for i in batch], [samples[i] for i in batch])
        whole.merge(part)
    return whole


def assert_shards_score_as_one(
    split: Sequence[Sequence[Sequence[int]]],
    make: Any,
    studies: Sequence[Study],
    samples: Sequence[Sample],
) -> None:
    """A metric merged of shards gives the scores and the statistics of one that saw all."""
    whole, merged = make(), scored_in(split, make, studies, samples)
    whole.update(range(len(studies)), studies, samples)
    assert merged.compute() == whole.compute()
    for name, column in whole.statistics().items():
        np.testing.assert_array_equal(merged.statistics()[name], column)


def by_name(scores: Sequence[Score]) -> Mapping[str, Score]:
    return {score.name: score for score in scores}


def example_scores(task_makes_text: bool = False, value: float = 0.9) -> list[Score]:
    """What a run of one view, or of reports, gives."""
    if task_makes_text:
        return [
            Score(name="bleu_1", value=0.5, ci95=(0.4, 0.6), n=20, higher_is_better=True,
                  signature="bleu|n:20"),
            Score(name="label_f1_macro", value=None, reason="no labeler yet", n=20,
                  higher_is_better=True, signature="label_f1|n:20"),
        ]  # fmt: skip
    classes = {
        name: ClassScore(value=value, ci95=(0.8, 0.95), n_pos=5, n_neg=15) for name in PATHOLOGIES
    }
    classes["Pneumonia"] = ClassScore(
        value=None, reason="all known labels are absent", n_pos=0, n_neg=20
    )
    return [
        Score(name="fid_phantom", value=35.25, ci95=(31.0, 40.0), n=20, higher_is_better=False,
              unrelated=UNRELATED, signature="fid|n:20"),
        Score(name="auroc_macro", value=value, ci95=(0.88, 0.93), n=20, higher_is_better=True,
              per_class=classes, signature="auroc|n:20"),
    ]  # fmt: skip
