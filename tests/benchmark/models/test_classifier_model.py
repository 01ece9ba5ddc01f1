"""The reference point ``classifier`` on a few simulated studies, with the shipped towers."""

from typing import Any

import numpy as np
import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.case import STREAM_WORDS, Case, Finding, sample_case, study_rng
from codixr.data.phantom.grammar import labels_from_report, write_report
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.operating_points import operating_points
from codixr_bench.models import classifier as module
from codixr_bench.models.classifier import CLASSES, POLICY, ClassifierModel, _Learnt
from codixr_bench.task import GROUPS, Task
from helpers.bench_fakes import FakeDataset

BOTH = Task.parse("F+L->T")
FEW = 64


class FewStudies(PhantomDataset):
    """The first studies of any split."""

    def __init__(self, split: Any, size: int = 64, seed: int = 0) -> None:
        super().__init__(split, size=size, seed=seed, limit=FEW)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> ClassifierModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(module, "PhantomDataset", FewStudies)
        model = ClassifierModel()
        model.prepare(FewStudies("train"), BOTH)
    return model


def test_it_makes_reports_from_pictures_and_nothing_else() -> None:
    model = ClassifierModel()
    assert [t.name for t in GROUPS["all"] if model.supports(t)] == ["F->T", "L->T", "F+L->T"]


def test_two_views_are_fused_by_the_mean_of_their_logits(fitted: ClassifierModel) -> None:
    import torch

    study = PhantomDataset("test")[0]
    assert study.frontal is not None
    assert study.lateral is not None
    views = {Modality.F: study.frontal[None], Modality.L: study.lateral[None]}
    features, logits = fitted._towers_on(views)
    assert features.shape == (1, 256)
    expected = []
    for view, picture in views.items():
        tower = fitted._towers[view].model
        order = [tower.classes.index(name) for name in CLASSES]
        expected.append(tower(torch.from_numpy(picture))[0, order].numpy())
    np.testing.assert_allclose(logits[0], np.mean(expected, axis=0), rtol=1e-5)


def test_a_report_says_what_the_towers_found_and_nothing_else(fitted: ClassifierModel) -> None:
    dataset = PhantomDataset("test")
    reader = fitted._learnt[BOTH.inputs]
    right = 0
    for position in range(12):
        study = dataset[position]
        condition = {Modality.F: study.frontal, Modality.L: study.lateral}
        (sample,) = fitted.generate([condition], BOTH, [0])  # type: ignore[list-item]
        read = labels_from_report(str(sample[Modality.T]))
        views = {view: picture[None] for view, picture in condition.items()}  # type: ignore[index]
        _, logits = fitted._towers_on(views)
        found = {n for n, x in zip(CLASSES, logits[0] >= reader._points, strict=True) if x}
        if "Pneumonia" in found:
            found.add("Lung Opacity")
        assert {name for name in CLASSES if read[name] == 1} == found
        right += sum(read[name] == study.labels[name] for name in PATHOLOGIES)
    assert right >= 108, "towers see nine findings in ten, or more"


def test_the_thresholds_are_tuned_on_validation_studies(fitted: ClassifierModel) -> None:
    # The fixture's validation pictures, from the first studies of that split.
    val = FewStudies("val")
    pictures = {v: np.stack([val[i].get(v) for i in range(FEW)]) for v in BOTH.inputs}  # type: ignore[arg-type]
    _, logits = fitted._towers_on(pictures)
    points = operating_points(POLICY, logits, val.label_matrix(CLASSES), CLASSES)
    np.testing.assert_allclose(fitted._learnt[BOTH.inputs]._points, points, rtol=1e-4)


def test_sides_zones_and_severities_are_the_most_likely_ones() -> None:
    cases = [sample_case(0, i) for i in range(400)]
    # Features that tell everything: a report then has all of the truth that is not hedged.
    rng = np.random.default_rng(0)
    names = {f: i for i, f in enumerate(dict.fromkeys(f for c in cases for f in _facts(c)))}
    features = np.zeros((len(cases), len(names)))
    for row, case in enumerate(cases):
        features[row, [names[fact] for fact in _facts(case)]] = 3.0
    features += 0.01 * rng.normal(size=features.shape)
    reader = _Learnt(np.zeros(len(CLASSES)), features, cases)
    exact = checked = 0
    for row, case in enumerate(cases):
        for finding in case.findings:
            if not finding.certain:
                continue
            logits = np.where(np.array(CLASSES) == finding.observation, 1.0, -1.0)
            made = reader.case(features[row], logits).findings
            assert [f.observation for f in made] == [finding.observation]
            exact += (made[0].side, made[0].zone) == (finding.side, finding.zone)
            checked += 1
    assert exact / checked > 0.97


def _facts(case: Case) -> list[tuple[object, ...]]:
    return [(f.observation, f.side, f.zone, int(f.severity * 3)) for f in case.findings]


def test_its_wording_is_the_usual_one() -> None:
    case = Case((Finding("Pneumothorax", 0.9, "left"),))
    usual = write_report(case, module._UsualWording(np.random.PCG64(0)))
    drawn = [write_report(case, study_rng(0, i, STREAM_WORDS)) for i in range(300)]
    assert max(set(drawn), key=drawn.count) == usual


def test_it_has_towers_for_simulated_pictures_only() -> None:
    with pytest.raises(InputError, match="use --track phantom"):
        ClassifierModel().prepare(FakeDataset(8), BOTH)


def test_pictures_that_a_tower_refuses_are_bad_input(fitted: ClassifierModel) -> None:
    dark = np.zeros((1, 64, 64), np.float32)
    with pytest.raises(InputError, match="'classifier', L: judge: want finite values"):
        fitted.generate([{Modality.F: dark, Modality.L: dark - 1}], BOTH, [0])
    with pytest.raises(InputError, match="L is a picture, not text"):
        fitted.generate([{Modality.F: dark, Modality.L: "clear"}], BOTH, [0])
