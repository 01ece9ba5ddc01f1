"""What a text names and no training picture shows: told of, once, and never quoted."""

import copy
import json
import re
import shutil
import time
import warnings

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS
from codixr.data.openi import OpenIDataset
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom import wording as phantom_wording
from codixr.data.phantom.wording import sample_meaning, word
from codixr.data.phantom.wording_lexicon import PLAIN, WIDE
from codixr.data.phantom.wording_more import AIR_AND_FLUID
from codixr.data.phantom.wording_unpictured import NOT_PICTURED
from codixr.errors import InputError
from codixr.model.familiarity import OutsideTrainingWarning
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.pretrained import EMBEDDED
from codixr.model.tokenizer import word_tokenizer
from codixr.model.unpictured import KEPT_AS, unpictured, unpictured_doubts
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler


@pytest.fixture(scope="module")
def pipe():
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    return pipe


NAMED = (
    "Acute left rib fracture.",
    "RIB  FRACTURES",
    "The aorta is mildly tortuous.",
    "Very tortuous aorta",
    "Free subdiaphragmatic air.",
    "The right diaphragm is markedly elevated",
    "Cervical ribs on both sides",
    "Left hemidiaphragm elevation",
    "The right hemidiaphragm is elevated, no effusion.",
    "Old rib deformity",
    "Large hiatal\nhernia",
    "Small left effusion; sternotomy wires.",
    "Old clavicle fracture, no pneumothorax.",
    "No pneumothorax. Pneumoperitoneum.",
    "Rib fractures are not displaced.",
    "New rib fracture that was not present on the prior study.",
    "Acute rib fracture cannot be excluded.",
    "Acute rib fracture is not excluded.",
    "There is a displaced rib fracture but pneumothorax is not identified.",
    "Small pneumothorax has resolved and the chest tube is in place.",
    "No change in the left chest tube.",
    "No interval change in the moderate hiatal hernia.",
    "Not significantly changed old left rib fractures.",
    "There is no acute disease other than rib fractures.",
    "No pneumothorax, but acute rib fracture.",
    "No longer intubated, with a left chest tube.",
    "- No pneumothorax\n- Rib fracture",
    "No effusion\r\nLeft rib fracture",
    "1) no effusion 2) fracture",
    "no effusion • rib fracture",
    "fractúre of a rib",
    "rib___fracture",
    "chest-tube on the left",
    "Tortuous thoracic aorta.",
    "Air under the right diaphragm.",
    "No effusion, old rib fracture",
    "No acute disease, stable hiatal hernia.",
    "No new fracture, an old fracture is unchanged.",
    "No effusion (old rib fracture).",
    "No effusion — rib fracture.",
    "No effusion -- rib fracture",
    "No acute disease with a hiatal hernia.",
    "No acute abnormality in a patient with scoliosis.",
    "The hiatal hernia has not resolved.",
    "No resolution of the rib fracture.",
    "No interval worsening of the hiatal hernia.",
    "Bones: No dislocation. Hernia: small hiatal hernia.",
    "Left hydropneumothorax.",
    "Moderate hydro-pneumothorax on the right",
)
NOT_NAMED = (
    "",
    "Small left pleural effusion.",
    "No fracture.",
    "No acute rib fracture or dislocation.",
    "Without evidence of a hiatal hernia.",
    "A fracture is not seen.",
    "Fractures aren't seen.",
    "There isn\N{RIGHT SINGLE QUOTATION MARK}t a fracture.",
    "The film doesn't show a fracture.",
    "Cannot see a fracture.",
    "None of the ribs shows a fracture.",
    "Nothing to suggest a fracture.",
    "Fractures: none.",
    "Fracture: absent.",
    "Fracture-free bones.",
    "The ribs are fracture free.",
    "Ruled out: rib fracture, hernia",
    "The chest tube is gone.",
    "Rib fracture is unlikely.",
    "Pneumonia, unlikely tuberculosis.",
    "A rib fracture is suspected clinically but not seen.",
    "The question of a fracture is not confirmed.",
    "Evaluate for rib fracture.",
    "Bones: No fracture.",
    "IMPRESSION: No acute fracture or hernia.",
    "Soft tissues: No free air.",
    "Bones: Negative for fracture.",
    "Osseous structures: no fracture, dislocation or scoliosis.",
    "Fracture: no, hernia: none",
    "Fracture: No Hernia: No",
    "Fractures absent.",
    "Fractures cannot be seen.",
    "No effusion, large mass or rib fracture.",
    "Hiatal hernia is no longer seen.",
    "Sternotomy wires have been removed.",
    "Chest tube was withdrawn.",
    "Chest tube is out.",
    "Interval removal of left chest tube.",
    "Endotracheal tube and right pacemaker in place.",
    "Dual lead pacemaker with pacing wires in good position.",
    "Endotracheal tube tip is at the level of the clavicle.",
    "Disc-like atelectasis in the left lower lobe.",
    "Obstructive atelectasis.",
    "Post-obstructive pneumonia in the right upper lobe.",
    "Elevation of the minor fissure due to atelectasis.",
    "Bowel gas pattern is normal.",
    "The thyroid is normal.",
    "valvet fracturedly",
    "No hydropneumothorax.",
    "Left pneumothorax and right pleural effusion.",
)


