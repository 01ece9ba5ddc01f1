"""Real pictures of other studies than the evaluated ones, of the split or of the training split."""

from collections import OrderedDict

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.real_features import rows_of_dataset
from codixr_bench.track import Evaluation, Sharing

_KEPT = 4
"""Sets of features of this process: the tasks of a group compare with the same pictures."""
_found: OrderedDict[tuple[object, ...], FeatureRows] = OrderedDict()


def other_pictures(
    evaluation: Evaluation, view: Modality, backbone: Backbone
) -> tuple[FeatureRows | None, str]:
    """Features of 2 n pictures of other studies, n where there are fewer, and where they are from.

    Of the evaluated split where at least n remain there, else of the training split: from the one
    that has 2 n where both have n. None where neither has n.
    """
    n = len(evaluation.dataset)
    for count in (2 * n, n):
        for name, source in (
            (evaluation.dataset.split, _rest(evaluation, count)),
            ("train", _training(evaluation, count)),
        ):
            if source is not None:
                dataset, wanted = source
                said = f"{name}-rest" if wanted.start else name
                return _features(dataset, view, backbone, wanted, evaluation.sharing), said
    return None, "none"


def first_rows(rows: FeatureRows, n: int) -> FeatureRows:
    """The first n of them."""
    found, at = FeatureRows(), 0
    for block in rows.read(np.arange(n)):
        found.add(range(at, at + len(block)), block)
        at += len(block)
    return found


def _rest(evaluation: Evaluation, count: int) -> tuple[StudyDataset, range] | None:
    """The evaluated split's studies after the evaluated ones, which are its first."""
    n, split = len(evaluation.dataset), evaluation.dataset.split
    if evaluation.track.splits.get(split, 0) < n + count:
        return None
    whole = evaluation.split(split, n + count)
    return (whole, range(n, n + count)) if len(whole) == n + count else None


def _training(evaluation: Evaluation, count: int) -> tuple[StudyDataset, range] | None:
    if evaluation.dataset.split == "train" or evaluation.track.splits.get("train", 0) < count:
        return None
    train = evaluation.split("train", count)
    return (train, range(count)) if len(train) == count else None


def _features(
    dataset: StudyDataset,
    view: Modality,
    backbone: Backbone,
    wanted: range,
    sharing: Sharing | None,
) -> FeatureRows:
    key = (dataset.fingerprint, dataset.split, wanted, view, backbone.signature)
    if key not in _found:
        keeps = any(getattr(backbone, kind, False) for kind in ("keeps", "keeps_others"))
        _found[key] = rows_of_dataset(dataset, view, backbone, wanted, keeps=keeps, sharing=sharing)
        if len(_found) > _KEPT:
            _found.popitem(last=False)
    return _found[key]
