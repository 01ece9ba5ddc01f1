"""Anatomy by cxas's masks: measures of drawn masks, and a stand-in of the package's own call."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from codixr.data.phantom.measures import measure_names
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones import cxas_anatomy as module
from codixr_bench.backbones.anatomy import SHARED
from codixr_bench.backbones.cxas_anatomy import (
    LEAST,
    NO_WEIGHTS,
    NOT_INSTALLED,
    STRUCTURES,
    TOO_FEW,
    CxasAnatomy,
    measures_of_masks,
)
from codixr_bench.metrics import anatomy as metrics
from codixr_bench.metrics.anatomy import ANATOMY, VIEWS
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

F, L = VIEWS
SIDE = 64
GREYS = {name: 20 * (k + 1) for k, name in enumerate(STRUCTURES)}
"""What grey a drawn structure has, so that the stand-in finds it again."""
FRONTAL = {
    "lung_right": (10, 40, 8, 26),
    "lung_left": (10, 42, 36, 56),
    "dome_right": (41, 44, 8, 24),
    "dome_left": (43, 46, 38, 56),
    "heart": (26, 40, 26, 36),
    "spine": (0, 9, 30, 34),
    "stomach": (48, 54, 40, 50),
}
"""Name -> top, bottom, left, right."""


def masks_of(boxes):
    found = {name: np.zeros((SIDE, SIDE), dtype=bool) for name in STRUCTURES}
    for name, (top, bottom, left, right) in boxes.items():
        found[name][top:bottom, left:right] = True
    return found


def drawn(boxes):
    picture = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for name, mask in masks_of(boxes).items():
        picture[mask] = GREYS[name]
    return (picture / np.float32(255.0)).astype(np.float32)[None]


def a_body(rng):
    """Boxes of both views: heights are shared, and so is the heart's size."""
    right, left, heart, apex = rng.integers(0, 5, 4).tolist()
    wide = int(rng.integers(0, 3))
    frontal = {
        "lung_right": (8 + apex, 36 + right, 8 - wide, 26),
        "lung_left": (8 + apex, 38 + left, 36, 56 + wide),
        "dome_right": (37 + right, 39 + right, 8, 24),
        "dome_left": (43 + left, 45 + left, 38, 56),
        "heart": (20 - heart, 34, 26 - heart, 36),
        "spine": (0, 6, 30 + wide, 34 + wide),
        "stomach": (50, 55, 40, 50),
    }
    lateral = {
        "lung_right": (8 + apex, 36 + right, 12, 30),
        "lung_left": (8 + apex, 38 + left, 30, 44 + wide),
        "dome_right": (43 + right, 44 + right, 12, 20),
        "dome_left": (45 + left, 46 + left, 22, 30),
        "heart": (20 - heart, 34, 14, 22 + heart),
        "spine": (0, 6, 46 + wide, 50 + wide),
        "stomach": (52, 55, 20, 30),
    }
    return drawn(frontal), drawn(lateral)


class CXAS:
    """The stand-in: the same call, masks by grey level."""

    def __init__(self, model_name="UNet_ResNet50_default", gpus=""):
        assert (model_name, gpus) == ("UNet_ResNet50_default", "cpu")

    def process_file(self, filename, do_store=False, output_directory="./"):
        grey = np.asarray(Image.open(filename).convert("L"))
        whole = np.zeros((1, 159, *grey.shape), dtype=bool)
        for k, name in enumerate(STRUCTURES):
            whole[0, 3 * k + 1] = grey == GREYS[name]
        return {"segmentation_preds": torch.from_numpy(whole), "filename": [filename]}


@pytest.fixture
def package(monkeypatch, tmp_path):
    """cxas with weights, as it would be installed."""
    cxas, labels = ModuleType("cxas"), ModuleType("cxas.label_mapper")
    cxas.CXAS = CXAS
    cxas.__spec__ = module.importlib.util.spec_from_loader("cxas", None)
    labels.category_ids = {theirs: 3 * k + 1 for k, theirs in enumerate(STRUCTURES.values())}
    monkeypatch.setitem(sys.modules, "cxas", cxas)
    monkeypatch.setitem(sys.modules, "cxas.label_mapper", labels)
    monkeypatch.setenv("CXAS_PATH", str(tmp_path))
    module.weights_path().parent.mkdir(parents=True)
    module.weights_path().write_bytes(b"weights")


class Pictures:
    """A split of drawn studies."""

    def __init__(self, n, seed, split="train"):
        rng = np.random.default_rng(seed)
        self.studies = []
        for i in range(n):
            frontal, lateral = a_body(rng)
            name = f"{seed}-{i}"
            self.studies.append(Study(name, name, split, frontal=frontal, lateral=lateral))
        self.fingerprint = f"{seed}"
        self.split = split

    def __len__(self):
        return len(self.studies)

    def __getitem__(self, place):
        return self.studies[place]


class Learnt(Evaluation):
    """With a training split of drawn studies."""

    def __init__(self, track, dataset, training):
        super().__init__(track, dataset)
        self._training = training

    def training(self):
        return self._training