@pytest.mark.parametrize("text", NAMED)
def test_what_no_picture_shows_is_counted(pipe, text):
    assert unpictured(pipe.tokenizer, [text]) == [1]


@pytest.mark.parametrize("text", NOT_NAMED)
def test_what_is_drawn_or_denied_is_not(pipe, text):
    assert unpictured(pipe.tokenizer, [text]) == [0]


@pytest.mark.parametrize("kept", [5, "fracture", [1], [""], [["a"]], {"fracture": 1}])
def test_a_list_that_is_none_is_refused_when_the_model_is_opened(tmp_path, kept):
    shutil.copytree(EMBEDDED, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {KEPT_AS: kept}))
    with pytest.raises(InputError, match="has to be a list of words"):
        CoDiXRPipeline.from_pretrained(tmp_path / "model")


def test_capitals_and_spaces_of_a_list_don_t_matter(pipe):
    tokenizer = copy.deepcopy(pipe.tokenizer)
    tokenizer.init_kwargs[KEPT_AS] = [" Old  Fracture "]
    assert unpictured(tokenizer, ["Old fracture.", "New fracture."]) == [1, 0]


def test_a_long_text_takes_no_time(pipe):
    begun = time.process_time()
    unpictured(
        pipe.tokenizer, ["no effusion" + "." * 20000 + "a", "fracture " * 5000, "not " * 5000]
    )
    assert time.process_time() - begun < 2


def test_what_a_prompt_leads_away_from_need_not_be_drawn(pipe):
    own = CoDiXRPipeline.from_pretrained()
    own.set_progress_bar_config(disable=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutsideTrainingWarning)
        own(
            {"T": "Small left effusion."},
            "F",
            negative_prompt="rib fracture, hernia",
            guidance_scale=3.0,
            num_inference_steps=1,
        )
    with pytest.warns(OutsideTrainingWarning, match="not drawn"):
        own({"T": "Acute left rib fracture."}, "F", num_inference_steps=1)


def test_a_tokenizer_without_a_list_knows_of_nothing():
    assert unpictured(word_tokenizer(["rib fracture"]), ["rib fracture", ""]) == [0, 0]


def test_the_line_says_which_text_and_quotes_nothing(pipe):
    assert unpictured_doubts(pipe.tokenizer, ["No effusion."]) == []
    (line,) = unpictured_doubts(pipe.tokenizer, ["No effusion.", "hernia", "scoliosis"])
    assert line.startswith("T: text 2 of 3 (and 1 more) names something")
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
    assert unpictured(pipe.tokenizer, kept) == [1] * len(kept)


def test_the_phantom_s_words_for_what_it_draws_are_not_on_it(pipe, monkeypatch):
    texts = PhantomDataset("test").reports()
    monkeypatch.setattr(phantom_wording, "_aside", lambda *_: None)
    rng = np.random.default_rng(0)
    texts += [word(sample_meaning(rng), rng, 0.2, (PLAIN, WIDE)[i % 2]).text for i in range(4000)]
    air_and_fluid = re.compile("|".join(AIR_AND_FLUID))  # each is drawn, but not on one side
    texts = [text for text in texts if not air_and_fluid.search(text.lower())]
    assert sum(unpictured(pipe.tokenizer, texts)) == 0


def test_real_fractures_are_told_of_and_few_normal_chests(pipe):
    """Of real impressions, by our labeler's labels: 41 of 47 fractures, .031 of the normal ones.

    The other six say that a fracture may not be seen, or deny one: the rules take both for one.
    """
    data, labeler = OpenIDataset(), load_labeler(DEFAULT)
    texts = [str(data[i].report) for i in range(len(data))]
    labels = np.array([[0 if x is None else x for x in row] for row in labeler.label(texts)])
    told = np.array(unpictured(pipe.tokenizer, texts)) > 0
    fracture, normal = (labels[:, OBSERVATIONS.index(o)] == 1 for o in ("Fracture", "No Finding"))
    assert fracture.sum() > 40
    assert told[fracture].mean() > 0.85
    assert told[normal].mean() < 0.05


def test_texts_are_numbered_as_in_the_call_whatever_the_batch():
    own = CoDiXRPipeline.from_pretrained()
    own.set_progress_bar_config(disable=True)
    texts = ["No effusion.", "Small left effusion.", "Hiatal hernia.", "left pleural banana"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        own({"T": texts}, "F+L", num_inference_steps=1, seed=0, batch_size=1, num_images=2)
    told = [str(w.message) for w in caught if w.category is OutsideTrainingWarning]
    assert len(told) == 2
    assert told[0].startswith("T: text 4 of 4 has words")
    assert told[1].startswith("T: text 3 of 4 names something")


def test_a_call_says_once_which_texts_are_cut(caplog):
    own = CoDiXRPipeline.from_pretrained()
    own.set_progress_bar_config(disable=True)
    long = " ".join(["The lungs are clear."] * 40)
    own({"T": ["No effusion.", long, long]}, "F+L", num_inference_steps=1, seed=0, batch_size=2)
    (line,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert line.startswith("T: text 2 of 3 (and 1 more) has ")
    assert "lungs" not in line
