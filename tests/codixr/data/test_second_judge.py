"""The second judge: another opinion, and what it says of side, zone, severity and devices."""

import hashlib

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom import second_judge as module
from codixr.data.phantom.attributes import BEARERS, attribute_table
from codixr.data.phantom.case import labels_of, sample_case
from codixr.data.phantom.judge import CLASSES, judge_path
from codixr.data.phantom.second_judge import (
    DATA_SEED,
    FEATURES,
    QUESTIONS,
    load_second_judge,
    second_judge_path,
)
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training.second_judge import attribute_accuracy, augment, questions_of, train

N = 300
FLOORS = {Modality.F: (0.96, 0.88), Modality.L: (0.93, 0.80)}
"""Macro and worst AUROC on 300 test studies: the first judge's goals."""
SHA256 = {
    "F": "e95c86fa90b95fcc3a008a08784e641b8ddf35dc27d2e4ea5b9fd0ba982aecb6",
    "L": "c6018f5422b2119fb55cc68231672c9b9f916bc13d364e830957983dd8ae5468",
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    data = PhantomDataset("test", limit=N, cache_dir=tmp_path_factory.mktemp("judge"))
    return data, data.label_matrix(CLASSES)


def answers(data, view):
    x = torch.from_numpy(np.array(data.images(view)))[:, None].float() / 255
    with torch.no_grad():
        return load_second_judge(view).model.outputs(x)[1].double().numpy()


@pytest.mark.parametrize("view", [Modality.F, Modality.L])
def test_the_second_judge_finds_the_findings_and_what_they_are_like(studies, view):
    data, labels = studies
    found = answers(data, view)
    values = []
    for k, name in enumerate(PATHOLOGIES):
        known = labels[:, k] >= 0
        logits = found[known, QUESTIONS.index(name), 0]
        values.append(roc_auc_score(labels[known, k], logits))
    macro, worst = FLOORS[view]
    assert np.mean(values) > macro
    assert min(values) > worst
    accuracy = attribute_accuracy(found, attribute_table(0, 8500, N))
    assert accuracy["zone"] > 0.8
    if view is Modality.F:
        assert accuracy["side"] > 0.95


def test_the_weights_are_the_published_ones_and_all_judges_are_small():
    for view, digest in SHA256.items():
        content = second_judge_path(Modality(view)).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    paths = [path(view) for path in (judge_path, second_judge_path) for view in ("F", "L")]
    assert sum(path.stat().st_size for path in paths) <= 8_000_000


def test_it_learned_from_studies_that_nothing_else_of_ours_has_seen():
    # The tracks' collection is seed 0; spoken prompts draw theirs below 2**31.
    assert DATA_SEED >= 2**40
    metadata = load_second_judge(Modality.F).metadata
    fingerprint = PhantomDataset("train", seed=DATA_SEED).fingerprint
    assert fingerprint in metadata["recipe"]


def test_the_truth_of_presence_is_that_of_the_labels():
    found = questions_of(attribute_table(0, 8500, N))
    for i in range(N):
        labels = labels_of(sample_case(0, 8500 + i))
        for name in CLASSES:
            assert found[i, QUESTIONS.index(name)] == labels[name]


def test_features_and_logits_have_their_shapes_and_do_not_depend_on_the_batch():
    judge = load_second_judge(Modality.F)
    assert not judge.model.training
    assert set(judge.thresholds) == set(QUESTIONS) >= set(BEARERS)
    x = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert judge.model.features(x).shape == (3, FEATURES)
    assert judge.model(x).shape == (3, len(CLASSES))
    assert torch.allclose(judge.model(x)[1:2], judge.model(x[1:2]), atol=1e-4)
    large = x.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert torch.allclose(judge.model(x), judge.model(large), atol=1e-4)


def test_augmentations_keep_a_picture_a_picture():
    x = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    one, again = (augment(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, again)
    assert one.shape == x.shape
    assert 0.0 <= float(one.min()) <= float(one.max()) <= 1.0


def test_an_interrupted_training_gives_the_same_weights(tmp_path):
    pictures = torch.randint(0, 255, (128, 1, 64, 64), dtype=torch.uint8,
                             generator=torch.Generator().manual_seed(0))  # fmt: skip
    table = attribute_table(7, 0, 128)
    whole = train(pictures, table, 2, 1, "whole").state_dict()
    checkpoint = tmp_path / "judge.pt"
    with pytest.raises(KeyboardInterrupt):
        train(pictures, table, 2, 1, "cut", checkpoint, after_epoch=_interrupt)
    resumed = train(pictures, table, 2, 1, "resumed", checkpoint).state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def _interrupt(epoch: int) -> None:
    raise KeyboardInterrupt


def test_a_missing_or_damaged_judge_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ASSETS", tmp_path)
    with pytest.raises(InputError, match="second_judge --view F"):
        load_second_judge.__wrapped__(Modality.F)
    path = tmp_path / "phantom_second_judge_F.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_second_judge.__wrapped__(Modality.F)
    with pytest.raises(InputError, match="no pictures"):
        load_second_judge.__wrapped__(Modality.T)
