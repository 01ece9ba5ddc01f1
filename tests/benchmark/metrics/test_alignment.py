"""Pictures beside their prompts by a named encoder: against transformers' own computation."""

import json
import shutil

import numpy as np
import pytest
import torch

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.metrics.alignment import ALIGNMENT, NO_ENCODER, NOT_HERE, with_alignment
from codixr_bench.metrics.alignment_encoder import AlignmentEncoder
from codixr_bench.models.diffusers import as_rgb
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers import model_folders
from helpers.metric_fakes import by_name

F, T = Modality.F, Modality.T
TEXTS = ["No effusion.", "Edema, clear lungs.", "opacity", "no acute disease are clear ."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folders.picture_and_text(tmp_path_factory.mktemp("clip") / "clip")


@pytest.fixture(scope="module")
def pictures():
    return list(np.random.default_rng(0).random((4, 1, 24, 24), dtype=np.float32))


def theirs(folder, pictures, texts):
    """Unit vectors by the model's whole forward pass, as its documentation has it."""
    from transformers import CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

    model = CLIPModel.from_pretrained(folder).eval()
    tokens = PreTrainedTokenizerFast.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=8, return_tensors="pt"
    )
    pixels = CLIPImageProcessor.from_pretrained(folder)(
        images=[as_rgb(one, None) for one in pictures], return_tensors="pt"
    )
    with torch.inference_mode():
        found = model(
            input_ids=tokens.input_ids,
            attention_mask=tokens.attention_mask,
            pixel_values=pixels.pixel_values,
        )
    return found.image_embeds.double().numpy(), found.text_embeds.double().numpy()


def test_vectors_are_those_of_the_models_own_forward_pass(folder, pictures):
    encoder = AlignmentEncoder(folder)
    of_pictures, of_texts = theirs(folder, pictures, TEXTS)
    np.testing.assert_allclose(encoder.vectors(pictures, F), of_pictures, atol=1e-5)
    np.testing.assert_allclose(encoder.vectors(TEXTS, T), of_texts, atol=1e-5)


def test_a_blank_text_agrees_with_nothing(folder):
    found = AlignmentEncoder(folder).vectors(["clear", " ", ""], T)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 0], atol=1e-12)


def metric(folder, task="T->F"):
    track = with_alignment(Track.load("phantom"), f"transformers:{folder}")
    (made,) = ALIGNMENT.metrics(Task.parse(task), track)
    return made


def test_the_score_is_the_mean_cosine_of_own_pairs_less_that_of_the_others(folder, pictures):
    real = list(np.random.default_rng(1).random((4, 1, 24, 24), dtype=np.float32))
    studies = [
        Study(str(i), str(i), "test", frontal=picture, report=text)
        for i, (picture, text) in enumerate(zip(real, TEXTS, strict=True))
    ]
    made = metric(folder)
    made.update(range(4), studies, [{F: picture} for picture in pictures])
    found = by_name(made.compute())
    expected = []
    for shown in (pictures, real):
        cosines = np.matmul(*(side if i == 0 else side.T for i, side in enumerate(
            theirs(folder, shown, TEXTS))))  # fmt: skip
        own = np.diag(cosines).mean()
        expected.append(own - (cosines.sum() - np.trace(cosines)) / 12)
    assert found["alignment"].value == pytest.approx(expected[0], abs=1e-6)
    ratio = found["alignment_ratio"]
    if expected[1] > 0:
        assert ratio.value == pytest.approx(expected[0] / expected[1], rel=1e-3)
    else:
        assert ratio.reason == "the real pairs do not agree above chance"
    assert "clipmodel|weights:" in found["alignment"].signature
    assert set(made.statistics()) >= {"alignment.influence"}


@pytest.mark.parametrize(
    ("task", "pair"),
    [("T->F", (F, T)), ("L+T->F", (F, T)), ("F->T", (T, F)), ("L->F", None), ("T->F+L", None)],
)
def test_it_scores_one_output_beside_a_condition_of_the_other_kind(folder, task, pair):
    track = with_alignment(Track.load("phantom"), f"transformers:{folder}")
    found = ALIGNMENT.metrics(Task.parse(task), track)
    assert [tuple(side.modality for side in one.sides) for one in found] == ([pair] if pair else [])


def test_a_run_has_it_where_an_encoder_is_named_and_only_there(folder, tmp_path):
    run = ["run", "--task", "T->F", "--model", "real", "--limit", "6", "--metrics"]
    named = ["--alignment", f"transformers:{folder}"]
    assert main([*run, "alignment", *named, "--out", str(tmp_path / "a")]) == 0
    (score, _) = json.loads((tmp_path / "a" / "result.json").read_text())["scores"]
    assert score["name"] == "alignment"
    assert score["value"] is not None
    assert main([*run, "alignment", "--out", str(tmp_path / "b")]) == 1
    (score, _) = json.loads((tmp_path / "b" / "result.json").read_text())["scores"]
    assert (score["value"], score["reason"]) == (None, NO_ENCODER)


def test_an_encoder_of_the_hub_that_is_not_here_is_null_with_the_reason(monkeypatch, capsys):
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    made = metric("org/clip")
    made.load()
    assert [score.reason for score in made.compute()] == [NOT_HERE, NOT_HERE]
    assert "no network" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["clip", "open_clip:x", "transformers:"])
def test_what_names_no_encoder_is_refused(named):
    with pytest.raises(InputError, match="write transformers:FOLDER"):
        with_alignment(Track.load("phantom"), named)


def test_a_model_without_both_encoders_is_refused(folder, tmp_path):
    clip = folder
    folder = model_folders.text_model(tmp_path / "bert")
    for path in (clip / "preprocessor_config.json", *clip.glob("*token*")):
        shutil.copy(path, folder)
    with pytest.raises(InputError, match="no encoders of pictures and texts in one space"):
        AlignmentEncoder(folder)
    with pytest.raises(InputError, match="no such folder"):
        AlignmentEncoder(tmp_path / "absent")