def test_measures_are_those_of_the_masks_boxes():
    found = dict(zip(measure_names(F), measures_of_masks(F, masks_of(FRONTAL)), strict=True))
    assert found == pytest.approx(
        {
            "cardiothoracic_ratio": 10 / 48,
            "lung_height_right": 30 / 64,
            "lung_height_left": 32 / 64,
            "diaphragm_right": 41 / 64,
            "diaphragm_left": 43 / 64,
            "lung_area_right": 30 * 18 / 64**2,
            "lung_area_left": 32 * 20 / 64**2,
            "heart_across": 31 / 64,
            "heart_down": 33 / 64,
            "heart_width": 10 / 64,
            "heart_height": 14 / 64,
            "chest_width": 48 / 64,
            "spine_across": 32 / 64,
            "stomach_side": 1.0,
        }
    )
    mirrored = {name: mask[:, ::-1] for name, mask in masks_of(FRONTAL).items()}
    assert (
        dict(zip(measure_names(F), measures_of_masks(F, mirrored), strict=True))["stomach_side"]
        == -1.0
    )
    lateral = measures_of_masks(L, masks_of(FRONTAL | {"spine": (0, 9, 50, 54)}))
    found = dict(zip(measure_names(L), lateral, strict=True))
    assert (found["spine_side"], found["stomach"]) == (1.0, 1.0)
    assert set(SHARED) <= set(found)


def test_a_missing_structure_is_nan_and_a_missing_stomach_is_none():
    without = {name: box for name, box in FRONTAL.items() if name not in ("heart", "stomach")}
    found = dict(zip(measure_names(F), measures_of_masks(F, masks_of(without)), strict=True))
    assert np.isnan(found["cardiothoracic_ratio"])
    assert np.isnan(found["heart_down"])
    assert found["stomach_side"] == 0.0
    assert found["chest_width"] == 48 / 64


def test_without_the_package_or_its_weights_scores_are_null_with_the_reason(package, monkeypatch):
    module.weights_path().unlink()
    assert CxasAnatomy().absent == NO_WEIGHTS
    monkeypatch.setitem(sys.modules, "cxas", None)
    monkeypatch.delitem(sys.modules, "cxas")
    assert CxasAnatomy().absent == NOT_INSTALLED
    track = replace(Track.load("phantom"), backbones={"anatomy": "cxas"})
    monkeypatch.setattr(metrics, "anatomy_called", lambda name: CxasAnatomy())
    study = Pictures(1, 0)[0]
    for metric in ANATOMY.metrics(Task.parse("T->F+L"), track):
        metric.load()
        metric.update([0, 1], [study] * 2, [{F: study.frontal, L: study.lateral}] * 2)
        (score,) = metric.compute()
        assert (score.value, score.reason, score.n) == (None, NOT_INSTALLED, 2)
        assert ANATOMY.knows_reason(score.reason)
        assert metric.statistics() == {}


def scored(anatomy, samples, monkeypatch, studies, training):
    track = replace(Track.load("phantom"), backbones={"anatomy": "cxas"})
    monkeypatch.setattr(metrics, "anatomy_called", lambda name: anatomy)
    found = {}
    for metric in ANATOMY.metrics(Task.parse("T->F+L"), track):
        metric.prepare(Learnt(track, studies, training))
        metric.update(range(len(studies)), studies.studies, samples)
        found |= {score.name: score for score in metric.compute()}
    return found


def test_by_the_packages_own_call_real_pairs_agree_and_shuffled_ones_do_not(package, monkeypatch):
    studies = Pictures(40, 2, "test")
    real = [{F: s.frontal, L: s.lateral} for s in studies.studies]
    anatomy, training = CxasAnatomy(), Pictures(120, 1)
    found = scored(anatomy, real, monkeypatch, studies, training)
    assert found["anatomy_agreement"].value > 0.95
    assert found["anatomy_plausible[F]"].value > 0.9
    assert "cxas-F|weights:" in found["anatomy_agreement"].signature
    others = [{F: one[F], L: two[L]} for one, two in zip(real, real[1:] + real[:1], strict=True)]
    shuffled = scored(anatomy, others, monkeypatch, studies, training)
    assert shuffled["anatomy_agreement"].value == pytest.approx(0.5, abs=0.15)
    mirrored = [{F: one[F][..., ::-1].copy(), L: np.zeros_like(one[L])} for one in real]
    wrong = scored(anatomy, mirrored, monkeypatch, studies, training)
    assert wrong["anatomy_plausible[F]"].value == 0.0
    assert wrong["anatomy_plausible[L]"].value == 0.0


def test_too_few_training_pairs_are_a_reason(package, monkeypatch):
    studies = Pictures(5, 2, "test")
    real = [{F: s.frontal, L: s.lateral} for s in studies.studies]
    for training in (Pictures(LEAST - 1, 1), None):
        found = scored(CxasAnatomy(), real, monkeypatch, studies, training)
        assert {score.reason for score in found.values()} == {TOO_FEW}
        assert ANATOMY.knows_reason(TOO_FEW)


def test_recipes_of_real_tracks_name_it():
    assert Track.load("phantom").backbones["anatomy"] == "phantom"
    for name in ("ct", "mimic-cxr", "mimic-cxr-jpg"):
        assert Track.load(name).backbones["anatomy"] == "cxas"
    assert isinstance(module.weights_path(), Path)
    assert Modality.T not in VIEWS
