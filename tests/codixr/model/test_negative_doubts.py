"""What is wrong with a negative prompt is said of it, and hides nothing of the prompt's own."""

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.familiarity import Doubts, Familiarity, OutsideTrainingWarning
from codixr.model.pipeline import CoDiXRPipeline

CLEAR = "the lungs are clear."
STRANGE = "large left banana."
LONG = " ".join([CLEAR] * 30)
ENDLESS = "the lungs are clear, " * 40 + "stable."
"""No sentence's end within what the model reads."""


@pytest.fixture
def own(checkpoint: Path) -> CoDiXRPipeline:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def told(pipe: CoDiXRPipeline, inputs: dict[str, Any], **call: Any) -> list[str]:
    pipe._doubts, pipe._conditioning = Doubts(), None  # a pipeline tells each kind once
    options = {"num_inference_steps": 1, "seed": 0, "guidance_scale": 2.0} | call
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipe(inputs, "F", **options)
    return [str(w.message) for w in caught if w.category is OutsideTrainingWarning]


def cut(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]


@pytest.fixture
def words_known(own: CoDiXRPipeline) -> CoDiXRPipeline:
    """A checkpoint that tells of words it doesn't know."""
    own.tokenizer.init_kwargs["whole_words"] = True
    return own


def test_unknown_words_are_blamed_on_the_prompt_that_has_them(words_known: CoDiXRPipeline) -> None:
    (line,) = told(words_known, {"T": CLEAR}, negative_prompt=STRANGE)
    assert line.startswith("negative_prompt: the text has words that this checkpoint was not")
    (line,) = told(words_known, {"T": STRANGE}, negative_prompt=CLEAR)
    assert line.startswith("T: the text has words that this checkpoint was not trained on, 1 of 3")
    both = told(words_known, {"T": STRANGE}, negative_prompt=STRANGE)
    assert [line.partition(":")[0] for line in both] == ["T", "negative_prompt"]


def test_a_cut_is_blamed_on_the_prompt_that_is_cut(
    own: CoDiXRPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        told(own, {"T": CLEAR}, negative_prompt=LONG)
        assert [line.partition(":")[0] for line in cut(caplog)] == ["negative_prompt"]
        caplog.clear()
        told(own, {"T": LONG}, negative_prompt=LONG)
    assert [line.partition(":")[0] for line in cut(caplog)] == ["T", "negative_prompt"]


def test_strict_length_tells_of_both(own: CoDiXRPipeline) -> None:
    with pytest.raises(InputError, match=r"^negative_prompt: the text has 152 tokens[^;]*$"):
        told(own, {"T": CLEAR}, negative_prompt=LONG, strict_length=True)
    with pytest.raises(InputError, match=r"^T: the text has 152 tokens[^;]*$"):
        told(own, {"T": LONG}, negative_prompt=CLEAR, strict_length=True)
    with pytest.raises(InputError, match=r"^T: the text has 152 .*; negative_prompt: the text has"):
        told(own, {"T": LONG}, negative_prompt=LONG, strict_length=True)


def test_a_strange_picture_is_blamed_on_the_prompt_that_has_it(own: CoDiXRPipeline) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, 1, own.size, own.size, generator=generator).numpy()
    with torch.no_grad():
        seen = own.encode_prompts([{Modality.L: pictures[0]}])[0] / (
            own.preset.diffusion.context_scale
        )
    width = seen.shape[1]
    own.familiarity = Familiarity(seen[0], torch.eye(width)[:, :1], 1e-4, 0.005)
    (line,) = told(own, {"L": pictures[0]}, negative_prompt={"L": pictures[1]})
    assert line.startswith("negative_prompt: L: the picture does not look like")
    (line,) = told(own, {"L": pictures[1]}, negative_prompt={"L": pictures[0]})
    assert line.startswith("L: the picture does not look like")
    both = told(own, {"L": pictures[1]}, negative_prompt={"L": pictures[2]})
    assert sorted(line[:2] for line in both) == ["L:", "ne"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([LONG], "the rest, from the end of a sentence on, is left out"),
        ([ENDLESS], "the rest, from within a sentence on, is left out"),
        ([LONG, ENDLESS], "the rest is left out"),
    ],
)
def test_where_a_text_is_cut_is_said_as_it_is(
    own: CoDiXRPipeline, caplog: pytest.LogCaptureFixture, texts: list[str], said: str
) -> None:
    with caplog.at_level(logging.WARNING):
        own.encode_prompts([{Modality.T: text} for text in texts])
    (line,) = cut(caplog)
    assert line.endswith(said)
