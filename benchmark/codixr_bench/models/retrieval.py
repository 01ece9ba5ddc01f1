"""Reference point ``retrieval``: the outputs of the training study whose inputs are most alike.

The strongest thing one can do without generating: perfect pictures and reports, of somebody else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.models.train_set import TRAIN_LIMIT, train_pictures, train_reports
from codixr_bench.task import Task

_SIDE = 16


class RetrievalModel:
    """Nearest neighbour among the training studies, by the task's inputs.

    Pictures are compared by the correlation of their 16×16 reductions, reports by the cosine of
    their TF-IDF vectors (words and pairs). With several inputs, each similarity is standardised
    over the training studies and they are added: pictures correlate more than reports overlap.
    """

    name = "retrieval"
    version = "1"
    needs_training = True
    takes_checkpoint = False
    train_limit = TRAIN_LIMIT
    summary = "the training study with the most similar inputs"

    def __init__(self) -> None:
        self._train: StudyDataset | None = None
        self._pictures: dict[Modality, NDArray[np.float32]] = {}
        self._words: TfidfVectorizer | None = None
        self._reports: csr_matrix | None = None

    def supports(self, task: Task) -> bool:
        """Every task."""
        return True

    def prepare(self, train: StudyDataset | None, task: Task) -> None:
        """Index the training split's inputs; InputError where the track has none."""
        if train is None:
            raise InputError("model 'retrieval' needs training studies, and the track has none")
        self._train = train
        for modality in task.inputs:
            if modality.is_image:
                reduced = [_reduce(picture) for picture in train_pictures(train, modality)]
                self._pictures[modality] = np.stack(reduced)
            else:
                self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
                self._reports = self._words.fit_transform(train_reports(train))

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """The nearest studies' outputs. One query at a time: the batch cannot change a rounding."""
        return [self._outputs(self.nearest(condition, task), task) for condition in conditions]

    def nearest(self, condition: Conditions, task: Task) -> int:
        """The position in the training split of the most similar study; the first of equals."""
        total: NDArray[np.float64] | float = 0.0
        for modality in task.inputs:
            similarity = self._similarity(modality, condition[modality])
            spread = float(similarity.std())
            total = total + (similarity - similarity.mean()) / (spread if spread > 0 else 1.0)
        return int(np.argmax(total))

    def _similarity(self, modality: Modality, content: Content) -> NDArray[np.float64]:
        if not isinstance(content, str):
            return (self._pictures[modality] @ _reduce(content[0])).astype(np.float64)
        if self._words is None or self._reports is None:
            raise RuntimeError("prepare comes before generate")
        query = self._words.transform([content])
        product = self._reports @ query.T
        return np.asarray(product.toarray(), dtype=np.float64)[:, 0]

    def _outputs(self, position: int, task: Task) -> Sample:
        if self._train is None:
            raise RuntimeError("prepare comes before generate")
        study = self._train[position]
        sample: dict[Modality, Content] = {}
        for modality in task.outputs:
            content = study.get(modality)
            if content is None:
                raise InputError(f"the training study at position {position} has no {modality}")
            sample[modality] = content
        return sample


def _reduce(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """[S, S] -> [256]: 16×16 means, standardised, of unit length (zero for a flat picture)."""
    small = PILImage.fromarray(picture).resize((_SIDE, _SIDE), PILImage.Resampling.BOX)
    vector: NDArray[np.float32] = np.array(small, dtype=np.float32).ravel()
    vector -= vector.mean()
    vector /= max(float(np.linalg.norm(vector)), 1e-12)
    return vector
