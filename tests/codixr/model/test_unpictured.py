"""What a text names and no training picture shows: told of, once, and never quoted."""

import re
import warnings

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS
from codixr.data.openi import OpenIDataset
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom import wording as phantom_wording
from codixr.data.phantom.wording import sample_meaning, word
from codixr.data.phantom.wording_lexicon import PLAIN, WIDE
from codixr.data.phantom.wording_unpictured import NOT_PICTURED
from codixr.model.familiarity import OutsideTrainingWarning
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.tokenizer import word_tokenizer
from codixr.model.unpictured import KEPT_AS, unpictured, unpictured_doubts
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler


@pytest.fixture(scope="module")
def pipe():
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    "text",
    [
        "Acute left rib fracture.",
        "RIB  FRACTURES",
        "Large hiatal\nhernia",
        "Small left effusion; chest tube in place.",
        "Old clavicle fracture, no pneumothorax.",
        "No pneumothorax. Pneumoperitoneum.",
    ],
)
def test_what_no_picture_shows_is_counted(pipe, text):
    assert unpictured(pipe.tokenizer, [text]) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Small left pleural effusion.",
        "No fracture.",
        "No acute rib fracture or dislocation.",
        "Without evidence of a hiatal hernia.",
        "A fracture is not seen.",
        "Fractures aren't seen.",
        "Sternotomy wires have been removed.",
        "Endotracheal tube and right pacemaker in place.",
        "valvet fracturedly",
    ],
)
def test_what_is_drawn_or_denied_is_not(pipe, text):
    assert unpictured(pipe.tokenizer, [text]) == [0]


def test_a_tokenizer_without_a_list_knows_of_nothing():
    assert unpictured(word_tokenizer(["rib fracture"]), ["rib fracture", ""]) == [0, 0]


def test_the_line_says_which_text_and_quotes_nothing(pipe):
    assert unpictured_doubts(pipe.tokenizer, ["No effusion."]) == []
    (line,) = unpictured_doubts(pipe.tokenizer, ["No effusion.", "hernia", "scoliosis"])
    assert line.startswith("T: text 1 of 3 (and 1 more) names something")
    assert not re.search("hernia|scoliosis", line)


def test_the_pipeline_warns_once_beside_what_it_says_of_unknown_words(pipe):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for text in ("left pleural banana", "rib fracture", "hiatal hernia"):
            pipe({"T": text}, "F", num_inference_steps=1, seed=0)
    told = [str(w.message) for w in caught if w.category is OutsideTrainingWarning]
    assert len(told) == 2
    assert "not trained on" in told[0]
    assert "not drawn" in told[1]


def test_the_embedded_tokenizer_has_the_phantom_s_list(pipe):
    kept = pipe.tokenizer.init_kwargs[KEPT_AS]
    assert kept == list(NOT_PICTURED) == sorted(set(kept))
    vocabulary = pipe.tokenizer.get_vocab()
    assert all(part in vocabulary for entry in kept for part in entry.split())


def test_the_phantom_s_words_for_what_it_draws_are_not_on_it(pipe, monkeypatch):
    texts = PhantomDataset("test").reports()
    monkeypatch.setattr(phantom_wording, "_aside", lambda *_: None)
    rng = np.random.default_rng(0)
    texts += [word(sample_meaning(rng), rng, 0.2, (PLAIN, WIDE)[i % 2]).text for i in range(4000)]
    assert sum(unpictured(pipe.tokenizer, texts)) == 0


def test_real_fractures_are_told_of_and_few_normal_chests(pipe):
    """Of real impressions, by our labeler's labels: 46 of 47 fractures, .033 of the normal ones."""
    data, labeler = OpenIDataset(), load_labeler(DEFAULT)
    texts = [str(data[i].report) for i in range(len(data))]
    labels = np.array([[0 if x is None else x for x in row] for row in labeler.label(texts)])
    told = np.array(unpictured(pipe.tokenizer, texts)) > 0
    fracture, normal = (labels[:, OBSERVATIONS.index(o)] == 1 for o in ("Fracture", "No Finding"))
    assert fracture.sum() > 40
    assert told[fracture].mean() > 0.95
    assert told[normal].mean() < 0.05
