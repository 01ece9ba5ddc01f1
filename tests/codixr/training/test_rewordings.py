"""Other wordings of a study's report, as prompts of the denoisers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codixr.commands.train import Request, _configs
from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom import PhantomDataset, labels_from_report
from codixr.data.phantom.case import sample_case
from codixr.data.phantom.wording_meaning import USUAL, USUAL_GRADES, briefly, meaning_of
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training import encoded
from codixr.training.data import open_training_data
from codixr.training.draw import Draw
from codixr.training.folder import TrainingFolder
from codixr.training.recipes import TINY
from codixr.training.settings import override
from codixr.training.stages import build
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler

F, T = Modality.F, Modality.T
STUDIES, WORDINGS = 12, 3
EMBEDDED = Path(encoded.__file__).parents[1] / "assets" / "tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    data = open_training_data("phantom", 64, STUDIES)
    out = tmp_path_factory.mktemp("rewordings")
    return TrainingFolder(out, "tiny", "phantom", data, 64, init=EMBEDDED)


def test_a_wording_says_every_finding_of_its_study_and_no_other() -> None:
    data = PhantomDataset("val", limit=150)
    texts = [data.rewordings(i, 4) for i in range(len(data))]
    assert texts[7] == data.rewordings(7, 4)
    assert len({text for some in texts for text in some}) > 500
    # The phantom's reports call a pneumonia an opacity, too; people don't.
    names = [name for name in PATHOLOGIES if name != "Lung Opacity"]
    read = np.array(load_labeler(DEFAULT).label([text for some in texts for text in some]))
    told = read[:, [OBSERVATIONS.index(name) for name in names]].reshape(len(texts), 4, -1) == 1
    labels = data.label_matrix(names)[:, None]
    assert (told & (labels == 1)).sum() / (4 * (labels == 1).sum()) > 0.96
    assert (told & (labels == 0)).mean() < 0.005


def test_only_an_extent_that_a_bare_name_stands_for_is_left_out() -> None:
    rng, unsaid = np.random.default_rng(0), set()
    for number in range(300):
        whole = meaning_of(sample_case(0, number))
        short = briefly(whole, rng, 0.5)
        assert short.devices == whole.devices
        for a, b in zip(whole.mentions, short.mentions, strict=True):
            assert (a.observation, a.side, a.zone, a.certain) == (
                b.observation,
                b.side,
                b.zone,
                b.certain,
            )
            if b.grade != a.grade:
                assert b.grade is None
                assert a.grade in USUAL_GRADES.get(a.observation, USUAL)
                unsaid.add(a.observation)
    assert len(unsaid) > 7


def test_a_report_stands_first_among_its_wordings(folder: TrainingFolder) -> None:
    plain = encoded.prompts(folder, T, "train", "image-ldm-F")
    table = encoded.prompts(folder, T, "train", "image-ldm-F", wordings=WORDINGS)
    assert table.shape == (STUDIES, 1 + WORDINGS, plain.shape[1])
    np.testing.assert_allclose(table[:, 0], plain, atol=1e-5)
    ids, mask = folder.encoded("prompt", folder.studies("train").rewordings(range(5, 6), WORDINGS))
    encoder = folder.component("prompt_encoder", "image-ldm-F").module
    with torch.no_grad():
        np.testing.assert_allclose(table[5, 1:], encoder.encode_text(ids, mask), atol=1e-5)


def test_a_step_draws_one_wording_of_each_study(folder: TrainingFolder) -> None:
    some = {"wordings": str(WORDINGS), "drop": "0"}
    configs, _ = override({"image-ldm-F": TINY["image-ldm-F"]}, some, frozenset())
    stage: Any = build(folder, "image-ldm-F", configs["image-ldm-F"])
    batch = stage.fetch(torch.zeros(64, dtype=torch.long), "train")
    assert batch["prompt-T"].shape[1] == 1 + WORDINGS
    stage.conditions.subsets[:] = [(0,)]  # T alone
    found = stage.condition(batch, Draw(0, 0, 64))[:, 0] / stage.conditions.scale
    nearest = torch.cdist(found, batch["prompt-T"][0]).argmin(1)
    assert set(nearest.tolist()) == set(range(1 + WORDINGS))
    again = stage.condition(batch, Draw(0, 0, 64))[:, 0] / stage.conditions.scale
    assert torch.equal(found, again)


def test_a_report_has_others_like_it_that_say_the_same() -> None:
    data = PhantomDataset("val", limit=150)
    texts = [data.rewritings(i, 4) for i in range(len(data))]
    assert texts[7] == data.rewritings(7, 4)
    for i, some in enumerate(texts):
        own = labels_from_report(data.reports()[i])
        assert all(labels_from_report(text) == own for text in some)
    same = np.mean([text == data.reports()[i] for i, some in enumerate(texts) for text in some])
    assert same < 0.2


def test_a_report_s_latent_stands_first_and_a_step_draws_one_of_them(
    folder: TrainingFolder,
) -> None:
    plain = encoded.latents(folder, T, "train", "report-ldm")
    table = encoded.latents(folder, T, "train", "report-ldm", rewritings=3)
    assert table.shape == (STUDIES, 4, *plain.shape[1:])
    np.testing.assert_allclose(table[:, 0], plain, atol=1e-5)
    stage: Any = _report_ldm(folder, rewritings="3", looks="0", spread="0")
    batch = stage.fetch(torch.zeros(64, dtype=torch.long), "train")
    clean = stage.clean(batch, T, Draw(0, 0, 64))
    each = batch["latent-T"][0, :, 0]
    same = (clean[:, None] == each).all(2)
    assert same.any(1).all()
    assert same.any(0).all()  # each of them is drawn


def test_a_picture_s_other_looks_are_near_it_and_a_step_draws_one(folder: TrainingFolder) -> None:
    plain = encoded.prompts(folder, F, "train", "report-ldm")
    table = encoded.prompts(folder, F, "train", "report-ldm", looks=3)
    assert table.shape == (STUDIES, 4, plain.shape[1])
    np.testing.assert_allclose(table[:, 0], plain, atol=1e-5)
    away = np.linalg.norm(table[:, 1:] - table[:, :1], axis=2)
    others = np.linalg.norm(plain[:, None] - plain[None], axis=2)
    assert away.min() > 0
    assert np.median(away) < 0.5 * np.median(others[others > 0])
    stage: Any = _report_ldm(folder, rewritings="0", looks="3")
    batch = stage.fetch(torch.zeros(64, dtype=torch.long), "train")
    chosen = stage.prompt_vectors(batch, Draw(0, 0, 64))
    assert len({tuple(row.tolist()) for row in chosen[:, 0]}) == 4


def _report_ldm(folder: TrainingFolder, **settings: str) -> Any:
    configs, _ = override({"report-ldm": TINY["report-ldm"]}, settings, frozenset())
    return build(folder, "report-ldm", configs["report-ldm"])


def test_other_data_have_no_wordings(folder: TrainingFolder) -> None:
    configs: Any
    for data, wanted in (("phantom", 8), ("prepared", 0)):
        configs, _ = _configs(Request(stage="all", preset="tiny", data=data))
        assert {configs[f"image-ldm-{v}"].wordings for v in "FL"} == {wanted}
        assert configs["report-vae"].variants == configs["report-ldm"].rewritings == wanted
        assert configs["report-ldm"].looks == 8
    asked = Request(stage="image-ldm", preset="tiny", data="prepared", settings={"wordings": "2"})
    configs, _ = _configs(asked)
    assert configs["image-ldm-L"].wordings == 2
    studies = folder.studies("train")
    kept, studies.dataset = studies.dataset, object()  # type: ignore[assignment]
    with pytest.raises(InputError, match="only the phantom has other wordings"):
        studies.rewordings(range(1), 2)
    with pytest.raises(InputError, match="--set rewritings=0"):
        studies.rewritings(range(1), 2)
    studies.dataset = kept
    few = {"wordings": "2", "cache": "false"}
    with pytest.raises(InputError, match="give cache=true, or wordings=0"):
        override({"image-ldm-F": TINY["image-ldm-F"]}, few, frozenset())
    asked_of_it = replace(TINY["image-ldm-F"], cache=False, wordings=2)
    with pytest.raises(InputError, match="give cache=true, or wordings=0"):
        build(folder, "image-ldm-F", asked_of_it)
