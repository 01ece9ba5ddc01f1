"""The search among a track's training pictures, built once for all metrics that need it."""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.picture_search import LEAST, QUICK, THOROUGH, PictureSearch
from codixr_bench.metrics.repeats import NO_TRAINING
from codixr_bench.models.train_set import TRAIN_LIMIT, train_pictures
from codixr_bench.track import Evaluation

FEW = 200
"""Evaluated studies below which the first ``TRAIN_LIMIT`` training studies must do, and nothing is
searched where they would have to be simulated: a first look should not wait for them."""
TOO_FEW = f"the search needs {LEAST} training pictures and as many held-out ones"
NOT_SEARCHED = f"under {FEW} evaluated studies, nothing is searched without --thorough"

_searched: OrderedDict[tuple[object, ...], PictureSearch] = OrderedDict()
"""Of both views: the tasks of a group compare with the same training pictures."""


def training_search(
    evaluation: Evaluation, view: Modality
) -> tuple[PictureSearch, StudyDataset] | str:
    """The search among the training pictures of a view, and these studies; or why there is none."""
    thorough = evaluation.thorough
    few = len(evaluation.dataset) < FEW and not thorough
    if "train" not in evaluation.track.splits:
        return NO_TRAINING
    if few and evaluation.track.simulated:
        return NOT_SEARCHED
    train = evaluation.split("train", TRAIN_LIMIT if few else None)
    key = (train.fingerprint, len(train), view, thorough)
    if key not in _searched:
        search = PictureSearch(THOROUGH, 40) if thorough else PictureSearch(QUICK)
        try:
            search.learn(pictures_of(train, view))
        except ValueError:
            return TOO_FEW
        _searched[key] = search
        if len(_searched) > 2:
            _searched.popitem(last=False)
    return _searched[key], train


def pictures_of(dataset: StudyDataset, view: Modality) -> Iterator[NDArray[np.float32]]:
    """The pictures [H, W] of a view; InputError for a study without one."""
    try:
        yield from train_pictures(dataset, view)
    except InputError as error:
        raise InputError(f"copies_image: {error}; leave the study out") from error
